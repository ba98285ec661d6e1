"""Self-blending: two views of one face, processed differently, blended in a deformed face region.

After the idea of Face X-ray (Li et al. 2020: every blended face has a seam between two histories) and Self-Blended Images
(Shiohara and Yamasaki 2022: one photo suffices to make such a seam). Written from the papers' idea.
"""

import numpy as np

from tamperlens.forge.content import drift_color, mismatch, shift
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.regions import blend, draw_region

__all__ = ["self_blend"]


def self_blend(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """The target's own face, in another processing, blended back onto it.

    ``donor``: the same picture with another history (or the target itself), so that either side of the seam may be the
    processed one.
    """
    alpha, region = draw_region(target.landmarks, target.image.shape[:2], rng)
    view = shift(donor.image, rng) if rng.random() < 0.7 else donor.image
    view = drift_color(view, rng) if rng.random() < 0.7 else view
    view, steps = mismatch(view, rng)
    opacity = float(rng.choice([1.0, 1.0, rng.uniform(0.6, 1.0)]))
    image = blend(target.image, view, alpha * np.float32(opacity))
    return Forgery(image, alpha > 0, {"family": "self_blend", **region, "steps": steps, "opacity": round(opacity, 2)})
