"""The record of an inspected file: one JSON object, by a published schema. Reading and writing it needs no model.

`SCHEMA` names the version; a field may be added under the same version, none removed or given another meaning.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tamperlens.media import FileFacts
from tamperlens.types import FaceFinding, Inspection, Verdict, VideoInspection, VideoRule

__all__ = [
    "SCHEMA",
    "FailureRecord",
    "PhotoRecord",
    "Rates",
    "Record",
    "Settings",
    "VideoRecord",
    "dump",
    "failure_record",
    "inspection_record",
    "json_schema",
    "key_of",
    "parse_record",
    "versions",
    "video_record",
]

SCHEMA: Literal["tamperlens.record/1"] = "tamperlens.record/1"

Share = Annotated[float, Field(ge=0, le=1)]
VerdictName = Literal["manipulated", "no_evidence", "inconclusive"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Part):
    """What was asked for: with the same file and model it gives the same figures."""

    model: str = Field("", description="as given: a shipped model's name or a path")
    every: float | None = Field(None, description="seconds between judged frames of a video; null: chosen by its length")
    start: float = Field(0.0, description="second at which inspection of a video begins")
    end: float | None = Field(None, description="second before which it ends; null: the video's end")
    max_frames: int | None = Field(None, description="judged frames of a video at most; null: any number")


class Face(_Part):
    """One face of a picture."""

    box: Annotated[list[float], Field(min_length=4, max_length=4)] = Field(
        description="x0, y0, x1, y1 in pixels of the upright picture"
    )
    score: Share | None = Field(description="how surely it is manipulated; null where it was not judged")
    score_range: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = Field(
        None, description="lowest and highest score over the picture as it is and mild re-encodes; null in videos"
    )
    verdict: VerdictName
    mask_area: Share | None = Field(
        description="share of the square of twice the face's size, inside the picture, that is marked"
    )
    reasons: list[str]


class FrameOfFace(Face):
    """One face in one judged frame of a video."""

    seconds: float
    frame: int = Field(description="counts decoded frames from 0")


class Track(_Part):
    """One face through a video."""

    face: int = Field(ge=1, description="numbers the file's faces in the order of appearance")
    verdict: VerdictName
    score: Share | None = Field(description="of all judged frames together; null where they are too few")
    first: float = Field(description="second of its first judged frame")
    last: float
    raised: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        description="first and last second of each run of frames whose scores reach the doubt threshold"
    )
    reasons: list[str]
    frames: list[FrameOfFace]


class Thresholds(_Part):
    """Scores from which on verdicts change; of single pictures."""

    score: Share
    doubt: Share


class Rates(_Part):
    """How often this model called pristine files manipulated when it was measured. From its model card."""

    subset: str
    called_manipulated: Share
    low: Share = Field(description="95 % interval")
    high: Share
    count: int = Field(description="pristine files measured")


class _Inspected(_Part):
    schema_: Literal["tamperlens.record/1"] = Field(SCHEMA, alias="schema")
    path: str
    verdict: VerdictName
    score: Share | None = Field(description="the highest score of any face; null where none was judged")
    reasons: list[str]
    model: str = Field(description="name and the start of the SHA-256 of the weights file")
    calibrated: bool = Field(description="whether scores are calibrated probabilities on the card's validation data")
    limits: list[str] = Field(description="what the model is known to miss")
    width: int = Field(ge=1, description="pixels of the upright picture")
    height: int = Field(ge=1)
    file: FileFacts
    settings: Settings
    thresholds: Thresholds
    false_alarms: Rates | None = Field(description="null where the model's card has no such measurement")
    versions: dict[str, str]
    key: str = Field(
        description="SHA-256 of the file's hash, the model, its thresholds and the settings: equal keys mean equal work"
    )
    outputs: dict[str, str] = Field({}, description="kind of file -> name of the file written beside this record")


class PhotoRecord(_Inspected):
    """A photo."""

    kind: Literal["photo"]
    faces: list[Face]


class VideoRecord(_Inspected):
    """A video or an animated picture. Times are seconds from its start."""

    kind: Literal["video"]
    tracks: list[Track]
    every: float = Field(gt=0, description="seconds between judged frames")
    first: float = Field(description="second of the first judged frame")
    last: float
    frames: int = Field(ge=1, description="judged frames")
    decoded: int = Field(ge=1, description="decoded frames")
    complete: bool = Field(description="false where part of the file could not be read")
    rule: VideoRule


class FailureRecord(_Part):
    """A file that could not be inspected."""

    schema_: Literal["tamperlens.record/1"] = Field(SCHEMA, alias="schema")
    kind: Literal["failure"]
    path: str
    verdict: Literal["inconclusive"]
    score: None
    reasons: list[str]
    faces: list[Face]
    error: str


Record = PhotoRecord | VideoRecord | FailureRecord
_ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def parse_record(values: dict[str, Any] | str | bytes) -> Record:
    """A record from JSON text or its values; raises pydantic's ``ValidationError`` (a ``ValueError``) for anything else."""
    return _ANY.validate_json(values) if isinstance(values, str | bytes) else _ANY.validate_python(values)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every record follows."""
    schema = _ANY.json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **schema}


def dump(record: Record) -> dict[str, Any]:
    """The record's JSON values."""
    return _ANY.dump_python(record, mode="json", by_alias=True)  # type: ignore[no-any-return]


