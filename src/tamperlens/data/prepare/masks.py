"""Mask recipes: named, versioned ways from a manipulated frame and its original to the mask of manipulated pixels.

A recipe decides the ground truth. In compressed video its area changes fourfold with a threshold that papers leave
out, so a recipe's name, version, parameters and hash travel with every mask and are printed with every IoU. Whoever
changes what a recipe does raises its version.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.errors import DataError
from tamperlens.types import BoolArray, FaceBox, FloatArray, UInt8Array

__all__ = [
    "RECIPES",
    "NoiseFloor",
    "Recipe",
    "default_recipe",
    "looks_inverted",
    "mask_of_picture",
    "noise_floor",
    "noise_problem",
]

Parameters = dict[str, float]
Released = npt.NDArray[np.uint8] | BoolArray
BORDER = 0.1  # of the frame's height and width: where the noise floor is measured
ENLARGED = (2.0, 1.5)  # times the face box: what is left out of it, the second where the first leaves nothing
FLAT = 1.0  # standard deviation in a strip of one colour, of 255
# 99th percentile of the difference outside the face, of 255. Two clean c23 pairs of FaceForensics++: 9 and 11, one with
# a c40 original: 28 to 31. Seven clips encoded to measure it: 0 to 9 at c23, 9 to 33 (all but one 15 or more) for c23
# against c40, 0 to 23 at c40.
MAX_NOISE = 14.0


@dataclass(frozen=True)
class Recipe:
    """One way of making masks; a value that can be stored, compared and printed."""

    name: str
    version: int
    parameters: tuple[tuple[str, float], ...]
    make: Callable[[UInt8Array, UInt8Array, Released | None, Parameters], BoolArray] = field(repr=False, compare=False)
    max_noise: float = float("inf")  # the largest noise floor (99th percentile, of 255) it can be used at
    needs_released: bool = False  # whether it needs the dataset's own mask

    def __call__(self, manipulated: UInt8Array, original: UInt8Array, released: Released | None = None) -> BoolArray:
        """The mask, bool ``(H, W)``, True where manipulated.

        ``manipulated`` and ``original`` are the same frame, whole, RGB uint8 ``(H, W, 3)``; ``released`` is the
        dataset's own mask of it, uint8 or bool ``(H, W)``. Raises ``DataError`` for sizes that differ and for a
        missing or inverted released mask.
        """
        _check_pair(manipulated, original)
        if released is not None and released.shape != manipulated.shape[:2]:
            raise DataError(
                f"the released mask is {released.shape[1]}x{released.shape[0]} and the frame "
                f"{manipulated.shape[1]}x{manipulated.shape[0]}: it is of another picture; use a difference recipe"
            )
        if released is None and self.needs_released:
            others = ", ".join(name for name, recipe in RECIPES.items() if not recipe.needs_released)
            raise DataError(f"recipe {self.name!r} needs the dataset's own mask and there is none; use one of {others}")
        return self.make(manipulated, original, released, dict(self.parameters))

    def __str__(self) -> str:
        settings = ", ".join(f"{name} {value:g}" for name, value in self.parameters)
        return f"{self.name} v{self.version} [{self.hash}]" + (f" ({settings})" if settings else "")

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits over name, version and parameters."""
        content = json.dumps([self.name, self.version, sorted(self.parameters)])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def changed(self, **parameters: float) -> "Recipe":
        """The same recipe with other parameters and so another hash. Raises ``DataError`` for unknown names."""
        known = dict(self.parameters)
        if unknown := parameters.keys() - known.keys():
            raise DataError(f"recipe {self.name!r} has no parameter {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
        return replace(self, parameters=tuple({**known, **{k: float(v) for k, v in parameters.items()}}.items()))


def _difference(manipulated: UInt8Array, original: UInt8Array) -> UInt8Array:
    """The largest difference of any channel, uint8 (H, W)."""
    red, green, blue = cv2.split(cv2.absdiff(manipulated, original))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _exact(manipulated: UInt8Array, original: UInt8Array, released: Released | None, use: Parameters) -> BoolArray:
    return _difference(manipulated, original) > 0


def _smooth(manipulated: UInt8Array, original: UInt8Array, released: Released | None, use: Parameters) -> BoolArray:
    noise = _difference(manipulated, original).astype(np.float32)
    return _tidy(cv2.GaussianBlur(noise, (0, 0), use["sigma"]) > use["threshold"], use)


def _dssim(manipulated: UInt8Array, original: UInt8Array, released: Released | None, use: Parameters) -> BoolArray:
    a, b = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (manipulated, original))
    distance = (1 - _ssim(a, b, use["window"])) / 2
    return _tidy(cv2.GaussianBlur(distance, (0, 0), use["sigma"]) > use["threshold"], use)


