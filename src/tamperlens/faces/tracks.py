"""Faces followed through a clip, from detections on some of its frames."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import numpy.typing as npt

from tamperlens.faces.appearance import similarities, similarity
from tamperlens.types import FaceBox, FacePath, FloatArray

__all__ = ["FaceTracks", "box_at"]

STRAY = 0.03  # of a face's side: how far smoothing may take a box from what was detected
MISSED = 3  # strides after which a face that was not detected is gone, unless its look tells
LOST = 40  # strides after which it is gone for good
SEEN = 5  # last appearances of a face with which a detection is compared
REMEMBERED = 12  # detections after which it must still look a little like it did: one picture may fade into another

# Appearances, from the highest of `SEEN`. benchmarks/cuts.py measures what follows; docs/log.md has the tables.
ALIKE = 0.8  # from here on a face is the same over a cut or a gap, if it is where it was
SURE = 0.88  # from here on it is the same elsewhere, too, at most `FAR` of its sides away
FAR = 2.0
LIT = 0.45  # below it is another face in a flash, too; benchmarks/cuts.py
OTHER = (0.6, 0.8)  # below it is another face although no cut was seen; where between, is learned from how much this one varies
STEADY = 6.0  # a face's appearance may change so many times as much as it usually does
FADED = (0.6, 0.7)  # where both the face and its surroundings are less alike than this after a while, it is somebody else


class FaceTracks:
    """The faces of a clip, followed through it from detections on some of its frames.

    Hand the detections of every ``stride``-th frame to `add`, in order; `boxes` then gives every face of any frame. A
    face's box is read off a straight line fitted to its detections within ``reach`` frames (one and a half strides),
    near ones weighing more: that fills the frames in between and evens out how detections jitter, without lagging behind
    a moving face. So the boxes of a frame are settled once detections up to ``reach`` frames later are in. A head may
    also shake faster than a line can follow, so a box never lies more than ``STRAY`` of its side beside the detections
    before and after.

    ``overlap``: a detection belongs to a face whose last box it meets with at least this intersection over union. Where
    appearances are handed in, too (see `appearance`), a face also goes on over a cut, over a gap and after a jerk of the
    camera where it still looks the same, and ends without a cut where somebody else is in its place. Without them the place
    decides alone, and a cut ends all faces; so it does for single faces that come without.

    ``dense``: how many times as often as a few times a second detections come. A face may be missed in as many times more of
    them, and only each ``dense``-th look is remembered, so that its past reaches as far back in time.
    """

    def __init__(self, stride: int = 5, overlap: float = 0.3, dense: int = 1) -> None:
        if stride < 1 or dense < 1:
            raise ValueError(f"stride is a number of frames and dense a factor, both at least 1; got {stride} and {dense}")
        self.stride, self.reach, self.overlap, self.dense = stride, _reach(stride), overlap, dense
        self._faces: list[_Face] = []
        self._open: list[int] = []  # faces that may go on
        self._scene = 0

    def cut(self) -> None:
        """What is found from now on is another scene."""
        self._scene += 1

    def add(
        self,
        index: int,
        found: Sequence[FaceBox],
        appearances: Sequence[FloatArray | None] | None = None,
        *,
        flash: bool = False,
    ) -> list[int]:
        """Takes in the detections of frame ``index``, larger than all before; returns the number of each one's face.

        In a ``flash`` nobody looks quite like themselves: a face in its place has to look the same only roughly, and its look
        is not kept, unless it is the first of a face: somebody else's pictures between a face's own are no flash.
        """
        values = [
            np.concatenate([[box.x0, box.y0, box.x1, box.y1, box.confidence], box.landmarks.ravel()]).astype(np.float32)
            for box in found
        ]
        looks: list[FloatArray | None] = [None] * len(found) if appearances is None else list(appearances)
        for number in [number for number in self._open if self._gap(number, index) > LOST]:
            self._faces[number].looks.clear()  # a long video has many faces
            self._open.remove(number)
        meetings = sorted(
            (
                (strength, -number, -v)
                for number in self._open
                for v in range(len(values))
                if (strength := self._goes_on(self._faces[number], index, values[v], looks[v], flash)) > 0
            ),
            reverse=True,
        )
        numbers: dict[int, int] = {}  # detection -> face
        for _, number, v in meetings:  # the surest meeting first
            if -number not in numbers.values() and -v not in numbers:
                numbers[-v] = -number
        for v in range(len(values)):
            if v not in numbers:
                numbers[v] = len(self._faces)
                self._open.append(numbers[v])
                self._faces.append(_Face())
            face = self._faces[numbers[v]]
            due = self.dense == 1 or face.looked is None or index - face.looked >= self.stride * self.dense
            face.add(index, self._scene, values[v], looks[v] if due and not (flash and face.looks) else None)
        return [numbers[v] for v in range(len(values))]

    def _gap(self, number: int, index: int) -> float:
        """Strides since a face was detected, as they would be were detections not dense."""
        return (index - self._faces[number].indices[-1]) / (self.stride * self.dense)

    def _goes_on(self, face: "_Face", index: int, box: FloatArray, look: FloatArray | None, flash: bool) -> float:
        """How surely a detection is this face again; 0 where it is not."""
        last, common = face.values[-1], _iou(face.values[-1], box)
        expected = face.scenes[-1] == self._scene and index - face.indices[-1] <= MISSED * self.stride * self.dense
        if look is None or not face.looks:
            return common if expected and common >= self.overlap else 0.0
        alike = face.alike(look)
        in_place = common >= self.overlap
        if expected and in_place:  # before all others
            same = alike >= LIT if flash else alike >= face.least_alike() and not face.faded(look)
            return 1 + common if same else 0.0
        return alike if (in_place and alike >= ALIKE) or (alike >= SURE and _near(last, box)) else 0.0

    def boxes(self, index: int) -> dict[int, FaceBox]:
        """The faces of frame ``index``, by a number that each keeps through the clip."""
        found = {
            number: _box_at(face.indices, face.scenes, face.values, index, self.stride)
            for number, face in enumerate(self._faces)
        }
        return {number: box for number, box in found.items() if box is not None}

    def path(self, number: int) -> FacePath:
        """All detections of one face, numbered by stride."""
        face = self._faces[number]
        places = np.array(face.indices, np.int64) // self.stride
        return FacePath(places, np.array(face.scenes, np.int64), np.stack(face.values))


@dataclass
class _Face:
    """What was detected of one face."""

    indices: list[int] = field(default_factory=list)
    scenes: list[int] = field(default_factory=list)
    values: list[FloatArray] = field(default_factory=list)  # x0 y0 x1 y1 confidence landmarks
    looks: deque[FloatArray] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    likeness: deque[float] = field(default_factory=lambda: deque(maxlen=SEEN))  # of each look to those before
    looked: int | None = None  # index of the last look

    def add(self, index: int, scene: int, values: FloatArray, look: FloatArray | None) -> None:
        self.indices.append(index)
        self.scenes.append(scene)
        self.values.append(values)
        if look is not None:
            if self.looks:
                self.likeness.append(self.alike(look))
            self.looks.append(look)
            self.looked = index

    def alike(self, look: FloatArray) -> float:
        """How alike an appearance is to the most alike of the last ones."""
        return max(similarity(look, seen) for seen in list(self.looks)[-SEEN:])

    def faded(self, look: FloatArray) -> bool:
        """Whether the face has become another one bit by bit."""
        face, around = similarities(look, self.looks[0])
        return len(self.looks) > SEEN and face < FADED[0] and around < FADED[1]

    def least_alike(self) -> float:
        """How alike a detection in this face's place must be to be this face."""
        lowest, highest = OTHER
        usual = median(self.likeness) if len(self.likeness) >= 3 else 0.0
        return min(highest, max(lowest, 1 - STEADY * (1 - usual)))


