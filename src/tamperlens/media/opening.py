"""Opening photos and videos, and refusing what is neither, in words that help.

What a file is, is told by its content, never by its name. Files may come from anywhere: only the listed photo formats
and video containers are tried, so that a playlist or a document dressed as a picture makes nobody open another file.
"""

import math
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media.kinds import kind_in, sniff
from tamperlens.media.tiff import whole_pages, whole_picture
from tamperlens.types import UInt8Array

__all__ = [
    "MAX_PIXELS",
    "PHOTOS",
    "VIDEOS",
    "broken_photo",
    "check_size",
    "checked",
    "codec_name",
    "is_animation",
    "open_photo",
    "open_video",
    "others_of",
    "pillow",
    "plausible",
    "preferred",
    "rate_of",
    "refusal",
    "shown_pictures",
    "upright",
]

_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
PHOTOS = "a photo (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC)"
VIDEOS = "a video (MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV or OGG)"
_CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,h264,hevc,yuv4mpegpipe,dv,m4v,rm,ivf,obu,dhav"
_FASTEST = 2000.0  # frames a second
MAX_PIXELS = 200_000_000  # of one picture; a photo of that size takes about 3 GB while it is being read
_MOVING = ("GIF", "WEBP", "PNG", "AVIF")  # TIFF and HEIC hold pages and albums, not movements
_PILLOW_LOCK = threading.RLock()


