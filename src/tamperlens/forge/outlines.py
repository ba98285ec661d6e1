"""Face outlines of many points from five landmarks: the mean face of 87 people, bent a little, laid on the face at hand.

The mean positions are of the landmark templates of the Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0), made
symmetric, in face coordinates (see `face_frame`): the eyes lie at (-0.5, 0) and (0.5, 0), the middle of the mouth at (0, 1).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from tamperlens.forge.portrait import face_frame
from tamperlens.forge.regions import smooth_noise
from tamperlens.types import BoolArray, FloatArray

__all__ = ["HULLS", "draw_hull", "feathered"]

Points = Sequence[tuple[float, float]]

JAW: Points = (
    (-1.12, 0.09),
    (-1.10, 0.41),
    (-1.04, 0.77),
    (-0.99, 1.00),
    (-0.88, 1.22),
    (-0.65, 1.45),
    (-0.35, 1.61),
    (0.0, 1.67),
)
HAIRLINE: Points = ((-1.07, -0.26), (-0.97, -0.56), (-0.88, -0.83), (-0.66, -1.01), (-0.35, -1.09), (0.0, -1.08))
BROW: Points = ((-0.93, -0.11), (-0.83, -0.26), (-0.68, -0.33), (-0.48, -0.32), (-0.22, -0.24))
EYE: Points = (
    (-0.70, 0.03),
    (-0.62, 0.07),
    (-0.50, 0.09),
    (-0.39, 0.07),
    (-0.27, 0.05),
    (-0.38, -0.02),
    (-0.5, -0.06),
    (-0.62, -0.03),
)
NOSE: Points = ((-0.11, -0.07), (-0.25, 0.44), (-0.29, 0.51), (-0.28, 0.60), (-0.20, 0.65), (0.0, 0.72))
LIPS: Points = ((-0.40, 1.00), (-0.25, 0.91), (-0.12, 0.86), (0.0, 0.88), (0.0, 1.13), (-0.15, 1.12), (-0.28, 1.08))

# name: points of the right half whose convex hull, with its mirror image, is the region; and how far it may be enlarged.
# What known tools replace: FaceSwap and self-blending the hull of brows and jaw, DeepFaceLab's whole face the forehead as well,
# others what lies between brows and lips, a mouth, a pair of eyes; learned renderers a square around the face.
HULLS: dict[str, tuple[Points, tuple[float, float]]] = {
    "face": ((*JAW, *BROW), (0.88, 1.08)),
    "whole_face": ((*JAW, *HAIRLINE), (0.85, 1.05)),
    "features": ((*BROW, *EYE, *LIPS), (1.0, 1.3)),
    "jaw": ((*JAW[2:], *NOSE[2:]), (0.9, 1.1)),
    "mouth": (LIPS, (1.15, 2.0)),
    "eyes": ((*BROW, *EYE), (1.0, 1.25)),
    "nose": (NOSE, (1.1, 1.5)),
    "square": (((-1.1, -0.45), (-1.1, 1.65)), (0.85, 1.15)),
    "head": (((-1.25, 0.1), (-1.15, 0.9), (-0.8, 1.5), (-0.4, 1.85), (-1.25, -0.6), (-0.9, -1.2), (-0.4, -1.5)), (0.95, 1.15)),
}


def draw_hull(landmarks: FloatArray, shape: tuple[int, int], rng: np.random.Generator, name: str) -> BoolArray:
    """The region ``name`` of a face, bool ``shape``: each point moved a little, the whole scaled, then bent smoothly."""
    half, scales = HULLS[name]
    right = np.array(half)
    points = np.concatenate([right, right * [-1, 1]])
    points = points + rng.normal(0, 0.035, points.shape)
    center = points.mean(axis=0)
    points = (points - center) * rng.uniform(*scales) * rng.uniform(0.95, 1.05, size=2) + center + rng.normal(0, 0.03, size=2)
    pixels = (face_frame(landmarks) @ np.concatenate([points, np.ones((len(points), 1))], axis=1).T).T
    outline = cv2.convexHull(np.round(pixels).astype(np.int32))
    region = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(region, outline, (1,))
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
