"""Many files: examined by several processes, summed up in a table and an index page."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import count
from pathlib import Path, PurePath

import cv2

from tamperlens.errors import DataError
from tamperlens.files import remove_remains, replace_text
from tamperlens.inspection.casefile.page import template
from tamperlens.inspection.casefile.record import Face, FailureRecord, Rates, Record, Settings, Setup, Track
from tamperlens.inspection.casefile.words import WORDS, alarms_in_words, rate_in_words
from tamperlens.inspection.casefile.writing import reason_of
from tamperlens.inspection.examiner import Examiner
from tamperlens.media import Address, Results, readable
from tamperlens.processes import run_on_ray, run_processes

__all__ = ["FalseAlarms", "Row", "Summary", "examine_all", "expected_false_alarms", "row_of", "tidy", "write_summary"]


@dataclass(frozen=True)
class Row:
    """A file's line in the summary."""

    path: str
    kind: str  # photo, video or failure
    verdict: str
    score: float | None
    faces: int
    reason: str
    sha256: str
    page: str  # the report's file name; empty where there is none
    judged: int  # faces


@dataclass(frozen=True)
class FalseAlarms:
    """How many faces of a kind of file would be called manipulated if all were pristine."""

    kind: str
    files: int  # with a face that was judged
    rates: Rates  # told for all their judged faces

    @property
    def where(self) -> str:
        """The files, in words."""
        return f"in {self.files} {self.kind}{'s' if self.files > 1 else ''}"


@dataclass(frozen=True)
class Summary:
    """What became of a batch's summaries."""

    index: Path | Address | None  # None where it could not be written
    lost: tuple[str, ...]  # what could not be written, and why
    renamed: bool  # whether names were taken by files of other origin


#: Words at the beginning of a summary by which one of this program is known.
_MARKS = {
    "index.html": " inspected</title>",
    "summary.csv": "path,kind,verdict,score,faces,",
    "summary.json": '"expected_false_alarms": [',
}


def examine_all(
    examiner: Examiner, files: Iterable[tuple[Path | Address, str]], workers: int = 1, ray: str = ""
) -> Iterator[tuple[Path | Address, Record]]:
    """Each file (path and stem of its casefile) with its record: in order and this process where ``workers`` is 1, else as
    they end, in processes that load the model for themselves; also on the Ray cluster at ``ray``. Failures are records, too.
    """
    if ray or workers > 1:
        job = partial(_examine, examiner.settings, examiner.folder, examiner.annotated)
        results = run_on_ray(job, files, ray, workers) if ray else run_processes(job, files, workers)
        for (path, _), record in results:
            yield path, FailureRecord.of(readable(path), record) if isinstance(record, str) else record
        return
    for path, stem in files:
        yield path, examiner(path, stem)


def _examine(settings: Settings, folder: Path | Address | None, annotated: bool, file: tuple[Path | Address, str]) -> Record:
    return _examiner(settings, folder, annotated)(*file)


@cache
def _examiner(settings: Settings, folder: Path | Address | None, annotated: bool) -> Examiner:
    cv2.setNumThreads(1)  # the processes share the cores
    return Examiner(settings, folder, annotated=annotated, threads=1)


def tidy(folder: Path) -> None:
    """Remove what runs that were killed left of texts; of pictures and videos it goes once their casefile is written anew."""
    remove_remains(folder, lambda name: name.endswith((".json", ".html", ".csv")))


def row_of(record: Record) -> Row:
    """A record's line in the summary."""
    if isinstance(record, FailureRecord):
        return Row(record.path, "failure", record.verdict, None, 0, record.error, "", "", 0)
    faces: Sequence[Face | Track] = record.faces if record.kind == "photo" else record.tracks
    return Row(
        path=record.path,
        kind=record.kind,
        verdict=record.verdict,
        score=record.score,
        faces=len(faces),
        reason=record.reasons[0],
        sha256=record.file.sha256,
        page=record.outputs.get("page", ""),
        judged=sum(face.score is not None for face in faces),
    )


def expected_false_alarms(rows: Sequence[Row], setup: Setup) -> list[FalseAlarms]:
    """For photos and for videos, where the model's rate was measured and there are any judged faces."""
    found = []
    for kind in setup.rates:
        judged = [row.judged for row in rows if row.kind == kind and row.judged]
        rates = setup.rates_for(kind, sum(judged))
        if judged and rates:
            found.append(FalseAlarms(kind, len(judged), rates))
    return found


