"""Faces followed through a clip, from detections on some of its frames."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from tamperlens.types import FaceBox, FloatArray

__all__ = ["FaceTracks"]

STRAY = 0.03  # of a face's side: how far smoothing may take a box from what was detected


class FaceTracks:
    """The faces of a clip, followed through it from detections on some of its frames.

    Hand the detections of every ``stride``-th frame to `add`, in order; `boxes` then gives every face of any frame. A
    face's box is read off a straight line fitted to its detections within ``reach`` frames (one and a half strides),
    near ones weighing more: that fills the frames in between and evens out how detections jitter, without lagging behind
    a moving face. So the boxes of a frame are settled once detections up to ``reach`` frames later are in. A head may
    also shake faster than a line can follow, so a box never lies more than ``STRAY`` of its side beside the detections
    before and after.

    ``overlap``: a detection belongs to a face whose last box it meets with at least this intersection over union.
    """

    def __init__(self, stride: int = 5, overlap: float = 0.3) -> None:
        if stride < 1:
            raise ValueError(f"stride is a number of frames, at least 1; got {stride}")
        self.stride, self.reach, self.overlap = stride, -(-3 * stride // 2), overlap
        self._faces: list[list[tuple[int, FloatArray]]] = []  # per face: frame index, x0 y0 x1 y1 confidence landmarks
        self._ended = 0  # faces before this one are of earlier scenes

    def cut(self) -> None:
        """Ends all faces: what is found from now on is another scene."""
        self._ended = len(self._faces)

    def add(self, index: int, found: Sequence[FaceBox]) -> list[int]:
        """Takes in the detections of frame ``index``, larger than all before; returns the number of each one's face."""
        recent = [  # a face may be missed twice
            face for face in range(self._ended, len(self._faces)) if index - self._faces[face][-1][0] <= 3 * self.stride
        ]
        values = [
            np.concatenate([[box.x0, box.y0, box.x1, box.y1, box.confidence], box.landmarks.ravel()]).astype(np.float32)
            for box in found
        ]
        pairs = [(f, v) for f in range(len(recent)) for v in range(len(values))]
        meetings = sorted(((_iou(self._faces[recent[f]][-1][1], values[v]), -f, -v) for f, v in pairs), reverse=True)
        numbers: dict[int, int] = {}  # detection -> face
        for common, f, v in meetings:  # the surest meeting first
            if common >= self.overlap and recent[-f] not in numbers.values() and -v not in numbers:
                numbers[-v] = recent[-f]
                self._faces[recent[-f]].append((index, values[-v]))
        for v in range(len(values)):
            if v not in numbers:
                numbers[v] = len(self._faces)
                self._faces.append([(index, values[v])])
        return [numbers[v] for v in range(len(values))]

    def boxes(self, index: int) -> dict[int, FaceBox]:
        """The faces of frame ``index``, by a number that each keeps through the clip."""
        found = {}
        for number, face in enumerate(self._faces):
            first = bisect_right(face, index - self.reach, key=itemgetter(0))
            last = bisect_left(face, index + self.reach, key=itemgetter(0))
            near = [(at - index, value) for at, value in face[first:last]]
            if near and _seen_around([at for at, _ in near], self.stride):
                offsets, values = [at for at, _ in near], np.stack([value for _, value in near])
                between = np.array([np.interp(0, offsets, column) for column in values.T], np.float32)
                slack = STRAY * float(between[2] - between[0] + between[3] - between[1]) / 2
                line = np.clip(_at_zero(offsets, values, self.reach), between - slack, between + slack)
                x0, y0, x1, y1, confidence = (float(value) for value in line[:5])
                found[number] = FaceBox(x0, y0, x1, y1, min(max(confidence, 0.0), 1.0), line[5:].reshape(5, 2))
        return found


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


def _iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b))
    return common / (areas - common) if areas > common else 0.0
