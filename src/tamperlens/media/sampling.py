"""A video's frames at chosen times, read past damage, with a word on everything that was not as it should be.

`frames` in video.py is for datasets and stops at the first fault. Evidence comes as it is: here what can be read is read, and
what was not is told in `VideoSampler.notes`.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tamperlens.errors import MediaError
from tamperlens.media.cuts import THUMBNAIL, with_changes
from tamperlens.media.decoding import Notes, Picture, no_frame
from tamperlens.media.opening import checked
from tamperlens.media.source import video_of
from tamperlens.types import Frame, UInt8Array

__all__ = ["VideoSampler", "next_due"]


def _thumbnail(picture: Picture) -> UInt8Array | None:
    return None if picture.damaged else picture.grey(*THUMBNAIL)


def next_due(seconds: float, every: float, start: float) -> float:
    """The first second after ``seconds`` that lies a whole number of steps of ``every`` behind ``start``."""
    return start + (math.floor((seconds - start + 1e-6) / every) + 1) * every


class VideoSampler:
    """The upright frames of a video or animation from ``start`` to ``end`` (seconds), one at least every ``every`` seconds.

    Iterate once. The first frame at or after each whole step from ``start`` is given; 0 gives all frames. ``Frame.seconds`` are
    true presentation times and never go back, ``Frame.cut`` tells a new scene, ``Frame.flash`` a flash. ``threads`` decode.

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
        self.rate = 25.0  # frames a second, on average; known once the first frame is read
        self._path = path
        self._notes = Notes()
        checked(path)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not as it should be, in words for people, each once."""
        return tuple(self._notes)

    def __iter__(self) -> Iterator[Frame]:
        pictures = self._pictures()
        wanted, size, cut, given = -math.inf, None, False, 0
        for seconds, picture, change in with_changes(self._counted(pictures), _thumbnail):
            if seconds >= self.end:
                break
            if size is not None and picture.size != size:
                old, new = (f"{width}x{height}" for width, height in (size, picture.size))
                self._notes.add(f"the picture's size changes from {old} to {new}", seconds)
                cut = True
            size, cut = picture.size, cut or change == "cut"
            if picture.damaged:
                if seconds >= self.start:  # where reading begins in the middle, the first pictures lack others
                    self._notes.add("damaged frames were not inspected", seconds)
                    self.complete = False
            elif seconds >= max(self.start, wanted) - 1e-6:
                frame = picture.frame()
                for words in frame.notes:
                    self._notes.add(words)
                yield replace(frame, cut=cut and given > 0, flash=change == "flash")
                given, cut = given + 1, False
                wanted = next_due(seconds, self.every, self.start) if self.every else -math.inf
        if self.decoded == 0:
            raise no_frame(Path(self._path))
        if given == 0:
            raise MediaError(
                f"{self._path}: no frame can be read between second {self.start:g} and second {self.end:g}; "
                f"frames were read up to second {self.last:.2f}"
            )

    def _counted(self, pictures: Iterator[Picture]) -> Iterator[tuple[float, Picture]]:
        for picture in pictures:
            self.decoded, self.last = self.decoded + 1, picture.seconds
            yield picture.seconds, picture

    def _pictures(self) -> Iterator[Picture]:
        """All pictures of the file, and what is said of it as a whole."""
        decoder = video_of(self._path, self.threads).decoder()
        self.rate, self._notes = decoder.rate, decoder.notes
        try:
            for picture in decoder.pictures(self.start):
                self.complete = self.complete and decoder.complete
                yield picture
            self.complete = self.complete and decoder.complete
        finally:
            decoder.close()