def inspection_record(inspection: Inspection) -> dict[str, Any]:
    """An inspection as JSON-able values. Boxes are in pixels of the upright picture; scores and areas are shares in [0, 1]."""
    return {
        "path": inspection.path,
        "verdict": inspection.verdict.value,
        "score": _rounded(inspection.score),
        "reasons": list(inspection.reasons),
        "faces": [_face(face) for face in inspection.faces],
        "model": inspection.model,
        "calibrated": inspection.calibrated,
        "limits": list(inspection.limits),
        "width": inspection.image.shape[1],
        "height": inspection.image.shape[0],
    }


def _face(face: FaceFinding) -> dict[str, Any]:
    return {
        "box": [round(value, 1) for value in (face.box.x0, face.box.y0, face.box.x1, face.box.y1)],
        "score": _rounded(face.score),
        "score_range": None if face.score_range is None else [_rounded(score) for score in face.score_range],
        "verdict": face.verdict.value,
        "mask_area": _rounded(face.mask_area),
        "reasons": list(face.reasons),
    }


def video_record(inspection: VideoInspection) -> dict[str, Any]:
    """A video's inspection as JSON-able values; ``tracks`` are its faces through time. Times are seconds from its start."""
    return {
        "path": inspection.path,
        "verdict": inspection.verdict.value,
        "score": _rounded(inspection.score),
        "reasons": list(inspection.reasons),
        "tracks": [
            {
                "face": track.number,
                "verdict": track.verdict.value,
                "score": _rounded(track.score),
                "first": round(track.sightings[0].seconds, 3),
                "last": round(track.sightings[-1].seconds, 3),
                "raised": [[round(first, 3), round(last, 3)] for first, last in track.raised],
                "reasons": list(track.reasons),
                "frames": [
                    {"seconds": round(seen.seconds, 3), "frame": seen.index, **_face(seen.finding)} for seen in track.sightings
                ],
            }
            for track in inspection.tracks
        ],
        "model": inspection.model,
        "calibrated": inspection.calibrated,
        "limits": list(inspection.limits),
        "width": inspection.width,
        "height": inspection.height,
        "every": round(inspection.every, 4),
        "first": round(inspection.first, 3),
        "last": round(inspection.last, 3),
        "frames": inspection.frames,
        "decoded": inspection.decoded,
        "complete": inspection.complete,
        "rule": asdict(inspection.rule),
    }


def failure_record(path: str, reason: str) -> dict[str, Any]:
    """The record of a file that could not be inspected: inconclusive, and the error said."""
    return {
        "schema": "tamperlens.record/1",
        "kind": "failure",
        "path": path,
        "verdict": Verdict.INCONCLUSIVE.value,
        "score": None,
        "reasons": [reason],
        "faces": [],
        "error": reason,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


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
    for package in ("tamperlens", "numpy", "onnxruntime", "opencv-python-headless", "av", "pillow", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
