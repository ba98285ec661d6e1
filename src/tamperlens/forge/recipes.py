"""Second generation of forgeries: recipes that are drawn anew for each picture, covering what known tools leave.

A recipe paints *content* (the same face in another processing, another person's, the face through a generator's bottleneck,
a smooth render, a moved mouth) into a *region* (hulls of many points, squares, parts, whole heads) with an *edge* (hard to very
soft) and an *opacity*. `RECIPES` names them with their odds. Differences are drawn both ways: sharper and smoother, noisier
and cleaner than the surroundings, since a detector that knows one direction is wrong about the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tamperlens.forge.content import bottleneck, match_color, redraw, upsampling_grid
from tamperlens.forge.effects import noise
from tamperlens.forge.outlines import draw_hull, feathered
from tamperlens.forge.portrait import Portrait
from tamperlens.forge.regions import blend, height_of, poisson, smooth_noise
from tamperlens.forge.swap import align
from tamperlens.media import jpeg
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["OPACITIES", "RECIPES", "Painted", "paint"]

OPACITIES = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Painted:
    """A picture before and after a forger's work: equal but where ``support`` is true."""

    base: UInt8Array  # (H, W, 3)
    image: UInt8Array  # (H, W, 3)
    support: BoolArray  # (H, W): every pixel that was touched
    recipe: str


Donor = Callable[[], Portrait]


def paint(target: Portrait, donor: Donor, rng: np.random.Generator, recipe: str | None = None) -> Painted:
    """A forgery of ``target`` by a recipe of `RECIPES`, by the odds if none is named. ``donor`` gives another person's face."""
    if recipe is None:
        names = list(RECIPES)
        odds = np.array([RECIPES[name][0] for name in names])
        recipe = str(rng.choice(names, p=odds / odds.sum()))
    return RECIPES[recipe][1](target, donor, rng)


def _region(target: Portrait, rng: np.random.Generator, odds: dict[str, float]) -> tuple[BoolArray, str]:
    names = list(odds)
    weights = np.array([odds[name] for name in names])
    name = str(rng.choice(names, p=weights / weights.sum()))
    return draw_hull(target.landmarks, target.image.shape[:2], rng, name), name


_FACES = {"face": 5.0, "whole_face": 2.0, "features": 2.0, "square": 1.0, "jaw": 0.5}
_ANYTHING = {
    "face": 4.0,
    "whole_face": 1.5,
    "features": 1.5,
    "square": 1.0,
    "jaw": 1.0,
    "head": 0.7,
    "mouth": 0.8,
    "eyes": 0.7,
    "nose": 0.4,
}
_PARTS = {"mouth": 3.0, "eyes": 2.0, "nose": 1.0, "jaw": 2.0, "features": 1.0}


def _edge(target: Portrait, region: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Blending weights of a region with a hard edge (one in six) or one of 1 to 50 % of the distance between the eyes."""
    eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
    width = 0.0 if rng.random() < 1 / 6 else eyes * float(np.exp(rng.uniform(np.log(0.02), np.log(0.5))))
    return feathered(region, width, rng)


def shift_color(image: UInt8Array, rng: np.random.Generator, strength: float = 1.0) -> UInt8Array:
    """Brightness, contrast, tint, saturation and hue changed visibly: two pictures never have the same light."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + strength * rng.normal(0, 2.0)) % 180
    hsv[..., 1] *= 1 + strength * rng.uniform(-0.22, 0.22)
    toned = cv2.cvtColor(np.clip(np.rint(hsv), 0, (179, 255, 255)).astype(np.uint8), cv2.COLOR_HSV2RGB)
    gain = 1 + strength * rng.uniform(-0.12, 0.12) + strength * rng.normal(0, 0.03, size=3)
    offset = strength * (rng.uniform(-14, 14) + rng.normal(0, 4, size=3))
    return np.asarray(np.clip(np.rint((toned - 127.5) * gain + 127.5 + offset), 0, 255), np.uint8)


def _resampled(image: UInt8Array, rng: np.random.Generator, least: float = 0.25) -> UInt8Array:
    height, width = image.shape[:2]
    factor = float(np.exp(rng.uniform(np.log(least), np.log(0.9))))
    small = cv2.resize(image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=int(rng.choice([1, 2, 4]))), np.uint8)


def _sharpened(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    amount, sigma = float(rng.uniform(0.4, 2.2)), float(rng.uniform(0.6, 2.2))
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def _smoothed(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    how = int(rng.integers(3))
    if how == 0:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.0))), np.uint8)
    if how == 1:
        return np.asarray(cv2.bilateralFilter(image, 7, float(rng.uniform(15, 60)), float(rng.uniform(2, 5))), np.uint8)
    return np.asarray(cv2.medianBlur(image, 3 if image.shape[0] < 300 else 5), np.uint8)