def _ssim(a: FloatArray, b: FloatArray, sigma: float) -> FloatArray:
    """Structural similarity of each pixel's Gaussian neighbourhood, in [-1, 1] (Wang et al., 2004)."""

    def mean(picture: FloatArray) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return np.asarray(similar / ((mean_a**2 + mean_b**2 + c1) * (variances + c2)), np.float32)


def _tidy(marked: npt.NDArray[np.bool_], use: Parameters) -> BoolArray:
    """Closes gaps of ``close`` pixels; keeps components of ``smallest`` pixels and ``keep`` of the largest."""
    size, pixels = int(use["close"]), marked.view(np.uint8)
    # Only around what is marked, for speed. Closing reaches size - 1 pixels, so the rest of the frame changes nothing.
    x, y, width, height = cv2.boundingRect(pixels)
    around = slice(max(0, y - size), y + height + size), slice(max(0, x - size), x + width + size)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(pixels[around], cv2.MORPH_CLOSE, kernel)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = -1  # label 0 is the background
    tidied = np.zeros(marked.shape, np.bool_)
    tidied[around] = (areas >= max(use["smallest"], use["keep"] * areas.max(), 0))[labels]
    return tidied


def _released(manipulated: UInt8Array, original: UInt8Array, released: Released | None, use: Parameters) -> BoolArray:
    assert released is not None  # checked by Recipe.__call__
    marked = released if released.dtype == np.bool_ else released > use["threshold"]
    marked = np.asarray(marked, np.bool_)
    if looks_inverted(marked):
        raise DataError(
            "the released mask marks most of the frame's border as manipulated, so it is inverted; "
            "pass whole frames, and masks that are white where manipulated"
        )
    return marked


def _both(manipulated: UInt8Array, original: UInt8Array, released: Released | None, use: Parameters) -> BoolArray:
    given = _released(manipulated, original, released, {"threshold": use["released_threshold"]})
    return given & _smooth(manipulated, original, None, use)


_SMOOTH = {"sigma": 3.0, "threshold": 15.0, "close": 15.0, "keep": 0.05, "smallest": 64.0}
_DSSIM = {"window": 1.5, "sigma": 3.0, "threshold": 0.05, "close": 15.0, "keep": 0.05, "smallest": 64.0}
# Above the ripples that lossy coding leaves in a mask video's black, below anything that was drawn.
_RELEASED = 32.0

# The only list of recipes.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        # Any channel differs: exact where nothing was compressed after the manipulation (raw).
        Recipe("absdiff-exact", 1, (), _exact, max_noise=0),
        # Smoothed difference, for lightly compressed pairs (c23).
        Recipe("absdiff-smooth", 1, tuple(_SMOOTH.items()), _smooth, max_noise=MAX_NOISE),
        # Structure instead of value: blind to changes of brightness alone.
        Recipe("dssim", 1, tuple(_DSSIM.items()), _dssim, max_noise=MAX_NOISE),
        # What the dataset says; in FaceForensics++ not the changed pixels (a rectangle for Deepfakes, the tracker's
        # face for NT).
        Recipe("released", 1, (("threshold", _RELEASED),), _released, needs_released=True),
        # Changed pixels that the dataset's mask covers.
        Recipe(
            "released-and-diff",
            1,
            (("released_threshold", _RELEASED), *_SMOOTH.items()),
            _both,
            max_noise=MAX_NOISE,
            needs_released=True,
        ),
    )
}


