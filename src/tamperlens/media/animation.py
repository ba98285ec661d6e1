"""Animated GIF, WebP, PNG and AVIF pictures as videos: their pictures one after the other, with the times they are shown."""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tamperlens.errors import MediaError
from tamperlens.media.decoding import Notes, Picture, no_frame
from tamperlens.media.opening import broken_photo, check_size, open_photo, pillow, shown_pictures, upright
from tamperlens.media.photo import orientation_of, rgb_of
from tamperlens.types import Frame, UInt8Array

__all__ = ["AnimationDecoder"]

_UNSAID = 100  # milliseconds that browsers show a picture for where the file says less than 11


class AnimationDecoder:
    """An opened animated picture, its pictures read once. Errors as for `VideoDecoder`."""

    def __init__(self, file: Path, image: Image.Image | None = None) -> None:
        self.file, self.notes, self.complete, self.decoded, self.last = file, Notes(), True, 0, 0.0
        self.stopped = ""
        with pillow():
            opened = image or open_photo(file)
            if opened is None:
                raise no_frame(file)
            self.image = opened
            check_size(file, opened.width, opened.height)
            self.places = shown_pictures(opened)
            self.pictures_shown = len(self.places)
            self._orientation = 1
            first = self._read_first()
        self._first: tuple[float, UInt8Array] | None = first
        self._length = _length(file, self.image.format or "") or self.pictures_shown * first[0] / 1000
        self.rate = self.pictures_shown / self._length

    @property
    def seconds(self) -> float:
        """Its length by its headers; where they do not tell, as if all pictures were shown as long as the first."""
        return self._length

    def close(self) -> None:
        """Let the file go."""
        self.image.close()

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        """All pictures; transparent parts are laid on white."""
        milliseconds = 0.0
        try:
            for place in self.places:
                shown, image = self._first or self._read(place)
                self._first, self.last = None, milliseconds / 1000
                self.decoded += 1
                yield _picture(image, self.decoded - 1, self.last)
                milliseconds += shown
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
            self.complete = False
            self.stopped = " ".join(str(error).split()) or type(error).__name__
            self.notes.add(
                f"the file is truncated or damaged: {self.decoded} frames could be read, up to second {self.last:.2f}, then "
                f"{self.stopped}; what comes after was not inspected"
            )

    def _read(self, place: int) -> tuple[float, UInt8Array]:
        """Milliseconds for which a picture is shown, and the picture."""
        with pillow():
            self.image.seek(place)
            self.image.load()
            shown, notes = float(self.image.info.get("duration", 0)), list[str]()
            image = np.asarray(rgb_of(self.file, self.image, notes), np.uint8)
        for words in notes:
            self.notes.add(words)
        return _milliseconds(shown), upright(image, self._orientation)

    def _read_first(self) -> tuple[float, UInt8Array]:
        try:
            shown, image = self._read(self.places[0])
            notes: list[str] = []
            self._orientation = orientation_of(self.file, self.image, notes)
            for words in notes:
                self.notes.add(words)
            return shown, upright(image, self._orientation)
        except (MemoryError, MediaError):
            raise
        except Exception as error:  # as above
            raise broken_photo(self.file, error) from error


def _picture(image: UInt8Array, index: int, seconds: float) -> Picture:
    def grey(width: int, height: int) -> UInt8Array:
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)

    def frame() -> Frame:
        return Frame(image, index, seconds)

    return Picture(index, seconds, (image.shape[1], image.shape[0]), False, grey, frame)


def _milliseconds(shown: float) -> float:
    return shown if shown > 10 else _UNSAID


def _length(file: Path, format: str) -> float:
    """Seconds that all pictures of a file are shown together, by its headers; 0 where they cannot be read."""
    delays = _DELAYS.get(format)
    if delays is None:
        return 0.0
    total = 0.0
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for delay in delays(data):
                total += _milliseconds(delay)
    except (IndexError, ValueError, OSError):  # cut off or damaged: as far as it goes
        pass
    return total / 1000


def _gif_delays(data: mmap.mmap) -> Iterator[float]:
    place, delay = 13 + _table(data[10]), 0.0
    while data[place] in (0x21, 0x2C):  # an extension, a picture
        if data[place] == 0x21:
            if data[place + 1] == 0xF9:
                delay = 10.0 * int.from_bytes(data[place + 4 : place + 6], "little")
            place += 2
        else:
            yield delay
            delay = 0.0
            place += 11 + _table(data[place + 9])
        while data[place]:  # blocks of up to 255 bytes
            place += 1 + data[place]
        place += 1


def _table(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _png_delays(data: mmap.mmap) -> Iterator[float]:
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"fcTL":
            count, parts = (int.from_bytes(data[place + at : place + at + 2], "big") for at in (28, 30))
            yield 1000 * count / (parts or 100)
        place += 12 + length


def _webp_delays(data: mmap.mmap) -> Iterator[float]:
    place = 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"ANMF":
            yield float(int.from_bytes(data[place + 20 : place + 23], "little"))
        place += 8 + length + length % 2


def _avif_delays(data: mmap.mmap) -> Iterator[float]:
    """By the first track's clock (mdhd) and table of durations (stts)."""
    clock, table = data.find(b"mdhd"), data.find(b"stts")
    if min(clock, table) < 0:
        return
    ticks = int.from_bytes(data[clock + 24 : clock + 28] if data[clock + 4] == 1 else data[clock + 16 : clock + 20], "big")
    for entry in range(int.from_bytes(data[table + 8 : table + 12], "big")):
        place = table + 12 + 8 * entry
        count, shown = (int.from_bytes(data[at : at + 4], "big") for at in (place, place + 4))
        yield from [1000 * shown / (ticks or 1000)] * min(count, len(data))


_DELAYS: dict[str, Callable[[mmap.mmap], Iterator[float]]] = {
    "AVIF": _avif_delays,
    "GIF": _gif_delays,
    "PNG": _png_delays,
    "WEBP": _webp_delays,
}
