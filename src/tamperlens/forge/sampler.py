"""Labelled crops made on the fly: a pristine or forged face after everything that happens to pictures in real life."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tamperlens.forge import FAMILIES, WITH_DONOR
from tamperlens.forge.degrade import apply_pipeline, compress
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.media import resize
from tamperlens.types import BoolArray, LabelledCrop

__all__ = ["UNTOUCHED_AFTER", "UNTOUCHED_BEFORE", "draw_family", "make_sample"]

UNTOUCHED_BEFORE = 0.35  # odds that a pristine base is as photographed
UNTOUCHED_AFTER = 0.5  # odds that the finished picture is not processed again


def make_sample(
    target: Portrait,
    donor: Callable[[], Portrait],
    family: str,
    side: int,
    rng: np.random.Generator,
    *,
    before: float = UNTOUCHED_BEFORE,
    after: float = UNTOUCHED_AFTER,
    compressed: float = 0.0,
    group: str = "",
) -> LabelledCrop:
    """A crop of ``side`` pixels: the target, pristine or forged by ``family``, with a random chain of degradations.

    ``before`` and ``after`` are the odds that the picture is left untouched before and after the forgery, ``compressed`` those
    that it is compressed last of all. Only the forging step itself differs between the classes. ``donor`` is called for
    families that use one.
    """
    side = min(side, target.image.shape[0])
    work = min(target.image.shape[0], round(side * float(rng.choice([1.0, rng.uniform(1.0, 1.6)]))))
    target = untouched = scaled(target, work)
    history = int(rng.integers(2**63))
    image, _ = apply_pipeline(target.image, np.random.default_rng(history), before)
    target = Portrait(image, target.landmarks)
    mask: BoolArray = np.zeros(image.shape[:2], np.bool_)
    if family != "pristine":
        # A self-blend may also put the untouched face onto the processed picture: softness is not always the forger's.
        other = untouched if rng.random() < 0.25 else target
        if family in WITH_DONOR:
            other = donor()
            other = scaled(other, min(work, other.image.shape[0]))
            # Half of the donors share the target's history, so that the donor's own processing is not the only trace.
            seed = history if rng.random() < 0.5 else int(rng.integers(2**63))
            other = Portrait(apply_pipeline(other.image, np.random.default_rng(seed), before)[0], other.landmarks)
        forgery = FAMILIES[family](target, other, rng)
        image, mask = forgery.image, forgery.mask
    if work != side:
        image = resize(image, side, side)
        mask = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) >= 0.5
    image, _ = apply_pipeline(image, rng, after, most=2)
    if rng.random() < compressed:
        image = compress(image, rng)
    return LabelledCrop(image, mask, family, group)


def draw_family(rng: np.random.Generator, families: Sequence[str], pristine: float) -> str:
    """``pristine`` with the given odds, otherwise one of ``families``."""
    return "pristine" if rng.random() < pristine else str(rng.choice(list(families)))
