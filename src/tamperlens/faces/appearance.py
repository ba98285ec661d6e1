"""How a face looks, as a few hundred numbers: enough to tell whether two frames of a clip show the same person.

No face recognition: what is compared is this face with this light, hair and background around it, from one moment to another.
"""

from functools import cache

import cv2
import numpy as np

from tamperlens.types import FaceBox, FloatArray, UInt8Array

__all__ = ["appearance", "similarities", "similarity"]

_SIDE = 96  # pixels to which the x2 square is scaled first
_FACE = 48  # pixels of the aligned face: its gradients are counted in 6 x 6 cells of 8 pixels
_CELL, _DIRECTIONS = 8, 8
_FACE_NUMBERS = (_FACE // _CELL) ** 2 * _DIRECTIONS + 1  # of an appearance, from its beginning
_GRAIN = 6.0  # gradients up to this are noise
# Where the five landmarks lie in an aligned face, as fractions of its side from its middle.
_TEMPLATE = np.array([[-0.19, -0.2], [0.19, -0.2], [0.0, 0.03], [-0.155, 0.23], [0.155, 0.23]])


def appearance(image: UInt8Array, face: FaceBox) -> FloatArray:
    """A descriptor of unit length, float32 (835,), of a face in an RGB uint8 ``(H, W, 3)`` picture.

    Three parts of equal weight: gradient directions of the aligned face; grey levels and colours of the x2 square. Each is
    free of its mean and scale, so that exposure and contrast do not count, down to what is noise.
    """
    side = max(2.0, 2 * face.size)
    square = _square(image, face, side)
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    parts = (
        _normalised(_gradients(_aligned(grey, (face.landmarks - np.array(face.center)) * (_SIDE / side) + _SIDE / 2)), 1.0),
        _normalised(np.asarray(cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA), np.float32), 32.0),
        _normalised(_colours(square), 0.3),
    )
    return np.asarray(np.concatenate(parts) / np.sqrt(len(parts)), np.float32)


def similarity(a: FloatArray, b: FloatArray) -> float:
    """How alike two appearances are, in [-1, 1]; frames of one shot give 0.85 and more, two people 0.3 or so."""
    return float(a @ b)


def similarities(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """How alike the faces of two appearances are, and how alike their surroundings; each in [-1, 1]."""
    face, parts = slice(0, _FACE_NUMBERS), 3
    whole, faces = float(a @ b), float(a[face] @ b[face])
    return parts * faces, parts * (whole - faces) / (parts - 1)


def _square(image: UInt8Array, face: FaceBox, side: float) -> UInt8Array:
    """The x2 square, `_SIDE` pixels large, area-averaged; the picture's border is repeated outside it."""
    factor = max(1, int(side / (2 * _SIDE)))  # averaging first: a warp alone would take single pixels of a large face
    center_x, center_y = face.center
    if 1 < factor <= min(image.shape[:2]):
        left, top = (int(np.floor(center - side / 2)) for center in (center_x, center_y))
        rows, columns = (_within(start, side, end, factor) for start, end in zip((top, left), image.shape[:2], strict=True))
        part = image[rows, columns]
        size = part.shape[1] // factor, part.shape[0] // factor  # a whole factor is averaged several times as fast
        image = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        center_x, center_y, side = (center_x - columns.start) / factor, (center_y - rows.start) / factor, side / factor
    zoom = _SIDE / side
    move = np.array([[zoom, 0, _SIDE / 2 - center_x * zoom], [0, zoom, _SIDE / 2 - center_y * zoom]])
    return np.asarray(
        cv2.warpAffine(image, move, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _within(start: int, length: float, end: int, factor: int) -> slice:
    """The part of ``start`` to ``start + length`` within 0 to ``end``, cut to a multiple of ``factor``, at least one."""
    first = min(max(start, 0), max(end - factor, 0))
    count = max(1, (min(start + int(length) + 1, end) - first) // factor)
    return slice(first, first + count * factor)


def _aligned(grey: UInt8Array, landmarks: FloatArray) -> FloatArray:
    """The face alone, its landmarks moved, turned and scaled to `_TEMPLATE` by least squares; float32 (`_FACE`, `_FACE`)."""
    target = (_TEMPLATE + 0.5) * _FACE
    source = landmarks.astype(np.float64)
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    spread = float((a * a).sum())
    if spread < 1e-6:  # a detector without landmarks: the box must do
        turn = np.eye(2) * (_FACE / (_SIDE / 2))
    else:
        along, across = float((a * b).sum()), float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
        turn = np.array([[along, -across], [across, along]]) / spread
    middle = source.mean(axis=0) if spread >= 1e-6 else np.full(2, _SIDE / 2)
    goal = target.mean(axis=0) if spread >= 1e-6 else np.full(2, _FACE / 2)
    move = np.column_stack([turn, goal - turn @ middle])
    face = cv2.warpAffine(grey, move, (_FACE, _FACE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(face.astype(np.float32), (0, 0), 1), np.float32)


def _gradients(face: FloatArray) -> FloatArray:
    """Directions of gradients, counted by cell, each cell of unit length: as in histograms of oriented gradients."""
    across, down = cv2.Sobel(face, cv2.CV_32F, 1, 0), cv2.Sobel(face, cv2.CV_32F, 0, 1)
    weight = np.sqrt(np.maximum(np.hypot(across, down) - _GRAIN, 0))
    direction = (np.mod(np.arctan2(down, across), 2 * np.pi) * (_DIRECTIONS / (2 * np.pi))).astype(int) % _DIRECTIONS
    counts = np.bincount(
        (_cells() * _DIRECTIONS + direction).ravel(), weight.ravel(), minlength=(_FACE // _CELL) ** 2 * _DIRECTIONS
    )
    counts = counts.reshape(-1, _DIRECTIONS)
    return np.asarray(counts / (np.linalg.norm(counts, axis=1, keepdims=True) + 20), np.float32)


@cache
def _cells() -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    at = np.arange(_FACE) // _CELL
    return at[:, None] * (_FACE // _CELL) + at[None, :]


def _colours(square: UInt8Array) -> FloatArray:
    """How red and how blue places are beside their green, in logarithms: free of brightness, but for the darkest."""
    levels = np.log(cv2.resize(square, (12, 12), interpolation=cv2.INTER_AREA).astype(np.float32) + 16)
    shades = levels[..., [0, 2]] - levels[..., [1]]
    return np.asarray(shades - shades.mean(axis=(0, 1)), np.float32)


def _normalised(part: FloatArray, noise: float) -> FloatArray:
    """A part without its mean and scale, of unit length, with one number more: how much of it is ``noise``.

    So flat places are alike, and unlike all others.
    """
    part = np.append(part.ravel() - part.mean(), np.float32(noise))
    return np.asarray(part / np.linalg.norm(part), np.float32)
