"""Files that appear whole or not at all, names for results, and the endings of names by which folders are searched."""

import hashlib
import os
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TypeVar

__all__ = [
    "MEDIA_SUFFIXES",
    "PHOTO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "create_text",
    "name_key",
    "remove_remains",
    "replace_text",
    "replacing",
    "spelled_out",
    "stems_of",
    "unturned",
    "writable_name",
]

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
    for tries_left in (2, 1, 0):
        try:
            with replacing(path, durable=durable) as temporary:
                temporary.write_text(text, encoding="utf-8", errors=errors)
            return
        except FileNotFoundError:  # another run, which has just begun, took it for a remain
            if not tries_left:
                raise


def create_text(path: Path, text: str) -> None:
    """Writes a small file that must not be there yet, whole or not at all. Raises ``FileExistsError`` where it is there."""
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.link(temporary, path)  # unlike a renamed file, it replaces none
        return
    except FileExistsError:
        raise
    except OSError:
        pass  # a file system without links, or the temporary file was taken for a remain
    finally:
        temporary.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise


_TEMPORARY = re.compile(r"\.[0-9a-f]{8}\.(.+)", re.S)  # as `replacing` names them


def remove_remains(folder: Path, of: Callable[[str], bool]) -> None:
    """Remove the temporary files that killed runs left of files whose names ``of`` accepts."""
    for name in os.listdir(folder):
        if (found := _TEMPORARY.fullmatch(name)) and of(found[1]):
            (folder / name).unlink(missing_ok=True)


LONGEST_NAME = 255  # bytes, on most file systems
ROOM = 40  # bytes that endings and the names of temporary files may add to a stem
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, separators of lines and paragraphs

# Letters that turn the direction of writing: "photo", U+202E, "gpj.exe" is shown as "photoexe.jpg", and what follows is turned.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def unturned(text: str) -> str:
    """Text whose letters that turn the direction of writing are spelled out.

    >>> unturned("photo" + chr(0x202E) + "gpj.exe")
    'photo\\\\u202egpj.exe'
    """
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def spelled_out(text: str) -> str:
    """Text as one line that cannot control a terminal nor turn the direction of writing: what could is spelled out."""
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in unturned(text)
    )


def writable_name(name: str, longest: int = LONGEST_NAME - ROOM) -> str:
    """A file's name, or its stem, as one that any file system and page takes, in at most ``longest`` bytes of UTF-8.

    What is no text, controls a terminal or turns the direction of writing becomes ``_``; a name too long is cut and told from
    others by a hash.
    """
    clean = "".join("_" if unicodedata.category(letter) in _UNWRITABLE else letter for letter in _TURNING.sub("_", name))
    data = clean.encode()
    if len(data) <= longest:
        return clean
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f"{data[: longest - 9].decode(errors='ignore')}~{mark}"


def name_key(name: str) -> str:
    """Equal for names that a file system without upper and lower case, or one that composes letters, takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


Place = TypeVar("Place", bound=PurePath)


def stems_of(
    paths: Sequence[Place],
    taken: Callable[[str, Place], bool] = lambda stem, path: False,
    *,
    reserved: re.Pattern[str] = re.compile(r"index|summary"),
    longest: int = LONGEST_NAME - ROOM,
) -> dict[Place, str]:
    """The stem of what is written about each file, no two alike: its own, or its whole name, or that with a number.

    ``taken`` tells whether a stem may not be used for a file; ``reserved`` are stems for nobody, in any case of letters.
    """
    stems: dict[Place, str] = {}
    keys: set[str] = set()
    for path in dict.fromkeys(paths):
        stem, number = writable_name(path.stem, longest), 1
        while name_key(stem) in keys or reserved.fullmatch(name_key(stem)) or taken(stem, path):
            ending = "" if number == 1 else f".{number}"
            stem = writable_name(path.name, longest - len(ending)) + ending
            number += 1
        keys.add(name_key(stem))
        stems[path] = stem
    return stems
