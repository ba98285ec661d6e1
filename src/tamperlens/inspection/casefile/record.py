"""The record of an inspected file: one JSON object, by a published schema. Reading and writing it needs no model.

`SCHEMA` names the version; a field may be added under the same version, none removed or given another meaning. So readers, this
one and those made from the schema, pass over fields that they do not know.

A new figure needs a field here and a line in the class's ``of``; `verify` compares it by itself.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tamperlens.inspection.scores import kept
from tamperlens.media import Address, FileFacts, place_of, readable
from tamperlens.models.card import AlarmRate
from tamperlens.models.engines import Precision
from tamperlens.models.runtime import Runtime
from tamperlens.types import FaceFinding, FaceTrack, Inspection, Sighting, VideoInspection, VideoRule

__all__ = [
    "NOT_COMPARED",
    "SCHEMA",
    "TOLERANCE",
    "Compared",
    "FailureRecord",
    "PhotoRecord",
    "Rates",
    "Record",
    "Settings",
    "Setup",
    "VideoRecord",
    "dump",
    "json_schema",
    "key_of",
    "parse_record",
    "path_of",
    "versions",
]

SCHEMA: Literal["tamperlens.record/1"] = "tamperlens.record/1"
TOLERANCE = 0.005  # of scores and areas: processors round differently, and a score near a threshold may move by as much


@dataclass(frozen=True)
class Compared:
    """How `verify` compares a field with what it finds. Without this mark: exactly, and floats within `TOLERANCE`."""

    within: float = TOLERANCE  # of floats
    decisive: bool = True  # False for what explains a difference, but is none by itself
    but: tuple[str, ...] = ()  # parts of it that are not compared


NOT_COMPARED = Compared(but=("*",))
_EXPLAINS = Compared(decisive=False)

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Compared(within=0.001)]
Box = Annotated[list[float], Field(min_length=4, max_length=4), Compared(within=1.0)]  # pixels
Words = Annotated[list[str], _EXPLAINS]
VerdictName = Literal["manipulated", "no_evidence", "inconclusive"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Settings(_Part):
    """What was asked for: with the same file and model it gives the same figures."""

    model: str = Field(default="", description="as given: a shipped model's name or a path")
    every: float | None = Field(
        default=None, description="seconds between judged frames of a video; null: chosen by its length; 0: every frame"
    )
    start: float = Field(default=0.0, description="second at which inspection of a video begins")
    end: float | None = Field(default=None, description="second before which it ends; null: the video's end")
    max_frames: int | None = Field(default=None, description="judged moments of a video at most; null: any number")
    detector: str = Field(default="", description="the face detector's name; empty: the default one")
    runtime: Annotated[Runtime, _EXPLAINS] = Field(
        default="auto", description="what should run the model; auto: the first that gives the model card's numbers"
    )
    precision: Precision = Field(default="float32", description="in which the network is computed")


class Face(_Part):
    """One face of a picture."""

    box: Box = Field(description="x0, y0, x1, y1 in pixels of the upright picture")
    score: Share | None = Field(description="how surely it is manipulated; null where it was not judged")
    score_range: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="lowest and highest score over the picture as it is and mild re-encodes; null in videos, and where the "
        "score is too far below the thresholds for re-encodes to matter",
    )
    verdict: VerdictName
    mask_area: Share | None = Field(
        description="share of the square of twice the face's size, inside the picture, that is marked"
    )
    reasons: Words

    @classmethod
    def of(cls, finding: FaceFinding) -> "Face":
        """What was found about a face of a picture."""
        box = finding.box
        return cls(
            box=[round(value, 1) for value in (box.x0, box.y0, box.x1, box.y1)],
            score=_kept(finding.score),
            score_range=None if finding.score_range is None else [kept(score) for score in finding.score_range],
            verdict=finding.verdict.value,
            mask_area=_kept(finding.mask_area),
            reasons=list(finding.reasons),
        )


class FrameOfFace(Face):
    """One face in one judged frame of a video."""

    seconds: Seconds
    frame: int = Field(description="counts decoded frames from 0")

    @classmethod
    def seen(cls, sighting: Sighting) -> "FrameOfFace":
        """What was found about a face in a frame."""
        return cls(**dict(Face.of(sighting.finding)), seconds=round(sighting.seconds, 3), frame=sighting.index)


class Track(_Part):
    """One face through a video."""

    face: int = Field(ge=1, description="numbers the file's faces in the order of appearance")
    verdict: VerdictName
    score: Share | None = Field(description="of all judged frames together, of few the highest; null where there is none")
    first: Seconds = Field(description="second of its first judged frame")
    last: Seconds
    raised: list[Annotated[list[Seconds], Field(min_length=2, max_length=2)]] = Field(
        description="first and last second of each run of frames whose scores reach the doubt threshold"
    )
    reasons: Words
    frames: list[FrameOfFace]

    @classmethod
    def of(cls, track: FaceTrack) -> "Track":
        """What was found about a face of a video."""
        return cls(
            face=track.number,
            verdict=track.verdict.value,
            score=_kept(track.score),
            first=round(track.sightings[0].seconds, 3),
            last=round(track.sightings[-1].seconds, 3),
            raised=[[round(first, 3), round(last, 3)] for first, last in track.raised],
            reasons=list(track.reasons),
            frames=[FrameOfFace.seen(sighting) for sighting in track.sightings],
        )


class Thresholds(_Part):
    """Scores from which on verdicts change; of single pictures."""

    score: Share
    doubt: Share


class Rates(_Part):
    """How often this model called pristine faces manipulated when it was measured, and what that means for so many faces.

    The rate is from its model card. A picture of many faces is more often called manipulated than one of a single face.
    """

    subset: str
    called_manipulated: Share
    low: Share = Field(description="95 % interval")
    high: Share
    count: int = Field(description="pristine files, or their faces, measured")
    faces: int | None = Field(default=None, description="judged faces of this file")
    expected: float | None = Field(default=None, description="of these, how many would be called manipulated if none were")
    expected_low: float | None = Field(default=None, description="by the ends of the rate's interval")
    expected_high: float | None = None
    at_least_one: Share | None = Field(
        default=None, description="chance that at least one of them would be, if faces err independently"
    )
    at_least_one_low: Share | None = None
    at_least_one_high: Share | None = None

    @classmethod
    def of(cls, alarms: AlarmRate, kind: str, faces: int) -> "Rates":
        """A card's rate for ``kind`` ("photo" or "video"), and what it means for ``faces`` judged faces."""
        rate, (low, high) = alarms.rate, alarms.interval
        measured = f"pristine {kind}s" if alarms.counted == "files" else f"faces of pristine {kind}s"
        return cls(
            subset=f"{measured} ({'; '.join(alarms.sources)})",
            called_manipulated=rate,
            low=low,
            high=high,
            count=alarms.count,
            faces=faces,
            expected=round(faces * rate, 6),
            expected_low=round(faces * low, 6),
            expected_high=round(faces * high, 6),
            at_least_one=round(1 - (1 - rate) ** faces, 6),
            at_least_one_low=round(1 - (1 - low) ** faces, 6),
            at_least_one_high=round(1 - (1 - high) ** faces, 6),
        )


