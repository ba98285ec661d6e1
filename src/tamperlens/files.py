"""Files that appear whole or not at all, and the endings of names by which folders are searched."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["MEDIA_SUFFIXES", "PHOTO_SUFFIXES", "VIDEO_SUFFIXES", "replace_text", "replacing"]

# Of what a folder holds; what a file is, is told by its content alone (see media/opening.py).
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v"})
PHOTO_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".avif"})
MEDIA_SUFFIXES = (
    PHOTO_SUFFIXES | VIDEO_SUFFIXES | {".gif", ".apng", ".heif", ".ts", ".mts", ".mpg", ".mpeg", ".flv", ".wmv", ".ogv", ".3gp"}
)


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place only when all went well.

    ``durable``: after a power cut, too, there is the old file or the new one, whole. What a killed run may leave behind then
    ends in ``.tmp``; otherwise the temporary name ends as the file's does, which is how writers choose a format. No two runs
    share a temporary name.
    """
    file = Path(path)
    name = f"{file.name}.{uuid.uuid4().hex[:12]}.tmp" if durable else f".{uuid.uuid4().hex[:8]}.{file.name}"
    temporary = file.with_name(name)
    try:
        yield temporary
        if durable:
            _flush(temporary)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        _flush(file.parent)


def _flush(path: Path) -> None:
    """Has the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str, *, durable: bool = False, errors: str = "strict") -> None:
    """Writes a small file as UTF-8, whole or not at all. ``errors``: as for ``str.encode``."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)
