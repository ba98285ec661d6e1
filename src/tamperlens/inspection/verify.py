"""Whether a record still holds: the file is the same, the model is the same, and inspecting again gives the same figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tamperlens.inspection.casefile.record import Face, FrameOfFace, PhotoRecord, Track, VideoRecord, versions
from tamperlens.inspection.examiner import Examiner
from tamperlens.media import file_facts

__all__ = ["BOX_TOLERANCE", "TOLERANCE", "Check", "verify"]

TOLERANCE = 0.005  # of scores and areas: processors round differently, and a score near a threshold may move by as much
BOX_TOLERANCE = 1.0  # pixels


@dataclass(frozen=True)
class Check:
    """One figure of a record beside what was found now."""

    what: str
    recorded: str
    found: str
    holds: bool
    decisive: bool = True  # False for what explains a difference, but is none by itself


def verify(record: PhotoRecord | VideoRecord, path: Path | None = None) -> list[Check]:
    """Every figure of a record, computed again from its file (or from ``path``, where the file lies elsewhere now).

    Scores and areas hold within `TOLERANCE`, boxes within `BOX_TOLERANCE`; hashes and verdicts must be equal. Raises
    `MediaError` where the file cannot be read and `ModelError` where the model cannot be loaded.
    """
    file = path or Path(record.path)
    facts = file_facts(file)
    examiner = Examiner(record.settings)
    checks = [
        _equal("file SHA-256", record.file.sha256, facts.sha256),
        _equal("model", record.model, examiner.predictor.name),
        *(
            _equal(f"version of {name}", version, versions().get(name, "none"), decisive=False)
            for name, version in record.versions.items()
        ),
    ]
    again = examiner.record(examiner.inspect(file), facts)
    checks += [
        _equal("kind", record.kind, again.kind),
        _equal("verdict", record.verdict, again.verdict),
        _close("score", record.score, again.score),
        _equal("size", f"{record.width}x{record.height}", f"{again.width}x{again.height}"),
        _close("threshold", record.thresholds.score, again.thresholds.score),
        _close("doubt threshold", record.thresholds.doubt, again.thresholds.doubt),
    ]
    if isinstance(record, PhotoRecord) and isinstance(again, PhotoRecord):
        checks += _compare("face", record.faces, again.faces)
    elif isinstance(record, VideoRecord) and isinstance(again, VideoRecord):
        for what in ("frames", "decoded", "every", "first", "last", "complete"):
            checks.append(_equal(what, getattr(record, what), getattr(again, what)))
        was, now = record.rule, again.rule
        checks.append(
            _equal("rule", f"{was.aggregation}, {was.min_frames} frames", f"{now.aggregation}, {now.min_frames} frames")
        )
        checks.append(_close("threshold for videos", was.score_threshold, now.score_threshold))
        checks.append(_close("doubt threshold for videos", was.doubt_threshold, now.doubt_threshold))
        checks += _tracks(record.tracks, again.tracks)
    return checks


def _tracks(old: list[Track], new: list[Track]) -> Iterator[Check]:
    yield _equal("number of faces", len(old), len(new))
    for was, now in zip(old, new, strict=False):
        yield _equal(f"face {was.face}: verdict", was.verdict, now.verdict)
        yield _close(f"face {was.face}: score", was.score, now.score)
        yield _equal(f"face {was.face}: seconds", f"{was.first} to {was.last}", f"{now.first} to {now.last}")
        yield _equal(f"face {was.face}: raised seconds", was.raised, now.raised)
        yield from _compare(f"face {was.face}, frame", was.frames, now.frames)


def _compare(what: str, old: list[Face] | list[FrameOfFace], new: list[Face] | list[FrameOfFace]) -> Iterator[Check]:
    yield _equal(f"number of {what}s", len(old), len(new))
    for number, (was, now) in enumerate(zip(old, new, strict=False), 1):
        yield _close(f"{what} {number}: score", was.score, now.score)
        yield _equal(f"{what} {number}: verdict", was.verdict, now.verdict)
        yield _close(f"{what} {number}: marked area", was.mask_area, now.mask_area)
        for end, low, high in zip(
            ("lowest", "highest"), was.score_range or (None, None), now.score_range or (None, None), strict=True
        ):
            yield _close(f"{what} {number}: {end} score", low, high)
        if isinstance(was, FrameOfFace) and isinstance(now, FrameOfFace):
            yield _equal(f"{what} {number}: place", f"{was.seconds} s, {was.frame}", f"{now.seconds} s, {now.frame}")
        apart = max(abs(a - b) for a, b in zip(was.box, now.box, strict=True))
        yield Check(f"{what} {number}: box", str(was.box), str(now.box), apart <= BOX_TOLERANCE)


def _equal(what: str, recorded: object, found: object, decisive: bool = True) -> Check:
    return Check(what, str(recorded), str(found), recorded == found, decisive)


def _close(what: str, recorded: float | None, found: float | None) -> Check:
    both = recorded is not None and found is not None
    holds = abs(recorded - found) <= TOLERANCE if both else recorded is found  # type: ignore[operator]
    return Check(what, _said(recorded), _said(found), holds)


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
