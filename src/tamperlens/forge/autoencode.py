"""Autoencoding: the aligned face through a learned encoder and decoder, half way to a donor's, as the first Deepfakes did."""

import numpy as np

from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.standins import deepfakes
from tamperlens.types import FaceBox

__all__ = ["autoencode"]


def autoencode(target: Portrait, donor: Portrait, rng: np.random.Generator) -> Forgery:
    """The stand-in sDF on one picture: a square face of 64 pixels, drawn by a decoder, pasted by Poisson editing."""
    side = target.image.shape[0]
    whole = FaceBox(0, 0, side, side, 1.0, target.landmarks)
    image, mask = deepfakes(donor, rng)(target.image, target.landmarks, whole, 0.0)
    return Forgery(image, mask, {"family": "autoencode"})