def box_at(path: FacePath, place: float) -> FaceBox | None:
    """Where a face is at detection frame ``place``, a number that may lie between two; None where it is not to be seen.

    As `FaceTracks.boxes` does for frames between detections.
    """
    fine = 1000  # frames are places in between
    near = slice(bisect_left(path.detections, place - 2), bisect_right(path.detections, place + 2))
    indices = [fine * int(detection) for detection in path.detections[near]]
    return _box_at(indices, path.scenes[near], path.values[near], round(fine * place), fine)


def _box_at(
    indices: Sequence[int],
    scenes: Sequence[int] | npt.NDArray[np.int64],
    values: Sequence[FloatArray] | FloatArray,
    index: int,
    stride: int,
) -> FaceBox | None:
    first, last = bisect_right(indices, index - _reach(stride)), bisect_left(indices, index + _reach(stride))
    if first >= last:
        return None
    nearest = min(range(first, last), key=lambda k: (abs(indices[k] - index), k))
    near = [k for k in range(first, last) if scenes[k] == scenes[nearest]]  # no line leads over a cut
    offsets = [indices[k] - index for k in near]
    if not _seen_around(offsets, stride):
        return None
    held = np.stack([values[k] for k in near])
    between = np.array([np.interp(0, offsets, column) for column in held.T], np.float32)
    slack = STRAY * float(between[2] - between[0] + between[3] - between[1]) / 2
    line = np.clip(_at_zero(offsets, held, _reach(stride)), between - slack, between + slack)
    x0, y0, x1, y1, confidence = (float(value) for value in line[:5])
    return FaceBox(x0, y0, x1, y1, min(max(confidence, 0.0), 1.0), line[5:].reshape(5, 2))


def _reach(stride: int) -> int:
    return -(-3 * stride // 2)


def _seen_around(offsets: Sequence[int], stride: int) -> bool:
    """Whether a face is seen on both sides, or else so near that the next look could not have missed it."""
    return min(offsets) <= 0 <= max(offsets) or min(abs(offset) for offset in offsets) < stride


def _at_zero(offsets: Sequence[int], values: FloatArray, reach: int) -> FloatArray:
    """Value at offset 0, or at the nearest offset where all lie on one side, of the line fitted with tricube weights."""
    at = np.asarray(offsets, np.float64)
    at = at - np.clip(0, at.min(), at.max())
    weight = (1 - np.minimum(np.abs(at) / reach, 1) ** 3) ** 3
    total, first, second = weight.sum(), (weight * at).sum(), (weight * at * at).sum()
    spread = total * second - first * first
    share = weight * (second - first * at) / spread if spread > 1e-9 else weight / total
    return np.asarray(share @ values, np.float32)


def _near(a: FloatArray, b: FloatArray) -> bool:
    """Whether two boxes are of about one size and not far apart."""
    sizes = [max(float(box[2] - box[0]), float(box[3] - box[1])) for box in (a, b)]
    apart = np.hypot(*((a[:2] + a[2:4] - b[:2] - b[2:4]) / 2))
    return max(sizes) <= 1.5 * min(sizes) and float(apart) <= FAR * max(sizes)


def _iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b))
    return common / (areas - common) if areas > common else 0.0
