"""A forged crop beside its own pristine one: the same person, the same history, the same life; only the forger differs."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tamperlens.forge.degrade import apply_pipeline
from tamperlens.forge.lives import encode, live
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.forge.recipes import Painted, paint
from tamperlens.forge.scenes import dressed, relit, retouched, turned
from tamperlens.forge.visible import visible_difference
from tamperlens.media import resize
from tamperlens.types import BoolArray, UInt8Array

__all__ = ["Pair", "make_pair"]

LEAST_VISIBLE = 1 / 400  # of the crop's area: less is no forgery worth learning
TRIES = 3
RETOUCHED = 0.15  # share of pictures that were retouched in the face before
FRAMED = 0.35  # share of pairs of which the picture ends within the crop


@dataclass(frozen=True, eq=False)
class Pair:
    """Two crops of one size that differ where the mask says, and by their codec's noise."""

    pristine: UInt8Array  # (S, S, 3)
    forged: UInt8Array  # (S, S, 3)
    mask: BoolArray  # (S, S): what is visibly changed
    pristine_mask: BoolArray  # (S, S), all false
    recipe: str


def make_pair(
    target: Portrait, donor: Callable[[], Portrait], side: int, rng: np.random.Generator, recipe: str | None = None
) -> Pair:
    """A pair of ``side`` pixels from a square portrait; ``donor`` is called for recipes that use another person."""
    largest = target.image.shape[0]
    work = min(largest, round(side * float(rng.choice([1.0, rng.uniform(1.0, 1.6)]))))
    portrait = scaled(target, work)
    portrait = turned(portrait, rng) if rng.random() < 0.4 else portrait
    image = _history(portrait, int(rng.integers(2**63)))
    portrait = Portrait(image, portrait.landmarks)
    history = int(rng.integers(2**63))

    def processed() -> Portrait:
        other = donor()
        other = scaled(other, min(work, other.image.shape[0]))
        return Portrait(_history(other, history), other.landmarks)

    for _ in range(TRIES):
        painted = paint(portrait, processed, rng, recipe)
        mask = visible_difference(painted.image, painted.base, painted.support)
        if mask.mean() >= LEAST_VISIBLE:
            break
    seed = int(rng.integers(2**63))
    return _delivered(painted, mask, min(side, work), seed, rng)


def _delivered(painted: Painted, mask: BoolArray, side: int, seed: int, rng: np.random.Generator) -> Pair:
    base, forged = painted.base, painted.image
    if base.shape[0] != side:
        base, forged = resize(base, side, side), resize(forged, side, side)
        mask = np.asarray(cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) >= 0.5, np.bool_)
    pristine, _ = live(base, np.zeros_like(mask), seed)
    forged, mask = live(forged, mask, seed)
    if rng.random() < FRAMED:
        place = _picture(side, rng)
        pristine, forged, mask = _framed(pristine, place), _framed(forged, place), _inside(mask, place)
    if rng.random() < 0.5:
        pristine, forged, mask = pristine[:, ::-1], forged[:, ::-1], mask[:, ::-1]
    return Pair(
        np.ascontiguousarray(pristine),
        np.ascontiguousarray(forged),
        np.ascontiguousarray(mask),
        np.zeros_like(mask),
        painted.recipe,
    )


def _picture(side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a picture that ends close to the face on some sides; the face lies in the crop's middle half."""
    top, bottom, left, right = (rng.uniform(0, 0.26, size=4) * (rng.random(4) < 0.55) * side).astype(int)
    return slice(top, side - bottom), slice(left, side - right)


def _framed(image: UInt8Array, place: tuple[slice, slice]) -> UInt8Array:
    """As `crop_face` makes crops at a picture's border: what lies outside repeats the last pixels, untouched by any codec."""
    rows, columns = place
    around = rows.start, image.shape[0] - rows.stop, columns.start, image.shape[1] - columns.stop
    return np.asarray(cv2.copyMakeBorder(image[place], *around, cv2.BORDER_REPLICATE), np.uint8)


def _inside(mask: BoolArray, place: tuple[slice, slice]) -> BoolArray:
    kept = np.zeros_like(mask)
    kept[place] = mask[place]
    return kept


def _history(portrait: Portrait, seed: int) -> UInt8Array:
    """What befell the picture before the forger had it: hat or glasses, light, retouching, processing, then often a codec."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.08:
        portrait = Portrait(dressed(portrait, rng), portrait.landmarks)
    image = relit(portrait, rng) if rng.random() < 0.7 else portrait.image
    if rng.random() < RETOUCHED:
        image = retouched(Portrait(image, portrait.landmarks), rng)
    image, _ = apply_pipeline(image, rng, 0.55, most=2)
    return encode(image, rng) if rng.random() < 0.35 else image
