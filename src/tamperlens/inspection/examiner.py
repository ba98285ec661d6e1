"""One file from beginning to end: inspected, recorded, and everything about it written into a folder."""

import json
import math
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tamperlens.errors import TamperlensError
from tamperlens.faces import VIDEO_SCALES, YuNet
from tamperlens.files import replace_text
from tamperlens.inspection.casefile.annotate import write_annotated
from tamperlens.inspection.casefile.page import render_page
from tamperlens.inspection.casefile.pictures import write_pictures, write_video_pictures
from tamperlens.inspection.casefile.record import (
    SCHEMA,
    FailureRecord,
    PhotoRecord,
    Rates,
    Record,
    Settings,
    VideoRecord,
    dump,
    failure_record,
    inspection_record,
    key_of,
    parse_record,
    versions,
    video_record,
)
from tamperlens.inspection.photo import inspect_photo
from tamperlens.inspection.video import inspect_video
from tamperlens.media import FileFacts, file_facts, moves, readable
from tamperlens.metrics import wilson
from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import Inspection, Predictor, VideoInspection

__all__ = ["Examiner", "command_of", "rates_of"]


class Examiner:
    """A model and the face detectors, loaded once, and what to do with every file.

    ``folder``: where casefiles are written; None writes nothing. ``annotated``: whether videos are written anew with what was
    found. ``threads`` of the processor; 0 leaves the choice to the engine. Raises `ModelError` where the model cannot be
    loaded.
    """

    def __init__(self, settings: Settings, folder: Path | None = None, *, annotated: bool = True, threads: int = 0) -> None:
        self.settings, self.folder, self.annotated, self.threads = settings, folder, annotated, threads
        self.progress: Callable[[float], None] = lambda seconds: None  # told how far a video is
        self.predictor: Predictor = load(settings.model or DEFAULT_MODEL, threads=threads)
        self.card: ModelCard | None = getattr(self.predictor, "card", None)
        self._use = self.card.model_dump(mode="json", exclude={"training", "results"}) if self.card else {}
        self._in_photos, self._in_videos = YuNet(), YuNet(scales=VIDEO_SCALES)

    def __call__(self, path: Path, stem: str, name: str = "") -> Record:
        """The file's record, its casefile written under ``stem``; ``name``: what the file is called there, if not by its path.

        A casefile of the same file, model and settings that is there already, complete, is not made again. A file that cannot
        be inspected gives a `FailureRecord`.
        """
        try:
            facts = file_facts(path)
            facts = replace(facts, name=readable(name)) if name else facts
            return self._finished(facts, path, stem) or self._examine(path, facts, stem, name)
        except Exception as error:  # decoders raise whatever an odd file leads them to: the other files go on
            reason = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, TamperlensError | OSError | MemoryError):
                reason = f"{type(error).__name__}: {reason}"
            return parse_record(failure_record(readable(name or path), readable(reason)))

    def inspect(self, path: Path) -> Inspection | VideoInspection:
        """Everything found in one file; errors as for `inspect_photo` and `inspect_video`."""
        if not moves(path):
            return inspect_photo(path, self._in_photos, self.predictor)
        asked = self.settings
        return inspect_video(
            path,
            self._in_videos,
            self.predictor,
            every=asked.every,
            start=asked.start,
            end=_end(asked),
            max_frames=asked.max_frames,
            threads=self.threads or 2,
            progress=self.progress,
        )

    def record(self, inspection: Inspection | VideoInspection, facts: FileFacts) -> PhotoRecord | VideoRecord:
        """What was found, with everything needed to find it again."""
        photo = isinstance(inspection, Inspection)
        kind = "photo" if photo else "video"
        found = inspection_record(inspection) if isinstance(inspection, Inspection) else video_record(inspection)
        values: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": kind,
            **found,
            "path": readable(found["path"]),
            "file": facts,
            "settings": self.settings,
            "thresholds": {"score": self.predictor.score_threshold, "doubt": self.predictor.doubt_threshold},
            "false_alarms": rates_of(self.card, kind),
            "versions": versions(),
            "key": self._key(facts),
        }
        record = parse_record(values)
        assert not isinstance(record, FailureRecord)
        return record

    def foreign(self, stem: str, path: Path) -> bool:
        """Whether the casefile of this stem is another file's: no file's evidence replaces another's."""
        if self.folder is None:
            return False
        try:
            return parse_record((self.folder / f"{stem}.json").read_bytes()).path != readable(path)
        except (OSError, ValueError):
            return False

    def _key(self, facts: FileFacts) -> str:
        return key_of(facts.sha256, self.predictor.name, self.settings, self._use)

    def _finished(self, facts: FileFacts, path: Path, stem: str) -> Record | None:
        if self.folder is None:
            return None
        try:
            record = parse_record((self.folder / f"{stem}.json").read_bytes())
        except (OSError, ValueError):
            return None
        if isinstance(record, FailureRecord) or record.key != self._key(facts):
            return None
        whole = all((self.folder / name).is_file() for name in record.outputs.values())
        lacks = record.kind == "video" and self.annotated and "annotated" not in record.outputs
        return record if whole and not lacks and record.path == readable(path) else None

    def _examine(self, path: Path, facts: FileFacts, stem: str, name: str) -> Record:
        inspection = self.inspect(path)
        record = self.record(inspection, facts)
        record = record.model_copy(update={"path": readable(name)}) if name else record
        if self.folder is None:
            return record
        files = {"page": f"{stem}.html", "record": f"{stem}.json"}
        write: Callable[..., list[Path]]
        if isinstance(inspection, Inspection):
            write = partial(write_pictures, inspection)
        else:
            write = partial(write_video_pictures, inspection)
            if self.annotated:
                files["annotated"] = f"{stem}.annotated.mp4"
                asked = self.settings
                notes = write_annotated(
                    inspection, self.folder / files["annotated"], start=asked.start, end=_end(asked), threads=self.threads or 2
                )
                left_out = [note for note in notes if note not in record.reasons]
                record = record.model_copy(update={"reasons": [*record.reasons, *left_out]})
        for picture in write(self.folder, stem):
            files[picture.name.removeprefix(f"{stem}.").rsplit(".", 1)[0]] = picture.name
        record = record.model_copy(update={"outputs": files})
        page = render_page(inspection, record, command_of(record))
        replace_text(self.folder / files["page"], page, errors="backslashreplace")
        # Last: it says that all is there.
        replace_text(self.folder / files["record"], json.dumps(dump(record), indent=1) + "\n", errors="backslashreplace")
        return record