@dataclass(frozen=True)
class Setup:
    """What a file was inspected with: the same for every file of a batch."""

    settings: Settings
    thresholds: Thresholds
    engine: str = ""  # what runs the model
    rates: Mapping[str, AlarmRate] = field(default_factory=dict)  # by kind, "photo" or "video"; where measured
    use: Mapping[str, Any] = field(default_factory=dict)  # what the model's card says on using it

    def rates_for(self, kind: str, faces: int) -> Rates | None:
        """The model's rate of false alarms, told for so many judged faces."""
        return Rates.of(self.rates[kind], kind, faces) if kind in self.rates else None


class _Inspected(_Part):
    schema_: Literal["tamperlens.record/1"] = Field(default=SCHEMA, alias="schema")
    path: Annotated[str, NOT_COMPARED]
    verdict: VerdictName
    score: Share | None = Field(description="the highest score of any face; null where none was judged")
    reasons: Words
    model: str = Field(description="name and the start of the SHA-256 of the weights file")
    engine: Annotated[str, _EXPLAINS] = Field(
        default="", description="what ran the model, its version, precision and device; empty: not known"
    )
    calibrated: bool = Field(description="whether scores are calibrated probabilities on the card's validation data")
    limits: Words = Field(description="what the model is known to miss")
    width: int = Field(ge=1, description="pixels of the upright picture")
    height: int = Field(ge=1)
    file: Annotated[FileFacts, Compared(but=("name",))]
    settings: Annotated[Settings, Compared(but=("model",))]  # two names of one model are one model
    thresholds: Thresholds
    false_alarms: Rates | None = Field(description="null where the model's card has no such measurement")
    versions: Annotated[dict[str, str], _EXPLAINS]
    key: Annotated[str, _EXPLAINS] = Field(
        description="SHA-256 of the file's hash, the model, its thresholds and the settings: equal keys mean equal work"
    )
    outputs: Annotated[dict[str, str], NOT_COMPARED] = Field(
        default={}, description="kind of file -> name of the file written beside this record"
    )
    not_written: Annotated[dict[str, str], NOT_COMPARED] = Field(
        default={}, description="kind of file that could not be written -> why"
    )


