"""False alarms by group of people, on pristine photos, as photographed and as JPEG 75: glasses, facial hair, dark faces.

Glasses and facial hair of public portraits are labelled by eye, in a table of people. Portraits do not say what a skin's tone
is: of the same people one photo is dark and another light. So thirds are of how light the cheeks are in the photo, which is
what a model sees.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from tamperlens.bench.held_out import CONTROLS
from tamperlens.data.portraits import FacePhoto, load_portrait
from tamperlens.faces import detector_for
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import read_photo
from tamperlens.metrics.results import rate_row
from tamperlens.metrics.rows import rows_to_markdown
from tamperlens.models.card import AS_PHOTOGRAPHED, CALLED_MANIPULATED, CardRow, rows_of_card
from tamperlens.types import FaceDetector, FloatArray, Frame, Predictor, ResultRow, UInt8Array, Verdict

__all__ = ["groups_of", "measure_groups", "read_labels"]

MONOCHROME = 3.0  # mean distance from grey in CIELAB below which a photo has no colour


def _cheeks(photo: FacePhoto) -> FloatArray:
    """CIELAB pixels (N, 3) halfway between the nose and a line from the eye to the mouth's corner, on both sides."""
    portrait = load_portrait(photo)
    lab = cv2.cvtColor(portrait.image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    left_eye, right_eye, nose, left_mouth, right_mouth = portrait.landmarks
    reach = max(2, round(0.08 * float(np.linalg.norm(right_eye - left_eye))))
    found = []
    for eye, corner in ((left_eye, left_mouth), (right_eye, right_mouth)):
        x, y = np.rint(0.25 * nose + 0.3 * eye + 0.45 * corner).astype(int)
        found.append(lab[y - reach : y + reach, x - reach : x + reach].reshape(-1, 3))
    return np.concatenate(found)


def groups_of(photos: Sequence[FacePhoto], labels: dict[str, dict[str, str]]) -> list[list[str]]:
    """The groups that each photo is in."""
    colours = np.array([np.median(_cheeks(photo), axis=0) for photo in photos])
    monochrome = np.hypot(colours[:, 1], colours[:, 2]) < MONOCHROME
    dark, light = np.quantile(colours[~monochrome, 0], [1 / 3, 2 / 3])
    groups = []
    for photo, grey, lightness in zip(photos, monochrome, colours[:, 0], strict=True):
        own = labels.get(photo.person, {})
        tone = "cheeks: light" if lightness > light else "cheeks: dark" if lightness < dark else "cheeks: between"
        glasses = "glasses" if own.get("glasses") == "1" else "no glasses"
        hair = ["beard or moustache"] if own.get("facial_hair") == "1" else []
        groups.append(["everybody", glasses, *hair, "monochrome" if grey else tone])
    return groups


def _rows_of_group(model: str, subset: str, found: Sequence[tuple[Verdict, float | None]]) -> Iterator[ResultRow]:
    """Shares of the group's photos in which a face was judged, with Wilson's intervals, and the median score."""
    judged = [(verdict, score) for verdict, score in found if score is not None]
    for metric, wanted in ((CALLED_MANIPULATED, Verdict.MANIPULATED), ("inconclusive", Verdict.INCONCLUSIVE)):
        hits = sum(verdict is wanted for verdict, _ in judged)
        yield rate_row(model, subset, metric, hits, len(judged))
    median = float(np.median([score for _, score in judged]))
    yield ResultRow(model, subset, "median score", median, np.nan, np.nan, len(judged))


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Who wears glasses and who has facial hair, from a CSV table with the columns person, glasses, facial_hair."""
    with path.open(newline="") as file:
        return {row["person"]: row for row in csv.DictReader(file)}


def measure_groups(
    predictor: Predictor,
    photos: Sequence[FacePhoto],
    labels: dict[str, dict[str, str]],
    controls: Sequence[str] = (AS_PHOTOGRAPHED, "JPEG 75"),
    say: Callable[[str], None] = print,
) -> list[CardRow]:
    """Photos inspected whole; a row for each group, control and metric."""
    detector, members = detector_for("photo"), groups_of(photos, labels)
    rows: list[CardRow] = []
    for control in controls:
        found = [_found_in(CONTROLS[control](read_photo(photo.path).image), detector, predictor) for photo in photos]
        for group in sorted({group for own in members for group in own}):
            inside = [one for one, own in zip(found, members, strict=True) if group in own]
            for row in _rows_of_group(predictor.name, "", inside):
                rows.append(CardRow.of(row, "groups", group=group, control=control))
    say(f"\n{rows_to_markdown(rows_of_card(rows, predictor.name))}")
    return rows


def _found_in(image: UInt8Array, detector: FaceDetector, predictor: Predictor) -> tuple[Verdict, float | None]:
    inspection = inspect_frame(Frame(image), detector(image), predictor, stability=True)
    return inspection.verdict, inspection.score