def _end(settings: Settings) -> float:
    return math.inf if settings.end is None else settings.end


def command_of(record: PhotoRecord | VideoRecord) -> str:
    """The command that repeats an inspection."""
    asked, words = record.settings, ["tamperlens", "inspect", record.path]
    for option, value in (("--model", asked.model or None), ("--every", asked.every), ("--from", asked.start or None)):
        words += [option, f"{value}"] if value is not None else []
    for option, value in (("--to", asked.end), ("--max-frames", asked.max_frames)):
        words += [option, f"{value}"] if value is not None else []
    return shlex.join(words)


def rates_of(card: ModelCard | None, kind: str) -> Rates | None:
    """How often a model called pristine photos, as photographed, or clips manipulated; all such rows of its card together."""
    results = card.results if card else {}
    rows = [
        row
        for row in results.get("video" if kind == "video" else "test", [])
        if row["subset"].startswith("pristine: ") and row["metric"] == "called manipulated"
        if kind == "video" or row["subset"].endswith("as photographed")
    ]
    count = sum(row["n"] for row in rows)
    if not count:
        return None
    hits = round(sum(row["value"] * row["n"] for row in rows))
    low, high = wilson(hits, count)
    names = "; ".join(row["subset"].removeprefix("pristine: ") for row in rows)
    subset = f"pristine {kind}s ({names})"
    return Rates(subset=subset, called_manipulated=hits / count, low=low, high=high, count=count)
