"""The one loop that decodes a video: its pictures in the order they are shown, each with its second, past all damage.

Problems are listed in ``notes``, and ``complete`` is False where something is missing: a dataset asks for that and gives up, an
inspection goes on.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media.display import (
    Deinterlacer,
    Display,
    colours_of,
    display_orientation,
    projection_of,
    settle_colours,
    shown_size,
)
from tamperlens.media.opening import check_size, codec_name, open_video, others_of, rate_of
from tamperlens.types import Frame, UInt8Array

__all__ = ["Decoder", "Notes", "Picture", "VideoDecoder", "VideoInfo", "no_frame"]

_SEEK = 5.0  # seconds: it is not worth looking for a key frame to skip less
_LATE = 0.2  # seconds that may be missing at the beginning or the end without a word
_FIRST_PACKETS = 300  # after so many without a picture there is none
_NO_TIMES = (
    "avi",
    "h264",
    "hevc",
    "mpegvideo",
    "m4v",
    "obu",
    "yuv4mpegpipe",
)  # containers with a rate, but no presentation times
_SHAPELESS = ("mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v")  # containers that do not say how wide pixels are
_PROMISING = ("mov", "matroska", "avi", "flv", "asf", "ogg", "mxf")  # whose headers say how long they are; others are measured


class Notes:
    """What was not as it should be, in words for people, each once, with the first seconds at which it was so."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    def add(self, words: str, seconds: float | None = None) -> None:
        """Note something, and when."""
        times = self._seconds.setdefault(words, [])
        if seconds is not None:
            times.append(seconds)

    def __iter__(self) -> Iterator[str]:
        for words, seconds in self._seconds.items():
            first = ", ".join(f"{second:.2f}" for second in seconds[:3])
            more = f" and {len(seconds) - 3} more times" if len(seconds) > 3 else ""
            yield f"{words} (at second {first}{more})" if seconds else words


@dataclass(frozen=True)
class VideoInfo:
    """What a video's headers and first packets tell."""

    width: int  # pixels of the picture as it is shown: upright, pixels square
    height: int
    fps: float  # average; NaN where unknown
    frames: int | None  # as the container says; None where it does not
    seconds: float  # from the first picture or sound to the last; NaN where the headers do not say
    container: str  # FFmpeg's names of it: "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", ...
    codec: str  # "h264", "hevc", "vp9", "av1", ...
    pixel_format: str  # "yuv420p", "gbrp", ...
    rotation: int  # degrees clockwise by which the stored picture is turned for display: 0, 90, 180 or 270
    encoder: str | None  # x264's or x265's own words on its settings ("... crf=23.0 ..."), where it left them
    tags: Mapping[str, str]  # the container's metadata, keys in lower case
    audio: tuple[str, ...] = ()  # codecs
    stored: tuple[int, int] = (0, 0)  # width and height of the stored picture
    pixel_ratio: Fraction | None = None  # a pixel's width over its height; None where not said
    interlaced: bool = False  # whether the first picture is
    transfer: str | None = None  # "PQ", "HLG"; None for SDR
    others: tuple[str, ...] = ()  # video streams that are not shown, in words


@dataclass(frozen=True)
class Picture:
    """A decoded picture before it is known whether it is wanted: converting it to RGB costs as much as decoding it."""

    index: int  # counts decoded pictures
    seconds: float  # since the start of the file; never goes back
    size: tuple[int, int]  # width and height as stored
    damaged: bool
    grey: Callable[[int, int], UInt8Array]  # width and height -> a small picture of grey levels, as stored
    frame: Callable[[], Frame]


