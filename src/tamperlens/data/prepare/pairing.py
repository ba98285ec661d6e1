"""Frames of several files side by side, and the one face of a clip that is followed through them."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tamperlens.data.readers.frames import read_frames
from tamperlens.faces import FaceTracks
from tamperlens.types import BoolArray, FaceBox, FaceDetector, Frame

__all__ = ["Follower", "FrameStream", "follow_faces"]

QUICK = 0.07  # of its side: a face that moves this far from one detection to the next is looked for in every frame between
MISSED = 0.1  # a crop with less than this share of the changed pixels shows somebody else


def follow_faces(
    path: Path, detector: FaceDetector, step: int, detect_every: int
) -> Iterator[tuple[Frame, Mapping[int, FaceBox]]]:
    """Every ``step``-th frame with its faces; frames wait until the detections that their boxes need are in.

    Faces are looked for in every ``detect_every``-th frame and in the last one; where one moves quickly, in all between.
    """
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

    for frame in read_frames(path, every=math.gcd(step, detect_every)):
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

    def choose(self, faces: Mapping[int, FaceBox], masks: Sequence[BoolArray]) -> FaceBox | None:
        """The face to crop; None where there is none, or another one was manipulated than those found."""
        if not faces:
            return None
        changed = np.logical_or.reduce(masks) if masks else None
        count = int(np.count_nonzero(changed)) if changed is not None else 0
        for number, face in faces.items():
            share = _count_in(changed, face, 1) / count if changed is not None and count and len(faces) > 1 else 0.0
            before = self._seen.get(number, (0.0, 0.0))
            self._seen[number] = before[0] + share, before[1] + face.size
        best = faces[max(faces, key=lambda number: (self._seen[number], -number))]
        return None if changed is not None and count and _count_in(changed, best, 2) < MISSED * count else best


def _count_in(changed: BoolArray, face: FaceBox, enlarge: float) -> int:
    """Changed pixels of the frame inside the enlarged face box."""
    (x, y), half, (height, width) = face.center, enlarge * face.size / 2, changed.shape
    top, bottom = (int(np.clip(round(y + side * half), 0, height)) for side in (-1, 1))
    left, right = (int(np.clip(round(x + side * half), 0, width)) for side in (-1, 1))
    return int(np.count_nonzero(changed[top:bottom, left:right]))


class FrameStream:
    """The frames of a file, met by index."""

    def __init__(self, path: Path, every: int) -> None:
        self._frames = read_frames(path, every=every)
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
