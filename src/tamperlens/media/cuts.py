"""Where a clip's scene changes: a change that lasts, told apart from flashes, exposure and a camera that shakes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

import numpy as np

from tamperlens.types import FloatArray, UInt8Array

__all__ = ["THUMBNAIL", "Change", "same_scene", "with_changes"]

THUMBNAIL = (32, 18)  # width, height in pixels of the small grey pictures that are compared
SAME = 0.85  # correlation from which on two small pictures show one scene; benchmarks/cuts.py, docs/log.md
FLASH = 0.2  # seconds: a change that is over by then was a flash, not a scene
MAX_HELD = 6  # pictures that wait at most until it is known whether a change lasts: they are decoded, and large
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
    scene: UInt8Array | None = None
    held: deque[tuple[float, Picture, UInt8Array | None]] = deque()

    def settled(ended: bool) -> Iterator[tuple[float, Picture, Change]]:
        nonlocal scene
        while held:
            began = held[0][0]
            soon = (k for k, (second, _, _) in enumerate(held) if second - began <= FLASH + 1e-6)
            back = next((k for k in soon if _continues(scene, held[k][2], first=k == 0)), None)
            lasts = ended or len(held) >= MAX_HELD or held[-1][0] - began > FLASH + 1e-6
            if back is None and not lasts:
                return
            for k in range(1 if back is None else back + 1):
                second, picture, small = held.popleft()
                scene = scene if small is None else small
                yield second, picture, "cut" if back is None else "flash" if k < back else ""

    for second, picture in pictures:
        held.append((second, picture, thumbnail(picture)))
        yield from settled(False)
    yield from settled(True)


def _continues(scene: UInt8Array | None, small: UInt8Array | None, first: bool) -> bool:
    if small is None:  # damaged: it neither ends a scene nor shows that one came back
        return first
    return scene is None or same_scene(scene, small)


def same_scene(before: UInt8Array, now: UInt8Array) -> bool:
    """Whether two small grey pictures, uint8 (18, 32), show one scene, whatever the exposure and a small move of the camera."""
    a, b = (small - small.mean(dtype=np.float32) for small in (before, now))
    if np.abs(a - b).mean() < _STILL:
        return True
    common = float((a * b).mean()) / np.sqrt((float((a * a).mean()) + _NOISE) * (float((b * b).mean()) + _NOISE))
    return common >= SAME or _correlation(a, b) >= SAME  # mostly the camera is still, and nothing need be moved


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
