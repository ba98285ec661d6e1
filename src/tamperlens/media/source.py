"""A file, opened once: photo or video, what its headers say, how long it is, and its pictures.

    with open_source("clip.mp4") as source:
        print(source.facts.sha256)
        if isinstance(source, Photo):
            frame = source.read()
        else:
            for frame in VideoSampler(source, every=0.5): ...

What reads a file by its name takes such a source in the name's place, so that nobody opens the file again. Here, and nowhere
else, it is decided whether a file is a photo or a video.
"""

import math
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import av
import numpy as np
from PIL import Image

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media.animation import AnimationDecoder
from tamperlens.media.decoding import Decoder, VideoDecoder, VideoInfo
from tamperlens.media.facts import FileFacts, PhotoFacts, VideoFacts, hash_and_c2pa, photo_facts, readable, video_facts
from tamperlens.media.kinds import sniff
from tamperlens.media.opening import (
    PHOTOS,
    VIDEOS,
    broken_photo,
    check_size,
    checked,
    is_animation,
    open_photo,
    open_video,
    pillow,
    rate_of,
    refusal,
)
from tamperlens.media.photo import frame_of
from tamperlens.media.provenance import read_provenance
from tamperlens.types import Frame

__all__ = [
    "Photo",
    "Video",
    "file_facts",
    "kind_of",
    "moves",
    "moving_length",
    "open_source",
    "read_photo",
    "video_info",
    "video_of",
]


LONGEST_SHOWN = 10.0  # seconds of one picture that count for a video's length


