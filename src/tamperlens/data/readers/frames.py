"""The frames of a clip, whatever it is on disk."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.errors import MediaError
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.media import frames, read_photo
from tamperlens.types import Frame

__all__ = ["content_hash", "read_frames"]


def read_frames(
    path: Path, *, every: int = 1, due: Callable[[int], bool] | None = None, first: int | None = None
) -> Iterator[Frame]:
    """Frames of a video, a frame folder or a photo, RGB uint8 ``(H, W, 3)``, each with its index in the video.

    ``every``: only frames whose index is a multiple of it; ``due`` instead asks of each index whether it is wanted.
    In a folder the index is the number in the file's name less ``first``, by default the folder's smallest: extractors
    number from 0 or from 1. Where two folders are compared both need the same ``first`` (see ``prepare/pairing.py``);
    frames before it are left out. Seconds are 0 in folders, which do not know them.

    Raises ``MediaError`` as ``media.frames`` does: on first use, and at the end of a truncated video; also for a
    truncated picture: what is missing in it would be taken for manipulated.
    """
    wanted = due or (lambda index: index % every == 0)
    if path.is_dir():
        files = frame_files(path)
        start = min(files, default=0) if first is None else first
        for number, file in files.items():
            if number >= start and wanted(number - start):
                yield replace(_whole_picture(file), index=number - start)
    elif path.suffix.lower() in PHOTO_SUFFIXES:
        yield _whole_picture(path)
    else:
        yield from (frame for frame in frames(path, every=1 if due else every) if wanted(frame.index))


def _whole_picture(file: Path) -> Frame:
    frame = read_photo(file)
    if not frame.complete:
        raise MediaError(f"{file}: {'; '.join(frame.notes) or 'part of the picture cannot be read'}; fetch or extract it again")
    return frame


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the numbers and contents of a frame folder."""
    digest = hashlib.sha256()
    for number, file in frame_files(path).items() if path.is_dir() else ((0, path),):
        digest.update(f"{number}:".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
