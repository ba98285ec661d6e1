"""What a file says of itself: its hash, container, codecs, JPEG tables, EXIF, XMP, and its C2PA manifest.

Each is a fact of its own. None says by itself that a picture was manipulated, and none enters a verdict, but for a very low
JPEG quality, which makes "no evidence" inconclusive.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin

from tamperlens.media.decoding import VideoInfo
from tamperlens.media.headers import colours_of_photo, exif_of, history_of, software_of, xmp_of
from tamperlens.media.opening import checked, shown_pictures
from tamperlens.media.provenance import Provenance

__all__ = [
    "FileFacts",
    "JpegFacts",
    "PhotoFacts",
    "VideoFacts",
    "estimate_quality",
    "hash_and_c2pa",
    "photo_facts",
    "readable",
    "sha256_of",
    "video_facts",
]

# A C2PA manifest store is a JUMBF superbox whose description box ("jumd") has this type (C2PA 2.1, 11.1.4.2).
_C2PA = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_BLOCK = 1 << 20
_LONGEST = 120  # letters of a metadata value that are told

# The luminance table of quality 50 (ITU-T T.81, Annex K), row by row.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


@dataclass(frozen=True)
class JpegFacts:
    """How a JPEG was compressed last."""

    tables: tuple[tuple[int, ...], ...]  # quantisation tables of 64 steps, row by row; luminance first
    quality: int  # 1 to 100: whose standard luminance table (IJG) is nearest
    standard: bool  # whether that table is exactly the standard one; cameras and photo programs often have their own
    subsampling: str  # of the colours: "4:4:4", "4:2:2", "4:2:0" or "other"
    progressive: bool


@dataclass(frozen=True)
class PhotoFacts:
    """A photo's or an animated picture's container."""

    format: str  # "JPEG", "PNG", ...
    mode: str  # Pillow's name of the stored pixels: "RGB", "CMYK", ...
    width: int  # pixels, as stored
    height: int
    pictures: int  # 1 unless it is an animation or a stack of pages
    jpeg: JpegFacts | None
    exif: dict[str, str]  # tag -> value, shortened; empty where there is none
    position: bool  # whether EXIF says where it was taken; the place itself is not told
    icc_profile: bool
    xmp: bool
    transfer: str | None = None  # "PQ" or "HLG" of an HDR picture, which is inspected tone-mapped to SDR
    software: str | None = None  # the program that XMP names as the creator
    history: tuple[str, ...] = ()  # the editing steps that XMP keeps


@dataclass(frozen=True)
class VideoFacts:
    """A video's container and streams."""

    container: str
    codec: str
    pixel_format: str
    width: int  # pixels of the picture as shown: upright, pixels square
    height: int
    fps: float | None  # average; None where unknown
    frames: int | None  # as the container says
    seconds: float | None
    rotation: int  # degrees clockwise
    audio: tuple[str, ...]  # codecs
    encoder: str | None  # the encoder's own words on its settings
    tags: dict[str, str]
    stored_width: int | None = None  # pixels as stored
    stored_height: int | None = None
    pixel_ratio: str | None = None  # a pixel's width to its height, "64:45"; None where square or not said
    interlaced: bool = False  # then it is inspected deinterlaced
    transfer: str | None = None  # "PQ" or "HLG" of an HDR video, which is inspected tone-mapped to SDR
    other_streams: tuple[str, ...] = ()  # video streams that players do not show, and that are not inspected


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file besides its pictures."""

    name: str
    bytes: int
    sha256: str
    c2pa: bool  # whether a C2PA manifest is there
    photo: PhotoFacts | None = None
    video: VideoFacts | None = None
    notes: tuple[str, ...] = field(default=())  # what could not be told, and why
    provenance: Provenance | None = None  # what the manifest says; None where there is none or c2pa-python is not installed


def readable(name: str | os.PathLike[str]) -> str:
    """A file's name as text that can be stored: bytes that are no letters are spelled out."""
    return os.fspath(name).encode("utf-8", "backslashreplace").decode()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    return hash_and_c2pa(checked(path))[0]


