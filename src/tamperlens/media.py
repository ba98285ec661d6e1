"""Photo and video files to upright RGB pictures, and pictures to files.

What a file is, is told by its content, never by its name. Files may come from anywhere: only the listed photo formats
and video containers are tried, so that a playlist or a document dressed as a picture makes nobody open another file.
"""

import codecs
import io
import math
import os
import threading
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.stream import Disposition
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.types import BoolArray, Frame, UInt8Array

__all__ = ["MAX_PIXELS", "VideoInfo", "frames", "kind_of", "read_photo", "video_info", "write_png", "write_video"]

MAX_PIXELS = 200_000_000  # of a photo; it takes about 3 GB while it is being read

_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
_PHOTOS = "a photo (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC)"
_VIDEOS = "a video (MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV or OGG)"
_CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,h264,hevc,yuv4mpegpipe"

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
_HEIF_BRANDS = {b"ftyp" + brand for brand in (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")}
_OTHER = {
    b"%PDF": "a PDF document",
    b"8BPS": "a Photoshop document",
    b"PK\3\4": "a ZIP archive or office document",
    b"\0\0\0\x0cjP": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL": "a JPEG XL picture",
    b"ID3": "an MP3 sound file",
}


# ---------------------------------------------------------------------------------------------------------- both kinds


def kind_of(path: str | os.PathLike[str]) -> Literal["photo", "video"]:
    """Whether a file is a photo or a video, from its content. Animated GIF, PNG, WebP and AVIF count as photos.

    Only headers are read, so a "photo" or "video" may still turn out broken later. Raises ``MediaError`` for a file
    that is missing, empty or not recognised, and ``UnsupportedMedia`` for other known kinds.
    """
    file = _checked(path)
    with _pillow():
        photo = _open_photo(file)
        if photo is not None:
            photo.close()
            return "photo"
    with _open_video(file):
        return "video"


def _checked(path: str | os.PathLike[str]) -> Path:
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


def _refusal(file: Path, expected: str) -> MediaError:
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
    if head[4:12] in _HEIF_BRANDS:
        return "an HEIC or AVIF photo"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide"):
        return "an MP4 or MOV video"
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return "a WebP picture" if head[8:12] == b"WEBP" else "an AVI video"
    return next((words for magic, words in _HANDLED.items() if head.startswith(magic)), None)


def _upright(array: UInt8Array, orientation: int) -> UInt8Array:
    """Turns stored pixels (H, W, C) the way EXIF orientation 1 to 8 says they are to be seen."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


@contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place only when all went well."""
    file = Path(path)
    temporary = file.with_name(f".{uuid.uuid4().hex[:8]}.{file.name}")
    try:
        yield temporary
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------------------------------- photos

_PILLOW_LOCK = threading.RLock()
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
    file = _checked(path)
    notes: list[str] = []
    with _pillow():
        image = _open_photo(file)
        if image is None:
            raise _not_a_photo(file)
        try:
            if image.width * image.height > MAX_PIXELS:
                raise UnsupportedMedia(
                    f"{file}: the picture has {image.width}x{image.height} pixels, expected at most "
                    f"{MAX_PIXELS // 1_000_000} million; make it smaller or cut out the part with the face"
                )
            complete = True
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
    return Frame(image=_upright(array, orientation), notes=tuple(notes), complete=complete)


@contextmanager
def _pillow(truncated: bool = False) -> Iterator[None]:
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


def _open_photo(file: Path) -> Image.Image | None:
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
        raise _broken_photo(file, error) from error


def _not_a_photo(file: Path) -> MediaError:
    try:
        with _open_video(file):
            return UnsupportedMedia(f"{file}: this is a video, expected {_PHOTOS}; read it as a video")
    except MediaError:
        return _refusal(file, _PHOTOS)


def _broken_photo(file: Path, error: Exception) -> MediaError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return MediaError(
        f"{file}: this is a photo, but no pixels can be read from it ({reason}), expected a whole one; fetch the file "
        "again or save it anew from the original"
    )


def _load_readable_part(file: Path, error: Exception) -> Image.Image:
    image = None
    with _pillow(truncated=True):
        try:
            image = _open_photo(file)
            if image is not None:
                image.load()
                return image
        except MemoryError:
            raise
        except Exception:  # the first error says it better
            if image is not None:
                image.close()
    raise _broken_photo(file, error) from error


def _missing_part(file: Path, stored: UInt8Array) -> str:
    """Says how much of a truncated picture (rows as stored) is missing: decoders fill the rest with one colour."""
    same = (stored == stored[-1, -1]).all(axis=2)
    if same.mean() > 0.95:
        raise _broken_photo(file, OSError("it is cut off at the beginning"))
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
    with _replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


# -------------------------------------------------------------------------------------------------------------- videos


@dataclass(frozen=True)
class VideoInfo:
    """What a video's headers and first packets tell."""

    width: int  # pixels of the upright picture
    height: int
    fps: float  # average; NaN where unknown
    frames: int | None  # as the container says; None where it does not
    seconds: float  # NaN where unknown
    codec: str  # "h264", "hevc", "vp9", ...
    pixel_format: str  # "yuv420p", "gbrp", ...
    rotation: int  # degrees clockwise by which the stored picture is turned for display: 0, 90, 180 or 270
    encoder: str | None  # x264's or x265's own words on its settings ("... crf=23.0 ..."), where it left them
    tags: Mapping[str, str]  # the container's metadata, keys in lower case


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """Describes a video from its headers and first frame; errors as for ``frames``."""
    file = _checked(path)
    _refuse_photo(file)
    with _open_video(file) as (container, stream):
        first, encoder = None, None
        try:
            for count, packet in enumerate(container.demux(stream)):
                encoder = encoder or _encoder_settings(bytes(packet))
                first = first or next(iter(packet.decode()), None)
                if first is not None or count > 300:
                    break
        except av.error.FFmpegError as error:
            raise MediaError(f"{file}: {_unreadable(error)} before the first frame; fetch the file again") from error
        if first is None:
            raise MediaError(f"{file}: the video holds no readable frame; fetch the file again")
        orientation, _ = _display_orientation(first)
        width, height = (first.height, first.width) if orientation >= 5 else (first.width, first.height)
        encoder = encoder or _encoder_settings(stream.codec_context.extradata or b"")
        rate = stream.average_rate or stream.guessed_rate
        seconds = stream.duration * stream.time_base if stream.duration else (container.duration or math.nan) / 1e6
        return VideoInfo(
            width=width,
            height=height,
            fps=float(rate) if rate else math.nan,
            frames=stream.frames or None,
            seconds=float(seconds),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            rotation={3: 180, 4: 180, 6: 90, 7: 90, 5: 270, 8: 270}.get(orientation, 0),
            encoder=encoder,
            tags={key.lower(): value for key, value in container.metadata.items()},
        )


def frames(path: str | os.PathLike[str], *, every: int = 1, threads: int = 1) -> Iterator[Frame]:
    """Streams a video's upright RGB uint8 ``(H, W, 3)`` frames 0, ``every``, 2 ``every``, ... one at a time.

    ``Frame.seconds`` is the presentation time since the start of the file, as a player shows it; ``Frame.index`` counts
    decoded frames. ``threads`` decode; 1 is the most efficient where several videos are read by several processes.

    On first use raises ``MediaError`` for a file that is missing, empty or unreadable, ``UnsupportedMedia`` for a
    photo, a sound file or a document. A truncated or damaged video yields what can be read, then raises ``MediaError``
    with the number of frames read.
    """
    if every < 1 or threads < 1:
        raise ValueError(f"every and threads are counts of at least 1; got every={every}, threads={threads}")
    file = _checked(path)
    _refuse_photo(file)
    index, seconds, end, damaged = 0, 0.0, 0.0, False
    with _open_video(file) as (container, stream):
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
        start = (container.start_time or 0) / 1e6
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        timed = container.format.name != "avi"  # AVI has no presentation times, only a rate
        try:
            # Packets of all streams pass by, so that the sound's end counts when looking for a missing end.
            for packet in container.demux():
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - start)
                if packet.stream_index != stream.index:
                    continue
                for picture in packet.decode():
                    seconds = picture.time - start if timed and picture.time is not None else index / rate
                    damaged = bool(picture.is_corrupt)
                    if index % every == 0:
                        yield _frame(picture, index, seconds, stream)
                    index += 1
        except av.error.FFmpegError as error:
            raise MediaError(_stopped(file, index, seconds, _unreadable(error))) from error
        expected = (container.duration or 0) / 1e6
    if index == 0:
        raise MediaError(f"{file}: the video holds no readable frame; fetch the file again")
    if damaged or end < expected - max(0.2, 0.01 * expected):
        reason = "the last frame is damaged" if damaged else f"its header promises {expected:.2f} s"
        raise MediaError(_stopped(file, index, seconds, reason))


def _frame(picture: Any, index: int, seconds: float, stream: Any) -> Frame:
    orientation, notes = _display_orientation(picture)
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        notes.append(f"pixels are not square ({ratio.numerator}:{ratio.denominator}); the picture is shown as stored")
    if picture.is_corrupt:
        notes.append("the frame is damaged")
    return Frame(_upright(picture.to_ndarray(format="rgb24"), orientation), index, seconds, tuple(notes))


def _refuse_photo(file: Path) -> None:
    with _pillow():
        try:
            photo = _open_photo(file)
        except MediaError:
            return  # then the video reader finds the words
        if photo is not None:
            photo.close()
            raise UnsupportedMedia(f"{file}: this is a photo, expected {_VIDEOS}; read it as a photo")


@contextmanager
def _open_video(file: Path) -> Iterator[tuple[Any, Any]]:
    """The open container and its stream of pictures. Errors inside the block are the block's own."""
    # An absolute name cannot be taken for an address; the lists keep playlists from opening other files.
    with file.open("rb") as stream:
        if stream.read(12)[4:] in _HEIF_BRANDS:  # a broken photo, which video readers take for a video of one frame
            raise _refusal(file, f"{_PHOTOS} or {_VIDEOS}")
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        container = av.open(os.fspath(file.resolve()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise _refusal(file, f"{_PHOTOS} or {_VIDEOS}") from error
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
        raise _refusal(file, _VIDEOS)
    raise UnsupportedMedia(f"{file}: the file has {kinds} but no moving picture, expected {_VIDEOS}; pass the video itself")


def _display_orientation(picture: Any) -> tuple[int, list[str]]:
    """EXIF's number for how a stored video frame is to be turned, from its display matrix."""
    data = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, []
    a, b, _, c, d = np.sign(np.frombuffer(bytes(data), np.int32)[:5]).tolist()
    turns = {
        (1, 0, 0, 1): 1,
        (-1, 0, 0, 1): 2,
        (-1, 0, 0, -1): 3,
        (1, 0, 0, -1): 4,
        (0, 1, 1, 0): 5,
        (0, 1, -1, 0): 6,
        (0, -1, -1, 0): 7,
        (0, -1, 1, 0): 8,
    }
    if (a, b, c, d) in turns:
        return turns[a, b, c, d], []
    return 1, ["the video asks to be shown at a slant; it is shown as stored"]


def _encoder_settings(packet: bytes) -> str | None:
    """x264 and x265 write their version and settings as text into the first packet."""
    for mark in (b"x264 - core", b"x265 (build"):
        start = packet.find(mark)
        if start >= 0:
            return packet[start:].split(b"\0", 1)[0].decode("ascii", "ignore").strip("\x80 ")
    return None


def _unreadable(error: Exception) -> str:
    return f"the video cannot be read on ({getattr(error, 'strerror', None) or error})"


def _stopped(file: Path, count: int, seconds: float, reason: str) -> str:
    return (
        f"{file}: the video is truncated or damaged: {count} frames could be read, up to second {seconds:.2f}, then "
        f"{reason}; what was read can be used, fetch the file again for the rest"
    )


def write_video(
    path: str | os.PathLike[str],
    images: Iterable[UInt8Array],
    fps: float,
    *,
    codec: str = "libx264rgb",
    crf: int = 0,
    pix_fmt: str | None = None,
    metadata: Mapping[str, str] | None = None,
    threads: int = 1,
) -> int:
    """Writes RGB uint8 ``(H, W, 3)`` pictures of one size as a video and returns their number.

    The defaults lose nothing: the same pixels come back from ``frames``. For a small file that plays everywhere use
    ``codec="libx264", crf=23``. ``pix_fmt`` defaults to rgb24 for libx264rgb and to yuv420p otherwise; the container
    follows the name's ending; ``metadata`` is stored as its tags ("comment" is the one most players show).

    The file appears complete or not at all. Raises ``ValueError`` for no pictures, pictures of another kind or size,
    odd sizes in yuv420p, and settings that the encoder refuses.
    """
    pix_fmt = pix_fmt or ("rgb24" if codec == "libx264rgb" else "yuv420p")
    count, size = 0, (0, 0)
    with _replacing(path) as temporary:
        # Tags of any name are kept by MP4 only when asked; the index goes first so that a cut-off file is readable.
        movie = temporary.suffix.lower() in (".mp4", ".mov", ".m4v")
        flags = {"movflags": "use_metadata_tags+faststart"} if movie else {}
        stream: Any = None
        with av.open(os.fspath(temporary), "w", options=flags) as container:
            container.metadata.update(metadata or {})
            for image in images:
                if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                    raise ValueError(f"video pictures are RGB uint8 (H, W, 3); got {image.dtype} {image.shape}")
                height, width = image.shape[:2]
                if stream is None:
                    if "420" in pix_fmt and (width % 2 or height % 2):
                        raise ValueError(f"{pix_fmt} needs even sides; got {width}x{height}: cut off one row or column")
                    stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
                    stream.codec_context.options = {"crf": str(crf)}
                    stream.codec_context.thread_count = threads
                    size = width, height
                elif (width, height) != size:
                    raise ValueError(f"picture {count} is {width}x{height}, the first was {size[0]}x{size[1]}: resize it")
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(picture))
                count += 1
            if stream is None:
                raise ValueError("a video needs at least one picture; got none")
            container.mux(stream.encode())
    return count