def _common(
    inspection: Inspection | VideoInspection, facts: FileFacts, setup: Setup, rates: Rates | None, size: tuple[int, int]
) -> _Inspected:
    return _Inspected(
        path=readable(inspection.path),
        verdict=inspection.verdict.value,
        score=_kept(inspection.score),
        reasons=list(inspection.reasons),
        model=inspection.model,
        engine=setup.engine,
        calibrated=inspection.calibrated,
        limits=list(inspection.limits),
        width=size[0],
        height=size[1],
        file=facts,
        settings=setup.settings,
        thresholds=setup.thresholds,
        false_alarms=rates,
        versions=versions(),
        key=key_of(facts.sha256, inspection.model, setup.settings, setup.use),
    )


class PhotoRecord(_Inspected):
    """A photo."""

    kind: Literal["photo"]
    faces: list[Face]

    @classmethod
    def of(cls, inspection: Inspection, facts: FileFacts, setup: Setup) -> "PhotoRecord":
        """What was found in a photo, with everything needed to find it again."""
        judged = sum(face.score is not None for face in inspection.faces)
        size = inspection.image.shape[1], inspection.image.shape[0]
        common = _common(inspection, facts, setup, setup.rates_for("photo", judged), size)
        return cls(**dict(common), kind="photo", faces=[Face.of(face) for face in inspection.faces])


class VideoRecord(_Inspected):
    """A video or an animated picture. Times are seconds from its start."""

    kind: Literal["video"]
    tracks: list[Track]
    every: Seconds = Field(gt=0, description="seconds between judged frames, on average where every frame was")
    first: Seconds = Field(description="second of the first judged frame")
    last: Seconds
    frames: int = Field(ge=1, description="judged frames")
    decoded: int = Field(ge=1, description="decoded frames")
    complete: bool = Field(description="false where part of the file could not be read")
    rule: VideoRule

    @classmethod
    def of(cls, inspection: VideoInspection, facts: FileFacts, setup: Setup) -> "VideoRecord":
        """What was found in a video, with everything needed to find it again."""
        judged = sum(track.score is not None for track in inspection.tracks)
        size = inspection.width, inspection.height
        return cls(
            **dict(_common(inspection, facts, setup, setup.rates_for("video", judged), size)),
            kind="video",
            tracks=[Track.of(track) for track in inspection.tracks],
            every=round(inspection.every, 4),
            first=round(inspection.first, 3),
            last=round(inspection.last, 3),
            frames=inspection.frames,
            decoded=inspection.decoded,
            complete=inspection.complete,
            rule=inspection.rule,
        )


class FailureRecord(_Part):
    """A file that could not be inspected."""

    schema_: Literal["tamperlens.record/1"] = Field(default=SCHEMA, alias="schema")
    kind: Literal["failure"]
    path: str
    verdict: Literal["inconclusive"]
    score: None
    reasons: list[str]
    faces: list[Face]
    error: str

    @classmethod
    def of(cls, path: str, reason: str) -> "FailureRecord":
        """A file and why it could not be inspected: inconclusive."""
        why = readable(reason)
        return cls(kind="failure", path=readable(path), verdict="inconclusive", score=None, reasons=[why], faces=[], error=why)


Record = PhotoRecord | VideoRecord | FailureRecord
_ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def parse_record(values: dict[str, Any] | str | bytes) -> Record:
    """A record from JSON text or its values; raises pydantic's ``ValidationError`` (a ``ValueError``) for anything else."""
    return _ANY.validate_json(values) if isinstance(values, str | bytes) else _ANY.validate_python(values)


def path_of(record: Record) -> Path | Address:
    """Where a record's file was. Bytes of its name that are no text are spelled out in records, as in ``caf\\udce9.jpg``."""
    path = place_of(record.path)
    if isinstance(path, Address) or os.path.exists(path):  # False of names too long for any file
        return path
    return Path(re.sub(r"\\udc([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), record.path))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every record follows."""
    schema = _ANY.json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **schema}


def dump(record: Record) -> dict[str, Any]:
    """The record's JSON values. Letters that no text file can hold are spelled out."""
    return _writable(_ANY.dump_python(record, mode="json", by_alias=True))  # type: ignore[no-any-return]


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {_writable(name): _writable(part) for name, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list) else value


def _kept(value: float | None) -> float | None:
    return None if value is None else kept(value)


def key_of(sha256: str, model: str, settings: Settings, use: Mapping[str, Any] = MappingProxyType({})) -> str:
    """What decides a file's figures, as one hash: its bytes, the model, the settings and this program's version.

    ``use``: what the model's card says on using it, such as thresholds, calibration and the rule for videos.
    """
    decisive = settings.model_dump(exclude={"model"})  # two names of one model are one model
    return hashlib.sha256(
        json.dumps([sha256, model, dict(use), decisive, versions().get("tamperlens")], sort_keys=True).encode()
    ).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what takes part in a figure."""
    found = {"python": python_version()}
    for package in ("tamperlens", "numpy", "onnxruntime", "openvino", "opencv-python-headless", "av", "pillow", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
