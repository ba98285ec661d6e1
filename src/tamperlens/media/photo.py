"""Photo files to upright RGB pictures, and pictures to PNG."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.files import replacing
from tamperlens.media.facts import quality_of
from tamperlens.media.opening import PHOTOS, broken_photo, checked, open_photo, open_video, pillow, refusal, upright
from tamperlens.types import BoolArray, Frame, UInt8Array

__all__ = ["MAX_PIXELS", "read_photo", "write_png"]

MAX_PIXELS = 200_000_000  # of a photo; it takes about 3 GB while it is being read
_ORIENTATION = 0x0112


def read_photo(path: str | os.PathLike[str]) -> Frame:
    """Reads JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and HEIC; of an animation or a stack of pages, the first picture.

    Returns an upright RGB uint8 ``(H, W, 3)`` frame in sRGB: orientation tags applied, colour profiles converted,
    16 bits scaled to 8, grey, palette and CMYK pictures made RGB, transparency laid on white. Whatever was out of the
    ordinary is told in ``Frame.notes``: a truncated file (its readable part is returned), transparency, a broken
    profile, more pictures than one.

    Raises ``MediaError`` where no pixel can be read and ``UnsupportedMedia`` for videos, documents, pictures over
    ``MAX_PIXELS`` and pictures in floating point. One thread at a time reads; use processes for many photos at once.
    """
    file = checked(path)
    notes: list[str] = []
    with pillow():
        image = open_photo(file)
        if image is None:
            raise _not_a_photo(file)
        try:
            if image.width * image.height > MAX_PIXELS:
                raise UnsupportedMedia(
                    f"{file}: the picture has {image.width}x{image.height} pixels, expected at most "
                    f"{MAX_PIXELS // 1_000_000} million; make it smaller or cut out the part with the face"
                )
            complete = True
            jpeg_quality = quality_of(image)
            try:
                count = getattr(image, "n_frames", 1)
                if count > 1 and image.format != "MPO":  # MPO: a JPEG with previews or depth behind it
                    notes.append(f"the file holds {count} pictures; only the first was read")
                image.load()
            except MemoryError:
                raise
            except Exception as error:  # decoders raise nearly everything on broken files
                complete = False
                image.close()
                image = _load_readable_part(file, error)
            orientation = _orientation(image, notes)
            array = np.asarray(_to_rgb(file, image, notes), np.uint8)
        finally:
            if image is not None:
                image.close()
    if not complete:
        notes.insert(0, _missing_part(file, array))
    return Frame(image=upright(array, orientation), notes=tuple(notes), complete=complete, jpeg_quality=jpeg_quality)


def _not_a_photo(file: Path) -> MediaError:
    try:
        with open_video(file):
            return UnsupportedMedia(f"{file}: this is a video, expected {PHOTOS}; read it as a video")
    except MediaError:
        return refusal(file, PHOTOS)


def _load_readable_part(file: Path, error: Exception) -> Image.Image:
    image = None
    with pillow(truncated=True):
        try:
            image = open_photo(file)
            if image is not None:
                image.load()
                return image
        except MemoryError:
            raise
        except Exception:  # the first error says it better
            if image is not None:
                image.close()
    raise broken_photo(file, error) from error


def _missing_part(file: Path, stored: UInt8Array) -> str:
    """Says how much of a truncated picture (rows as stored) is missing: decoders fill the rest with one colour."""
    same = (stored == stored[-1, -1]).all(axis=2)
    if same.mean() > 0.95:
        raise broken_photo(file, OSError("it is cut off at the beginning"))
    missing = int(np.argmin(same.all(axis=1)[::-1]))
    share = f"about {max(1, round(100 * missing / len(stored)))} % of it is missing" if missing else "it may be coarse"
    return f"the file is truncated or damaged: only part of the picture could be read, {share}"


def _orientation(image: Image.Image, notes: list[str]) -> int:
    # Asked after loading: PNG may store EXIF behind its pixels, and Pillow turns TIFF and HEIC upright by itself.
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF is written by anything and parsed by hand: any error means it is broken
        notes.append("the EXIF data are broken: the picture may not be upright")
        return 1


def _to_rgb(file: Path, image: Image.Image, notes: list[str]) -> Image.Image:
    """A loaded picture of any mode as 8-bit sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = _eight_bits(file, image)
    elif image.mode == "F":
        raise UnsupportedMedia(f"{file}: the pixels are floating-point numbers, expected 8 or 16 bits; save it as PNG")
    if image.has_transparency_data:
        image = _on_white(image, notes)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transformed(image, ImageCms.buildTransform(lab, ImageCms.createProfile("sRGB"), "LAB", "RGB"))
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile:
        image = _to_srgb(image, profile, notes)
    return image.convert("RGB")


def _eight_bits(file: Path, image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnsupportedMedia(
            f"{file}: grey values run from {values.min()} to {values.max()}, expected 8 or 16 bits; save it as PNG"
        )
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))  # 65535 = 257 * 255


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """White, because that is what browsers and documents show behind a transparent picture."""
    if image.mode != "LA":
        image = image.convert("RGBA")
    alpha, solid = image.getchannel("A"), image.convert("L" if image.mode == "LA" else "RGB")
    lowest = alpha.getextrema()[0]
    if lowest == 255:
        return solid
    notes.append("the picture is partly transparent and was laid on white")
    return Image.composite(solid, Image.new(solid.mode, solid.size, "white"), alpha)


def _to_srgb(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        # Most profiles are sRGB under another name. Converting would only add rounding noise to forensic evidence.
        probe = Image.fromarray(np.indices((9, 9, 9), np.uint8).reshape(3, 27, 27).transpose(1, 2, 0) * 31)
        probe = probe.convert(image.mode)
        change = np.asarray(_transformed(probe, transform), np.int16) - np.asarray(probe.convert("RGB"), np.int16)
        return image if np.abs(change).max() <= 3 else _transformed(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("the colour profile is broken or made for another kind of picture, and was ignored")
        return image


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only None when asked to work in place
    return converted


def write_png(path: str | os.PathLike[str], array: UInt8Array | BoolArray) -> None:
    """Writes RGB uint8 ``(H, W, 3)``, grey uint8 ``(H, W)`` or a bool mask ``(H, W)`` (as 0 and 255) as PNG.

    The file appears complete or not at all. Raises ``ValueError`` for any other array, ``OSError`` where it cannot be
    written.
    """
    right_shape = array.ndim == 2 or (array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3)
    if array.dtype not in (np.uint8, np.bool_) or not right_shape or array.size == 0:
        raise ValueError(
            f"a PNG is made from uint8 (H, W, 3), uint8 (H, W) or bool (H, W); got {array.dtype} {array.shape}: scale "
            "and convert it first"
        )
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else np.ascontiguousarray(array)
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