def default_recipe(compression: str | None) -> Recipe:
    """The recipe for a level: exact for raw, smoothed for c23 and for unknown ones, released masks for c40."""
    return RECIPES[COMPRESSIONS[compression or "c23"].recipe]


def mask_of_picture(image: UInt8Array) -> UInt8Array:
    """A released mask, uint8 ``(H, W)``, from a frame of a mask video, RGB uint8 ``(H, W, 3)``: brightest channel."""
    return np.asarray(image.max(axis=2), np.uint8)


def looks_inverted(mask: BoolArray) -> bool:
    """Whether most of the frame's outermost pixels are marked, and of the others fewer: nobody manipulates only the
    background, but in a close-up the manipulated area may fill the frame."""
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]]).mean()
    return bool(edge > 0.5 and mask.mean() < edge)


@dataclass(frozen=True)
class NoiseFloor:
    """How much two frames differ where nothing was manipulated, of 255."""

    median: float
    p99: float


def noise_floor(
    manipulated: UInt8Array, original: UInt8Array, face_box: FaceBox | None = None, released: BoolArray | None = None
) -> NoiseFloor | None:
    """Measured on the four strips along the frame's border, RGB uint8 ``(H, W, 3)``, outside the doubled ``face_box``
    and the ``released`` mask, bool ``(H, W)``; in close-ups outside the box enlarged by half; ``None`` where even this
    leaves nothing of the strips.

    Of the strips' medians and 99th percentiles the (lower) middle value is taken, so a manipulated area may touch a
    border or two. Strips of one colour, such as the bars around a film, are left out where there are others: they look
    alike in any two films. Raises ``DataError`` for sizes that differ.
    """
    _check_pair(manipulated, original)
    height, width = manipulated.shape[:2]
    noise = _difference(manipulated, original)
    rows, columns = max(1, round(BORDER * height)), max(1, round(BORDER * width))
    strips = np.s_[:rows], np.s_[-rows:], np.s_[:, :columns], np.s_[:, -columns:]
    textured = [strip for strip in strips if any(_varies(picture[strip]) for picture in (manipulated, original))]
    for enlarge in ENLARGED:
        outside = np.ones((height, width), np.bool_) if released is None else ~released
        if face_box is not None:
            (x, y), reach = face_box.center, enlarge / 2 * face_box.size
            left, right = (int(np.clip(x + side * reach, 0, width)) for side in (-1, 1))
            top, bottom = (int(np.clip(y + side * reach, 0, height)) for side in (-1, 1))
            outside[top:bottom, left:right] = False
        levels = [np.percentile(noise[strip][outside[strip]], (50, 99)) for strip in textured or strips if outside[strip].any()]
        if levels:
            median, p99 = np.percentile(levels, 50, axis=0, method="lower")
            return NoiseFloor(float(median), float(p99))
    return None


def _varies(strip: UInt8Array) -> bool:
    return bool(strip.std(axis=(0, 1)).max() > FLAT)


def noise_problem(floor: NoiseFloor, recipe: Recipe) -> str:
    """Why a pair's differences mean nothing to the recipe at this noise floor, for people; "" where they do."""
    if floor.p99 <= recipe.max_noise:
        return ""
    usable = [name for name, other in RECIPES.items() if other.max_noise >= floor.p99]
    return (
        f"outside the face it and its original differ by {floor.median:.0f} (median) and {floor.p99:.0f} (99th percentile) "
        f"of 255, and recipe {recipe.name!r} needs at most {recipe.max_noise:.0f}; use {' or '.join(usable)}"
    )


def _check_pair(manipulated: UInt8Array, original: UInt8Array) -> None:
    for picture in (manipulated, original):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(f"a frame must be RGB uint8 (H, W, 3); got {picture.dtype} {picture.shape}")
    if manipulated.shape != original.shape:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (manipulated, original)]
        raise DataError(
            f"the manipulated frame is {sizes[0]} and its original {sizes[1]}; "
            "take both at the same size, from the same release"
        )
