"""A casefile in its folder: the name it is written under, whose it is, and its parts, each of which may fail alone.

A casefile is known by its record, ``<stem>.json``. A stem whose record is not there, or is not a record of this program about
the same file, belongs to somebody else as soon as any file lies there under it; nothing of that is ever written over.
"""

import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path, PurePath
from typing import TypeVar

from tamperlens.errors import TamperlensError
from tamperlens.files import (
    LONGEST_NAME,
    ROOM,
    create_text,
    name_key,
    remove_remains,
    replace_text,
    stems_of,
    writable_name,
)
from tamperlens.inspection.casefile.annotate import write_annotated
from tamperlens.inspection.casefile.page import render_page
from tamperlens.inspection.casefile.pictures import PHOTO_KINDS, Draw, pictures_of
from tamperlens.inspection.casefile.record import FailureRecord, PhotoRecord, Record, VideoRecord, dump, parse_record
from tamperlens.inspection.casefile.timeline import draw_timeline
from tamperlens.inspection.casefile.words import command_of
from tamperlens.media import readable, write_png
from tamperlens.types import Inspection, VideoInspection

__all__ = ["casefile_stems", "claim_text", "reason_of", "record_at", "unwritten", "write_casefile"]

UNFINISHED = "this inspection was not finished; run the same command again"

_ENDINGS = {"page": "html", "record": "json", "annotated": "annotated.mp4", "timeline": "timeline.svg"}  # else <kind>.png
_WORDS = {"page": "the report", "record": "the record", "annotated": "the annotated video", "timeline": "the timeline"}
_FACES = 24  # faces looked for where it is asked whether a stem is free
_PART = re.compile(
    rf"(.+)\.({'|'.join(map(re.escape, _ENDINGS.values()))}|({'|'.join(PHOTO_KINDS)})\.png|face\d+(\.\w+)?\.png)", re.I | re.S
)
_FACE = re.compile(r"(.+)\.face\d+", re.I | re.S)
#: Stems that nobody gets: names of summaries and of shards' rows, and those under which another casefile has its faces.
_RESERVED = re.compile(r"index|summary|shard-\d+-of-\d+|.+\.face\d+", re.S)

Inspected = PhotoRecord | VideoRecord
Place = TypeVar("Place", bound=PurePath)


def casefile_stems(paths: Sequence[Place], folder: Path | None) -> dict[Place, str]:
    """The stem under which each file's casefile is written: where it was written before, or one that is free in ``folder``.

    The names alone decide where ``folder`` is None.
    """
    if folder is None:
        return stems_of(paths, reserved=_RESERVED)
    there = _stems_in(folder)
    return stems_of(
        paths,
        lambda stem, path: name_key(stem) in there and not _is_of(folder, stem, readable(path)),
        reserved=_RESERVED,
        longest=_longest(folder),
    )


def record_at(folder: Path, stem: str) -> Record | None:
    """The record that this program wrote under a stem; None where there is none, whatever else lies there."""
    file = folder / f"{stem}.json"
    try:
        if file.is_symlink() or not file.is_file():
            return None
        with file.open("rb") as stream:
            head = stream.read(256)
            return parse_record(head + stream.read()) if b"tamperlens.record/" in head else None
    except (OSError, ValueError, RecursionError):
        return None


def write_casefile(
    inspection: Inspection | VideoInspection,
    record: Inspected,
    folder: Path,
    stem: str,
    *,
    annotated: bool = True,
    threads: int = 2,
) -> Inspected:
    """Write report, record, pictures and annotated video; returns the record as written, with the files' names.

    What cannot be written is named in ``not_written`` and in the reasons, and keeps nothing else back. No exception of
    writing gets out.
    """
    try:
        own, before = _claimed(folder, stem, record.path)
    except OSError as error:
        return unwritten(record, readable(folder), error)
    notes = [*_displaced(folder, own, Path(inspection.path)), *_replaced(before, record)]
    parts = _Parts(folder, own, notes)
    if isinstance(inspection, VideoInspection):
        asked = record.settings
        end = math.inf if asked.end is None else asked.end
        if annotated:
            parts.write(
                "annotated", lambda file: write_annotated(inspection, file, start=asked.start, end=end, threads=threads)
            )
        parts.write("timeline", lambda file: replace_text(file, draw_timeline(inspection)))
    for kind, draw in pictures_of(inspection).items():
        parts.write(kind, partial(_write_picture, draw))
    parts.outputs |= {"page": parts.name("page"), "record": parts.name("record")}
    told = parts.told_in(record)
    parts.write("page", lambda file: _write_text(file, render_page(inspection, told, command_of(told))))
    told = parts.told_in(record)
    # Last: it says that all is there.
    parts.write("record", lambda file: _write_text(file, json.dumps(dump(told), indent=1) + "\n"))
    return parts.told_in(record)


def unwritten(record: Inspected, folder: str, error: BaseException) -> Inspected:
    """The record of a file of whose casefile nothing, or not all, could be written."""
    why = reason_of(error)
    lost = f"nothing could be written to {folder} ({why})"
    update = {"reasons": [*record.reasons, lost], "outputs": {}, "not_written": {"page": why, "record": why}}
    return record.model_copy(update=update)


