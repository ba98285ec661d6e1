"""A real face for tests: matplotlib's sample photograph (public domain), with its face found once."""

from functools import cache

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from tamperlens.faces import detector_for
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.forge.whole import portrait_of
from tamperlens.types import FaceBox, UInt8Array


@cache
def hopper() -> UInt8Array:
    """The photograph, RGB uint8 (600, 512, 3)."""
    return np.asarray(Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB"))


@cache
def hopper_face() -> FaceBox:
    return detector_for("photo")(hopper())[0]


@cache
def somebody_else() -> UInt8Array:
    """Another person, of the same size: the photograph with the face bent, mirrored, in other light and colours."""
    image = hopper()
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    from_x, from_y = (axis - at for axis, at in zip((x, y), hopper_face().center, strict=True))
    near = np.exp(-((from_x / 120) ** 2) - (from_y / 150) ** 2)
    to_x, to_y = x + 18 * np.sin(from_y / 45) * near, y + (26 * np.sin(from_x / 40) + 14) * near
    bent = cv2.remap(image, to_x.astype(np.float32), to_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    lit = (1 - (1 - bent[:, ::-1, [2, 0, 1]] / 255) ** 1.6) * np.linspace(0.5, 1.1, width)[None, :, None]
    return np.asarray(np.clip(255 * lit, 0, 255), np.uint8)


@cache
def hopper_portrait(side: int = 192) -> Portrait:
    return scaled(portrait_of(hopper(), hopper_face()), side)


def mirrored(portrait: Portrait) -> Portrait:
    """The same face mirrored: a donor that is not the target."""
    landmarks = portrait.landmarks.copy()
    landmarks[:, 0] = portrait.image.shape[1] - 1 - landmarks[:, 0]
    return Portrait(np.ascontiguousarray(portrait.image[:, ::-1]), landmarks[[1, 0, 2, 4, 3]])
