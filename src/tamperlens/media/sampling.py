"""A video's frames at chosen times, read past damage, with a word on everything that was not as it should be.

`frames` in video.py is for datasets and stops at the first fault. Evidence comes as it is: here what can be read is read, and
what was not is told in `VideoSampler.notes`.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import av
import cv2
import numpy as np

from tamperlens.errors import MediaError
from tamperlens.media.animation import animation_info, animation_pictures
from tamperlens.media.cuts import THUMBNAIL, with_cuts
from tamperlens.media.opening import checked, open_video
from tamperlens.media.video import refuse_photo, to_frame, unreadable
from tamperlens.types import Frame, UInt8Array

__all__ = ["VideoSampler", "next_due"]

_SEEK = 5.0  # seconds: it is not worth looking for a key frame to skip less


@dataclass(frozen=True)
class _Picture:
    """A decoded picture before it is known whether it is wanted: converting to RGB costs as much as decoding."""

    seconds: float | None  # as stored, from the file's start; None where the file does not say
    size: tuple[int, int]
    thumbnail: UInt8Array
    damaged: bool
    to_frame: Callable[[int, float], Frame]


def _comparable(numbered: tuple[int, _Picture]) -> UInt8Array | None:
    _, picture = numbered
    return None if picture.damaged else picture.thumbnail


def next_due(seconds: float, every: float, start: float) -> float:
    """The first second after ``seconds`` that lies a whole number of steps of ``every`` behind ``start``."""
    return start + (math.floor((seconds - start + 1e-6) / every) + 1) * every


class VideoSampler:
    """The upright frames of a video or animation from ``start`` to ``end`` (seconds), one at least every ``every`` seconds.

    Iterate once. The first frame at or after each whole step from ``start`` is given; 0 gives all frames. ``Frame.seconds`` are
    true presentation times and never go back, ``Frame.cut`` tells a new scene. ``threads`` decode.

    Raises `MediaError` (see `open_video`) where not one frame can be read, also where none lies in the range. Afterwards
    ``notes`` says what was odd or could not be read, ``complete`` is False where something was missing, and ``decoded``
    counts pictures.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: float = 0.0,
        start: float = 0.0,
        end: float = math.inf,
        threads: int = 1,
    ) -> None:
        if every < 0 or start < 0 or end <= start:
            raise ValueError(f"expected every >= 0 and 0 <= start < end, in seconds; got {every}, {start} and {end}")
        self.every, self.start, self.end, self.threads = every, start, end, threads
        self.complete = True
        self.decoded = 0
        self.last = 0.0  # second of the last decoded picture
        self._file = checked(path)
        self._notes: dict[str, list[float]] = {}  # words -> the seconds at which they hold
        self.rate = 25.0  # frames a second, on average; known once the first frame is read
        self._shift = 0.0  # seconds by which the clock is set forward
        self._skipped = 0  # frames before the first that was read, where reading began later

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not as it should be, in words for people, each once."""
        return tuple(words + _times(seconds) for words, seconds in self._notes.items())

    def __iter__(self) -> Iterator[Frame]:
        file = self._file
        animation = animation_info(file)
        if animation is None:
            refuse_photo(file)
        elif animation.seconds:
            self.rate = animation.pictures / animation.seconds
        pictures = self._animation() if animation else self._video()
        wanted, size, cut, given = -math.inf, None, False, 0
        for seconds, (index, picture), new_scene in with_cuts(self._timed(pictures), _comparable):
            if seconds >= self.end:
                break
            if size is not None and picture.size != size:
                old, new = (f"{width}x{height}" for width, height in (size, picture.size))
                self._note(f"the picture's size changes from {old} to {new}", seconds)
                cut = True
            size, cut = picture.size, cut or new_scene
            if picture.damaged:
                if seconds >= self.start:  # where reading begins in the middle, the first pictures lack others
                    self._note("damaged frames were not inspected", seconds)
                    self.complete = False
            elif seconds >= max(self.start, wanted) - 1e-6:
                frame = picture.to_frame(index, seconds)
                for words in frame.notes:
                    self._note(words)
                yield replace(frame, cut=cut and given > 0)
                given, cut = given + 1, False
                wanted = next_due(seconds, self.every, self.start) if self.every else -math.inf
        if self.decoded == 0:
            raise MediaError(f"{file}: the video holds no readable frame; fetch the file again")
        if given == 0:
            raise MediaError(
                f"{file}: no frame can be read between second {self.start:g} and second {self.end:g}; "
                f"frames were read up to second {self.last:.2f}"
            )

    def _timed(self, pictures: Iterator[_Picture]) -> Iterator[tuple[float, tuple[int, _Picture]]]:
        """Each picture's second, its number in the file, and itself."""
        for picture in pictures:
            seconds = self._clock(picture.seconds)
            self.decoded, self.last = self.decoded + 1, seconds
            yield seconds, (self._skipped + self.decoded - 1, picture)

    def _note(self, words: str, seconds: float | None = None) -> None:
        times = self._notes.setdefault(words, [])
        if seconds is not None:
            times.append(seconds)

    def _clock(self, stored: float | None) -> float:
        """Seconds that never go back: after a jump back the clock runs on from where it was."""
        if self.decoded == 0:
            self._skipped = round(stored * self.rate) if stored and self.start > _SEEK else 0
            return stored or 0.0
        after = self.last + 1 / self.rate
        if stored is None:
            return after
        if stored + self._shift < self.last - 1e-6:
            self._note("timestamps go back; the frames from there on are placed after those before", self.last)
            self._shift = after - stored
        return stored + self._shift

    def _animation(self) -> Iterator[_Picture]:
        try:
            for seconds, image in animation_pictures(self._file):
                small = cv2.cvtColor(cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
                size = image.shape[1], image.shape[0]

                def to_frame(index: int, seconds: float, image: UInt8Array = image) -> Frame:
                    return Frame(image, index, seconds)

                yield _Picture(seconds, size, np.asarray(small, np.uint8), False, to_frame)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
            self._stopped(" ".join(str(error).split()) or type(error).__name__)

    def _video(self) -> Iterator[_Picture]:
        with open_video(self._file) as (container, stream):
            context = stream.codec_context
            context.thread_count, context.thread_type = self.threads, "AUTO" if self.threads > 1 else "NONE"
            origin = (container.start_time or 0) / 1e6
            self.rate = float(stream.average_rate or stream.guessed_rate or 25)
            timed = container.format.name != "avi"  # AVI has no presentation times, only a rate
            if timed and self.start > _SEEK:
                self._seek(container, origin)
            reached, promised = 0.0, (container.duration or 0) / 1e6
            packets = container.demux()  # all streams: the sound's end counts when looking for a missing end
            while True:
                try:
                    packet = next(packets)
                except StopIteration:
                    break
                except av.error.FFmpegError as error:
                    self._stopped(unreadable(error))
                    return
                if packet.pts is not None and packet.time_base:
                    reached = max(reached, float((packet.pts + (packet.duration or 0)) * packet.time_base) - origin)
                if packet.stream_index == stream.index:
                    yield from self._decoded(packet, stream, origin, timed)
            if reached < promised - max(0.2, 0.01 * promised):
                self._stopped(f"its header promises {promised:.2f} s")

    def _seek(self, container: Any, origin: float) -> None:
        try:
            container.seek(int((self.start - 1 + origin) * 1e6), backward=True)
        except av.error.FFmpegError:
            self._note("the index is broken: the video was read from its beginning")

    def _decoded(self, packet: Any, stream: Any, origin: float, timed: bool) -> Iterator[_Picture]:
        try:
            pictures = packet.decode()
        except av.error.FFmpegError:
            self.complete = False
            self._note("parts of the video could not be decoded and were not inspected", self.last)
            return
        for picture in pictures:
            small = picture.reformat(*THUMBNAIL, format="gray", interpolation="AREA").to_ndarray()
            seconds = picture.time - origin if timed and picture.time is not None else None
            size = picture.width, picture.height

            def make(index: int, seconds: float, picture: Any = picture) -> Frame:
                return to_frame(picture, index, seconds, stream)

            yield _Picture(seconds, size, np.asarray(small, np.uint8), bool(picture.is_corrupt), make)

    def _stopped(self, reason: str) -> None:
        self.complete = False
        self._note(
            f"the file is truncated or damaged: {self.decoded} frames could be read, up to second {self.last:.2f}, then "
            f"{reason}; what comes after was not inspected"
        )


def _times(seconds: list[float]) -> str:
    if not seconds:
        return ""
    first = ", ".join(f"{second:.2f}" for second in seconds[:3])
    return f" (at second {first}{f' and {len(seconds) - 3} more times' if len(seconds) > 3 else ''})"
