"""Faces of people who lie or stand on their head, in a picture that is itself upright."""

from collections.abc import Sequence

import cv2
import numpy as np

from tamperlens.faces.crop import face_square
from tamperlens.types import FaceBox, FaceDetector, UInt8Array

__all__ = ["find_faces", "find_turned", "quarter_turns"]

UPRIGHT = 0.9  # confidence from which on a face is upright: a detector finds many faces that are not, and is less sure of them
SURER = 0.03  # by so much more a detector must be sure of a turned face
_DOUBTFUL = 8  # faces of a picture that are looked at again
_SIDE = 320  # pixels, for that


def find_faces(image: UInt8Array, detector: FaceDetector) -> Sequence[FaceBox]:
    """The faces of a photo, upright ones first of all; where there is none, those of people who lie or stand on their head.

    A face of which the detector is not sure is looked at again from the other sides: it may lie, with landmarks as if it did
    not. Boxes and landmarks are in the picture as it is; `quarter_turns` tells which faces are turned.
    """
    found = list(detector(image))
    if not found:
        return find_turned(image, detector)
    doubtful = [place for place, face in enumerate(found) if face.confidence < UPRIGHT][:_DOUBTFUL]
    for place in doubtful:
        found[place] = _surest(image, found[place], detector)
    return found


def _surest(image: UInt8Array, face: FaceBox, detector: FaceDetector) -> FaceBox:
    """The face as it is, or turned, if the detector is surer of that."""
    rows, columns = face_square(face, *image.shape[:2])
    square = image[rows, columns]
    if square.size == 0:
        return face
    scale = min(1.0, _SIDE / max(square.shape[:2]))
    size = max(1, round(square.shape[1] * scale)), max(1, round(square.shape[0] * scale))
    small = np.asarray(cv2.resize(square, size, interpolation=cv2.INTER_AREA), np.uint8)
    best = face
    for turns in (1, 3, 2):
        for turned in detector(np.ascontiguousarray(np.rot90(small, turns))):
            back = _turned_back(turned, turns, *small.shape[:2])
            if turned.confidence > max(best.confidence, face.confidence + SURER) and _inside(face, back, scale, rows, columns):
                best = _moved(back, 1 / scale, columns.start, rows.start)
    return best


def _inside(face: FaceBox, other: FaceBox, scale: float, rows: slice, columns: slice) -> bool:
    """Whether another box, in the shrunk square, lies about where the face does."""
    moved = _moved(other, 1 / scale, columns.start, rows.start)
    apart = np.subtract(moved.center, face.center)
    return bool(np.abs(apart).max() < face.size / 2 and moved.size > face.size / 2)


def _moved(face: FaceBox, scale: float, left: float, top: float) -> FaceBox:
    x0, y0, x1, y1 = (value * scale for value in (face.x0, face.y0, face.x1, face.y1))
    landmarks = (face.landmarks * scale + np.array([left, top])).astype(np.float32)
    return FaceBox(x0 + left, y0 + top, x1 + left, y1 + top, face.confidence, landmarks)


def find_turned(image: UInt8Array, detector: FaceDetector) -> list[FaceBox]:
    """Faces that ``detector`` finds once the RGB uint8 ``(H, W, 3)`` picture is turned; boxes in the picture as it is.

    Each turn costs as much as a search of the picture. The one whose largest face the detector is surest of is taken: turned
    the wrong way a face is upside down, and is found, too.
    """
    best: list[FaceBox] = []
    for turns in (1, 3, 2):
        found = [_turned_back(face, turns, *image.shape[:2]) for face in detector(np.ascontiguousarray(np.rot90(image, turns)))]
        if found and (not best or found[0].confidence > best[0].confidence):
            best = found
        if best and best[0].confidence >= UPRIGHT:
            break
    return best


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
