"""Reenactment by warping: the target's own mouth, eyes or jaw moved to another expression, every moved pixel interpolated."""

import cv2
import numpy as np

from tamperlens.forge.content import bottleneck
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.regions import blend, draw_region, smooth_noise

__all__ = ["reenact"]

PARTS = ("lower_face", "eyes", "inner_face")


def reenact(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """The region around mouth or eyes warped smoothly and rendered at slightly lower resolution; ``donor`` is not used."""
    alpha, region = draw_region(target.landmarks, target.image.shape[:2], rng, str(rng.choice(PARTS)))
    height, width = alpha.shape
    eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
    reach = float(rng.uniform(0.04, 0.12)) * eyes
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved_x = x + reach * alpha * smooth_noise((height, width), 6, rng)
    moved_y = y + reach * alpha * smooth_noise((height, width), 6, rng)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    content = np.asarray(cv2.remap(target.image, moved_x, moved_y, order, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)
    rendered = None
    if rng.random() < 0.5:
        content, rendered = bottleneck(content, 2.5 * eyes, rng)
    image = blend(target.image, content, alpha)
    return Forgery(image, alpha > 0, {"family": "reenact", **region, "reach": round(reach, 2), "rendered": rendered})
