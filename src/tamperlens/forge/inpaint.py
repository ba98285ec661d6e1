"""Inpainting: a part of the face removed and filled from its surroundings, as retouching tools and object removal do."""

import cv2
import numpy as np

from tamperlens.forge.content import match_color, mismatch
from tamperlens.forge.effects import noise
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.regions import blend, draw_region
from tamperlens.types import BoolArray, UInt8Array

__all__ = ["inpaint"]

PARTS = ("mouth", "eyes", "nose", "right_eye", "left_eye", "lower_face")


def _diffuse(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """Filled by diffusion from the hole's edge, solved at reduced size: what it lacks is texture."""
    factor = min(1.0, 96 / max(image.shape[:2]))
    size = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_hole = cv2.dilate(cv2.resize(hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(small, small_hole, 3, cv2.INPAINT_TELEA)
    return np.asarray(cv2.resize(filled, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def inpaint(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """A face region filled by diffusion, or by skin copied from elsewhere in the face; ``donor`` is not used."""
    alpha, region = draw_region(target.landmarks, target.image.shape[:2], rng, str(rng.choice(PARTS)))
    how = str(rng.choice(["diffusion", "copy"]))
    if how == "diffusion":
        content = _diffuse(target.image, alpha > 0)
        if rng.random() < 0.5:
            content = noise(content, float(rng.uniform(0.5, 5)), rng, float(rng.choice([0.0, 0.8])))
    else:
        eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
        move = np.array([[1, 0, rng.uniform(-0.6, 0.6) * eyes], [0, 1, rng.uniform(-0.6, 0.6) * eyes]])
        size = (target.image.shape[1], target.image.shape[0])
        content = np.asarray(cv2.warpAffine(target.image, move, size, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)
        content = match_color(content, target.image, alpha > 0)
        content, _ = mismatch(content, rng)
    return Forgery(blend(target.image, content, alpha), alpha > 0, {"family": "inpaint", **region, "how": how})
