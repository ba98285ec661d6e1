"""Video files to a stream of upright RGB pictures, and pictures to a video."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.files import replacing
from tamperlens.media.opening import VIDEOS, checked, open_photo, open_video, pillow, upright
from tamperlens.types import Frame, UInt8Array

__all__ = ["VideoInfo", "frames", "refuse_photo", "to_frame", "unreadable", "video_info", "write_video"]


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
    file = checked(path)
    refuse_photo(file)
    with open_video(file) as (container, stream):
        first, encoder = None, None
        try:
            for count, packet in enumerate(container.demux(stream)):
                encoder = encoder or _encoder_settings(bytes(packet))
                first = first or next(iter(packet.decode()), None)
                if first is not None or count > 300:
                    break
        except av.error.FFmpegError as error:
            raise MediaError(f"{file}: {unreadable(error)} before the first frame; fetch the file again") from error
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
    file = checked(path)
    refuse_photo(file)
    index, seconds, end, damaged = 0, 0.0, 0.0, False
    with open_video(file) as (container, stream):
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
                        yield to_frame(picture, index, seconds, stream)
                    index += 1
        except av.error.FFmpegError as error:
            raise MediaError(_stopped(file, index, seconds, unreadable(error))) from error
        expected = (container.duration or 0) / 1e6
    if index == 0:
        raise MediaError(f"{file}: the video holds no readable frame; fetch the file again")
    if damaged or end < expected - max(0.2, 0.01 * expected):
        reason = "the last frame is damaged" if damaged else f"its header promises {expected:.2f} s"
        raise MediaError(_stopped(file, index, seconds, reason))


def to_frame(picture: Any, index: int, seconds: float, stream: Any) -> Frame:
    """A decoded picture of a stream as an upright `Frame`."""
    orientation, notes = _display_orientation(picture)
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        notes.append(f"pixels are not square ({ratio.numerator}:{ratio.denominator}); the picture is shown as stored")
    if picture.is_corrupt:
        notes.append("the frame is damaged")
    return Frame(upright(picture.to_ndarray(format="rgb24"), orientation), index, seconds, tuple(notes))


def refuse_photo(file: Path) -> None:
    """`UnsupportedMedia` where the file is a photo."""
    with pillow():
        try:
            photo = open_photo(file)
        except MediaError:
            return  # then the video reader finds the words
        if photo is not None:
            photo.close()
            raise UnsupportedMedia(f"{file}: this is a photo, expected {VIDEOS}; read it as a photo")


def _display_orientation(picture: Any) -> tuple[int, list[str]]:
    """EXIF's number for how a stored video frame is to be turned, from its display matrix."""
    # Not picture.side_data: that and the picture hold each other, so pictures pile up until garbage is collected.
    data = SideDataContainer(picture).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # unknown to its stubs
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


def unreadable(error: Exception) -> str:
    """Why reading stopped, in words."""
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
    with replacing(path) as temporary:
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
