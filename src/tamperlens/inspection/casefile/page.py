"""The report of one file as a single page that opens anywhere: no other file, no network, no font or script from elsewhere."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from PIL import Image

from tamperlens.figures import draw_heat_layer, draw_overlay
from tamperlens.inspection.casefile.annotate import painter
from tamperlens.inspection.casefile.record import Face, PhotoRecord, Thresholds, Track, VideoRecord
from tamperlens.inspection.casefile.timeline import clock, draw_timeline, legend
from tamperlens.inspection.photo import cut_out
from tamperlens.types import FacePicture, Inspection, UInt8Array, VideoInspection

__all__ = ["render_page", "sentence_of", "template"]

SIDE = 400  # pixels: longest side of a face's pictures on the page
WIDE = 960  # of a whole picture
MAX_SHOWN = 12  # faces with pictures
WORDS = {"manipulated": "manipulated", "no_evidence": "no evidence", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class FaceView:
    """A face as the page shows it; pictures are data: addresses."""

    number: int
    verdict: str
    score: float | None
    where: str
    reasons: tuple[str, ...]
    original: str = ""
    layer: str = ""
    mask: str = ""


def render_page(inspection: Inspection | VideoInspection, record: PhotoRecord | VideoRecord, command: str) -> str:
    """The page as HTML; ``command`` is the one that repeats the inspection."""
    views = _photo_views(inspection) if isinstance(inspection, Inspection) else _video_views(inspection)
    ordered = sorted(views, key=lambda view: -(view.score if view.score is not None else -1.0))
    values: dict[str, Any] = {
        "record": record,
        "thresholds": _thresholds(record),
        "words": WORDS,
        "sentence": sentence_of(record),
        "faces": sorted(ordered[:MAX_SHOWN], key=lambda view: view.number),
        "hidden": max(0, len(views) - MAX_SHOWN),
        "command": command,
        "clock": clock,
    }
    if isinstance(inspection, Inspection):
        values["whole"] = _jpeg(_shrunk(draw_overlay(inspection), WIDE))
    else:
        paint = painter(inspection)
        values |= {
            "timeline": draw_timeline(inspection),
            "legend": legend(inspection),
            "worst": [
                (kept.seconds, kept.score, _jpeg(paint(kept.image, kept.seconds, kept.scale))) for kept in inspection.highest
            ],
        }
    return template("page.html").render(values)


def sentence_of(record: PhotoRecord | VideoRecord) -> str:
    """The verdict in one sentence for people outside the field."""
    what = "photo" if record.kind == "photo" else "video"
    if record.verdict == "manipulated":
        return f"The program found signs of manipulation in {_faces_said(record)} of this {what}."
    if record.verdict == "no_evidence":
        return f"The program found no evidence of manipulation in this {what}. That does not show that it is authentic."
    return f"The program cannot say whether this {what} was manipulated."


def _faces_said(record: PhotoRecord | VideoRecord) -> str:
    faces: Sequence[Face | Track] = record.faces if isinstance(record, PhotoRecord) else record.tracks
    numbers = [str(number) for number, face in enumerate(faces, 1) if face.verdict == "manipulated"]
    if isinstance(record, VideoRecord) and len(numbers) == 1:
        (track,) = (track for track in record.tracks if track.verdict == "manipulated")
        first, last = (track.raised[0][0], track.raised[-1][1]) if track.raised else (track.first, track.last)
        return f"face {track.face} (from {clock(first)} to {clock(last)})"
    return "the one face" if len(faces) == 1 else f"face{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:8])}"


def _thresholds(record: PhotoRecord | VideoRecord) -> Thresholds:
    if isinstance(record, VideoRecord):
        return Thresholds(score=record.rule.score_threshold, doubt=record.rule.doubt_threshold)
    return record.thresholds


def _photo_views(inspection: Inspection) -> list[FaceView]:
    views = []
    for number, face in enumerate(inspection.faces, 1):
        where = f"at {face.box.x0:.0f}, {face.box.y0:.0f}, {face.box.width:.0f} x {face.box.height:.0f} pixels"
        pictures = _pictures(cut_out(inspection, face.box)) if number <= MAX_SHOWN or face.score else {}
        views.append(FaceView(number, face.verdict.value, face.score, where, face.reasons, **pictures))
    return views


def _video_views(inspection: VideoInspection) -> list[FaceView]:
    views = []
    for track in inspection.tracks:
        first, last = clock(track.sightings[0].seconds), clock(track.sightings[-1].seconds)
        where = f"from {first} to {last}, {len(track.sightings)} frames; pictures: the frame of its highest score"
        kept = inspection.pictures.get(track.number)
        pictures = _pictures(kept) if kept else {}
        views.append(FaceView(track.number, track.verdict.value, track.score, where, track.reasons, **pictures))
    return views


def _pictures(picture: FacePicture) -> dict[str, str]:
    if picture.image.size == 0:
        return {}
    mask = picture.mask.astype(np.uint8) * np.uint8(255)
    return {
        "original": _jpeg(_shrunk(picture.image, SIDE)),
        "layer": _png(_shrunk(draw_heat_layer(picture), SIDE)),
        "mask": _png(_shrunk(mask, SIDE)),
    }


def _shrunk(image: UInt8Array, side: int) -> UInt8Array:
    factor = min(1.0, side / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: UInt8Array) -> str:
    return _address(image, "JPEG", quality=88)


def _png(image: UInt8Array) -> str:
    return _address(image, "PNG")


def _address(image: UInt8Array, format: str, **options: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


@cache
def template(name: str) -> jinja2.Template:
    """One of the templates; values are escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    return environment.get_template(name)