def write_summary(
    rows: Sequence[Row],
    alarms: Sequence[FalseAlarms],
    folder: Path | Address,
    left: int = 0,
    left_out: Mapping[str, Sequence[PurePath]] | None = None,
) -> Summary:
    """Write ``index.html``, ``summary.csv`` and ``summary.json``; files of the highest scores of each verdict come first.

    ``left``: files that were not reached, where the batch was stopped. ``left_out``: what the search for files left out
    (`Found.left_out`); ``summary.json`` names all of it, the index the first of each kind. Where a file of such a name is
    there that this program did not write, all three get other names. What cannot be written is told, and keeps the others
    back no more than it must.
    """
    if isinstance(folder, Address):
        return _summary_at(folder, rows, alarms, left, left_out)
    order = list(WORDS)
    ranked = sorted(rows, key=lambda row: (order.index(row.verdict), row.kind == "failure", -(row.score or 0.0), row.path))
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in order}
    failed = sum(row.kind == "failure" for row in rows)
    others = {readable(words): [readable(path) for path in paths] for words, paths in (left_out or {}).items()}
    drafts: dict[str, Callable[[], str]] = {
        "summary.json": lambda: _json(ranked, alarms, counts, failed, left, others),
        "summary.csv": lambda: _table(ranked),
        "index.html": lambda: template("index.html").render(
            rows=ranked, counts=counts, failed=failed, alarms=_alarm_sentences(alarms), words=WORDS, left=left, others=others
        ),
    }
    prefix, lost = _free_prefix(folder), {}
    for name, draft in drafts.items():
        try:
            replace_text(folder / f"{prefix}{name}", draft(), errors="backslashreplace")
        except Exception as error:  # as for casefiles: one that cannot be written keeps no other back
            lost[name] = f"{prefix}{name} could not be written ({reason_of(error)})"
    index = None if "index.html" in lost else folder / f"{prefix}index.html"
    return Summary(index, tuple(lost.values()), bool(prefix))


def _summary_at(
    address: Address,
    rows: Sequence[Row],
    alarms: Sequence[FalseAlarms],
    left: int,
    left_out: Mapping[str, Sequence[PurePath]] | None,
) -> Summary:
    """The same, copied to an address."""
    try:
        with Results(address).mirror(lambda name: name.endswith(tuple(_MARKS)), lambda name: True) as mirror:
            summary = write_summary(rows, alarms, mirror.folder, left, left_out)
            for name in mirror.written():
                mirror.take_back(name)
    except DataError as error:
        return Summary(None, (f"the index could not be written ({error})",), False)
    return replace(summary, index=address / summary.index.name if summary.index else None)


def _free_prefix(folder: Path) -> str:
    """What the summaries' names begin with, so that they replace nothing but summaries of this program."""
    for number in count():
        prefix = "" if not number else "tamperlens-" if number == 1 else f"tamperlens-{number}-"
        if all(_is_ours(folder / f"{prefix}{name}", mark) for name, mark in _MARKS.items()):
            return prefix
    raise AssertionError("unreachable")


def _is_ours(file: Path, mark: str) -> bool:
    """Whether there is no such file, or one that an earlier batch wrote."""
    if not os.path.lexists(file):
        return True
    try:
        if file.is_symlink() or not file.is_file():
            return False
        with file.open("rb") as stream:
            return mark.encode() in stream.read(4096)
    except OSError:
        return False


def _json(
    rows: Sequence[Row],
    alarms: Sequence[FalseAlarms],
    counts: dict[str, int],
    failed: int,
    left: int,
    others: dict[str, list[str]],
) -> str:
    summary = {
        "files": len(rows),
        "failed": failed,
        **counts,
        "expected_false_alarms": [
            {
                "kind": alarm.kind,
                "files": alarm.files,
                "faces": alarm.rates.faces,
                "expected": alarm.rates.expected,
                "low": alarm.rates.expected_low,
                "high": alarm.rates.expected_high,
                "rates": alarm.rates.model_dump(),
            }
            for alarm in alarms
        ],
        "not_reached": left,
        "left_out": [{"what": words, "count": len(paths), "paths": paths} for words, paths in others.items()],
        "rows": [asdict(row) for row in rows],
    }
    return json.dumps(summary, indent=1) + "\n"


def _table(rows: Sequence[Row]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, [*Row.__dataclass_fields__], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(row), "path": _no_formula(row.path), "reason": _no_formula(row.reason, "'")} for row in rows)
    return table.getvalue()


def _alarm_sentences(alarms: Sequence[FalseAlarms]) -> list[tuple[str, str]]:
    """For each kind what its rate is, and what it means for this batch."""
    return [(rate_in_words(alarm.rates), alarms_in_words(alarm.rates, alarm.where)) for alarm in alarms]


def _no_formula(text: str, before: str = f".{os.sep}") -> str:
    """Spreadsheets run a cell that begins like a formula, and file names come from anywhere."""
    return f"{before}{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
