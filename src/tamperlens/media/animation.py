"""Animated GIF, WebP, PNG and AVIF pictures as videos: their pictures one after the other, with the times they are shown."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tamperlens.media.opening import broken_photo, checked, open_photo, pillow
from tamperlens.types import UInt8Array

__all__ = ["AnimationInfo", "animation_info", "animation_pictures"]

_MOVING = ("GIF", "WEBP", "PNG", "AVIF")  # TIFF and HEIC hold pages and albums, not movements
_UNSAID = 100  # milliseconds that browsers show a picture for where the file says less than 11


@dataclass(frozen=True)
class AnimationInfo:
    """What an animation's header tells."""

    format: str  # "GIF", "WEBP", ...
    width: int  # pixels
    height: int
    pictures: int
    seconds: float  # its length, taking all pictures to be shown as long as the first


def animation_info(path: str | os.PathLike[str]) -> AnimationInfo | None:
    """Describes an animated picture; None for any other file. Raises `MediaError` for a missing or broken one."""
    file = checked(path)
    with pillow():
        image = open_photo(file)
        if image is None:
            return None
        with image:
            if image.format not in _MOVING:
                return None
            try:
                count = getattr(image, "n_frames", 1)
                if count > 1 and image.format != "GIF":  # GIF tells the time when opened, the others when decoded
                    image.load()
            except MemoryError:
                raise
            except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
                raise broken_photo(file, error) from error
            seconds = count * _milliseconds(image) / 1000
            return AnimationInfo(image.format, image.width, image.height, count, seconds) if count > 1 else None


def animation_pictures(path: str | os.PathLike[str]) -> Iterator[tuple[float, UInt8Array]]:
    """Second and RGB uint8 ``(H, W, 3)`` picture, one at a time; transparent parts are laid on white.

    Raises ``OSError`` or ``EOFError`` where the file is cut off, after what could be read.
    """
    with pillow():
        image = open_photo(checked(path))
    if image is None:
        raise OSError("this is no picture")
    with image:
        milliseconds = 0.0
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            yield milliseconds / 1000, _on_white(image)
            milliseconds += _milliseconds(image)


def _milliseconds(image: Image.Image) -> float:
    shown = float(image.info.get("duration", 0))
    return shown if shown > 10 else _UNSAID


def _on_white(image: Image.Image) -> UInt8Array:
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"), np.uint8)
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"), np.uint8)