class _Source(os.PathLike[str]):
    """What photos and videos share. It stands for its path where one is asked for."""

    def __init__(self, path: Path, format: str, described: Callable[[], PhotoFacts | VideoFacts]) -> None:
        self.path, self._format = path, format
        self._described: PhotoFacts | VideoFacts | None = None
        self._notes: tuple[str, ...] = ()
        try:
            self._described = described()
        except Exception as error:  # broken headers raise anything, and facts are no reason to give up an inspection
            self._notes = (_incomplete_note(error),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def facts(self) -> FileFacts:
        """Everything the file says of itself. The first time, its bytes are read once in blocks."""
        digest, c2pa = hash_and_c2pa(self.path)
        return FileFacts(
            name=readable(self.path.name),
            bytes=self.path.stat().st_size,
            sha256=digest,
            c2pa=c2pa,
            photo=self._described if isinstance(self._described, PhotoFacts) else None,
            video=self._described if isinstance(self._described, VideoFacts) else None,
            notes=self._notes,
            provenance=read_provenance(self.path, self._format) if c2pa else None,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels: of a video as shown, of a photo as stored; (0, 0) where the headers are broken."""
        return (self._described.width, self._described.height) if self._described else (0, 0)

    def close(self) -> None:
        """Let the file go."""
        raise NotImplementedError


class Photo(_Source):
    """An open photo."""

    def __init__(self, path: Path, image: Image.Image) -> None:
        self._image: Image.Image | None = image
        super().__init__(path, image.format or "", lambda: photo_facts(path, image))

    def read(self) -> Frame:
        """The photo, as by `read_photo`. The file is closed then, and opened anew where it is read again."""
        if self._image is None:
            return read_photo(self.path)
        image, self._image = self._image, None
        return frame_of(self.path, image)

    def close(self) -> None:
        """Let the file go."""
        if self._image is not None:
            self._image.close()
            self._image = None


class Video(_Source):
    """An open video or animated picture."""

    def __init__(self, path: Path, decoder: VideoDecoder | AnimationDecoder, threads: int = 1) -> None:
        self.threads, self._animated = threads, isinstance(decoder, AnimationDecoder)
        self._decoder: Decoder | None = decoder
        self._promised = decoder.seconds
        self.info: VideoInfo | None = None  # of an animated picture its facts say all
        if isinstance(decoder, AnimationDecoder):
            image = decoder.image
            super().__init__(path, image.format or "", lambda: photo_facts(path, image))
        else:
            self.info = info = decoder.info
            super().__init__(path, info.container, lambda: video_facts(info))

    @cached_property
    def seconds(self) -> float:
        """How long it lasts: by the times of its packets where only a header says it; NaN where nothing can be said."""
        frames = self.info.frames if self.info else None
        slow = frames is not None and self._promised > frames  # more than a second a picture: some may be shown very long
        return measured_seconds(self.path) if slow or math.isnan(self._promised) else self._promised

    def decoder(self) -> Decoder:
        """Its pictures, for one reading; whoever takes them closes them. The first reading goes on where opening stopped."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            return decoder
        return AnimationDecoder(self.path) if self._animated else VideoDecoder(self.path, self.threads)

    def close(self) -> None:
        """Let the file go."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None


def open_source(path: str | os.PathLike[str], *, threads: int = 1) -> Photo | Video:
    """Opens a photo (JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC), a video, or an animated picture, told apart by their content.

    ``threads`` decode a video. Use it in a ``with`` statement. Raises ``MediaError`` for a file that is missing, empty, broken
    or not recognised, and ``UnsupportedMedia`` for other known kinds and for pictures of more than `MAX_PIXELS`.
    """
    file = checked(path)
    if sniff(file).reader != "video":
        with pillow():
            image = open_photo(file)
            if image is not None:
                return _of_image(file, image)
    return Video(file, VideoDecoder(file, threads), threads)


def _of_image(file: Path, image: Image.Image) -> Photo | Video:
    try:
        check_size(file, image.width, image.height)
        return Video(file, AnimationDecoder(file, image)) if is_animation(image) else Photo(file, image)
    except (MemoryError, MediaError):
        image.close()
        raise
    except Exception as error:  # counting the pictures of a damaged file raises whatever it leads Pillow to
        image.close()
        raise broken_photo(file, error) from error


def video_of(path: str | os.PathLike[str], threads: int = 1) -> Video:
    """The open video of a path, or the one that is given; `UnsupportedMedia` for a photo."""
    source = path if isinstance(path, Video) else open_source(path, threads=threads)
    if isinstance(source, Photo):
        source.close()
        raise UnsupportedMedia(f"{source}: this is a photo, expected {VIDEOS}; read it as a photo")
    return source


def read_photo(path: str | os.PathLike[str]) -> Frame:
    """Reads JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and HEIC; of an animation or a stack of pages, the first picture.

    Returns an upright RGB uint8 ``(H, W, 3)`` frame in sRGB: orientation tags applied, colour profiles converted, HDR
    tone-mapped, 16 bits scaled to 8, grey, palette and CMYK pictures made RGB, transparency laid on white. Whatever was out
    of the ordinary is told in ``Frame.notes``: a truncated file (its readable part is returned), transparency, a broken
    profile, more pictures than one.

    Raises ``MediaError`` where no pixel can be read and ``UnsupportedMedia`` for videos, documents, camera raw, pictures over
    ``MAX_PIXELS`` and pictures in floating point. One thread at a time reads; use processes for many photos at once.
    """
    if isinstance(path, Photo):
        return path.read()
    file = checked(path)
    with pillow():
        image = open_photo(file)
    if image is None:
        raise _not_a_photo(file)
    return frame_of(file, image)


def _not_a_photo(file: Path) -> MediaError:
    try:
        with open_video(file):
            return UnsupportedMedia(f"{file}: this is a video, expected {PHOTOS}; read it as a video")
    except MediaError:
        return refusal(file, PHOTOS)


def file_facts(path: str | os.PathLike[str]) -> FileFacts:
    """Everything a file says of itself, also where it is neither photo nor video. `MediaError` where there is no such file."""
    file = checked(path)
    try:
        with open_source(file) as source:
            return source.facts
    except MediaError as error:
        digest, c2pa = hash_and_c2pa(file)
        return FileFacts(readable(file.name), file.stat().st_size, digest, c2pa, notes=(_incomplete_note(error),))


def _incomplete_note(error: Exception) -> str:
    return f"not everything about the file could be told ({' '.join(str(error).split())[:200]})"


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """Describes a video from its headers and first frame; errors as for ``frames``."""
    with video_of(path) as video:
        if video.info is None:
            raise UnsupportedMedia(f"{video}: this is an animated photo, expected {VIDEOS}; read it as a photo")
        return video.info


def moving_length(path: str | os.PathLike[str]) -> float:
    """Seconds that a video or animation lasts; NaN where nothing can be said."""
    if isinstance(path, Video):
        return path.seconds
    with video_of(path) as video:
        return video.seconds


def moves(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video or an animated picture, from its content. Errors as for `open_source`."""
    with open_source(path) as source:
        return isinstance(source, Video)


def kind_of(path: str | os.PathLike[str]) -> Literal["photo", "video"]:
    """Whether `read_photo` or `frames` reads a file: animated pictures count as photos. Errors as for `open_source`."""
    with open_source(path) as source:
        return "video" if isinstance(source, Video) and source.info else "photo"


def measured_seconds(file: Path) -> float:
    """How long a video is by the times of its packets, or by their number where they have none; nothing is decoded.

    No picture counts for more than `LONGEST_SHOWN`: a last one at second 36,000 makes no long video of a short one.
    """
    times: list[float] = []
    last, count = 0.0, 0
    with open_video(file) as (container, stream):
        rate = rate_of(stream)
        rate = 25.0 if math.isnan(rate) else rate
        try:
            for packet in container.demux(stream):
                count += packet.size > 0
                if packet.pts is not None:
                    times.append(float(packet.pts * packet.time_base))
                    last = float(packet.duration * packet.time_base) if packet.duration else 1 / rate
        except av.error.FFmpegError:  # as far as it can be read
            pass
    if times:
        return float(np.minimum(np.diff(np.sort(times)), LONGEST_SHOWN).sum()) + min(last, LONGEST_SHOWN)
    return count / rate if count else math.nan