class _Parts:
    """A casefile's files, written one by one."""

    def __init__(self, folder: Path, stem: str, notes: list[str]) -> None:
        self.folder, self.stem, self.notes = folder, stem, notes
        self.outputs: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def name(self, kind: str) -> str:
        return f"{self.stem}.{_ENDINGS.get(kind, f'{kind}.png')}"

    def write(self, kind: str, write: Callable[[Path], Sequence[str] | None]) -> None:
        """Writes one file; ``write`` returns notes on what it holds, if there are any."""
        name = self.name(kind)
        try:
            self.notes += write(self.folder / name) or ()
            self.outputs[kind] = name
        except Exception as error:  # encoders and disks raise anything, and what was found must not be lost for it
            self.outputs.pop(kind, None)
            self.failed[kind] = reason_of(error)

    def told_in(self, record: Inspected) -> Inspected:
        """The record with what has been written so far, and what has not."""
        kinds: dict[str, list[str]] = defaultdict(list)
        for kind, why in self.failed.items():
            kinds[why].append(kind)
        lost = [f"not written: {_in_words(own)} ({why})" for why, own in kinds.items()]
        notes = [note for note in dict.fromkeys([*self.notes, *lost]) if note not in record.reasons]
        ordered = {kind: self.outputs[kind] for kind in sorted(self.outputs, key=lambda kind: kind not in ("page", "record"))}
        update = {"reasons": [*record.reasons, *notes], "outputs": ordered, "not_written": dict(self.failed)}
        return record.model_copy(update=update)


def _in_words(kinds: Sequence[str]) -> str:
    pictures = sum(kind not in _WORDS for kind in kinds)
    words = [_WORDS[kind] for kind in kinds if kind in _WORDS]
    return ", ".join([*words, *([f"{pictures} picture{'s' if pictures > 1 else ''}"] if pictures else [])])


def reason_of(error: BaseException) -> str:
    """An error in one line for people."""
    text = getattr(error, "strerror", None) or str(error)
    line = readable(" ".join(str(text).split()) or type(error).__name__)
    return line if isinstance(error, TamperlensError | OSError | MemoryError) else f"{type(error).__name__}: {line}"


def _write_picture(draw: Draw, file: Path) -> None:
    write_png(file, draw())


def _write_text(file: Path, text: str) -> None:
    replace_text(file, text, errors="backslashreplace")


def _longest(folder: Path) -> int:
    """Bytes that a stem may have there."""
    try:
        return max(32, min(os.pathconf(folder, "PC_NAME_MAX"), LONGEST_NAME) - ROOM)
    except (OSError, ValueError, AttributeError):  # no such folder, or a system that does not tell
        return LONGEST_NAME - ROOM


def _stems_in(folder: Path) -> dict[str, set[str]]:
    """Stems under which files lie that could be a casefile's, by what a file system may take them for."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    stems = {found[1] for name in names if (found := _PART.fullmatch(name))}
    stems |= {found[1] for stem in stems if (found := _FACE.fullmatch(stem))}
    found_stems: dict[str, set[str]] = defaultdict(set)
    for stem in stems:
        found_stems[name_key(stem)].add(stem)
    return found_stems


def _stem_in(name: str) -> str:
    """The stem in the name of a casefile's file; empty where it is none."""
    stem = found[1] if (found := _PART.fullmatch(name)) else ""
    return found[1] if (found := _FACE.fullmatch(stem)) else stem


def _is_of(folder: Path, stem: str, path: str) -> bool:
    record = record_at(folder, stem)
    return record is not None and record.path == path


def _is_free(folder: Path, stem: str) -> bool:
    """Whether nothing lies there under a stem; asked without reading the whole folder."""
    faces = (f"face{number}.png" for number in range(1, _FACES + 1))
    endings = (*_ENDINGS.values(), *(f"{kind}.png" for kind in PHOTO_KINDS), *faces)
    return not any(os.path.lexists(folder / f"{stem}.{ending}") for ending in endings)


def claim_text(path: str) -> str:
    """What a record holds while the casefile of the file called ``path`` is being written."""
    return json.dumps(dump(FailureRecord.of(path, UNFINISHED)), indent=1) + "\n"


def _claimed(folder: Path, stem: str, path: str) -> tuple[str, Record | None]:
    """Takes a stem for a file's casefile, this one or the next that is free, by writing a record that nothing is done yet.

    So whatever lies there after a run that was stopped is known to be the file's. Returns the stem and the file's earlier
    record under it, if there was one. Raises ``OSError`` where it cannot be written.
    """
    text = claim_text(path)
    for number in count(1):
        own = stem if number == 1 else f"{stem}.{number}"
        file = folder / f"{own}.json"
        there = record_at(folder, own)
        if there is not None and there.path == path:
            if isinstance(there, FailureRecord):  # it was stopped in the middle
                _remove_remains(folder, own)
            replace_text(file, text)
            return own, there
        if not _is_free(folder, own):
            continue
        try:
            create_text(file, text)
        except FileExistsError:  # another run was quicker
            continue
        return own, None
    raise AssertionError("unreachable")


def _remove_remains(folder: Path, stem: str) -> None:
    """Remove what a run that was killed left of a casefile's unfinished files."""
    remove_remains(folder, lambda name: _stem_in(name) == stem)


def _replaced(before: Record | None, record: Inspected) -> list[str]:
    """A word on a report that was written over: the file changed, or another one had the same relative path."""
    if before is None or isinstance(before, FailureRecord) or before.file.sha256 == record.file.sha256:
        return []
    return [f"an earlier report on other content at this path was written over (SHA-256 {before.file.sha256[:12]}...)"]


def _displaced(folder: Path, stem: str, path: Path) -> list[str]:
    """A word on results that could not have the file's own name because files of other origin have it."""
    own = writable_name(path.stem, _longest(folder))
    there = () if stem == own else _stems_in(folder).get(name_key(own), ())
    if not there or any(record_at(folder, other) for other in there):
        return []
    return [f"files named {own} in the folder are not this program's and were left alone; results are named {stem}"]
