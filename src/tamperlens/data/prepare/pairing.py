"""Frames of several files side by side, and the one face of a clip that is followed through them."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.faces import FaceTracks
from tamperlens.media import video_info
from tamperlens.types import BoolArray, FaceBox, FaceDetector, Frame

__all__ = ["Follower", "FrameStream", "first_beside", "first_number", "follow_faces"]

QUICK = 0.07  # of its side: a face that moves this far from one detection to the next is looked for in every frame between
MISSED = 0.1  # a crop with less than this share of the changed pixels shows somebody else


def follow_faces(
    frames: Iterable[Frame], detector: FaceDetector, step: int, detect_every: int
) -> Iterator[tuple[Frame, Mapping[int, FaceBox]]]:
    """Every ``step``-th of a clip's ``frames`` with its faces; frames wait until the detections that their boxes need are in.

    Faces are looked for in every ``detect_every``-th frame and in the last one; where one moves quickly, in all between.
    ``frames`` holds at least those that are a multiple of either.
    """
    spacing = math.gcd(step, detect_every)
    tracks, waiting, detected = FaceTracks(detect_every), deque[Frame](), -detect_every
    before, quick = list[FaceBox](), False

    def look(frame: Frame) -> None:
        nonlocal detected, before, quick
        found, was_quick = list(detector(frame.image)), quick
        quick = _moved_quickly(before, found)
        if quick or was_quick:  # a shaking head may be back where it was
            for skipped in waiting:
                if detected < skipped.index < frame.index:
                    tracks.add(skipped.index, detector(skipped.image))
        tracks.add(frame.index, found)
        detected, before = frame.index, found

    for frame in (frame for frame in frames if frame.index % spacing == 0):
        if frame.index >= detected + detect_every:
            look(frame)
        if frame.index % step == 0:
            waiting.append(frame)
        while waiting and frame.index - waiting[0].index >= tracks.reach:
            yield waiting[0], tracks.boxes(waiting[0].index)
            waiting.popleft()
    if waiting and waiting[-1].index > detected:
        look(waiting[-1])
    for frame in waiting:
        yield frame, tracks.boxes(frame.index)


def _moved_quickly(before: Sequence[FaceBox], now: Sequence[FaceBox]) -> bool:
    """Whether a face is far from where any was before."""

    def apart(a: FaceBox, b: FaceBox) -> float:
        return max(abs(a.x0 - b.x0), abs(a.y0 - b.y0), abs(a.x1 - b.x1), abs(a.y1 - b.y1)) / a.size

    return any(min(apart(face, other) for other in before) > QUICK for face in now) if before else False


class Follower:
    """Chooses one face of several: the one that changed most in all frames so far, or else the largest."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}  # face -> share of the changed pixels, size; summed over frames

    def choose(self, faces: Mapping[int, FaceBox], masks: Sequence[BoolArray]) -> tuple[FaceBox | None, bool]:
        """The face to crop, None where there is none; and whether it is to be cropped: not where the masks lie elsewhere."""
        if not faces:
            return None, False
        changed = np.logical_or.reduce(masks) if masks else None
        count = int(np.count_nonzero(changed)) if changed is not None else 0
        for number, face in faces.items():
            share = _count_in(changed, face, 1) / count if changed is not None and count and len(faces) > 1 else 0.0
            before = self._seen.get(number, (0.0, 0.0))
            self._seen[number] = before[0] + share, before[1] + face.size
        best = faces[max(faces, key=lambda number: (self._seen[number], -number))]
        return best, changed is None or not count or _count_in(changed, best, 2) >= MISSED * count


def _count_in(changed: BoolArray, face: FaceBox, enlarge: float) -> int:
    """Changed pixels of the frame inside the enlarged face box."""
    (x, y), half, (height, width) = face.center, enlarge * face.size / 2, changed.shape
    top, bottom = (int(np.clip(round(y + side * half), 0, height)) for side in (-1, 1))
    left, right = (int(np.clip(round(x + side * half), 0, width)) for side in (-1, 1))
    return int(np.count_nonzero(changed[top:bottom, left:right]))


class FrameStream:
    """The frames of a file, met by index."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._next: Frame | None = None
        self.ended = False

    def at(self, index: int) -> Frame | None:
        """The frame of this index, None where the file has none; indices grow from call to call."""
        while not self.ended and (self._next is None or self._next.index < index):
            self._next = next(self._frames, None)
            self.ended = self._next is None
        return self._next if self._next is not None and self._next.index == index else None

    def rest(self) -> int:
        """Reads to the end, where truncated videos are found out; returns the number of frames that were left."""
        return sum(1 for _ in self._frames)


def first_number(original: Path, clips: Sequence[Path]) -> int | None:
    """The number of the picture that is frame 0 of an original kept as a folder; None where it is a video.

    Pictures are paired by number, never by rank, so folders made from it begin with the same number, whichever frames they
    lack. ``clips``: what was made from it. Extractors number from 0 or from 1, so beside a video the folder's own numbers
    have to tell which. Where that is wrong, pictures do not agree (see alignment.py).
    """
    if not original.is_dir():
        return None
    video = next((path for path in clips if not path.is_dir()), None)
    return _first_beside(original, video) if video else min(frame_files(original), default=0)


def first_beside(path: Path, original: Path, first: int | None) -> int | None:
    """The same for a clip or a mask that was made from the original; ``first``: what `first_number` says of the original."""
    if not path.is_dir():
        return None
    return _first_beside(path, original) if first is None else first


def _first_beside(folder: Path, video: Path) -> int:
    numbers = frame_files(folder)
    lowest, highest = min(numbers, default=0), max(numbers, default=0)
    return int(lowest == 1 or (lowest > 1 and highest == video_info(video).frames))
