"""The frames of a clip, whatever it is on disk."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tamperlens.data.readers.clips import frame_files
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.media import frames, read_photo
from tamperlens.types import Frame

__all__ = ["content_hash", "read_frames"]


def read_frames(path: Path, *, every: int = 1) -> Iterator[Frame]:
    """Frames of a video, a frame folder or a photo, RGB uint8 ``(H, W, 3)``, each with its index in the video.

    Extractors number from 0 or from 1, so in a folder the index is the file's number less the smallest one. ``every``:
    only frames whose index is a multiple of it. Seconds are 0 in folders, which do not know them. Raises ``MediaError``
    as ``media.frames`` does: on first use, and at the end of a truncated video.
    """
    if path.is_dir():
        files = frame_files(path)
        first = min(files, default=0)
        for number, file in files.items():
            if (number - first) % every == 0:
                yield replace(read_photo(file), index=number - first)
    elif path.suffix.lower() in PHOTO_SUFFIXES:
        yield read_photo(path)
    else:
        yield from frames(path, every=every)


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the numbers and contents of a frame folder."""
    digest = hashlib.sha256()
    for number, file in frame_files(path).items() if path.is_dir() else ((0, path),):
        digest.update(f"{number}:".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
