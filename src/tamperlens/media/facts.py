"""What a file says of itself: its hash, container, codecs, JPEG tables, EXIF, and whether it carries a C2PA manifest.

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

from tamperlens.media.opening import checked, open_photo, open_video, pillow
from tamperlens.media.video import video_info

__all__ = ["FileFacts", "JpegFacts", "PhotoFacts", "VideoFacts", "estimate_quality", "file_facts", "readable", "sha256_of"]

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


@dataclass(frozen=True)
class VideoFacts:
    """A video's container and streams."""

    container: str
    codec: str
    pixel_format: str
    width: int  # pixels of the upright picture
    height: int
    fps: float | None  # average; None where unknown
    frames: int | None  # as the container says
    seconds: float | None
    rotation: int  # degrees clockwise
    audio: tuple[str, ...]  # codecs
    encoder: str | None  # the encoder's own words on its settings
    tags: dict[str, str]


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file besides its pictures."""

    name: str
    bytes: int
    sha256: str
    c2pa: bool  # whether a C2PA manifest is there; its signature is not checked
    photo: PhotoFacts | None = None
    video: VideoFacts | None = None
    notes: tuple[str, ...] = field(default=())  # what could not be told, and why


def readable(name: str | os.PathLike[str]) -> str:
    """A file's name as text that can be stored: bytes that are no letters are spelled out."""
    return os.fspath(name).encode("utf-8", "backslashreplace").decode()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    return _hash_and_c2pa(checked(path))[0]


def file_facts(path: str | os.PathLike[str]) -> FileFacts:
    """Everything a file says of itself. Reads it once in blocks. Raises `MediaError` where there is no such file."""
    file = checked(path)
    digest, c2pa = _hash_and_c2pa(file)
    photo, video = None, None
    notes: tuple[str, ...] = ()
    try:
        photo = _photo(file)
        video = None if photo else _video(file)
    except Exception as error:  # broken headers raise anything, and facts are no reason to give up an inspection
        notes = (f"not everything about the file could be told ({' '.join(str(error).split())[:200]})",)
    return FileFacts(readable(file.name), file.stat().st_size, digest, c2pa, photo, video, notes)


def _hash_and_c2pa(file: Path) -> tuple[str, bool]:
    digest, found, tail = hashlib.sha256(), False, b""
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            found = found or _C2PA in tail + block
            tail = block[-len(_C2PA) :]
    return digest.hexdigest(), found


def _photo(file: Path) -> PhotoFacts | None:
    with pillow():
        image = open_photo(file)
        if image is None:
            return None
        with image:
            exif, position = _exif(image)
            return PhotoFacts(
                format=image.format or "?",
                mode=image.mode,
                width=image.width,
                height=image.height,
                pictures=getattr(image, "n_frames", 1),
                jpeg=_jpeg(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None,
                exif=exif,
                position=position,
                icc_profile=bool(image.info.get("icc_profile")),
                xmp=bool(image.info.get("xmp")),
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


def _exif(image: Image.Image) -> tuple[dict[str, str], bool]:
    exif = image.getexif()
    values = dict(exif) | dict(exif.get_ifd(ExifTags.IFD.Exif))
    words = {tag: value for tag, value in values.items() if not isinstance(value, (bytes, dict))}
    told = {ExifTags.TAGS.get(tag, f"tag {tag}"): value for tag, value in words.items()}
    shown = {name: str(value)[:_LONGEST] for name, value in told.items() if name not in ("GPSInfo", "ExifOffset")}
    return shown, bool(exif.get_ifd(ExifTags.IFD.GPSInfo))


def _video(file: Path) -> VideoFacts:
    info = video_info(file)
    with open_video(file) as (container, _):
        audio = tuple(stream.codec_context.name for stream in container.streams.audio if stream.codec_context)
        name = container.format.name
    return VideoFacts(
        container=name,
        codec=info.codec,
        pixel_format=info.pixel_format,
        width=info.width,
        height=info.height,
        fps=_known(info.fps),
        frames=info.frames,
        seconds=_known(info.seconds),
        rotation=info.rotation,
        audio=audio,
        encoder=info.encoder,
        tags={key: value[:_LONGEST] for key, value in info.tags.items()},
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