def hash_and_c2pa(file: Path) -> tuple[str, bool]:
    """The hash of a file, and whether it holds a C2PA manifest. Reads it once in blocks."""
    digest, found, tail = hashlib.sha256(), False, b""
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            found = found or _C2PA in tail + block
            tail = block[-len(_C2PA) :]
    return digest.hexdigest(), found


def photo_facts(file: Path, image: Image.Image) -> PhotoFacts:
    """The facts of an opened photo or animated picture; broken headers raise anything."""
    exif, position = _exif(file, image)
    xmp = xmp_of(image)
    return PhotoFacts(
        format=image.format or "?",
        mode=image.mode,
        width=image.width,
        height=image.height,
        pictures=len(shown_pictures(image)),
        jpeg=_jpeg(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None,
        exif=exif,
        position=position,
        icc_profile=bool(image.info.get("icc_profile")),
        xmp=bool(xmp),
        transfer=colours_of_photo(file, image).hdr,
        software=software_of(xmp),
        history=history_of(xmp),
    )


def _jpeg(image: JpegImagePlugin.JpegImageFile) -> JpegFacts:
    tables = tuple(tuple(int(step) for step in image.quantization[key]) for key in sorted(image.quantization))
    quality, standard = estimate_quality(tables[0])
    names = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    # Pillow's reader knows the sampling of three colours only.
    sampling = JpegImagePlugin.get_sampling(image) if image.mode in ("RGB", "YCbCr") else 0
    return JpegFacts(tables, quality, standard, names.get(sampling, "other"), bool(image.info.get("progressive")))


def quality_of(image: Image.Image) -> int | None:
    """The estimated quality of an opened JPEG; None for what is no JPEG."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.quantization:
        return None
    return estimate_quality(tuple(image.quantization[min(image.quantization)]))[0]


def estimate_quality(luminance: tuple[int, ...]) -> tuple[int, bool]:
    """The quality, 1 to 100, whose standard table is nearest to a luminance table of 64 steps, and whether it is that table."""
    table = np.array(luminance).reshape(8, 8)
    distances = {quality: int(np.abs(table - _standard(quality)).sum()) for quality in range(1, 101)}
    quality = min(distances, key=lambda quality: (distances[quality], -quality))
    return quality, distances[quality] == 0


def _standard(quality: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_LUMINANCE * scale + 50) // 100, 1, 255))


def _exif(file: Path, image: Image.Image) -> tuple[dict[str, str], bool]:
    exif = exif_of(file, image)
    values = dict(exif) | dict(exif.get_ifd(ExifTags.IFD.Exif))
    words = {tag: value for tag, value in values.items() if not isinstance(value, (bytes, dict))}
    told = {ExifTags.TAGS.get(tag, f"tag {tag}"): value for tag, value in words.items()}
    shown = {name: str(value)[:_LONGEST] for name, value in told.items() if name not in ("GPSInfo", "ExifOffset")}
    return shown, bool(exif.get_ifd(ExifTags.IFD.GPSInfo))


def video_facts(info: VideoInfo) -> VideoFacts:
    """The facts of an opened video."""
    ratio = info.pixel_ratio if info.pixel_ratio and info.pixel_ratio != 1 else None
    return VideoFacts(
        container=info.container,
        codec=info.codec,
        pixel_format=info.pixel_format,
        width=info.width,
        height=info.height,
        fps=_known(info.fps),
        frames=info.frames,
        seconds=_known(info.seconds),
        rotation=info.rotation,
        audio=info.audio,
        encoder=info.encoder,
        tags={key: value[:_LONGEST] for key, value in info.tags.items()},
        stored_width=info.stored[0],
        stored_height=info.stored[1],
        pixel_ratio=f"{ratio.numerator}:{ratio.denominator}" if ratio else None,
        interlaced=info.interlaced,
        transfer=info.transfer,
        other_streams=info.others,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
