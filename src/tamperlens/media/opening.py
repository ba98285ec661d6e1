"""Opening photos and videos, and refusing what is neither, in words that help.

What a file is, is told by its content, never by its name. Files may come from anywhere: only the listed photo formats
and video containers are tried, so that a playlist or a document dressed as a picture makes nobody open another file.
"""

import codecs
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from PIL import Image, ImageFile, UnidentifiedImageError

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.types import UInt8Array

__all__ = [
    "HEIF_BRANDS",
    "PHOTOS",
    "VIDEOS",
    "broken_photo",
    "checked",
    "open_photo",
    "open_video",
    "pillow",
    "plausible",
    "refusal",
    "upright",
]

_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
PHOTOS = "a photo (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC)"
VIDEOS = "a video (MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV or OGG)"
_CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,h264,hevc,yuv4mpegpipe"
_PILLOW_LOCK = threading.RLock()

# First bytes -> what such a file is, for messages only.
_HANDLED = {
    b"\xff\xd8\xff": "a JPEG photo",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF or camera raw picture",
    b"MM\0*": "a TIFF or camera raw picture",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM video",
}
HEIF_BRANDS = {b"ftyp" + brand for brand in (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")}
# First bytes of what else is opened: FLV, Ogg, WMV, MXF, MPEG, bare H.264 and H.265, Y4M.
_STREAMS = (b"FLV", b"OggS", b"\x30\x26\xb2\x75", b"\x06\x0e\x2b\x34", b"\0\0\1", b"\0\0\0\1", b"YUV4MPEG2")
_OTHER = {
    b"%PDF": "a PDF document",
    b"8BPS": "a Photoshop document",
    b"PK\3\4": "a ZIP archive or office document",
    b"\0\0\0\x0cjP": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL": "a JPEG XL picture",
    b"ID3": "an MP3 sound file",
}


def checked(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there, regular, not empty and readable; `MediaError` otherwise."""
    file = Path(path)
    problem = None
    if not file.exists():
        problem = "there is no such file; check the name"
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


def refusal(file: Path, expected: str) -> MediaError:
    """The error for a file that none of the readers opens, by what it seems to be."""
    with file.open("rb") as stream:
        head = stream.read(512)
    if came := _handled(head):
        return MediaError(
            f"{file}: this looks like {came}, but it is cut off, broken or of a variant that cannot be read; expected "
            f"{expected}; fetch or copy the file again, or convert it"
        )
    for magic, came in _OTHER.items():
        if head.startswith(magic):
            return UnsupportedMedia(f"{file}: this is {came}, expected {expected}; convert it to one of these")
    came = f"of an unknown kind (first bytes {head[:8].hex(' ')})"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
        if not any(letter < "\t" or letter == "\x7f" for letter in text):
            came = "text"
    except UnicodeDecodeError:
        pass
    return MediaError(f"{file}: this is {came}, expected {expected}; pass the photo or video itself")


def _handled(head: bytes) -> str | None:
    """What a file that should be readable is, from its first bytes; None for all others."""
    if head[4:12] in HEIF_BRANDS:
        return "an HEIC or AVIF photo"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide"):
        return "an MP4 or MOV video"
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return "a WebP picture" if head[8:12] == b"WEBP" else "an AVI video"
    return next((words for magic, words in _HANDLED.items() if head.startswith(magic)), None)


def plausible(head: bytes) -> bool:
    """Whether a file that begins with these bytes (some 200 of them) may be a photo or video; no decoder is asked."""
    if _handled(head) is not None or head.startswith(_STREAMS):
        return True
    return any(head[at : at + 189 + gap : 188 + gap] == b"GG" for at, gap in ((0, 0), (4, 4)))  # MPEG-TS: a 0x47 every packet


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
    """The photo, its pixels not read yet; None where the file is none."""
    if "HEIF" not in Image.OPEN:
        import pillow_heif  # registers a format in Pillow: on first use, not on import

        pillow_heif.register_heif_opener()
    try:
        return Image.open(file, formats=_PHOTO_FORMATS)
    except UnidentifiedImageError:
        return None
    except MemoryError:
        raise
    except Exception as error:
        raise broken_photo(file, error) from error


def broken_photo(file: Path, error: Exception) -> MediaError:
    """The error for a photo without a readable pixel."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return MediaError(
        f"{file}: this is a photo, but no pixels can be read from it ({reason}), expected a whole one; fetch the file "
        "again or save it anew from the original"
    )


@contextmanager
def open_video(file: Path) -> Iterator[tuple[Any, Any]]:
    """The open container and its stream of pictures. Errors inside the block are the block's own."""
    # An absolute name cannot be taken for an address; the lists keep playlists from opening other files.
    with file.open("rb") as stream:
        if stream.read(12)[4:] in HEIF_BRANDS:  # a broken photo, which video readers take for a video of one frame
            raise refusal(file, f"{PHOTOS} or {VIDEOS}")
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        container = av.open(os.fspath(file.resolve()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise refusal(file, f"{PHOTOS} or {VIDEOS}") from error
    with container:
        yield container, _picture_stream(file, container)


def _picture_stream(file: Path, container: Any) -> Any:
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnsupportedMedia(f"{file}: the video's encoding is not known here; convert it to H.264 in MP4")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams}))
    if not kinds:
        raise refusal(file, VIDEOS)
    raise UnsupportedMedia(f"{file}: the file has {kinds} but no moving picture, expected {VIDEOS}; pass the video itself")
