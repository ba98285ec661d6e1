"""One file from beginning to end: inspected, recorded, and everything about it written into a folder.

The file, the folder or both may lie at an address: then there is a local copy while the file is at work (media/addresses.py).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

from tamperlens.errors import TamperlensError
from tamperlens.faces import detector_for
from tamperlens.inspection.casefile.record import (
    FailureRecord,
    PhotoRecord,
    Record,
    Settings,
    Setup,
    Thresholds,
    VideoRecord,
    key_of,
)
from tamperlens.inspection.casefile.writing import claim_text, record_at, unwritten, write_casefile
from tamperlens.inspection.photo import inspect_photo
from tamperlens.inspection.video import inspect_video
from tamperlens.media import Address, FileFacts, Photo, Results, Video, fetched, open_source, readable
from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import Inspection, Predictor, VideoInspection

__all__ = ["Examiner"]

#: Entries of a card that say how the model came about and how good it is, and change nothing in its use.
_ABOUT = {"training", "results", "validation", "calibration_error", "families", "initialised_from", "crop_policy", "format"}


class Examiner:
    """A model and the face detectors, loaded once, and what to do with every file.

        examiner = Examiner(Settings(), Path("found"))
        record = examiner(Path("photo.jpg"), "photo")
        record.verdict, record.outputs["page"]

    ``folder``: where casefiles are written; None writes nothing. ``annotated``: whether videos are written anew with what was
    found. ``threads`` of the processor; 0 leaves the choice to the engine. Raises `ModelError` where the model cannot be
    loaded.
    """

    def __init__(
        self, settings: Settings, folder: Path | Address | None = None, *, annotated: bool = True, threads: int = 0
    ) -> None:
        self.settings, self.folder, self.annotated, self.threads = settings, folder, annotated, threads
        self._results = Results(folder) if isinstance(folder, Address) else None
        self.progress: Callable[[float], None] = lambda seconds: None  # told how far a video is
        self.predictor: Predictor = load(settings.model or DEFAULT_MODEL, threads=threads)
        self.card: ModelCard | None = getattr(self.predictor, "card", None)
        self.setup = _setup(settings, self.predictor, self.card)
        self._in_photos, self._in_videos = (detector_for(kind, settings.detector) for kind in ("photo", "video"))

    def __call__(self, path: Path | Address, stem: str, name: str = "") -> Record:
        """The file's record, its casefile written under ``stem``, or another where files of other origin lie under that.

        ``name``: what the file is called in them, if not by its path.

        A casefile of the same file, model and settings that is there already, complete, is not made again. A file that cannot
        be inspected gives a `FailureRecord`; what cannot be written beside a record is named in it.
        """
        local = None
        try:
            with fetched(path) as local:
                if self._results is not None:
                    return self._into_address(self._results, local, path, stem, name)
                folder = self.folder if isinstance(self.folder, Path) else None
                return self._into_folder(folder, local, path, stem, name)
        except Exception as error:  # decoders raise whatever an odd file leads them to: the other files go on
            message = _failure_message(error)
            message = message if local is None else message.replace(str(local), str(path))
            return FailureRecord.of(readable(name or path), message)

    def _into_folder(self, folder: Path | None, file: Path, path: Path | Address, stem: str, name: str) -> Record:
        """The record of a local ``file`` that came from ``path``, its casefile written into a local folder, if any."""
        with open_source(file, threads=self.threads or 2) as source:
            facts = replace(source.facts, name=readable(name)) if name else source.facts
            if folder is not None and (finished := self._finished(folder, facts, name or path, stem)):
                return finished
            inspection = self.inspect(source)
        record = self.record(inspection, facts).model_copy(update={"path": readable(name or path)})
        if folder is None:
            return record
        return write_casefile(inspection, record, folder, stem, annotated=self.annotated, threads=self.threads or 2)

    def _into_address(self, results: Results, file: Path, path: Path | Address, stem: str, name: str) -> Record:
        """The same, the casefile copied to an address: first the claim, last the record, which says that all is there."""
        with results.mirror(lambda there: there.startswith(f"{stem}."), lambda there: there.endswith(".json")) as mirror:
            record = self._into_folder(mirror.folder, file, path, stem, name)
            try:
                written = sorted(mirror.written(), key=lambda own: own.endswith(".json"))
                for own in written:
                    if own.endswith(".json"):
                        mirror.take_back(own, claim_text(readable(name or path)))
                for own in written:
                    mirror.take_back(own)
            except TamperlensError as error:
                return record if isinstance(record, FailureRecord) else unwritten(record, str(results.address), error)
            return record

    def inspect(self, source: Path | Photo | Video) -> Inspection | VideoInspection:
        """Everything found in one file, opened or not; errors as for `inspect_photo` and `inspect_video`."""
        if isinstance(source, Path):
            with open_source(source, threads=self.threads or 2) as opened:
                return self.inspect(opened)
        if isinstance(source, Photo):
            return inspect_photo(source, self._in_photos, self.predictor)
        asked = self.settings
        return inspect_video(
            source,
            self._in_videos,
            self.predictor,
            every=asked.every,
            start=asked.start,
            end=math.inf if asked.end is None else asked.end,
            max_frames=asked.max_frames,
            threads=self.threads or 2,
            progress=self.progress,
        )

    def record(self, inspection: Inspection | VideoInspection, facts: FileFacts) -> PhotoRecord | VideoRecord:
        """What was found, with everything needed to find it again."""
        if isinstance(inspection, Inspection):
            return PhotoRecord.of(inspection, facts, self.setup)
        return VideoRecord.of(inspection, facts, self.setup)

    def _finished(self, folder: Path, facts: FileFacts, path: PurePath | str, stem: str) -> PhotoRecord | VideoRecord | None:
        """The record of the same work, where it lies in the folder with all that belongs to it."""
        record = record_at(folder, stem)
        if record is None or isinstance(record, FailureRecord):
            return None
        same = record.key == key_of(facts.sha256, self.predictor.name, self.settings, self.setup.use)
        whole = not record.not_written and all((folder / name).is_file() for name in record.outputs.values())
        lacks = record.kind == "video" and self.annotated and "annotated" not in record.outputs
        return record if same and whole and not lacks and record.path == readable(path) else None


def _setup(settings: Settings, predictor: Predictor, card: ModelCard | None) -> Setup:
    alarms = {"photo": card.false_alarms.photo, "video": card.false_alarms.video} if card else {}
    return Setup(
        settings=settings,
        thresholds=Thresholds(score=predictor.score_threshold, doubt=predictor.doubt_threshold),
        rates={kind: rate for kind, rate in alarms.items() if rate},
        use=card.model_dump(mode="json", exclude=_ABOUT) if card else {},
    )


def _failure_message(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    meant_for_people = isinstance(error, TamperlensError | OSError | MemoryError)
    return reason if meant_for_people else f"{type(error).__name__}: {reason}"
