"""Re-synthesis: the face drawn anew, at limited resolution or by a learned renderer, and pasted back."""

import numpy as np

from tamperlens.forge.content import bottleneck, drift_color, mismatch, redraw, upsampling_grid
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.regions import draw_region, height_of, paste

__all__ = ["resynthesis"]


def resynthesis(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """The target's face through a resolution bottleneck or a learned renderer, pasted back; ``donor`` is not used."""
    alpha, region = draw_region(target.landmarks, target.image.shape[:2], rng)
    steps: list[object] = []
    if rng.random() < 0.3:
        content = redraw(target.image, alpha > 0)
        steps.append(["learned renderer"])
    else:
        content, rendered = bottleneck(target.image, height_of(alpha), rng)
        steps.append(["bottleneck", rendered])
    if rng.random() < 0.4:
        content = upsampling_grid(content, rng)
        steps.append(["upsampling_grid"])
    if rng.random() < 0.4:
        content, more = mismatch(content, rng)
        steps += more
    if rng.random() < 0.6:
        content = drift_color(content, rng, 0.7)
    image, by = paste(target.image, content, alpha, rng, 0.15)
    return Forgery(image, alpha > 0, {"family": "resynthesis", **region, "steps": steps, "blend": by})