def _enhanced(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """As face restorers leave it: small detail gone, edges crisp."""
    return _sharpened(_smoothed(image, rng), rng)


def _noisy(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return noise(image, float(rng.uniform(1, 7)), rng, float(rng.choice([0.0, 0.6, 1.0])))


def _compressed(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return jpeg(image, int(rng.integers(30, 92)))


_TEXTURES = (_resampled, _resampled, _sharpened, _smoothed, _enhanced, _noisy, _compressed)


def retexture(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Another texture: one or two of resampling, sharpening, smoothing, restoring, noise and compression."""
    for _ in range(1 + int(rng.random() < 0.3)):
        image = _TEXTURES[int(rng.integers(len(_TEXTURES)))](image, rng)
    return image


def _moved(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Shifted by up to 3 %, scaled by up to 5 %, turned a little, bent: edges do not meet."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.normal(0, 1.5)), float(rng.uniform(0.95, 1.05)))
    turn[:, 2] += rng.uniform(-0.02, 0.02, size=2) * (width, height)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    if rng.random() < 0.4:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        reach = float(rng.uniform(0.003, 0.015)) * width
        back = cv2.invertAffineTransform(turn)
        at_x = (back[0, 0] * x + back[0, 1] * y + back[0, 2]).astype(np.float32) + reach * smooth_noise((height, width), 5, rng)
        at_y = (back[1, 0] * x + back[1, 1] * y + back[1, 2]).astype(np.float32) + reach * smooth_noise((height, width), 5, rng)
        return np.asarray(cv2.remap(image, at_x, at_y, order, borderMode=cv2.BORDER_REFLECT), np.uint8)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), flags=order, borderMode=cv2.BORDER_REFLECT), np.uint8)


def _finish(
    base: UInt8Array, content: UInt8Array, alpha: FloatArray, recipe: str, rng: np.random.Generator, cloned: float = 0.0
) -> Painted:
    if rng.random() < cloned:
        region = alpha > 0
        return Painted(base, _cloned(content, base, region, rng), region, recipe)
    opacity = np.float32(rng.choice(OPACITIES))
    return Painted(base, blend(base, content, alpha * opacity), alpha > 0, recipe)


def _cloned(content: UInt8Array, base: UInt8Array, region: BoolArray, rng: np.random.Generator) -> UInt8Array:
    return poisson(content, base, region, mixed=bool(rng.random() < 0.3))


def self_blend(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """Two views of one picture, colour and texture changed in either of them (Shiohara and Yamasaki 2022, from the idea)."""
    region, _ = _region(target, rng, _ANYTHING)
    alpha = _edge(target, region, rng)
    changed = shift_color(target.image, rng) if rng.random() < 0.9 else target.image
    changed = retexture(changed, rng) if rng.random() < 0.85 or changed is target.image else changed
    base, content = (changed, target.image) if rng.random() < 0.5 else (target.image, changed)
    content = _moved(content, rng) if rng.random() < 0.8 else content
    return _finish(base, content, alpha, "self_blend", rng)


def swap(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """Another person's face, aligned, its colours matched or nearly so, often through a generator's bottleneck."""
    region, _ = _region(target, rng, _FACES)
    alpha = _edge(target, region, rng)
    content = align(donor(), target, rng)
    if rng.random() < 0.6:
        content, _ = bottleneck(content, height_of(alpha), rng)
    if rng.random() < 0.4:
        content = retexture(content, rng)
    content = match_color(content, target.image, alpha > 0) if rng.random() < 0.8 else content
    content = shift_color(content, rng, 0.5) if rng.random() < 0.7 else content
    return _finish(target.image, content, alpha, "swap", rng, cloned=0.2)


def generator(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """The face as a network of limited resolution (40 to 256 pixels) renders it, enlarged to fit and pasted back."""
    region, _ = _region(target, rng, _FACES)
    alpha = _edge(target, region, rng)
    side = height_of(alpha)
    if rng.random() < 0.25:
        content = redraw(target.image, alpha > 0)
    else:
        rendered = float(np.exp(rng.uniform(np.log(40), np.log(256))))
        content = _at_resolution(target.image, rendered / max(1.0, side), rng)
    how = rng.random()
    if how < 0.35:
        content = _enhanced(content, rng)
    elif how < 0.5:
        content = _noisy(content, rng)
    if rng.random() < 0.3:
        content = upsampling_grid(content, rng)
    content = shift_color(content, rng, 0.6) if rng.random() < 0.8 else content
    content = _moved(content, rng) if rng.random() < 0.5 else content
    return _finish(target.image, content, alpha, "generator", rng, cloned=0.1)


def _at_resolution(image: UInt8Array, factor: float, rng: np.random.Generator) -> UInt8Array:
    height, width = image.shape[:2]
    factor = min(0.95, factor)
    small = cv2.resize(image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:  # what a decoder draws is smooth and has lost its grain
        small = cv2.bilateralFilter(small, 5, float(rng.uniform(8, 30)), 3)
    return np.asarray(cv2.resize(small, (width, height), interpolation=int(rng.choice([1, 2, 4]))), np.uint8)


def render(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """A smooth render with hard edges: skin without grain, shading exaggerated, as graphics-based tools paint it."""
    region, _ = _region(target, rng, _FACES)
    eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
    alpha = feathered(region, float(rng.choice([0.0, 0.0, 0.03, 0.08])) * eyes, rng)
    source = align(donor(), target, rng) if rng.random() < 0.5 else target.image
    content = np.asarray(cv2.bilateralFilter(source, 9, float(rng.uniform(25, 80)), float(rng.uniform(3, 7))), np.uint8)
    if rng.random() < 0.5:
        content = _sharpened(content, rng)
    content = match_color(content, target.image, region) if rng.random() < 0.6 else content
    return _finish(target.image, shift_color(content, rng, 0.6), alpha, "render", rng)


def part(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """A part of the face, another person's or the same in another processing: mouth, eyes, nose or jaw."""
    region, _ = _region(target, rng, _PARTS)
    alpha = _edge(target, region, rng)
    content = align(donor(), target, rng) if rng.random() < 0.5 else _moved(target.image, rng)
    content = retexture(content, rng)
    content = match_color(content, target.image, region)
    content = shift_color(content, rng, 0.5) if rng.random() < 0.6 else content
    return _finish(target.image, content, alpha, "part", rng, cloned=0.2)


def mouth(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """Lip-sync and reenactment: lips and jaw moved to another expression, drawn again at limited resolution."""
    region, _ = _region(target, rng, {"mouth": 2.0, "jaw": 2.0, "features": 1.0, "square": 0.5})
    alpha = _edge(target, region, rng)
    height, width = region.shape
    eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle = target.landmarks[3:].mean(axis=0)
    near = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (0.5 * eyes) ** 2).astype(np.float32)
    reach = eyes * float(rng.uniform(0.05, 0.2)) * float(rng.choice([-1, 1]))
    at_y = y + reach * near * np.tanh((y - middle[1]) / (0.15 * eyes)) + 0.03 * eyes * smooth_noise((height, width), 6, rng)
    at_x = x + 0.03 * eyes * smooth_noise((height, width), 6, rng)
    content = np.asarray(
        cv2.remap(target.image, at_x.astype(np.float32), at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
    )
    if rng.random() < 0.8:
        content = _at_resolution(content, float(np.exp(rng.uniform(np.log(60), np.log(200)))) / (2.2 * eyes), rng)
    content = _enhanced(content, rng) if rng.random() < 0.3 else content
    content = shift_color(content, rng, 0.4) if rng.random() < 0.6 else content
    return _finish(target.image, content, alpha, "mouth", rng)


def cutout(target: Portrait, donor: Donor, rng: np.random.Generator) -> Painted:
    """What photo tools leave: another person's face in full resolution, cut along a hull, its edge hard or narrow."""
    region, _ = _region(target, rng, _FACES)
    alpha = feathered(region, float(rng.choice([0.0, 0.0, 2.0, 4.0])), rng)
    content = align(donor(), target, rng)
    content = match_color(content, target.image, region) if rng.random() < 0.7 else content
    if rng.random() < 0.4:
        return Painted(target.image, _cloned(content, target.image, region, rng), region, "cutout")
    return Painted(target.image, blend(target.image, content, alpha), alpha > 0, "cutout")


# Odds by what short runs lost without each: benchmarks/leave_one_out.py, docs/log.md has the table.
RECIPES: dict[str, tuple[float, Callable[[Portrait, Donor, np.random.Generator], Painted]]] = {
    "self_blend": (24.0, self_blend),
    "swap": (22.0, swap),
    "generator": (14.0, generator),
    "render": (8.0, render),
    "part": (12.0, part),
    "mouth": (8.0, mouth),
    "cutout": (12.0, cutout),
}
