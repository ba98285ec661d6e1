"""Where a clip's scene changes: a change that lasts, told apart from flashes, exposure and a camera that shakes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Generic, Literal, TypeVar

import numpy as np

from tamperlens.types import FloatArray, UInt8Array

__all__ = ["THUMBNAIL", "Change", "difference", "with_changes"]

THUMBNAIL = (32, 18)  # width, height in pixels of the small grey pictures that are compared
CHANGED = 0.15  # one less the correlation of two small pictures, up to which they show one scene; benchmarks/cuts.py
STANDS_OUT = 2.5  # or up to so many times what has changed from picture to picture lately: somebody may dance
MOST = 0.5  # but no further
LIT = 40.0  # grey levels, of the mean: a picture that is lighter or darker than the last ones by more is part of a flash
FLASH = 0.2  # seconds: a change that is over by then was a flash, not a scene
MAX_HELD = 6  # pictures that wait at most until it is known whether a change lasts: they are decoded, and large
LATELY = 8  # pictures
_SHIFT = (4, 3)  # columns and rows of small pixels by which the camera may have moved: an eighth of the picture
_STILL = 3.0  # grey levels: small pictures that differ by less, brightness aside, are the same whatever they correlate
_NOISE = 4.0  # grey levels squared: keeps flat pictures, a black one or a white one, from correlating with anything

Picture = TypeVar("Picture")
Change = Literal["", "cut", "flash"]  # of a picture beside the scene before it


def with_changes(
    pictures: Iterable[tuple[float, Picture]], thumbnail: Callable[[Picture], UInt8Array | None]
) -> Iterator[tuple[float, Picture, Change]]:
    """Each picture with its second, and whether a new scene begins with it or it is part of a flash.

    ``thumbnail`` gives a picture's small grey copy (see `THUMBNAIL`), None where it is too damaged to be compared. A picture of
    another scene waits for those after it, `FLASH` seconds or `MAX_HELD` pictures: where the scene before comes back, it was a
    flash, and no scene ends. A change with which the clip ends is a cut.
    """
    watched: _Watched[Picture] = _Watched()
    for second, picture in pictures:
        watched.held.append((second, picture, thumbnail(picture)))
        yield from watched.settled()
    yield from watched.settled(ended=True)


class _Watched(Generic[Picture]):
    """The pictures that wait, and what went before."""

    def __init__(self) -> None:
        self.held: deque[tuple[float, Picture, UInt8Array | None]] = deque()
        self.scene: UInt8Array | None = None  # the last small picture of the scene
        self.change = 0.0  # of the picture that was compared last
        self.changes: deque[float] = deque([0.0], maxlen=LATELY)  # from one of the last pictures to the next
        self.levels: deque[float] = deque(maxlen=LATELY)  # mean grey levels of the scene's last pictures

    def settled(self, ended: bool = False) -> Iterator[tuple[float, Picture, Change]]:
        """The pictures that need not wait any longer."""
        while self.held:
            began, last = self.held[0][0], self.held[-1][0]
            soon = (k for k, (second, _, _) in enumerate(self.held) if second - began <= FLASH + 1e-6)
            back = next((k for k in soon if self._shows_the_scene(k)), None)
            lasts = ended or len(self.held) >= MAX_HELD or last - began > FLASH + 1e-6
            if back is not None:
                for _ in range(back):
                    second, picture, _ = self.held.popleft()
                    yield second, picture, "flash"
                yield self._go_on()
            elif lasts:
                yield self._cut()
            else:
                return

    def _shows_the_scene(self, place: int) -> bool:
        """Whether one of the pictures that wait shows the scene before."""
        small = self.held[place][2]
        if small is None:  # damaged: it neither ends a scene nor shows that one came back
            return place == 0
        self.change = 0.0 if self.scene is None else difference(self.scene, small)
        return self.change <= min(MOST, max(CHANGED, STANDS_OUT * median(self.changes)))

    def _go_on(self) -> tuple[float, Picture, Change]:
        second, picture, small = self.held.popleft()
        if small is None:
            return second, picture, ""
        self._remember(small, self.change)
        return second, picture, "flash" if abs(self.levels[-1] - median(self.levels)) > LIT else ""

    def _cut(self) -> tuple[float, Picture, Change]:
        second, picture, small = self.held.popleft()
        self.levels.clear()
        if small is not None:
            self._remember(small, 0.0 if self.scene is None else difference(self.scene, small))
        return second, picture, "cut"

    def _remember(self, small: UInt8Array, change: float) -> None:
        self.scene = small
        self.changes.append(change)
        self.levels.append(float(small.mean()))


def difference(before: UInt8Array, now: UInt8Array) -> float:
    """How much two small grey pictures, uint8 (18, 32), differ, whatever the exposure and a small camera move: 0 to 2."""
    a, b = (small - small.mean(dtype=np.float32) for small in (before, now))
    if np.abs(a - b).mean() < _STILL:
        return 0.0
    common = float((a * b).mean()) / np.sqrt((float((a * a).mean()) + _NOISE) * (float((b * b).mean()) + _NOISE))
    if common < 1 - CHANGED:  # mostly the camera is still, and nothing need be moved
        common = max(common, _correlation(a, b))
    return float(1 - common)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """The highest normalised correlation of the middle of ``b`` with any place of ``a`` within `_SHIFT`; in [-1, 1]."""
    across, down = _SHIFT
    middle = b[down:-down, across:-across]
    middle = middle - middle.mean()
    places = np.lib.stride_tricks.sliding_window_view(a, middle.shape).reshape(-1, middle.size)
    common = places @ middle.ravel()
    spread = np.einsum("ij,ij->i", places, places) - places.sum(axis=1) ** 2 / middle.size
    noise = _NOISE * middle.size
    return float((common / np.sqrt((spread + noise) * (float((middle * middle).sum()) + noise))).max())
