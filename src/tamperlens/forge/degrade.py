"""How strongly pictures are changed in real life: effects of `forge.effects` and codecs, drawn at random.

Pristine and manipulated pictures go through the same pipelines with the same odds, before and after the forgery, so that
neither softness, noise nor compression of a whole picture tells the class: only a region that differs from its
surroundings does.
"""

from collections.abc import Callable

import cv2
import numpy as np

from tamperlens.forge.effects import (
    bilateral,
    blur,
    local_tone,
    median,
    motion_blur,
    noise,
    non_local_means,
    palette,
    resample,
    sharpen,
    shrink_jpeg,
    tone,
)
from tamperlens.media import h264, jpeg, webp
from tamperlens.types import UInt8Array

__all__ = ["STEPS", "apply_pipeline", "compress", "draw_step"]

Step = Callable[[UInt8Array, np.random.Generator], tuple[UInt8Array, object]]


# Steps: the strength is drawn, in this order, from ranges that pictures come in; with the picture, what was drawn.


def _noise(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    sigma, grain = float(rng.uniform(0.5, 7)), float(rng.choice([0.0, 0.0, 0.6, 1.0]))
    return noise(image, sigma, rng, grain), [round(sigma, 2), grain]


def _blur(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    sigma = float(rng.uniform(0.3, 1.8))
    return blur(image, sigma), round(sigma, 2)


def _motion(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    length, angle = int(rng.integers(3, 10)), float(rng.uniform(0, 180))
    return motion_blur(image, length, angle), [length, round(angle)]


def _resample(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    factor = float(np.exp(rng.uniform(np.log(0.3), np.log(0.9))))
    there, back = (int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR])), int(rng.choice([1, 2, 4])))  # linear, cubic, Lanczos
    return resample(image, factor, there, back), [round(factor, 2), there, back]


def _sharpen(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    amount, sigma = float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.6, 2.0))
    return sharpen(image, amount, sigma), [round(amount, 2), round(sigma, 2)]


def _denoise(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    if rng.random() < 0.4:
        return median(image), "median"
    spread = float(rng.uniform(8, 40))
    return bilateral(image, spread), round(spread)


def _non_local_means(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    strength = float(rng.uniform(2, 8))
    return non_local_means(image, strength), round(strength, 1)


def _tone(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """From bright to much too dark."""
    gamma, gain = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2)))), rng.uniform(0.9, 1.1, size=3)
    return tone(image, gamma, gain), round(gamma, 2)


def _local_tone(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    limit, tiles = float(rng.uniform(1.2, 4)), int(rng.integers(3, 9))
    return local_tone(image, limit, tiles), [round(limit, 2), tiles]


def _palette(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    colours = int(rng.integers(48, 257))
    return palette(image, colours), colours


def _uneven(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Another step that fades in across the picture, or from a point outwards: focus and light differ within one photo."""
    other, step = draw_step(image, rng, _FADING)
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width) - rng.uniform(0.3, 0.7, size=2)[:, None, None]
    angle, wide = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.4, 1.2))  # forgeries fade over a tenth, seldom more
    way = np.hypot(x, y) - wide / 2 if rng.random() < 0.4 else np.cos(angle) * x + np.sin(angle) * y
    fade = np.clip(way / wide + 0.5, 0, 1).astype(np.float32)[..., None]
    return np.asarray(np.rint(image * (1 - fade) + other * fade), np.uint8), [round(wide, 2), step]


def _jpeg(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    quality, subsample = int(rng.integers(40, 99)), bool(rng.random() < 0.7)
    return jpeg(image, quality, subsample=subsample), [quality, subsample]


def _webp(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    quality = int(rng.integers(50, 97))
    return webp(image, quality), quality


def _h264(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    crf = int(rng.integers(16, 36))
    return h264(image, crf), crf


def _shrink_jpeg(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    factor, quality = float(rng.uniform(1.1, 1.7)), int(rng.integers(40, 95))
    return shrink_jpeg(image, factor, quality), [round(factor, 2), quality]


# name: (odds, step). One list for pictures before the forgery, after it, and never forged.
STEPS: dict[str, tuple[float, Step]] = {
    "noise": (3.0, _noise),
    "blur": (2.0, _blur),
    "motion": (0.7, _motion),
    "resample": (2.0, _resample),
    "sharpen": (1.5, _sharpen),
    "denoise": (1.5, _denoise),
    "non_local_means": (0.3, _non_local_means),
    "tone": (1.5, _tone),
    "local_tone": (1.0, _local_tone),
    "palette": (0.4, _palette),
    "uneven": (2.5, _uneven),
    "jpeg": (3.0, _jpeg),
    "webp": (1.0, _webp),
    "h264": (0.7, _h264),
    "shrink_jpeg": (0.7, _shrink_jpeg),
}
_FADING = ("noise", "blur", "resample", "sharpen", "denoise", "non_local_means")
_NAMES = list(STEPS)
_ODDS = np.array([odds for odds, _ in STEPS.values()]) / sum(odds for odds, _ in STEPS.values())


def draw_step(image: UInt8Array, rng: np.random.Generator, names: tuple[str, ...] = ()) -> tuple[UInt8Array, list[object]]:
    """One random step (among ``names`` if given) applied to an RGB uint8 ``(H, W, 3)`` picture, and what it was."""
    name = str(rng.choice(names)) if names else str(rng.choice(_NAMES, p=_ODDS))
    image, parameters = STEPS[name][1](image, rng)
    return image, [name, parameters]


def apply_pipeline(
    image: UInt8Array, rng: np.random.Generator, untouched: float, most: int = 3
) -> tuple[UInt8Array, list[object]]:
    """With probability ``untouched`` the picture as it is; otherwise after one to ``most`` random steps. Also returns them."""
    if rng.random() < untouched:
        return image, []
    steps: list[object] = []
    for _ in range(int(rng.integers(1, most + 1))):
        image, step = draw_step(image, rng)
        steps.append(step)
    return image, steps


def compress(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """The last thing that happens to most pictures: JPEG, WebP or a video codec, at the qualities in use."""
    how = str(rng.choice(["jpeg", "webp", "h264"], p=[0.5, 0.15, 0.35]))
    if how == "jpeg":
        return jpeg(image, int(rng.integers(45, 96)), subsample=bool(rng.random() < 0.7))
    return webp(image, int(rng.integers(50, 96))) if how == "webp" else h264(image, int(rng.integers(18, 33)))