class Decoder(Protocol):
    """The pictures of one moving file, read once."""

    rate: float  # frames a second, on average
    notes: Notes
    complete: bool  # False where something was missing
    decoded: int  # pictures so far
    last: float  # second of the last one
    stopped: str  # why reading ended before the end, in words; empty where it did not

    @property
    def seconds(self) -> float:
        """How long it lasts, as its headers say; NaN where they do not or cannot be relied on."""
        ...

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        """All pictures; those before second ``start`` may be left out."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class VideoDecoder:
    """An open video. ``threads`` decode; 1 is the most efficient where several videos are read by several processes.

    Raises `MediaError` where no picture can be read. ``pictures`` may be asked for once.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        self.file, self.notes, self.complete, self.decoded, self.last = file, Notes(), True, 0, 0.0
        with ExitStack() as opened:
            self._container, self._stream = opened.enter_context(open_video(file))
            context = self._stream.codec_context
            self._colours = int(context.color_trc), int(context.color_primaries), int(context.colorspace)
            self._decode = self._chosen_decoder(threads)
            rate = rate_of(self._stream)
            self.rate = 25.0 if math.isnan(rate) else rate
            self._origin = (self._container.start_time or 0) / 1e6
            self._hidden = 0  # packets of pictures that an edit list leaves out
            self._timed = self._container.format.name not in _NO_TIMES
            self._ratio: Fraction | None = None  # of the pictures decoded last
            self._display = Display(None)
            self._shift = 0.0  # seconds by which the clock is set forward
            self._skipped = 0  # pictures before the first that is read, where reading begins later
            self.stopped = ""  # why reading ended before the end, in words
            self._reached, self._first_packet = 0.0, math.nan  # seconds as stored
            self._packets = self._container.demux()  # all streams: the sound's end counts when looking for a missing end
            self._encoder: str | None = None
            self._reformatter = VideoReformatter()  # one for all: a frame's own would be set up anew each time
            self._waiting = self._until_first()
            self._ratio = self._display.ratio = self._shape_of_pixels()
            self.info = self._read_info()
            self._opened = opened.pop_all()

    @property
    def seconds(self) -> float:
        """How long the video lasts, by the table of its pictures; NaN where a header alone says how long."""
        return self.info.seconds if self.info.container.startswith("mov") else math.nan

    def close(self) -> None:
        """Let the file go."""
        self._opened.close()

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        """All pictures in the order they are shown; from the last key frame before ``start`` (seconds) where that is far."""
        if self.info.others:
            self.notes.add(
                f"the file holds {len(self.info.others) + 1} video streams; the one that players show was inspected, not "
                f"{' or '.join(self.info.others)}"
            )
        sought = start > _SEEK and self._timed and self._seek(start)
        deinterlaced = Deinterlacer()
        for raw in self._raw():
            for picture in deinterlaced(raw):
                if deinterlaced.used:
                    self.notes.add("the video is interlaced; it was deinterlaced")
                yield self._timed_picture(picture, sought)
        for picture in deinterlaced.rest():
            yield self._timed_picture(picture, sought)

    def _chosen_decoder(self, threads: int) -> Callable[[Any], list[Any]]:
        context = self._stream.codec_context
        if self._stream.metadata.get("alpha_mode") == "1" and codec_name(self._stream) in ("vp8", "vp9"):
            # FFmpeg's own decoder leaves the transparency away.
            context = av.CodecContext.create("libvpx" if codec_name(self._stream) == "vp8" else "libvpx-vp9", "r")
        context.thread_count, context.thread_type = threads, "AUTO" if threads > 1 else "NONE"
        return context.decode  # type: ignore[no-any-return]

    def _until_first(self) -> list[Any]:
        """Decodes up to the first pictures; looks for the encoder's settings on the way."""
        for count, packet in enumerate(self._packets_of_stream()):
            self._encoder = self._encoder or _encoder_settings(bytes(packet) if packet.size else b"")
            if packet.has_sidedata("encryption_info"):
                raise UnsupportedMedia(
                    f"{self.file}: the video is encrypted (DRM), expected one that any player shows; pass a recording of "
                    "what its own player shows"
                )
            if found := self._decoded(packet):
                if self._is_dolby_vision_alone(found[0]):
                    self.notes.add("the video is coded in Dolby Vision's colours, which are not read: colours are not as shown")
                return found
            if count > _FIRST_PACKETS:
                break
        reason = " ".join(self.notes)
        raise no_frame(self.file, reason)

    def _is_dolby_vision_alone(self, picture: Any) -> bool:
        """Whether it is of the profile whose pictures make sense to Dolby's decoders only."""
        return str(self._stream.codec_context.codec_tag).startswith(("dvh", "dva", "dav1")) and colours_of(picture).hdr is None

    def _raw(self) -> Iterator[Any]:
        while self._waiting:
            yield self._waiting.pop(0)
        for packet in self._packets_of_stream():
            yield from self._decoded(packet)
        if self._hidden:
            self.notes.add(f"the file's edit list hides {self._hidden} stored pictures from players; they were not inspected")
        if not self.stopped:
            self._check_end()

    def _packets_of_stream(self) -> Iterator[Any]:
        """The packets of the video stream; the last is empty and brings out what the decoder holds back."""
        while True:
            try:
                packet = next(self._packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self._stop(unreadable(error))
                return
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base:
                self._reached = max(self._reached, float((stamp + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index == self._stream.index:  # of empty packets at the end, too, which stream_index does not tell
                if math.isnan(self._first_packet) and stamp is not None:
                    self._first_packet = float(stamp * packet.time_base)
                self._hidden += packet.is_discard
                yield packet

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            pictures = list(self._decode(packet))
            self._follow_ratio()
            for picture in pictures:
                for words in (settle_colours(picture, self._colours), projection_of(picture)):
                    if words:
                        self.notes.add(words)
            return pictures
        except av.error.FFmpegError:
            self.complete = False
            self.notes.add("parts of the video could not be decoded and were not inspected", self.last)
            return []

    def _shape_of_pixels(self) -> Fraction | None:
        """A pixel's width over its height, by the container where it says so, or else by the pictures decoded last."""
        coded: Fraction | None = self._stream.codec_context.sample_aspect_ratio
        said: Fraction | None = self._stream.sample_aspect_ratio
        return coded if coded is not None and self._container.format.name in _SHAPELESS else said

    def _follow_ratio(self) -> None:
        """Broadcasts change between 4:3 and 16:9 at one stored size."""
        ratio = self._shape_of_pixels()
        if self._ratio is not None and ratio is not None and ratio != self._ratio:
            self.notes.add(f"the shape of the pixels changes from {_shape(self._ratio)} to {_shape(ratio)}", self.last)
            self._display.ratio = self._ratio = ratio

    def _seek(self, start: float) -> bool:
        """Goes to a place from which all pictures from second ``start`` on can be decoded."""
        back = 1.0
        try:
            while start > back and not self._is_key_between(start - back, start):
                back *= 4
            self._go_to(start - back if start > back else -1.0)  # the first picture is stored before it is shown
        except av.error.FFmpegError:
            self.notes.add("the index is broken: the video was read from its beginning")
            return False
        self._waiting.clear()
        self._packets = self._container.demux()
        return True

    def _is_key_between(self, place: float, start: float) -> bool:
        """Whether a key frame of second ``start`` or before follows a place: without an index, seeking goes to any packet."""
        self._go_to(place)
        for packet in self._container.demux(self._stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            seconds = float(stamp * packet.time_base) - self._origin if stamp is not None and packet.time_base else place
            if seconds > start:
                return False
            if packet.is_keyframe:
                return True
        return False

    def _go_to(self, second: float) -> None:
        self._container.seek(int((second + self._origin) * 1e6), backward=True)

    def _timed_picture(self, raw: Any, sought: bool) -> Picture:
        stored = raw.time - self._origin if self._timed and raw.time is not None else None
        if self.decoded == 0:
            self._skipped = round(stored * self.rate) if stored and sought else 0
            late = (raw.time or 0.0) - max(self._first_packet, self._origin)
            if late > _LATE and not sought:
                self.notes.add(f"the recording begins between two key frames: its first {late:.2f} s hold no picture")
        seconds = self.last = self._clock(stored)
        index = self._skipped + self.decoded
        self.decoded += 1

        def grey(width: int, height: int) -> UInt8Array:
            small = self._reformatter.reformat(raw, width, height, format="gray", interpolation="AREA")
            return np.asarray(small.to_ndarray(), np.uint8)

        def frame() -> Frame:
            image, notes = self._display(raw)
            return Frame(image, index, seconds, tuple(notes))

        return Picture(index, seconds, (raw.width, raw.height), bool(raw.is_corrupt), grey, frame)

    def _clock(self, stored: float | None) -> float:
        """Seconds that never go back: after a jump back the clock runs on from where it was."""
        if self.decoded == 0:
            return stored or 0.0
        after = self.last + 1 / self.rate
        if stored is None:
            return after
        if stored + self._shift < self.last - 1e-6:
            self.notes.add("timestamps go back; the frames from there on are placed after those before", self.last)
            self._shift = after - stored
        return stored + self._shift

    def _check_end(self) -> None:
        """Whether the file ends before its header says."""
        name, promised = self._container.format.name, (self._container.duration or 0) / 1e6
        if not name.startswith(_PROMISING):
            return
        reached = self._reached - self._origin + self._hidden / self.rate
        if name.startswith("matroska"):
            whole = _whole_segment(self.file)
            # Where that is not known: writers disagree on whether the length counts from 0 or from the first time stamp.
            reached = self._reached if whole is None else math.inf if whole else 0.0
        if reached < promised - max(_LATE, 0.01 * promised):
            self._stop(f"its header promises {promised:.2f} s")

    def _stop(self, reason: str) -> None:
        self.complete, self.stopped = False, reason
        self.notes.add(
            f"the file is truncated or damaged: {self.decoded} frames could be read, up to second {self.last:.2f}, then "
            f"{reason}; what comes after was not inspected"
        )

    def _read_info(self) -> VideoInfo:
        first, stream, container = self._waiting[0], self._stream, self._container
        check_size(self.file, *shown_size(first.width, first.height, self._ratio))
        orientation, _ = display_orientation(first)
        width, height = shown_size(first.width, first.height, self._ratio)
        if orientation >= 5:
            width, height = height, width
        return VideoInfo(
            width=width,
            height=height,
            fps=rate_of(stream),
            frames=stream.frames or None,
            seconds=self._length(),
            container=container.format.name,
            codec=codec_name(stream),
            pixel_format=first.format.name,
            rotation={3: 180, 4: 180, 6: 90, 7: 90, 5: 270, 8: 270}.get(orientation, 0),
            encoder=self._encoder or _encoder_settings(stream.codec_context.extradata or b""),
            tags={key.lower(): value for key, value in container.metadata.items()},
            audio=tuple(codec_name(sound) for sound in container.streams.audio if sound.codec_context),
            stored=(first.width, first.height),
            pixel_ratio=self._ratio,
            interlaced=bool(first.interlaced_frame),
            transfer=colours_of(first).hdr,
            others=others_of(container, stream),
        )

    def _length(self) -> float:
        """Seconds that the headers promise; NaN where they do not say."""
        stream, length = self._stream, (self._container.duration or math.nan) / 1e6
        if self._container.format.name.startswith("matroska"):
            return length - self._origin if length > self._origin else length  # counts from 0, not from the start
        return float(stream.duration * stream.time_base) if stream.duration else length


def no_frame(file: Path, reason: str = "") -> MediaError:
    """The error for a video without a single picture."""
    return MediaError(f"{file}: the video holds no readable frame{f' ({reason})' if reason else ''}; fetch the file again")


def unreadable(error: Exception) -> str:
    """Why reading stopped, in words."""
    return f"the video cannot be read on ({getattr(error, 'strerror', None) or error})"


def _shape(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}"


def _encoder_settings(packet: bytes) -> str | None:
    """x264 and x265 write their version and settings as text into the first packet."""
    for mark in (b"x264 - core", b"x265 (build"):
        start = packet.find(mark)
        if start >= 0:
            return packet[start:].split(b"\0", 1)[0].decode("ascii", "ignore").strip("\x80 ")
    return None


def _whole_segment(file: Path) -> bool | None:
    """Whether a Matroska file is as long as its segment says it is; None where it does not say, as in live recordings."""
    with file.open("rb") as stream:
        head = stream.read(4096)
    try:
        place = 4
        size, place = _number(head, place)  # of the EBML header
        place += size
        if head[place : place + 4] != b"\x18\x53\x80\x67":
            return None
        size, place = _number(head, place + 4)
    except (IndexError, struct.error):
        return None
    return None if size < 0 else file.stat().st_size >= place + size


def _number(data: bytes, place: int) -> tuple[int, int]:
    """An EBML length at a place, -1 for "unknown", and the place behind it."""
    width = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
    return -1 if value == (1 << 7 * width) - 1 else value, place + width
