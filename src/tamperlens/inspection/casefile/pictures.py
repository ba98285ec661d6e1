"""Pictures of what was found: of a photo; of a video each face's frame of the highest score."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tamperlens.figures import draw_overlay, heat
from tamperlens.types import BoolArray, FacePicture, FloatArray, Inspection, UInt8Array, VideoInspection

__all__ = ["PHOTO_KINDS", "Draw", "pictures_of"]

Draw = Callable[[], UInt8Array | BoolArray]
PHOTO_KINDS = ("overlay", "pixelmap", "mask")


def pictures_of(inspection: Inspection | VideoInspection) -> dict[str, Draw]:
    """Each picture that goes with an inspection, by its kind, drawn when asked for.

    Of a photo ``overlay``, ``pixelmap`` (grey, 255 = surely manipulated) and ``mask``, in its own size. Of a video, for every
    face of which a picture was kept, ``face<N>``, ``face<N>.overlay``, ``face<N>.pixelmap`` and ``face<N>.mask``.
    """
    if isinstance(inspection, Inspection):
        draws = (partial(draw_overlay, inspection), partial(_grey, inspection.pixel_map), lambda: inspection.mask)
        return dict(zip(PHOTO_KINDS, draws, strict=True))
    pictures: dict[str, Draw] = {}
    for number, picture in inspection.pictures.items():
        if picture.image.size:
            pictures |= _of_face(f"face{number}", picture)
    return pictures


def _of_face(name: str, picture: FacePicture) -> dict[str, Draw]:
    return {
        name: lambda: picture.image,
        f"{name}.overlay": partial(heat, picture.image, picture.pixel_map, picture.mask),
        f"{name}.pixelmap": partial(_grey, picture.pixel_map),
        f"{name}.mask": lambda: picture.mask,
    }


def _grey(pixel_map: FloatArray) -> UInt8Array:
    return np.rint(pixel_map * 255).astype(np.uint8)
