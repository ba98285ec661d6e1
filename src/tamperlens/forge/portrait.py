"""What a forger starts from and what comes out: one face with its landmarks, and a forgery with its exact mask."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tamperlens.media import resize
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["Forgery", "Portrait", "face_frame", "scaled"]


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture of one face."""

    image: UInt8Array  # (H, W, 3) RGB
    landmarks: FloatArray  # (5, 2) x, y: right eye, left eye, nose tip, right and left mouth corner


@dataclass(frozen=True, eq=False)
class Forgery:
    """A manipulated picture, which pixels were manipulated, and how: enough to label it and to make it again."""

    image: UInt8Array  # (H, W, 3) RGB
    mask: BoolArray  # (H, W): every pixel the forger could have touched, and no other
    parameters: Mapping[str, object]  # JSON-able; "family" names the forgery family


def face_frame(landmarks: FloatArray) -> FloatArray:
    """Affine map ``(2, 3)`` from face coordinates to pixels.

    In face coordinates the eyes lie at (-0.5, 0) and (0.5, 0) and the middle of the mouth at (0, 1), so one shape fits every
    face; the axes follow head tilt, and their lengths the proportions of this face.
    """
    right_eye, left_eye, _, right_mouth, left_mouth = landmarks
    origin = (right_eye + left_eye) / 2
    across = left_eye - right_eye
    down = (right_mouth + left_mouth) / 2 - origin
    return np.stack([across, down, origin], axis=1).astype(np.float32)


def scaled(portrait: Portrait, side: int) -> Portrait:
    """A square portrait at ``side`` x ``side`` pixels, landmarks moved along."""
    factor = side / portrait.image.shape[0]
    return Portrait(resize(portrait.image, side, side), ((portrait.landmarks + 0.5) * factor - 0.5).astype(np.float32))
