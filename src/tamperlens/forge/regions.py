"""Where a forger paints: face regions with a feathered edge that ends.

A region is a blending weight ``alpha``, float32 ``(H, W)`` in [0, 1], that is exactly zero outside its outline. The forgery's
mask is ``alpha > 0``: no threshold enters the ground truth.
"""

import cv2
import numpy as np

from tamperlens.forge.portrait import face_frame
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["FACE_WIDE", "REGIONS", "blend", "draw_region", "height_of", "paste", "poisson", "smooth_noise"]

# name: (centre x, centre y, half width, half height) in face coordinates (see `face_frame`)
REGIONS: dict[str, tuple[float, float, float, float]] = {
    "face": (0.0, 0.45, 1.05, 1.25),
    "head": (0.0, 0.25, 1.45, 1.90),
    "inner_face": (0.0, 0.50, 0.85, 0.90),
    "lower_face": (0.0, 1.00, 0.85, 0.70),
    "upper_face": (0.0, 0.00, 1.00, 0.60),
    "mouth": (0.0, 1.00, 0.55, 0.36),
    "eyes": (0.0, 0.00, 0.95, 0.34),
    "right_eye": (-0.5, 0.00, 0.42, 0.32),
    "left_eye": (0.5, 0.00, 0.42, 0.32),
    "nose": (0.0, 0.55, 0.36, 0.50),
}
FACE_WIDE = ("face", "inner_face")
OUTLINE_POINTS = 48


def draw_region(
    landmarks: FloatArray, shape: tuple[int, int], rng: np.random.Generator, name: str | None = None
) -> tuple[FloatArray, dict[str, object]]:
    """A deformed face region as blending weights, and its parameters.

    Without a ``name``, the whole face is drawn in 65 of 100 cases and a part of it otherwise. The outline is a superellipse
    (from round to nearly a box) whose radius wanders by a few low harmonics; its edge is feathered inwards, from hard to a
    third of the region's own depth.
    """
    if name is None:
        name = str(rng.choice(FACE_WIDE)) if rng.random() < 0.65 else str(rng.choice(sorted(REGIONS)))
    center_x, center_y, half_width, half_height = REGIONS[name]
    exponent = float(rng.choice([2.0, 2.0, 2.5, 4.0, 10.0]))
    angle = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** exponent + np.abs(sin) ** exponent) ** (-1 / exponent)
    for harmonic in (1, 2, 3, 5):
        radius *= 1 + rng.normal(0, 0.06) * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    scale = rng.uniform(0.8, 1.15, size=2)
    points = np.stack(
        [center_x + half_width * scale[0] * radius * cos, center_y + half_height * scale[1] * radius * sin, angle * 0 + 1]
    )
    pixels = (face_frame(landmarks) @ points).T
    hard = np.zeros(shape, np.uint8)
    cv2.fillPoly(hard, [np.round(pixels).astype(np.int32)], (1,))
    depth = cv2.distanceTransform(cv2.copyMakeBorder(hard, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 3)[1:-1, 1:-1]
    feather = float(rng.choice([0.0, 0.05, 0.15, 0.35]) * rng.uniform(0.5, 1.0))
    ramp = np.clip(depth / max(1.0, feather * float(depth.max())), 0, 1)
    alpha = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    return alpha, {"region": name, "exponent": exponent, "feather": round(feather, 3)}


def blend(target: UInt8Array, content: UInt8Array, alpha: FloatArray) -> UInt8Array:
    """``content`` where alpha is 1, ``target`` where it is 0: exactly the target's bytes there."""
    weight = alpha[..., None]
    mixed = target + weight * (content.astype(np.float32) - target)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), dtype=np.uint8)


def poisson(content: UInt8Array, target: UInt8Array, region: BoolArray, *, mixed: bool = False) -> UInt8Array:
    """``content`` cloned into ``region`` by Poisson's equation (Perez et al. 2003); the target's bytes elsewhere.

    ``mixed``: of each pixel's two gradients the stronger is kept, so that the target's own detail shows through.
    """
    inner = region.astype(np.uint8)
    inner[[0, -1]] = inner[:, [0, -1]] = 0  # the solver needs a border
    if inner.sum() < 64:
        return blend(target, content, region.astype(np.float32))
    x, y, width, height = cv2.boundingRect(inner)
    how = cv2.MIXED_CLONE if mixed else cv2.NORMAL_CLONE
    cloned = cv2.seamlessClone(content, target, inner * 255, (x + width // 2, y + height // 2), how)
    return np.where(region[..., None], cloned, target)


def paste(
    target: UInt8Array, content: UInt8Array, alpha: FloatArray, rng: np.random.Generator, odds: float
) -> tuple[UInt8Array, str]:
    """``content`` pasted into ``target``, and how: by Poisson's equation where ``alpha`` > 0 with probability ``odds``, else
    blended by ``alpha``."""
    if rng.random() < odds:
        return poisson(content, target, alpha > 0), "poisson"
    return blend(target, content, alpha), "alpha"


def smooth_noise(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> FloatArray:
    """A random field, float32 ``shape``, of about unit spread, that varies over 1/``cells`` of the picture."""
    coarse = rng.normal(0, 1, (cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def height_of(alpha: FloatArray) -> float:
    """Height of a region in pixels, 0 where it is empty."""
    rows = np.nonzero(alpha.any(axis=1))[0]
    return float(rows[-1] - rows[0] + 1) if len(rows) else 0.0
