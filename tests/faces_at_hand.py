"""A real face for tests: matplotlib's sample photograph (public domain), with its face found once."""

from functools import cache

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from tamperlens.faces import YuNet
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.forge.whole import portrait_of
from tamperlens.types import FaceBox, UInt8Array


@cache
def hopper() -> UInt8Array:
    """The photograph, RGB uint8 (600, 512, 3)."""
    return np.asarray(Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB"))


@cache
def hopper_face() -> FaceBox:
    return YuNet()(hopper())[0]


@cache
def hopper_portrait(side: int = 192) -> Portrait:
    return scaled(portrait_of(hopper(), hopper_face()), side)


def mirrored(portrait: Portrait) -> Portrait:
    """The same face mirrored: a donor that is not the target."""
    landmarks = portrait.landmarks.copy()
    landmarks[:, 0] = portrait.image.shape[1] - 1 - landmarks[:, 0]
    return Portrait(np.ascontiguousarray(portrait.image[:, ::-1]), landmarks[[1, 0, 2, 4, 3]])
