"""Opened photos to upright RGB pictures, and pictures to PNG."""

import io
import mmap
import os
import re
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms
from PIL.MpoImagePlugin import MpoImageFile

from tamperlens.errors import UnsupportedMedia
from tamperlens.files import replacing
from tamperlens.media.colours import Colours, ToSrgb, apply_gamma
from tamperlens.media.facts import quality_of
from tamperlens.media.headers import colours_of_photo, exif_of, xmp_of
from tamperlens.media.opening import (
    broken_photo,
    check_size,
    open_photo,
    pillow,
    shown_pictures,
    upright,
)
from tamperlens.media.tiff import PREVIEW
from tamperlens.types import BoolArray, Frame, UInt8Array

__all__ = ["frame_of", "orientation_of", "rgb_of", "write_png"]

_ORIENTATION = 0x0112
_HEADERS = 1 << 20  # bytes at the beginning of a JPEG in which its headers lie
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # what ends a JPEG's pixels, or a part of them
_NEAR_SRGB = 0.05  # share by which a gamma may differ from sRGB's without being applied, as in libpng


def frame_of(file: Path, image: Image.Image) -> Frame:
    """The frame of an opened photo, which is closed; errors as for `read_photo`."""
    notes: list[str] = []
    with pillow():
        try:
            check_size(file, image.width, image.height)
            complete = True
            jpeg_quality = quality_of(image)
            try:
                places = shown_pictures(image)
                count = _large_pictures(file, image) if isinstance(image, MpoImageFile) else len(places)
                if count > 1:
                    notes.append(_of_several(image, count))
                if places[0]:
                    image.seek(places[0])
                image.load()
            except MemoryError:
                raise
            except Exception as error:  # decoders raise nearly everything on broken files
                complete = False
                image.close()
                image = _load_readable_part(file, error)
            behind = _behind(file, image)
            if behind == "film" or re.search(r"(MotionPhoto|MicroVideo)(=[\"']|>)1", xmp_of(image)):
                notes.append("the file is a motion photo: only its picture was inspected, not the film behind it")
            if behind == "picture":
                notes.append("another picture of its size or larger lies behind the first in the file; only the first was read")
            if image.info.get(PREVIEW):
                notes.append("the file says that its picture is a preview of another that it does not hold")
            orientation = orientation_of(file, image, notes)
            array = np.asarray(rgb_of(file, image, notes), np.uint8)
        finally:
            image.close()
    if not complete:
        notes.insert(0, _missing_part(file, array))
    return Frame(image=upright(array, orientation), notes=tuple(notes), complete=complete, jpeg_quality=jpeg_quality)


def _of_several(image: Image.Image, count: int) -> str:
    """What is told of a file with several pictures, of which one is read."""
    place = image.tell()
    which = f"the main one (number {place + 1})" if place else "the first"  # of HEIC's pictures any may be the main one
    return f"the file holds {count} pictures; only {which} was read"


def _large_pictures(file: Path, image: MpoImageFile) -> int:
    """How many of an MPO's pictures are as large as the first: what is smaller is a preview, a depth or a gain map."""
    count = 1
    with file.open("rb") as stream:
        base = stream.read(_HEADERS).find(b"MPF\0") + 4  # places count from behind this mark
        for entry in (image.mpinfo or {}).get(0xB002, ())[1:]:
            stream.seek(base + entry["DataOffset"])
            try:
                with Image.open(io.BytesIO(stream.read(entry["Size"])), formats=("JPEG",)) as other:
                    count += other.size == image.size
            except OSError:
                continue
    return count


def _behind(file: Path, image: Image.Image) -> Literal["film", "picture", ""]:
    """What lies behind the end of a JPEG: the film of a motion photo, or a picture that is no preview, as in MJPEG streams."""
    if image.format != "JPEG":
        return ""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = _end_of_jpeg(data)
        if data.find(b"ftyp", end, end + _HEADERS) >= 0:
            return "film"
        again = data.find(b"\xff\xd8\xff", end, end + _HEADERS)
        if again < 0:
            return ""
        try:
            with Image.open(io.BytesIO(data[again:]), formats=("JPEG",)) as other:
                return "picture" if other.width >= image.width and other.height >= image.height else ""
        except Exception:  # remains of something else
            return ""


