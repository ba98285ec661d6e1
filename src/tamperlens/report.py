"""What was found or measured, written down: inspections as JSON and pictures, result rows as Markdown."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tamperlens.figures import draw_overlay
from tamperlens.media import write_png
from tamperlens.types import BoolArray, FaceFinding, Inspection, UInt8Array, Verdict, VideoInspection

__all__ = ["failure_record", "inspection_record", "video_record", "write_pictures"]


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


def write_pictures(inspection: Inspection, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.overlay.png``, ``.pixelmap.png`` (grey, 255 = surely manipulated) and ``.mask.png``; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, UInt8Array | BoolArray] = {
        "overlay": draw_overlay(inspection),
        "pixelmap": np.rint(inspection.pixel_map * 255).astype(np.uint8),
        "mask": inspection.mask,
    }
    paths = []
    for kind, picture in pictures.items():
        paths.append(folder / f"{stem}.{kind}.png")
        write_png(paths[-1], picture)
    return paths


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
