"""Video files to a stream of upright RGB pictures, and pictures to a video."""

import os
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.files import replacing
from tamperlens.media.display import size_is_hd
from tamperlens.media.opening import VIDEOS
from tamperlens.media.reencoding import REPEATABLE
from tamperlens.media.source import video_of
from tamperlens.types import Frame, UInt8Array

__all__ = ["frames", "write_video"]


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
    with video_of(path, threads) as video:
        if video.info is None:
            raise UnsupportedMedia(f"{video}: this is a photo, expected {VIDEOS}; read it as a photo")
        decoder = video.decoder()
        damaged, count, last = False, 0, 0.0
        try:
            for picture in decoder.pictures():
                if not decoder.complete:
                    break
                damaged, count, last = picture.damaged, count + 1, picture.seconds
                if picture.index % every == 0:
                    yield picture.frame()
        finally:
            decoder.close()
    if damaged or not decoder.complete:
        reason = decoder.stopped or ("the last frame is damaged" if damaged else "a part of it cannot be decoded")
        raise MediaError(
            f"{video}: the video is truncated or damaged: {count} frames could be read, up to second "
            f"{last:.2f}, then {reason}; what was read can be used, fetch the file again for the rest"
        )


def tag_bt709(stream: Any) -> None:
    """Say of a stream that is being written that its colours are BT.709's."""
    context = stream.codec_context
    context.colorspace, context.color_range = 1, 1  # by ITU-T H.273
    context.color_primaries, context.color_trc = 1, 1


def in_bt709(picture: Any, pix_fmt: str = "yuv420p") -> Any:
    """An RGB picture as BT.709 YUV, as players expect it of HD."""
    return picture.reformat(format=pix_fmt, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)


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
    count, size, hd = 0, (0, 0), False
    with replacing(path) as temporary:
        # Tags of any name are kept by MP4 only when asked; the index goes first so that a cut-off file is readable.
        # FFmpeg takes a relative name with a colon for an address.
        movie = temporary.suffix.lower() in (".mp4", ".mov", ".m4v")
        flags = {"movflags": "use_metadata_tags+faststart"} if movie else {}
        stream: Any = None
        with av.open(os.path.abspath(temporary), "w", options=flags) as container:
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
                    stream.codec_context.options = {"crf": str(crf), **(REPEATABLE if "264" in codec else {})}
                    stream.codec_context.thread_count = threads
                    size = width, height
                    if hd := pix_fmt.startswith("yuv4") and size_is_hd(*size):
                        tag_bt709(stream)
                elif (width, height) != size:
                    raise ValueError(f"picture {count} is {width}x{height}, the first was {size[0]}x{size[1]}: resize it")
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(in_bt709(picture, pix_fmt) if hd else picture))
                count += 1
            if stream is None:
                raise ValueError("a video needs at least one picture; got none")
            container.mux(stream.encode())
    return count
