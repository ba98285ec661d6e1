"""Face swapping: a donor's face aligned by landmarks, colour matched, and blended by alpha or by Poisson's equation."""

import cv2
import numpy as np

from tamperlens.forge.content import bottleneck, match_color, mismatch, upsampling_grid
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.regions import FACE_WIDE, draw_region, height_of, paste
from tamperlens.types import UInt8Array

__all__ = ["align", "swap"]


def align(donor: Portrait, target: Portrait, rng: np.random.Generator) -> UInt8Array:
    """The donor's picture warped so that its five landmarks fall on the target's, least squares over affine maps."""
    ones = np.ones((5, 1), np.float32)
    solution, *_ = np.linalg.lstsq(np.hstack([donor.landmarks, ones]), target.landmarks, rcond=None)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
    size = (target.image.shape[1], target.image.shape[0])
    warped = cv2.warpAffine(donor.image, solution.T.astype(np.float64), size, flags=order, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(warped, dtype=np.uint8)


def swap(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """The donor's face on the target's head."""
    name = str(rng.choice(FACE_WIDE)) if rng.random() < 0.8 else None
    alpha, region = draw_region(target.landmarks, target.image.shape[:2], rng, name)
    content = align(donor, target, rng)
    steps: list[object] = []
    if rng.random() < 0.5:  # as rendered by a generator
        content, rendered = bottleneck(content, height_of(alpha), rng)
        steps.append(["bottleneck", rendered])
        if rng.random() < 0.3:
            content = upsampling_grid(content, rng)
            steps.append(["upsampling_grid"])
    if rng.random() < 0.5:
        content, more = mismatch(content, rng)
        steps += more
    matched = bool(rng.random() < 0.85)
    if matched:
        content = match_color(content, target.image, alpha > 0)
    image, by = paste(target.image, content, alpha, rng, 0.2)
    parameters = {"family": "swap", **region, "steps": steps, "color_matched": matched, "blend": by}
    return Forgery(image, alpha > 0, parameters)
