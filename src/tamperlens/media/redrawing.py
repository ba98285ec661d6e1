"""A video drawn over: every frame passes through a function and keeps its time; the sound is copied as it is."""

import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from tamperlens.errors import MediaError
from tamperlens.files import replacing
from tamperlens.media.opening import checked, codec_name, open_video, preferred
from tamperlens.media.reencoding import REPEATABLE
from tamperlens.media.sampling import VideoSampler
from tamperlens.media.video import in_bt709, tag_bt709
from tamperlens.types import Frame, UInt8Array

__all__ = ["redraw"]

_ENCODERS = 2  # threads; x264 writes their number into the file, which should be the same bytes on any machine
_TICKS = 90_000  # a second
_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")  # sound that MP4 players know; other sound is left out
_MAX_SIDE = 1920  # pixels: what is only looked at need not be larger


def redraw(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    draw: Callable[[Frame], UInt8Array],
    *,
    start: float = 0.0,
    end: float = math.inf,
    crf: int = 23,
    threads: int = 1,
) -> tuple[str, ...]:
    """Write the part of a video between ``start`` and ``end`` (seconds) as MP4, each frame as ``draw`` gives it.

    ``draw`` takes a frame and returns RGB uint8 of the same size. Frames keep their times, so the video lasts as long; one
    picture is in memory at a time. Returns notes: on sound that could not be kept, on what could not be read. The file
    appears complete or not at all. ``threads`` decode. Raises `MediaError` where no frame can be read.
    """
    sampler = VideoSampler(path, start=start, end=end, threads=threads)
    # An absolute name: FFmpeg takes a relative one with a colon for an address.
    with replacing(out) as temporary, av.open(os.path.abspath(temporary), "w", options={"movflags": "faststart"}) as container:
        stream: Any = None
        for frame in sampler:
            if stream is None:
                before, size = -1, _even_size(frame.image)
                stream = container.add_stream("libx264", rate=Fraction(sampler.rate).limit_denominator(1001))
                stream.codec_context.time_base = Fraction(1, _TICKS)
                stream.width, stream.height = size
                stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", _ENCODERS
                stream.codec_context.options = {"crf": str(crf), "preset": "veryfast", **REPEATABLE}
                tag_bt709(stream)
                audio = _Sound(path, container, start, end)
            picture = in_bt709(av.VideoFrame.from_ndarray(_fitted(draw(frame), size), format="rgb24"))
            picture.pts = before = max(before + 1, round((frame.seconds - start) * _TICKS))
            picture.time_base = Fraction(1, _TICKS)
            container.mux(stream.encode(picture))
            audio.copy_until(frame.seconds)
        container.mux(stream.encode())
        audio.copy_until(math.inf)
        audio.close()
    return (*sampler.notes, *audio.notes)


def _even_size(image: UInt8Array) -> tuple[int, int]:
    """Width and height to encode at: even, and no side over the limit."""
    factor = min(1.0, _MAX_SIDE / max(image.shape[:2]))
    height, width = (max(2, round(side * factor) // 2 * 2) for side in image.shape[:2])
    return width, height


def _fitted(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """The picture at the video's size: odd sides lose a row or column, other sizes are scaled."""
    width, height = size
    if image.shape[0] - height in (0, 1) and image.shape[1] - width in (0, 1):
        return np.ascontiguousarray(image[:height, :width])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class _Sound:
    """The packets of the sound that players play, handed on between pictures."""

    def __init__(self, path: str | os.PathLike[str], container: Any, start: float, end: float) -> None:
        self.notes: list[str] = []
        self._packets = self._read(path, container, start, end)
        self._next = next(self._packets, None)

    def copy_until(self, seconds: float) -> None:
        while self._next is not None and self._next[0] <= seconds:
            try:
                self._container.mux(self._next[1])
            except av.error.FFmpegError as error:  # sound that MP4 does not take: the pictures go on
                self.notes.append(f"the sound could be kept up to second {self._next[0]:.1f} only ({error.strerror})")
                self._next = None
                return
            self._next = next(self._packets, None)

    def close(self) -> None:
        self._packets.close()

    def _read(self, path: Any, container: Any, start: float, end: float) -> Any:
        try:
            with open_video(checked(path)) as (source, _):
                yield from self._copied(source, container, start, end)
        except (MediaError, av.error.FFmpegError):  # an animated picture, or a file that is cut off
            return

    def _copied(self, source: Any, container: Any, start: float, end: float) -> Iterator[tuple[float, Any]]:
        sound = preferred([stream for stream in source.streams.audio if stream.codec_context])
        if sound is None:
            return
        if codec_name(sound) not in _COPIED:
            self.notes.append(f"the sound ({codec_name(sound)}) cannot be kept in MP4 and was left out")
            return
        self._container, copy = container, container.add_stream_from_template(sound)
        origin, last = (source.start_time or 0) / 1e6, None
        for packet in source.demux(sound):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base) - origin
            if seconds >= end:
                return
            if seconds >= start:
                shift = round((start + origin) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                if last is not None and packet.dts <= last:  # MP4 takes no two packets of one time: the later one waits a tick
                    packet.dts = last + 1
                    packet.pts = max(packet.pts, packet.dts)
                last = packet.dts
                packet.stream = copy
                yield seconds, packet
