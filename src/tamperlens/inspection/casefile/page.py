"""The report of one file as a single page that opens anywhere: no other file, no network, no font or script from elsewhere."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from tamperlens.figures import draw_heat_layer, draw_overlay
from tamperlens.files import unturned
from tamperlens.inspection.casefile.annotate import painter
from tamperlens.inspection.casefile.record import PhotoRecord, Thresholds, VideoRecord
from tamperlens.inspection.casefile.timeline import AXIS, clock, draw_timeline, legend
from tamperlens.inspection.casefile.words import WORDS, alarms_in_words, quoted, rate_in_words, sentence_of
from tamperlens.inspection.photo import cut_out
from tamperlens.media import fit_within
from tamperlens.types import FacePicture, Inspection, UInt8Array, VideoInspection

__all__ = ["content_policy", "render_page", "sentence_of", "template"]

TEMPLATES = Path(__file__).parent / "templates"
INLINE = {"style-src": "style.css", "script-src": "page.js"}
SIDE = 400  # pixels: longest side of a face's pictures on the page
WIDE = 960  # of a whole picture
MAX_SHOWN = 12  # faces with pictures


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
        "rate": rate_in_words(record.false_alarms) if record.false_alarms else "",
        "alarms": _alarms(record),
        "faces": sorted(ordered[:MAX_SHOWN], key=lambda view: view.number),
        "hidden": max(0, len(views) - MAX_SHOWN),
        "command": command,
        "verify": f"tamperlens verify {quoted(record.outputs['record'])}" if "record" in record.outputs else "",
        "clock": clock,
        "policy": content_policy(),
    }
    if isinstance(inspection, Inspection):
        values["whole"] = _jpeg(fit_within(draw_overlay(inspection), WIDE))
    else:
        paint = painter(inspection)
        values |= {
            "timeline": draw_timeline(inspection),
            "axis": AXIS,
            "legend": legend(inspection),
            "worst": [
                (kept.seconds, kept.score, _jpeg(paint(kept.image, kept.seconds, kept.scale))) for kept in inspection.highest
            ],
        }
    return template("page.html").render(values)


def content_policy(elsewhere: Sequence[str] = ()) -> str:
    """What the page may do, for the browser to enforce: show its own pictures and run its own script, and nothing else.

    Whatever a file's name or metadata should smuggle into a page, no script of theirs runs. ``elsewhere``: directives that
    count only in an HTTP header.
    """
    allowed = {kind: f"'sha256-{base64.b64encode(_hash(name)).decode()}'" for kind, name in INLINE.items()}
    sources = ("default-src 'none'", "img-src data:", "media-src 'self' file:", "base-uri 'none'", "form-action 'none'")
    return "; ".join((*sources, *(f"{kind} {source}" for kind, source in allowed.items()), *elsewhere))


def _hash(name: str) -> bytes:
    return hashlib.sha256(template(name).render().encode()).digest()


def _alarms(record: PhotoRecord | VideoRecord) -> str:
    """What the rate of false alarms means for several faces; of one it says everything itself."""
    rates = record.false_alarms
    return alarms_in_words(rates, f"in this {record.kind}") if rates and (rates.faces or 0) > 1 else ""


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
    original = _jpeg(fit_within(picture.image, SIDE))
    if not picture.mask.any():
        return {"original": original}
    mask = picture.mask.astype(np.uint8) * np.uint8(255)
    return {
        "original": original,
        "layer": _png(fit_within(draw_heat_layer(picture), SIDE)),
        "mask": _png(fit_within(mask, SIDE)),
    }


def _jpeg(image: UInt8Array) -> str:
    return _address(image, "JPEG", quality=88)


def _png(image: UInt8Array) -> str:
    return _address(image, "PNG")


def _address(image: UInt8Array, format: str, **options: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


def _shown(value: object) -> object:
    """What a template puts in: names and tags of a file must not turn the words behind them."""
    return type(value)(unturned(value)) if isinstance(value, str) else value


@cache
def template(name: str) -> jinja2.Template:
    """One of the templates; values are escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown)
    return environment.get_template(name)