def checked(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there, regular, not empty and readable; `MediaError` otherwise."""
    file = Path(path)
    problem = None
    if not file.exists():
        problem = _not_there(os.fspath(path))
    elif file.is_dir():
        problem = "this is a folder, expected one photo or video file; name the files in it one by one"
    elif not file.is_file():
        problem = "this is not a regular file; copy what it delivers to a file first"
    elif file.stat().st_size == 0:
        problem = "the file is empty, expected a photo or video; fetch or copy it again"
    elif not os.access(file, os.R_OK):
        problem = "the file may not be read; change its permissions"
    if problem:
        raise MediaError(f"{file}: {problem}")
    return file


def _not_there(name: str) -> str:
    if name == "-":
        return "standard input is not read; write what it delivers to a file and pass that"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", name):  # a path has lost one of the two slashes
        return "this is an address, and nothing is fetched from the net; download the file and pass that"
    return "there is no such file; check the name"


def plausible(head: bytes) -> bool:
    """Whether a file that begins with these bytes (4096 are looked at) may be a photo or video; no decoder is asked."""
    return kind_in(head).reader in ("photo", "video")


def refusal(file: Path, expected: str) -> MediaError:
    """The error for a file that none of the readers opens, by what it seems to be."""
    kind = sniff(file)
    if kind.reader in ("photo", "video"):
        return MediaError(
            f"{file}: this looks like {kind.words}, but it is cut off, broken or of a variant that cannot be read; expected "
            f"{expected}; fetch or copy the file again, or convert it"
        )
    if kind.reader == "none":
        return UnsupportedMedia(f"{file}: this is {kind.words}, expected {expected}; {kind.advice}")
    return MediaError(f"{file}: this is {kind.words}, expected {expected}; pass the photo or video itself")


def upright(array: UInt8Array, orientation: int) -> UInt8Array:
    """Turns stored pixels (H, W, C) the way EXIF orientation 1 to 8 says they are to be seen."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


@contextmanager
def pillow(truncated: bool = False) -> Iterator[None]:
    """Pillow without its size limit (ours is checked instead), silent, and on request forgiving of truncated files.

    These are switches of the whole process, so one thread at a time may hold them and they are put back at the end.
    """
    with _PILLOW_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, truncated
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def open_photo(file: Path) -> Image.Image | None:
    """The photo, its pixels not read yet; None where the file is none. Of a TIFF, the whole picture, never a preview of it.

    ``info["xmp packet"]`` is its XMP, taken out of Pillow's sight: Pillow would turn pictures by it, and browsers do not.
    """
    if "HEIF" not in Image.OPEN:
        import pillow_heif  # registers a format in Pillow: on first use, not on import

        pillow_heif.register_heif_opener()
    try:
        image: Image.Image = Image.open(file, formats=_PHOTO_FORMATS)
        if isinstance(image, TiffImageFile):
            image = whole_picture(file, image)
        for key in ("xmp", "XML:com.adobe.xmp"):
            if key in image.info:
                image.info["xmp packet"] = image.info.pop(key)
        return image
    except UnidentifiedImageError:
        return None
    except (MemoryError, MediaError):
        raise
    except Exception as error:
        raise broken_photo(file, error) from error


def shown_pictures(image: Image.Image) -> range:
    """Which of an opened file's pictures are shown, one after the other or as pages.

    An animated PNG may begin with a picture for programs that cannot show animations; a TIFF may end with previews.
    """
    count = int(getattr(image, "n_frames", 1))
    if isinstance(image, TiffImageFile):
        return range(min(count, whole_pages(image)))
    return range(1 if count > 1 and getattr(image, "default_image", False) else 0, count)


def is_animation(image: Image.Image) -> bool:
    """Whether an opened picture is an animation."""
    return image.format in _MOVING and len(shown_pictures(image)) > 1


def broken_photo(file: Path, error: Exception) -> MediaError:
    """The error for a photo without a readable pixel."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return MediaError(
        f"{file}: this is a photo, but no pixels can be read from it ({reason}), expected a whole one; fetch the file "
        "again or save it anew from the original"
    )


def check_size(file: Path, width: int, height: int) -> None:
    """`UnsupportedMedia` for a photo or a moving picture of more than `MAX_PIXELS`; asked before anything is decoded."""
    if width * height > MAX_PIXELS:
        raise UnsupportedMedia(
            f"{file}: the picture has {width}x{height} pixels, expected at most "
            f"{MAX_PIXELS // 1_000_000} million; make it smaller or cut out the part with the face"
        )


@contextmanager
def open_video(file: Path) -> Iterator[tuple[Any, Any]]:
    """The open container and its stream of pictures. Errors inside the block are the block's own."""
    # An absolute name cannot be taken for an address; the lists keep playlists from opening other files.
    if sniff(file).reader in ("photo", "none"):  # a broken photo, which video readers take for a video of one frame
        raise refusal(file, f"{PHOTOS} or {VIDEOS}")
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        container = av.open(os.fspath(file.resolve()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise refusal(file, f"{PHOTOS} or {VIDEOS}") from error
    with container:
        stream = _picture_stream(file, container)
        check_size(file, stream.codec_context.width, stream.codec_context.height)
        yield container, stream


def _picture_stream(file: Path, container: Any) -> Any:
    """The video stream that players show."""
    moving = _moving(container)
    stream = preferred([stream for stream in moving if stream.codec_context])
    if stream is not None:
        return stream
    if moving:
        raise UnsupportedMedia(f"{file}: the video's encoding is not known here; convert it to H.264 in MP4")
    kinds = ", ".join(sorted({stream.type for stream in container.streams}))
    if not kinds:
        raise refusal(file, VIDEOS)
    raise UnsupportedMedia(f"{file}: the file has {kinds} but no moving picture, expected {VIDEOS}; pass the video itself")


def preferred(streams: Sequence[Any]) -> Any:
    """Of several streams of one type the one that players take: the first that is marked as default, else the first."""
    return next((stream for stream in streams if stream.disposition & Disposition.default), next(iter(streams), None))


def others_of(container: Any, stream: Any) -> tuple[str, ...]:
    """The other video streams of the file, in words: "stream 0 (160x90, h264)"."""
    return tuple(
        f"stream {other.index} ({other.codec_context.width}x{other.codec_context.height}, {codec_name(other)})"
        if other.codec_context
        else f"stream {other.index} (of an unknown encoding)"
        for other in _moving(container)
        if other.index != stream.index
    )


def rate_of(stream: Any) -> float:
    """Frames a second, on average; NaN where nothing plausible is said: of raw DV the average is that of its clock."""
    rates = (float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate)
    return next((rate for rate in rates if 0 < rate <= _FASTEST), math.nan)


def codec_name(stream: Any) -> str:
    """The name of a stream's encoding ("av1", "mp3"), not of the program that decodes it ("libdav1d", "mp3float")."""
    return str(stream.codec_context.codec.canonical_name)


def _moving(container: Any) -> list[Any]:
    """The video streams that are not cover pictures."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & still]
