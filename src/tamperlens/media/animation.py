"""Animated GIF, WebP, PNG and AVIF pictures as videos: their pictures one after the other, with the times they are shown."""

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tamperlens.errors import MediaError
from tamperlens.media.decoding import Notes, Picture, no_frame
from tamperlens.media.opening import broken_photo, check_size, open_photo, pillow, shown_pictures
from tamperlens.media.photo import rgb_of
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
            first = self._read_first()
        self._first: tuple[float, UInt8Array] | None = first
        self.rate = 1000 / first[0]

    @property
    def seconds(self) -> float:
        """Its length, taking all pictures to be shown as long as the first; NaN where it is not known."""
        return self.pictures_shown / self.rate if self.rate else math.nan

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
        return shown if shown > 10 else _UNSAID, image

    def _read_first(self) -> tuple[float, UInt8Array]:
        try:
            return self._read(self.places[0])
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
