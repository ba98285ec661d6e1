"""What a studio does not show: other light, other colours, skin of other tones, heads at an angle.

Portraits are lit and posed alike, and a detector that has seen no other pictures takes a hard shadow, a flushed face or a
stage's colours for a forger's work. So pictures are varied here *before* they are forged, whole and smoothly, and the pristine
one of a pair has been through the same.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.forge.portrait import Portrait
from tamperlens.types import UInt8Array

__all__ = ["relit", "skin_of", "turned"]

Field = npt.NDArray[np.float32]


def relit(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """An RGB uint8 ``(H, W, 3)`` picture in other light: any of grading, another skin tone and one or two lamps."""
    levels: Field = (image / np.float32(255)).astype(np.float32)
    if rng.random() < 0.45:
        levels = _other_skin(image, levels, rng)
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(1, 3))):
            levels = np.asarray(levels * _lamp(image.shape[0], image.shape[1], rng), np.float32)
    if rng.random() < 0.75:
        levels = _graded(levels, rng)
    return np.asarray(np.clip(np.rint(255 * levels), 0, 255), np.uint8)


def turned(portrait: Portrait, rng: np.random.Generator) -> Portrait:
    """The portrait rolled by some degrees, seen a little from one side, wider or narrower; its size stays."""
    side = portrait.image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    middle = np.float32(side / 2)
    turn = np.deg2rad(float(rng.normal(0, 9)))
    roll = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    moved = ((corners - middle) @ roll) * np.exp(rng.normal(0, 0.05, size=2)) + middle
    moved = (moved + rng.normal(0, 0.025 * side, size=(4, 2))).astype(np.float32)
    view = cv2.getPerspectiveTransform(corners, moved)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    image = cv2.warpPerspective(portrait.image, view, (side, side), flags=order, borderMode=cv2.BORDER_REPLICATE)
    landmarks = cv2.perspectiveTransform(portrait.landmarks[None].astype(np.float32), view)[0]
    return Portrait(np.asarray(image, np.uint8), np.asarray(landmarks, np.float32))


def skin_of(image: UInt8Array) -> Field:
    """How much each pixel has the colour of skin, float32 ``(H, W)`` in [0, 1]: a broad hill in chroma."""
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    skin = np.exp(-((chroma[..., 1] - 150) ** 2 / 400 + (chroma[..., 2] - 108) ** 2 / 400))
    return np.asarray(cv2.GaussianBlur(skin, (0, 0), image.shape[0] / 80), np.float32)


def _other_skin(image: UInt8Array, levels: Field, rng: np.random.Generator) -> Field:
    """Lighter, darker, redder or paler wherever there is skin: faces, necks and hands alike."""
    gain = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.07, size=3)).astype(np.float32)
    return np.asarray(levels * (1 + skin_of(image)[..., None] * (gain - 1)), np.float32)


def _lamp(height: int, width: int, rng: np.random.Generator) -> Field:
    """What a lamp or its shadow does to each pixel, ``(H, W, 3)``: from a side with a soft or harder edge, or a spot."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width) - rng.uniform(0.25, 0.75, size=2)[:, None, None]
    angle = float(rng.uniform(0, 2 * np.pi))
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    if rng.random() < 0.6:
        soft = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
        bent = along + float(rng.normal(0, 0.6)) * across**2
        lit = 1 / (1 + np.exp(-np.clip(bent / soft, -20, 20)))
    else:
        wide = np.exp(rng.uniform(np.log(0.18), np.log(0.6), size=2))
        lit = np.exp(-((along / wide[0]) ** 2 + (across / wide[1]) ** 2) / 2)
    strength = rng.uniform(-0.8, 0.8) + rng.normal(0, 0.06, size=3)
    return np.asarray(np.exp(lit[..., None] * strength), np.float32)


def _graded(levels: Field, rng: np.random.Generator) -> Field:
    """Exposure, contrast, white balance and saturation, as cameras and editors set them."""
    levels = np.clip(levels, 0, 1) ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    middle, slope = float(rng.uniform(0.35, 0.6)), float(np.exp(rng.uniform(-0.4, 0.5)))
    levels = (levels - middle) * slope + middle
    levels = levels * np.exp(rng.normal(0, 0.08, size=3)).astype(np.float32)
    grey = levels @ np.array([0.299, 0.587, 0.114], np.float32)
    amount = float(rng.uniform(0.0, 0.3)) if rng.random() < 0.1 else float(rng.uniform(0.5, 1.7))
    return np.asarray(grey[..., None] + amount * (levels - grey[..., None]), np.float32)
