"""False alarms by group of people, on test people, as photographed and as JPEG 75: glasses, facial hair, dark faces.

    python benchmarks/groups.py PHOTOS... [--model contrast-seg] [--write CARD]

Glasses and facial hair of the public-domain congress and CC BY london portraits were labelled by eye (`groups.csv` names those
who have them). Neither set says how old people are or what their skin tone is, and a portrait's exposure hides the tone: of the
same people one photo is dark and another light. So the thirds are of how light the cheeks are in the photo, which is what a
model sees. --write puts the rows into the model's card.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from people import parser_of, people_of

from tamperlens.bench.held_out import CONTROLS
from tamperlens.data.portraits import FacePhoto, load_portrait
from tamperlens.faces import YuNet
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import read_photo
from tamperlens.metrics.outcomes import share_row
from tamperlens.metrics.rows import card_rows, rows_to_markdown
from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import load
from tamperlens.types import FloatArray, Frame, ResultRow, UInt8Array, Verdict

MONOCHROME = 3.0  # mean distance from grey in CIELAB below which a photo has no colour


def cheeks(photo: FacePhoto) -> FloatArray:
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
    colours = np.array([np.median(cheeks(photo), axis=0) for photo in photos])
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


def found_in(image: UInt8Array, detector: YuNet, predictor: object) -> tuple[Verdict, float | None]:
    inspection = inspect_frame(Frame(image), detector(image), predictor, stability=True)  # type: ignore[arg-type]
    return inspection.verdict, inspection.score


def rows_of_group(model: str, subset: str, found: Sequence[tuple[Verdict, float | None]]) -> Iterator[ResultRow]:
    """Shares of the group's photos in which a face was judged, with Wilson's intervals, and the median score."""
    judged = [(verdict, score) for verdict, score in found if score is not None]
    for metric, wanted in (("called manipulated", Verdict.MANIPULATED), ("inconclusive", Verdict.INCONCLUSIVE)):
        hits = sum(verdict is wanted for verdict, _ in judged)
        yield share_row(model, subset, metric, hits, len(judged))
    median = float(np.median([score for _, score in judged]))
    yield ResultRow(model, subset, "median score", median, np.nan, np.nan, len(judged))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="contrast-seg")
    parser.add_argument("--write", type=Path, metavar="CARD", help="the model card (.json) that gets the rows")
    arguments = parser.parse_args()
    with Path(__file__).with_name("groups.csv").open() as file:
        labels = {row["person"]: row for row in csv.DictReader(file)}
    predictor, detector = load(arguments.model), YuNet()
    photos = people_of(arguments)["test"]
    members = groups_of(photos, labels)
    rows: list[ResultRow] = []
    for control in ("as photographed", "JPEG 75"):
        found = [found_in(CONTROLS[control](read_photo(photo.path).image), detector, predictor) for photo in photos]
        for group in sorted({group for own in members for group in own}):
            inside = [one for one, own in zip(found, members, strict=True) if group in own]
            rows += rows_of_group(predictor.name, f"{group}, {control}", inside)
    print(rows_to_markdown(rows))
    if arguments.write:
        ModelCard.load(arguments.write).with_results(groups=card_rows(rows)).save(arguments.write)


if __name__ == "__main__":
    main()
