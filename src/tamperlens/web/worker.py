"""The process that opens what people send: limited in memory, with no hand on the database, and killed where it takes too long.

It gets orders and sends news as JSON over a pipe, never as pickles: what a decoder may be tricked into saying is data.
"""

import json
import math
import os
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tamperlens.errors import MediaError, TamperlensError, UnsupportedMedia
from tamperlens.processes import end_with_parent
from tamperlens.web.limits import Limits

__all__ = ["STEM", "Refused", "work"]

STEM = "report"  # of every casefile's files: names that people give are never part of a path
_NEWS = 0.25  # seconds between two words on progress


class Refused(TamperlensError):
    """A file that is not inspected, with the HTTP status that says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def work(connection: Connection, limits: Limits, model: str) -> None:
    """Does jobs as they are ordered, one after the other, until the pipe is closed."""
    end_with_parent()
    os.umask(0o077)
    os.nice(19)  # the server answers first, however busy the cores are
    size = limits.memory << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def tell(**news: Any) -> None:
        connection.send_bytes(json.dumps(news).encode())

    try:
        import cv2

        cv2.setNumThreads(1)
        examiner = _telling_examiner(model, tell)
    except Exception as error:
        tell(fatal=" ".join(str(error).split()) or type(error).__name__)
        return
    tell(ready=True)
    while True:
        try:
            order = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            tell(done=_examine(examiner, order, limits, tell))
        except Refused as error:
            tell(failed=str(error), status=error.status)
        except MemoryError:
            tell(failed=limits.refuse_memory(), status=413, leaving=True)
            return  # what is left of the memory is in pieces
        except Exception as error:
            tell(failed=" ".join(str(error).split()) or type(error).__name__, status=422)


def _telling_examiner(model: str, tell: Callable[..., None]) -> Any:
    from tamperlens.inspection.casefile.record import Settings
    from tamperlens.inspection.examiner import Examiner

    class Telling(Examiner):
        """Says when a file is inspected and only its casefile is to be written."""

        def record(self, inspection: Any, facts: Any) -> Any:
            tell(stage="writing", progress=1.0)
            return super().record(inspection, facts)

    return Telling(Settings.model_validate({"model": model}), threads=1)


def _examine(examiner: Any, order: dict[str, str], limits: Limits, tell: Callable[..., None]) -> dict[str, Any]:
    from tamperlens.inspection.casefile.record import FailureRecord
    from tamperlens.inspection.casefile.words import sentence_of

    upload, out = Path(order["upload"]), Path(order["out"])
    if order["example"]:
        from tamperlens.web.examples import make_example

        tell(stage="making", progress=0.0)
        upload = out / "example"
        make_example(order["example"], upload)
    tell(stage="opening", progress=0.0)
    length = _length_within(upload, order["name"], limits)
    last = time.monotonic()

    def progress(seconds: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _NEWS:
            last = time.monotonic()
            tell(stage="inspecting", progress=min(1.0, seconds / length) if length > 0 else 0.0)

    examiner.folder, examiner.progress = out, progress
    tell(stage="inspecting", progress=0.0)
    record = examiner(upload, STEM, order["name"])
    if isinstance(record, FailureRecord):
        if "MemoryError" in record.error or "Unable to allocate" in record.error:
            raise MemoryError
        raise Refused(record.error.replace(str(upload), order["name"]), 422)
    if order["example"]:
        upload.unlink()
    return {
        "kind": record.kind,
        "verdict": record.verdict,
        "sentence": sentence_of(record),
        "outputs": dict(record.outputs),
    }


def _length_within(upload: Path, name: str, limits: Limits) -> float:
    """A video's seconds; 0 of a photo, NaN where nothing tells. `Refused` where a limit is passed. Only headers are decoded."""
    from tamperlens.media import Photo, open_source

    try:
        with open_source(upload) as source:
            width, height = source.size
            seconds = 0.0 if isinstance(source, Photo) else source.seconds
    except MediaError as error:
        status = 415 if isinstance(error, UnsupportedMedia) else 422
        raise Refused(str(error).replace(str(upload), name), status) from error
    if width * height > limits.megapixels * 1e6:
        raise Refused(limits.refuse_pixels(width, height), 413)
    if not math.isnan(seconds) and seconds > limits.seconds:
        raise Refused(limits.refuse_seconds(seconds), 413)
    return seconds
