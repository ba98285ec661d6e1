"""Which files are meant by paths, folders and patterns: what is a photo or a video by its content, each file once.

What is left out is never lost in silence: it is counted and named (`Found.left_out`), on the terminal and in a batch's
summaries.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from tamperlens.errors import DataError
from tamperlens.files import MEDIA_SUFFIXES
from tamperlens.media import Address, files_at, first_bytes, kind_in, readable, sniff

__all__ = ["Found", "find_files"]

_NAMED = 5  # files of a kind that are named
_SHUT = "a folder that cannot be read"
_CODE = {".ts", ".mts"}  # suffixes of videos that programs' texts have, too


@dataclass
class Found:
    """What a search gave."""

    files: list[Path | Address] = field(default_factory=list)
    left_out: dict[str, list[PurePath]] = field(default_factory=dict)  # what such files are -> the files
    _noted: set[tuple[PurePath, str]] = field(default_factory=set)

    def leave_out(self, path: PurePath, words: str) -> None:
        """Note what is not inspected, once, and what it is; words that begin with "a folder" are of folders."""
        if (path, words) not in self._noted:
            self._noted.add((path, words))
            self.left_out.setdefault(words, []).append(path)

    def sentences(self) -> list[str]:
        """A line for each kind of file or folder that was left out."""
        lines = []
        for words, paths in self.left_out.items():
            named = ", ".join(readable(path) for path in paths[:_NAMED])
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            what = "folder" if words.startswith("a folder") else "file"
            lines.append(f"left out {len(paths)} {what}{'s' if len(paths) > 1 else ''} ({words}): {named}{more}")
        return lines


def find_files(sources: Sequence[Path | Address], results: Path | Address | None = None) -> Found:
    """The files meant by paths, folders and patterns such as ``a/**/*.jpg``, in the order given, by name within each.

    All of these may be addresses, too; `DataError` where one cannot be reached.

    Of folders and patterns, whatever is a photo or a video by its first bytes, and what is called like one, so that a broken
    file is not passed over. Links are followed, loops end, and a file that is reached twice is done once. Nothing below
    ``results``, where results go (`DataError` where everything lies there). What is neither there nor a pattern stays, so that
    somebody is told, and so does a folder without a photo or video.
    """
    found, seen = Found(), dict[tuple[object, ...], PurePath]()
    for source in sources:
        inside: Sequence[Path | Address] | None
        if isinstance(source, Address):
            inside = files_at(source)
        elif _is_folder(source):
            inside = _within(source, found)
        elif _is_pattern(os.fspath(source)) and not os.path.lexists(source):
            inside = [path for path in _matching(source, found) if not _is_folder(path)]
        else:
            inside = None
        if inside is None:
            if _first_time(source, seen, found):
                found.files.append(source)
            continue
        wanted = [path for path in sorted(set(inside), key=lambda path: path.parts) if _wanted(path, found, results)]
        if results is not None and not wanted and any(_lies_in(path, results) and _is_media(path) for path in inside):
            raise DataError(
                f"all files of {source} lie in {results}, where results go, and cannot be told from results; give another --out"
            )
        found.files += [path for path in wanted if _first_time(path, seen, found)] or ([] if wanted else [source])
    return found


def _wanted(path: Path | Address, found: Found, results: Path | Address | None) -> bool:
    """Whether a file of a folder is to be inspected; notes why it is not."""
    if results is not None and _lies_in(path, results):
        return False
    words = _other_kind(path)
    if words:
        found.leave_out(path, words)
    return not words


def _other_kind(path: Path | Address) -> str:
    """What a file is that is neither photo nor video; empty where it is one, or is called like one."""
    if isinstance(path, Address):
        named = _called_media(path) and not path.name.startswith("._")  # then it need not be asked for
        kind = None if named else kind_in(first_bytes(path))
        return "" if kind is None or kind.reader in ("photo", "video") else kind.words
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep its reader waiting
            return "not a regular file"
        kind = sniff(path)
    except OSError as error:
        return "" if _called_media(path) else f"cannot be read: {error.strerror}"
    if kind.reader in ("photo", "video") or (_called_media(path) and not path.name.startswith("._")):
        return ""
    return kind.words


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # False where `Path.is_dir` raises: names that are too long, folders that may not be entered


def _is_media(path: Path | Address) -> bool:
    return not _other_kind(path)


def _called_media(path: PurePath) -> bool:
    return path.suffix.lower() in MEDIA_SUFFIXES - _CODE


def _lies_in(path: Path | Address, folder: Path | Address) -> bool:
    if isinstance(path, Address) or isinstance(folder, Address):
        return type(path) is type(folder) and folder in path.parents
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents  # `Path.resolve` raises on a link to itself


def _first_time(path: Path | Address, seen: dict[tuple[object, ...], PurePath], found: Found) -> bool:
    """Whether a file was not reached before, by this name or another."""
    try:
        if isinstance(path, Address):
            return seen.setdefault((path,), path) is path
        status = path.stat()
        key: tuple[object, ...] = (status.st_dev, status.st_ino) if status.st_ino else (os.path.realpath(path),)
    except (OSError, ValueError):
        key = (path,)
    before = seen.setdefault(key, path)
    if before is path:
        return True
    if before != path:
        found.leave_out(path, "the same file under another name")
    return False


def _within(folder: Path, found: Found) -> list[Path]:
    """All files below a folder; links to folders are followed, but no folder is entered twice."""
    return [place / name for place, names in _walk(folder, found) for name in names]


def _walk(folder: Path, found: Found) -> Iterator[tuple[Path, list[str]]]:
    entered = set[tuple[int, int]]()

    def unreadable(error: OSError) -> None:
        found.leave_out(Path(error.filename), _SHUT)

    for place, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        try:
            status = os.stat(place)
        except OSError as error:  # it is gone meanwhile
            unreadable(error)
            continue
        if (status.st_dev, status.st_ino) in entered:
            found.leave_out(Path(place), "a folder that is searched already under another name")
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders.sort()
        yield Path(place), names


def _is_pattern(name: str) -> bool:
    return re.search(r"[*?\[]", name) is not None


def _matching(pattern: Path, found: Found) -> list[Path]:
    """What a pattern matches, as `glob.glob` does, but loops of links end."""
    places = [Path(pattern.anchor)]
    for number, part in enumerate(pattern.parts[1:] if pattern.anchor else pattern.parts):
        if part == "**":
            walked = [one for place in places for one in _walk(place, found)]
            last = number == len(pattern.parts) - 1 - bool(pattern.anchor)
            places = [place / name for place, names in walked for name in names] if last else [place for place, _ in walked]
        elif _is_pattern(part):
            hidden = part.startswith(".")
            places = [
                place / name
                for place in places
                for name in fnmatch.filter(_names_in(place, found), part)
                if hidden or not name.startswith(".")
            ]
        else:
            places = [place / part for place in places if os.path.exists(place / part)]
    return list(dict.fromkeys(places))


def _names_in(place: Path, found: Found) -> list[str]:
    try:
        return sorted(os.listdir(place)) if _is_folder(place) else []
    except OSError:
        found.leave_out(place, _SHUT)
        return []
