"""What may happen to a whole picture, each effect once: focus, noise, resampling, retouching, sharpening, light, graphics.

An effect takes an RGB uint8 ``(H, W, 3)`` picture and how strong it is, and gives a new picture of the same shape. Lossy codecs
are those of `tamperlens.media`. `forge.degrade` draws strengths for training, `bench.corruptions` goes through them one by one,
and `bench.held_out` puts a fixed few on real photos.

    >>> import numpy as np
    >>> grey = np.full((8, 8, 3), 100, np.uint8)
    >>> int(tone(grey, gamma=2.0)[0, 0, 0])  # 255 * (100 / 255) ** 2
    39
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from tamperlens.media import jpeg, resize
from tamperlens.types import UInt8Array

__all__ = [
    "bilateral",
    "blur",
    "caption",
    "enlarged",
    "few_levels",
    "flash",
    "half_in_shadow",
    "local_tone",
    "median",
    "moire",
    "monochrome",
    "motion_blur",
    "noise",
    "non_local_means",
    "palette",
    "resample",
    "screenshot",
    "sharpen",
    "shrink_jpeg",
    "tone",
    "vignette",
]


def noise(image: UInt8Array, sigma: float, rng: np.random.Generator, grain: float = 0.0) -> UInt8Array:
    """Gaussian noise of ``sigma`` grey levels, stronger in bright pixels as a sensor's is; ``grain`` blurs it (in pixels)."""
    field = rng.standard_normal(image.shape, dtype=np.float32)
    if grain > 0:
        field = cv2.GaussianBlur(field, (0, 0), grain)
        field /= float(field.std()) + 1e-6
    shot = sigma * np.sqrt(0.5 + image / 255.0, dtype=np.float32)
    return _levels(image + shot * field)


def blur(image: UInt8Array, sigma: float) -> UInt8Array:
    """Out of focus by a Gaussian of ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def motion_blur(image: UInt8Array, length: int, angle: float) -> UInt8Array:
    """Moved by ``length`` pixels while the shutter was open; ``angle`` in degrees."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), angle, 1.0)
    kernel = cv2.warpAffine(line, turn, (length, length))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def resample(image: UInt8Array, factor: float, there: int | None = None, back: int = cv2.INTER_CUBIC) -> UInt8Array:
    """Brought to ``factor`` of its size and back again: what an upscaled (or, above 1, a downscaled) picture looks like.

    ``there`` and ``back`` are OpenCV's interpolations; without ``there``, area averaging when it shrinks, else bicubic.
    """
    height, width = image.shape[:2]
    if there is None:
        there = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    other = cv2.resize(image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=there)
    return np.asarray(cv2.resize(other, (width, height), interpolation=back), np.uint8)


def enlarged(image: UInt8Array, factor: float) -> UInt8Array:
    """As if enlarged by ``factor`` from a smaller picture. As `resample`, but on a grid of exactly ``factor`` pixels."""
    small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC), np.uint8)


def screenshot(image: UInt8Array, factor: float) -> UInt8Array:
    """Shown at ``factor`` of its size by a viewer, grabbed, and shared as JPEG of quality 85."""
    height, width = image.shape[:2]
    shown = cv2.resize(image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=cv2.INTER_LINEAR)
    grabbed = jpeg(np.asarray(shown, np.uint8), 85)
    return np.asarray(cv2.resize(grabbed, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def sharpen(image: UInt8Array, amount: float, sigma: float) -> UInt8Array:
    """Unsharp mask: ``amount`` of what a Gaussian of ``sigma`` pixels takes away is added."""
    return np.asarray(cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), sigma), -amount, 0), np.uint8)


def median(image: UInt8Array) -> UInt8Array:
    """Each pixel the median of 3 x 3."""
    return np.asarray(cv2.medianBlur(image, 3), np.uint8)


