"""What a forger paints: the traces that make new content differ from the picture around it."""

import cv2
import numpy as np

from tamperlens.forge.degrade import draw_step
from tamperlens.forge.learned import render
from tamperlens.media import resize
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["bottleneck", "drift_color", "match_color", "mismatch", "redraw", "shift", "upsampling_grid"]

# A region betrays itself by another history: each of these changes texture, so at least one is always drawn.
_TEXTURE = ("noise", "blur", "resample", "resample", "sharpen", "denoise", "jpeg", "motion")


def mismatch(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, list[object]]:
    """``image`` after one or two texture-changing steps that the rest of the picture does not share."""
    steps: list[object] = []
    for _ in range(int(rng.integers(1, 3))):
        image, step = draw_step(image, rng, _TEXTURE)
        steps.append(step)
    return image, steps


def drift_color(image: UInt8Array, rng: np.random.Generator, strength: float = 1.0) -> UInt8Array:
    """A slight change of brightness, contrast and tint."""
    gain = 1 + strength * rng.normal(0, 0.05) + strength * rng.normal(0, 0.025, size=3)
    offset = strength * (rng.normal(0, 6) + rng.normal(0, 3, size=3))
    return np.asarray(np.clip(np.rint(image * gain + offset), 0, 255), dtype=np.uint8)


def match_color(content: UInt8Array, target: UInt8Array, region: BoolArray) -> UInt8Array:
    """``content`` with the mean and spread, per Lab channel, that ``target`` has inside ``region``."""
    if region.sum() < 16:
        return content
    lab = cv2.cvtColor(content, cv2.COLOR_RGB2LAB).astype(np.float32)
    wanted = cv2.cvtColor(target, cv2.COLOR_RGB2LAB).astype(np.float32)[region]
    had = lab[region]
    scale = np.clip(wanted.std(axis=0) / (had.std(axis=0) + 1e-3), 0.5, 2.0)
    lab = (lab - had.mean(axis=0)) * scale + wanted.mean(axis=0)
    return np.asarray(cv2.cvtColor(np.clip(np.rint(lab), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), dtype=np.uint8)


def shift(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A small move, turn and change of size, so that edges do not meet and every pixel is interpolated."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.normal(0, 1.5)), float(1 + rng.normal(0, 0.02)))
    turn[:, 2] += rng.normal(0, 0.008, size=2) * (width, height)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
    return np.asarray(cv2.warpAffine(image, turn, (width, height), flags=order, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def bottleneck(image: UInt8Array, face_side: float, rng: np.random.Generator) -> tuple[UInt8Array, int]:
    """``image`` as a generator of limited resolution renders it: the face at 48 to 200 pixels, then enlarged to fit."""
    height, width = image.shape[:2]
    rendered = int(np.exp(rng.uniform(np.log(48), np.log(200))))
    factor = min(0.95, rendered / max(1.0, face_side))
    small = resize(image, max(8, round(width * factor)), max(8, round(height * factor)))
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
    return np.asarray(cv2.resize(small, (width, height), interpolation=order), dtype=np.uint8), rendered


def redraw(image: UInt8Array, region: BoolArray) -> UInt8Array:
    """``image`` with the square around ``region`` drawn again by the learned renderer."""
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    side = min(max(width, height, 16), *image.shape[:2])
    left = int(np.clip(x + (width - side) // 2, 0, image.shape[1] - side))
    top = int(np.clip(y + (height - side) // 2, 0, image.shape[0] - side))
    square = (slice(top, top + side), slice(left, left + side))
    drawn = image.copy()
    drawn[square] = render(image[square])
    return drawn


def upsampling_grid(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """The faint periodic pattern that strided transposed convolutions leave."""
    period = int(rng.choice([2, 4, 8]))
    tile = rng.normal(0, rng.uniform(0.8, 3.0), size=(period, period, 3))
    height, width = image.shape[:2]
    pattern: FloatArray = np.tile(tile, (height // period + 1, width // period + 1, 1))[:height, :width].astype(np.float32)
    return np.asarray(np.clip(np.rint(image + pattern), 0, 255), dtype=np.uint8)
