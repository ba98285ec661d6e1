"""What happens to whole pictures in real life: focus, noise, resampling, retouching, sharpening, compression.

Pristine and manipulated pictures go through the same pipelines with the same odds, before and after the forgery, so that
neither softness, noise nor compression of a whole picture tells the class: only a region that differs from its
surroundings does.
"""

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from tamperlens.media import h264, jpeg, resize, webp
from tamperlens.types import UInt8Array

__all__ = ["STEPS", "apply_pipeline", "compress", "draw_step", "noise"]

Step = Callable[[UInt8Array, np.random.Generator], tuple[UInt8Array, object]]


def noise(image: UInt8Array, sigma: float, rng: np.random.Generator, grain: float = 0.0) -> UInt8Array:
    """Gaussian noise of ``sigma`` grey levels, stronger in bright pixels as a sensor's is; ``grain`` blurs it (in pixels)."""
    field = rng.standard_normal(image.shape, dtype=np.float32)
    if grain > 0:
        field = cv2.GaussianBlur(field, (0, 0), grain)
        field /= float(field.std()) + 1e-6
    shot = sigma * np.sqrt(0.5 + image / 255.0, dtype=np.float32)
    return np.asarray(np.clip(np.rint(image + shot * field), 0, 255), dtype=np.uint8)


def _noise(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    sigma, grain = float(rng.uniform(0.5, 7)), float(rng.choice([0.0, 0.0, 0.6, 1.0]))
    return noise(image, sigma, rng, grain), [round(sigma, 2), grain]


def _blur(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    sigma = float(rng.uniform(0.3, 1.8))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8), round(sigma, 2)


def _motion(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    length, angle = int(rng.integers(3, 10)), float(rng.uniform(0, 180))
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), angle, 1.0)
    kernel = cv2.warpAffine(line, turn, (length, length))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8), [length, round(angle)]


def _resample(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Shrunk and enlarged again: what an upscaled picture looks like."""
    factor = float(np.exp(rng.uniform(np.log(0.3), np.log(0.9))))
    height, width = image.shape[:2]
    down, up = (int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR])), int(rng.choice([1, 2, 4])))  # linear, cubic, Lanczos
    small = cv2.resize(image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), dtype=np.uint8), [round(factor, 2), down, up]


def _sharpen(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    amount, sigma = float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.6, 2.0))
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), dtype=np.uint8), [round(amount, 2), round(sigma, 2)]


def _denoise(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Retouching-like smoothing that keeps edges."""
    if rng.random() < 0.4:
        return np.asarray(cv2.medianBlur(image, 3), dtype=np.uint8), "median"
    spread = float(rng.uniform(8, 40))
    return np.asarray(cv2.bilateralFilter(image, 5, spread, 3), dtype=np.uint8), round(spread)


def _non_local_means(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Smoothing by patches that look alike, as phones do with little light."""
    strength = float(rng.uniform(2, 8))
    # Smaller windows than usual (7 and 21), which take two and a half times as long.
    return np.asarray(cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 5, 9), np.uint8), round(strength, 1)


def _tone(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Exposure and white balance: from bright to much too dark."""
    gamma, gain = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2)))), rng.uniform(0.9, 1.1, size=3)
    levels = (np.arange(256) / 255.0) ** gamma
    table = np.clip(np.rint(255 * levels[:, None] * gain), 0, 255).astype(np.uint8)  # (256, 3)
    return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8), round(gamma, 2)


def _local_tone(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Contrast evened out place by place, as phone cameras do it."""
    limit, tiles = float(rng.uniform(1.2, 4)), int(rng.integers(3, 9))
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(limit, (tiles, tiles)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8), [round(limit, 2), tiles]


def _palette(image: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, object]:
    """Few colours, dithered: a GIF."""
    colours = int(rng.integers(48, 257))
    return np.asarray(Image.fromarray(image).quantize(colours).convert("RGB"), np.uint8), colours


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
    """JPEG at a larger size, then shrunk: block traces that no longer lie on the pixel grid."""
    factor, quality = float(rng.uniform(1.1, 1.7)), int(rng.integers(40, 95))
    height, width = image.shape[:2]
    large = resize(image, round(width * factor), round(height * factor))
    return resize(jpeg(large, quality), width, height), [round(factor, 2), quality]


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