def bilateral(image: UInt8Array, spread: float) -> UInt8Array:
    """Retouching-like smoothing that keeps edges higher than about ``spread`` grey levels."""
    return np.asarray(cv2.bilateralFilter(image, 5, spread, 3), np.uint8)


def non_local_means(image: UInt8Array, strength: float) -> UInt8Array:
    """Smoothing by patches that look alike, as phones do with little light; ``strength`` in grey levels."""
    # Smaller windows than usual (7 and 21), which take two and a half times as long.
    return np.asarray(cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 5, 9), np.uint8)


def tone(image: UInt8Array, gamma: float, gain: Sequence[float] | npt.NDArray[np.float64] = (1.0, 1.0, 1.0)) -> UInt8Array:
    """Exposure and white balance: levels in [0, 1] to the power of ``gamma``, then each colour times its ``gain``."""
    levels = (np.arange(256) / 255.0) ** gamma
    table = _levels(255 * levels[:, None] * np.asarray(gain))  # (256, 3)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def local_tone(image: UInt8Array, limit: float, tiles: int) -> UInt8Array:
    """Contrast evened out place by place, as phone cameras do it: CLAHE of ``tiles`` x ``tiles`` places."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(limit, (tiles, tiles)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def palette(image: UInt8Array, colours: int) -> UInt8Array:
    """Few colours, dithered: a GIF."""
    return np.asarray(Image.fromarray(image).quantize(colours).convert("RGB"), np.uint8)


def shrink_jpeg(image: UInt8Array, factor: float, quality: int) -> UInt8Array:
    """JPEG at ``factor`` times the size, then shrunk: block traces that no longer lie on the pixel grid."""
    height, width = image.shape[:2]
    large = resize(image, round(width * factor), round(height * factor))
    return resize(jpeg(large, quality), width, height)


# Effects that training never draws: whole bench tables are of what a model has not seen (`benchmarks/everyday.py`).


def vignette(image: UInt8Array) -> UInt8Array:
    """Darker towards the corners, as by a lens."""
    x, y = _place(image)
    return _levels(image * (1 - 1.2 * (x * x + y * y)))


def flash(image: UInt8Array) -> UInt8Array:
    """Bright in the middle, dark around it."""
    x, y = _place(image)
    return _levels(image * (0.5 + 1.1 * np.exp(-8 * (x * x + y * y))))


def half_in_shadow(image: UInt8Array, edge: float) -> UInt8Array:
    """Half as bright to the right of ``edge``, in sides from the middle."""
    x, _ = _place(image)
    return _levels(image * (1 - 0.5 * np.clip((x - edge) / 0.06 + 0.5, 0, 1)))


def caption(image: UInt8Array, color: Sequence[int] | npt.NDArray[np.int64]) -> UInt8Array:
    """A bar of one colour with white words over the lowest seventh."""
    captioned, height = image.copy(), image.shape[0]
    captioned[int(0.85 * height) :] = color
    size, place = height / 300, (height // 40, int(0.95 * height))
    font = cv2.FONT_HERSHEY_DUPLEX
    return np.asarray(cv2.putText(captioned, "NEWS AT TEN", place, font, size, (255, 255, 255), 2, cv2.LINE_AA), np.uint8)


def moire(image: UInt8Array) -> UInt8Array:
    """The fine stripes of a photographed screen."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return _levels(image * (1 + 0.06 * np.sin(2 * np.pi * (0.27 * x + 0.03 * y)))[..., None])


def monochrome(image: UInt8Array) -> UInt8Array:
    """Without colour."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(np.repeat(grey[..., None], 3, axis=2), np.uint8)


def few_levels(image: UInt8Array) -> UInt8Array:
    """16 levels of each colour."""
    return np.asarray(image // 16 * 16 + 8, np.uint8)


def _levels(values: npt.NDArray[np.floating]) -> UInt8Array:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _place(image: UInt8Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Every pixel's x and y from the middle, in sides, ``(H, W, 1)`` each."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] / max(height, width) - 0.5
    return x[..., None], y[..., None]
