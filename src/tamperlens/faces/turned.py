"""Faces of people who lie or stand on their head, in a picture that is itself upright."""

from collections.abc import Sequence

import numpy as np

from tamperlens.types import FaceBox, FaceDetector, UInt8Array

__all__ = ["find_turned", "quarter_turns"]


def find_turned(image: UInt8Array, detector: FaceDetector) -> Sequence[FaceBox]:
    """Faces that ``detector`` finds once the RGB uint8 ``(H, W, 3)`` picture is turned; boxes in the picture as it is.

    For where it found none: each turn costs as much as the search before. The first turn that shows a face is taken; right
    and left first, since detectors often find a face that is upside down without help.
    """
    for turns in (1, 3, 2):
        if found := detector(np.ascontiguousarray(np.rot90(image, turns))):
            return [_turned_back(face, turns, *image.shape[:2]) for face in found]
    return []


def quarter_turns(face: FaceBox) -> int:
    """By how many quarter turns to the left a face must be turned to be upright: 0 to 3. As `numpy.rot90` turns."""
    right_eye, left_eye = face.landmarks[:2]
    mouth = face.landmarks[3:].mean(axis=0)
    down_x, down_y = mouth - (right_eye + left_eye) / 2
    if abs(down_y) >= abs(down_x):  # also where there are no landmarks
        return 2 if down_y < 0 else 0
    return 3 if down_x > 0 else 1


def _turned_back(face: FaceBox, turns: int, height: int, width: int) -> FaceBox:
    """A face of the picture turned by ``turns`` quarters to the left, in the picture of ``height`` x ``width``."""
    corners = np.array([[face.x0, face.y0], [face.x1, face.y1]], np.float64)
    points = np.concatenate([corners, face.landmarks.astype(np.float64)])
    x, y = points.T
    if turns == 1:
        x, y = width - y, x
    elif turns == 2:
        x, y = width - x, height - y
    elif turns == 3:
        x, y = y, height - x
    (x0, x1), (y0, y1) = (sorted(values[:2].tolist()) for values in (x, y))
    return FaceBox(x0, y0, x1, y1, face.confidence, np.stack([x[2:], y[2:]], axis=1).astype(np.float32))
