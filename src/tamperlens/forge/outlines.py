"""Face outlines of many points from five landmarks, as a forger's tool has them of its own landmarks, bent a little.

`outlines.csv` holds the points of the right half in face coordinates (see `face_frame`: the eyes lie at (-0.5, 0) and (0.5, 0),
the middle of the mouth at (0, 1)), each as a linear function of the landmarks' own shape, so that a turned face or a smile
has its outlines in place. It was fitted to a free face mesh by `runs/face_outlines.py`, which says how near it comes.
"""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.forge.portrait import face_frame
from tamperlens.forge.regions import smooth_noise
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["HULLS", "OUTLINES", "draw_hull", "feathered", "hull_of", "points_of", "shape_of"]

OUTLINES = Path(__file__).with_name("outlines.csv")

# name: the parts whose convex hull is the region; and how far it may be enlarged. What known tools replace: FaceSwap and
# self-blending the hull of brows and jaw, DeepFaceLab's whole face the forehead as well, others what lies between brows and
# lips, a mouth, a pair of eyes; learned renderers a square around the face.
HULLS: dict[str, tuple[Sequence[str], tuple[float, float]]] = {
    "face": (("cheek", "jaw", "brow"), (0.88, 1.08)),
    "whole_face": (("cheek", "jaw", "forehead"), (0.85, 1.1)),
    "features": (("brow", "eye", "lips"), (1.0, 1.3)),
    "jaw": (("jaw", "nostril"), (0.9, 1.1)),
    "mouth": (("lips",), (1.15, 2.0)),
    "eyes": (("brow", "eye"), (1.0, 1.25)),
    "nose": (("bridge", "nostril"), (1.1, 1.5)),
    "square": (("square",), (0.85, 1.15)),
    "head": (("head",), (0.95, 1.15)),
}

# The same for every face: a renderer's square, and a head with its hair.
FIXED: dict[str, Sequence[tuple[float, float]]] = {
    "square": ((-1.1, -0.45), (-1.1, 1.85)),
    "head": ((-1.25, 0.1), (-1.2, 0.9), (-0.9, 1.7), (-0.4, 2.05), (-1.25, -0.6), (-0.9, -1.2), (-0.4, -1.5)),
}


def shape_of(landmarks: FloatArray, *, mirrored: bool = False) -> FloatArray:
    """What is left of five landmarks in face coordinates, float32 (7,).

    1; then, from where most faces have them, the nose's tip, x and y, and the mouth's right corner, x and y; then the cosine
    between the face's two axes and the logarithm of their lengths' ratio. ``mirrored``: of the face's mirror image.
    """
    frame = face_frame(landmarks)
    nose, corner = (cv2.transform(landmarks[None, [2, 3]], cv2.invertAffineTransform(frame))[0]).astype(np.float64)
    across, down = frame[:, 0].astype(np.float64), frame[:, 1].astype(np.float64)
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    side = -1.0 if mirrored else 1.0
    points = side * nose[0], nose[1] - 0.59, corner[0] + 0.45, side * (corner[1] - 1)
    return np.array([1, *points, side * across @ down / np.prod(lengths), np.log(lengths[0] / lengths[1])], np.float32)


@cache
def _fitted_outlines() -> Mapping[str, FloatArray]:
    """Of each part of a face the points of its right half as linear functions of `shape_of`, float32 ``(points, 2, 7)``."""
    rows: dict[str, list[list[float]]] = {}
    with OUTLINES.open(newline="") as file:
        for part, _, *values in list(csv.reader(file))[1:]:
            rows.setdefault(part, []).append([float(value) for value in values])
    table = {part: np.array(values, np.float32).reshape(-1, 2, len(values[0])) for part, values in rows.items()}
    for part, points in FIXED.items():
        table[part] = np.zeros((len(points), 2, 7), np.float32)
        table[part][..., 0] = points
    return table


def points_of(landmarks: FloatArray, parts: Sequence[str], table: Mapping[str, FloatArray] | None = None) -> FloatArray:
    """The outline points of these parts in face coordinates, float32 ``(N, 2)``: the right half's, then the left half's."""
    table = table or _fitted_outlines()
    halves = np.concatenate([table[part] for part in parts])
    right, left = halves @ shape_of(landmarks), halves @ shape_of(landmarks, mirrored=True)
    return np.concatenate([right, left * np.array([-1, 1], np.float32)])


def hull_of(points: npt.NDArray[np.floating], landmarks: FloatArray, shape: tuple[int, int]) -> UInt8Array:
    """The convex hull of points ``(N, 2)`` in face coordinates, uint8 ``shape``: 1 inside, 0 outside."""
    pixels = (face_frame(landmarks) @ np.concatenate([points, np.ones((len(points), 1))], axis=1).T).T
    region = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(region, cv2.convexHull(np.round(pixels).astype(np.int32)), (1,))
    return region


def draw_hull(landmarks: FloatArray, shape: tuple[int, int], rng: np.random.Generator, name: str) -> BoolArray:
    """The region ``name`` of a face, bool ``shape``: each point moved a little, the whole scaled, then bent smoothly."""
    parts, scales = HULLS[name]
    points: npt.NDArray[np.floating] = points_of(landmarks, parts)
    points = points + rng.normal(0, 0.035, points.shape)
    center = points.mean(axis=0)
    points = (points - center) * rng.uniform(*scales) * rng.uniform(0.95, 1.05, size=2) + center + rng.normal(0, 0.03, size=2)
    region = hull_of(points, landmarks, shape)
    if rng.random() < 0.7:  # bent as by an elastic warp: hulls of real tools are not convex
        reach = float(rng.uniform(0.02, 0.10)) * float(np.linalg.norm(landmarks[1] - landmarks[0]))
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        field = [reach * smooth_noise(shape, 7, rng) for _ in range(2)]
        region = np.asarray(cv2.remap(region, x + field[0], y + field[1], cv2.INTER_NEAREST), np.uint8)
    return np.asarray(region > 0, np.bool_)


def feathered(region: BoolArray, width: float, rng: np.random.Generator) -> FloatArray:
    """Blending weights of a region, float32 in [0, 1]: an edge ``width`` pixels wide, inwards or across the outline.

    Under one pixel the edge is hard, as photo tools leave it.
    """
    alpha = region.astype(np.float32)
    if width < 1:
        return alpha
    if rng.random() < 0.6:  # inwards: nothing outside the outline is touched
        eroded = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, round(width / 2)))
        alpha = np.asarray(cv2.GaussianBlur(eroded.astype(np.float32), (0, 0), max(0.5, width / 3)), np.float32)
        return np.asarray(np.where(alpha > 0.02, alpha, 0) * region, np.float32)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(0.5, width / 3)), np.float32)
    return np.asarray(np.where(alpha > 0.02, alpha, 0), np.float32)
