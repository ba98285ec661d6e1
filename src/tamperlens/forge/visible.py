"""The label of a training crop: what is visibly changed, not what the forger could have touched.

Ground truth of manipulations made elsewhere is a difference, thresholded, closed and filled; a rim that blending has made
invisible is not in it, and a network cannot learn to see it.
"""

import cv2
import numpy as np

from tamperlens.types import BoolArray, UInt8Array

__all__ = ["VISIBLE", "visible_difference"]

VISIBLE = 3.0  # grey levels, of the difference averaged over a few pixels


def visible_difference(forged: UInt8Array, base: UInt8Array, support: BoolArray, threshold: float = VISIBLE) -> BoolArray:
    """Pixels whose surroundings differ by ``threshold`` grey levels or more in some channel, closed and filled.

    ``forged`` and ``base`` are RGB uint8 ``(H, W, 3)``, before any codec saw them together; ``support`` bool ``(H, W)`` holds
    every pixel that was touched, and bounds the result.
    """
    side = max(forged.shape[:2])
    difference = np.abs(forged.astype(np.int16) - base.astype(np.int16)).max(axis=2).astype(np.float32)
    near = cv2.blur(difference, (odd(side / 60), odd(side / 60)))
    seen = ((near >= threshold) & support).astype(np.uint8)
    closed = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd(side / 14),) * 2))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(closed)
    smallest = max(9.0, side * side / 4000)
    kept = [outline for outline in outlines if cv2.contourArea(outline) >= smallest]
    cv2.drawContours(filled, kept, -1, (1,), cv2.FILLED)
    return np.asarray((filled > 0) & support, np.bool_)


def odd(value: float) -> int:
    """The odd whole number next to ``value``, at least 3: a kernel's side."""
    return max(3, round(value) // 2 * 2 + 1)
