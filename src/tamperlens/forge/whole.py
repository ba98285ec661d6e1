"""Forging one face of a whole picture: cut its crop, forge, put it back."""

from dataclasses import replace

import numpy as np

from tamperlens.faces import crop_face, inside_slices
from tamperlens.forge import FAMILIES
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.types import FaceBox, UInt8Array

__all__ = ["forge_face", "portrait_of"]


def portrait_of(image: UInt8Array, face: FaceBox) -> Portrait:
    """The x2 crop around a face of a picture, with its landmarks."""
    crop = crop_face(image, face)
    return Portrait(crop.image, face.landmarks - np.array([crop.left, crop.top], np.float32))


def forge_face(image: UInt8Array, face: FaceBox, family: str, seed: int, donor: Portrait | None = None) -> Forgery:
    """One face of an RGB uint8 ``(H, W, 3)`` picture forged by a family of `FAMILIES`; the same seed gives the same bytes.

    ``donor`` gives the face that a swap puts on; without it a swap takes the target's own.
    """
    height, width = image.shape[:2]
    target = portrait_of(image, face)
    forgery = FAMILIES[family](target, donor or target, np.random.default_rng(seed))
    on_picture, on_crop = inside_slices(crop_face(image, face), height, width)
    forged, mask = image.copy(), np.zeros((height, width), np.bool_)
    forged[on_picture] = forgery.image[on_crop]
    mask[on_picture] = forgery.mask[on_crop]
    return replace(forgery, image=forged, mask=mask)
