"""Many files: examined by several processes, summed up in a table and an index page."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2

from tamperlens.files import replace_text
from tamperlens.inspection.casefile.page import WORDS, template
from tamperlens.inspection.casefile.record import FailureRecord, Rates, Record, Settings, failure_record, parse_record
from tamperlens.inspection.examiner import Examiner
from tamperlens.media import readable
from tamperlens.processes import run_processes

__all__ = ["FalseAlarms", "Row", "examine_all", "expected_false_alarms", "row_of", "write_summary"]


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


@dataclass(frozen=True)
class FalseAlarms:
    """How many files of a kind would be called manipulated if all were pristine."""

    kind: str
    files: int  # with a face that was judged
    expected: float
    low: float  # by the ends of the rate's 95 % interval
    high: float
    rates: Rates


def examine_all(examiner: Examiner, files: Iterable[tuple[Path, str]], workers: int) -> Iterator[tuple[Path, Record]]:
    """Each file (path and stem of its casefile) with its record: in order and this process where ``workers`` is 1, else as
    they end, in processes that load the model for themselves. Failures are records, too.
    """
    if workers > 1:
        job = partial(_examine, examiner.settings, examiner.folder, examiner.annotated)
        for (path, _), record in run_processes(job, files, workers):
            yield path, parse_record(failure_record(readable(path), record)) if isinstance(record, str) else record
        return
    for path, stem in files:
        yield path, examiner(path, stem)


def _examine(settings: Settings, folder: Path | None, annotated: bool, file: tuple[Path, str]) -> Record:
    return _examiner(settings, folder, annotated)(*file)


@cache
def _examiner(settings: Settings, folder: Path | None, annotated: bool) -> Examiner:
    cv2.setNumThreads(1)  # the processes share the cores
    return Examiner(settings, folder, annotated=annotated, threads=1)


def row_of(record: Record) -> Row:
    """A record's line in the summary."""
    if isinstance(record, FailureRecord):
        return Row(record.path, "failure", record.verdict, None, 0, record.error, "", "")
    faces = record.faces if record.kind == "photo" else record.tracks
    page = record.outputs.get("page", "")
    return Row(record.path, record.kind, record.verdict, record.score, len(faces), record.reasons[0], record.file.sha256, page)


def expected_false_alarms(rows: Sequence[Row], rates: dict[str, Rates]) -> list[FalseAlarms]:
    """For photos and for videos, where the rate was measured (``rates`` by kind) and there are any."""
    found = []
    for kind, rate in rates.items():
        files = sum(row.kind == kind and row.score is not None for row in rows)
        if files:
            mean, low, high = (round(files * share, 2) for share in (rate.called_manipulated, rate.low, rate.high))
            found.append(FalseAlarms(kind, files, mean, low, high, rate))
    return found


def write_summary(rows: Sequence[Row], alarms: Sequence[FalseAlarms], folder: Path) -> None:
    """Write ``summary.csv``, ``summary.json`` and ``index.html``; files of the highest scores of each verdict come first."""
    order = list(WORDS)
    ranked = sorted(rows, key=lambda row: (order.index(row.verdict), row.kind == "failure", -(row.score or 0.0), row.path))
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in order}
    failed = sum(row.kind == "failure" for row in rows)
    told: list[dict[str, Any]] = [{**asdict(alarm), "rates": alarm.rates.model_dump()} for alarm in alarms]
    summary = {
        "files": len(rows),
        "failed": failed,
        **counts,
        "expected_false_alarms": told,
        "rows": [asdict(row) for row in ranked],
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, [*Row.__dataclass_fields__], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(row), "path": _no_formula(row.path)} for row in ranked)
    page = template("index.html").render(rows=ranked, counts=counts, failed=failed, alarms=alarms, words=WORDS)
    texts = {"summary.csv": table.getvalue(), "summary.json": json.dumps(summary, indent=1) + "\n", "index.html": page}
    for name, text in texts.items():
        replace_text(folder / name, text, errors="backslashreplace")


def _no_formula(path: str) -> str:
    """Spreadsheets run a cell that begins like a formula, and file names come from anywhere."""
    return f".{os.sep}{path}" if path.startswith(("=", "+", "-", "@")) else path
