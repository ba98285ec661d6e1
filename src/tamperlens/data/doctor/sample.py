"""A sample of a clip's frames, looked at as prepare looks at all of them."""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from tamperlens.data.prepare.alignment import REACH, Thumbnails, is_near
from tamperlens.data.prepare.file_checks import FileChecks, unreadable
from tamperlens.data.prepare.findings import Finding, Severity
from tamperlens.data.prepare.masks import RECIPES, Recipe, mask_of_picture
from tamperlens.data.prepare.pair_check import PairCheck
from tamperlens.data.prepare.pairing import Follower, FrameStream, first_beside, first_number
from tamperlens.data.readers.clips import Clip
from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.data.readers.frames import read_frames
from tamperlens.errors import DataError, MediaError
from tamperlens.types import BoolArray, FaceBox, FaceDetector, Frame, UInt8Array

__all__ = ["ClipSample"]

EVERY = 10  # frames between those looked at
QUICK_FRAMES = 3
FIRST = 2 * REACH  # of a pair's first frames so many are compared with their neighbours as well


class ClipSample:
    """Looks at clip after clip. Clips of one original are best given in a row: its faces are looked for once."""

    def __init__(self, detector: FaceDetector | None, quick: bool) -> None:
        self._files = FileChecks()
        self._detector, self._quick = detector, quick
        self._faces: dict[tuple[Path, int], list[FaceBox]] = {}
        self._broken: list[Finding] = []  # files of the clip at hand that turned out to be broken

    def findings(self, clip: Clip, recipe: Recipe) -> list[Finding]:
        """What is wrong with one clip, with its original and its released mask beside it."""
        self._broken = []
        found = self._files.check(clip, recipe, unused=True)
        if not self._files.comparable(clip.path, clip.path):  # it cannot be read at all
            return found
        matched = not any(one.code == "frame-numbers" and one.path == str(clip.path) for one in found)
        original = clip.original if matched and self._files.comparable(clip.path, clip.original) else None
        mask = clip.released_mask if self._files.comparable(clip.path, clip.released_mask) else None
        check = PairCheck(clip, recipe)
        if original is not None:
            found += self._see_pair(check, original, mask)
        else:
            for _ in self._read(clip.path, self._sample(read_frames(clip.path, every=EVERY))):
                pass  # whether they can be read
            threshold = dict(RECIPES["released"].parameters)["threshold"]
            for frame in self._read(mask, self._sample(read_frames(mask, every=EVERY))) if mask else ():
                check.see_released(mask_of_picture(frame.image) > threshold)
        seen = check.findings(whole=not self._quick)
        if any(one.code == "frames-apart" for one in seen):  # everything else follows from it
            seen = [one for one in seen if one.code == "frames-apart"]
        return found + seen + self._broken

    def _see_pair(self, check: PairCheck, original: Path, mask: Path | None) -> Iterator[Finding]:
        clip, recipe, small, first = check.clip, check.recipe, Thumbnails(), first_number(original, [check.clip.path])
        faced = list[bool]()  # of each frame with changed pixels, whether a face was found in it
        start = _start(clip.path, first_beside(clip.path, original, first))

        def looked_at(index: int) -> bool:
            return index >= start and ((index - start) % EVERY == 0 or index - start <= FIRST)

        def near(index: int) -> bool:
            return index >= start - REACH and (is_near(index - start, EVERY) or index - start <= FIRST + REACH)

        def stream(path: Path) -> FrameStream:
            frames = read_frames(path, due=looked_at, first=first_beside(path, original, first))
            return FrameStream(self._read(path, self._sample(frames, start)))

        own, masks = stream(clip.path), stream(mask) if mask else None
        frames = self._sample(read_frames(original, due=near, first=first), start)
        for frame in self._read(original, frames):
            small.add(frame.index, frame.image)
            if not looked_at(frame.index) or (mine := own.at(frame.index)) is None:
                continue
            check.alignment.see(frame.index, mine.image)
            if (frame.index - start) % EVERY:
                continue
            drawn = masks.at(frame.index) if masks else None
            released = mask_of_picture(drawn.image) if drawn else None
            made = _mask(recipe, mine.image, frame.image, released)
            if made is not None:
                check.see_made(made)
            faces = self._find_faces(original, frame)
            face, _ = Follower().choose(dict(enumerate(faces)), [made] if made is not None else [])
            check.see(mine.image, frame.image, face, released)
            if self._detector is not None and made is not None and made.any():
                faced.append(bool(faces))
        check.alignment.settle(small, ended=True)
        if not self._quick:
            own.rest()
            masks.rest() if masks else 0
        if faced and not any(faced):
            what = f"no face was found in the {len(faced)} frames of the original that were looked at"
            yield Finding(Severity.WARNING, "no-face", str(clip.path), what, "look at it; leave it out if it shows no face")

    def _sample(self, frames: Iterable[Frame], start: int = 0) -> Iterator[Frame]:
        """All of the frames, or those of the first moments after frame ``start``."""
        last = start + EVERY * (QUICK_FRAMES - 1) + REACH
        yield from takewhile(lambda frame: frame.index <= last, frames) if self._quick else frames

    def _read(self, path: Path, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames of a file up to where it is broken, which is remembered."""
        try:
            yield from frames
        except (MediaError, DataError, OSError) as error:
            self._broken.append(unreadable(path, error))

    def _find_faces(self, path: Path, frame: Frame) -> list[FaceBox]:
        """Faces of an original's frame, largest first; remembered for the other clips of this original."""
        if self._detector is None:
            return []
        if not any(known == path for known, _ in self._faces):
            self._faces.clear()
        if (path, frame.index) not in self._faces:
            self._faces[path, frame.index] = list(self._detector(frame.image))
        return self._faces[path, frame.index]


def _start(path: Path, first: int | None) -> int:
    """The index of the first frame that a clip has; ``first``: the number of frame 0 in its folder, if it is one."""
    return next((number - first for number in frame_files(path) if number >= first), 0) if first is not None else 0


def _mask(recipe: Recipe, mine: UInt8Array, original: UInt8Array, released: UInt8Array | None) -> BoolArray | None:
    """The recipe's mask; None where it refuses to make one, which `PairCheck` tells in its own words."""
    try:
        return recipe(mine, original, released)
    except DataError:
        return None