def _end_of_jpeg(data: mmap.mmap) -> int:
    """Where a JPEG file's first picture ends (ITU-T T.81, Annex B); the file's length where it is damaged."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xD9:
            return place + 2
        if marker == 0xFF:  # filling
            place += 1
            continue
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            found = _MARKER.search(data, place)
            place = found.start() if found else len(data)
    return len(data)


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
    last = stored[-1, -1]
    same = (stored[..., 0] == last[0]) & (stored[..., 1] == last[1]) & (stored[..., 2] == last[2])
    if same.mean() > 0.95:
        raise broken_photo(file, OSError("it is cut off at the beginning"))
    missing = int(np.argmin(same.all(axis=1)[::-1]))
    share = f"about {max(1, round(100 * missing / len(stored)))} % of it is missing" if missing else "it may be coarse"
    return f"the file is truncated or damaged: only part of the picture could be read, {share}"


def orientation_of(file: Path, image: Image.Image, notes: list[str]) -> int:
    """How a loaded picture is to be turned, as EXIF's number: by EXIF alone, as browsers do; appends to ``notes``."""
    # Asked after loading: Pillow turns TIFF and HEIC upright by itself.
    try:
        turn = int(exif_of(file, image).get(_ORIENTATION, 1))
    except Exception:  # EXIF is written by anything and parsed by hand: any error means it is broken
        notes.append("the EXIF data are broken: the picture may not be upright")
        return 1
    asked = re.search(r"tiff:Orientation(?:=[\"']|>)([1-8])", xmp_of(image))
    if asked and image.format not in ("TIFF", "HEIF", "AVIF") and int(asked[1]) != turn:
        notes.append(f"its XMP asks for orientation {int(asked[1])}; the picture is shown as browsers show it, by EXIF alone")
    return turn


def rgb_of(file: Path, image: Image.Image, notes: list[str]) -> Image.Image:
    """A loaded picture of any mode as 8-bit sRGB."""
    profile = image.info.get("icc_profile")
    colours = colours_of_photo(file, image)
    gamma = image.info.get("gamma") if image.format == "PNG" and not profile and "srgb" not in image.info else None
    if image.mode.startswith("I"):
        image = _eight_bits(file, image)
    elif image.mode == "F":
        raise UnsupportedMedia(f"{file}: the pixels are floating-point numbers, expected 8 or 16 bits; save it as PNG")
    if colours.converted:  # a transparent picture is laid on white behind the conversion, as in browsers
        return _on_white(_converted(image, colours, notes), notes).convert("RGB")
    if gamma and gamma > 0 and abs(2.2 * gamma - 1) > _NEAR_SRGB:
        image = _with_gamma(image, gamma)
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


def _converted(image: Image.Image, colours: Colours, notes: list[str]) -> Image.Image:
    if colours.hdr:
        notes.append(f"the picture is HDR ({colours.hdr}); it was tone-mapped to SDR, so colours are close, not equal")
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    shown = Image.fromarray(ToSrgb(colours).image(np.asarray(image.convert("RGB"), np.uint8)))
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


def _with_gamma(image: Image.Image, gamma: float) -> Image.Image:
    kept = "RGBA" if image.has_transparency_data else "RGB"
    array = np.asarray(image.convert(kept), np.uint8).copy()
    array[..., :3] = apply_gamma(array[..., :3], gamma)
    return Image.fromarray(array)


def _eight_bits(file: Path, image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnsupportedMedia(
            f"{file}: grey values run from {values.min()} to {values.max()}, expected 8 or 16 bits; save it as PNG"
        )
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))  # 65535 = 257 * 255


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """White, because that is what browsers and documents show behind a transparent picture."""
    if not image.has_transparency_data:
        return image
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
