"""The figures of a shipped model, measured on people of the test split and written into its card.

    python runs/measure.py MODEL PHOTOS... [--controls FOLDER] [--only forgeries|alarms]

MODEL is the path stem of weights with a card, such as src/tamperlens/models/weights/contrast-seg. Forgeries of test people are
judged by family and delivery; their photos, and those of --controls (real photos that no model was trained on), are inspected
whole.
What is not measured again stays in the card. Prints the tables.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tamperlens.bench.held_out import DELIVERIES, false_alarm_rows, forgery_rows, unseen_families
from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, forged_crops
from tamperlens.faces import YuNet
from tamperlens.forge import FAMILIES
from tamperlens.metrics.outcomes import MeanMask
from tamperlens.metrics.rows import rows_to_markdown
from tamperlens.models.card import CardRow, Families, rows_of_card
from tamperlens.models.runtime import OnnxPredictor

OTHER_CONTROLS = ("as photographed", "blurred 1.0", "JPEG 75")  # of photos of other people


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, help="where the list of faces is kept between runs")
    parser.add_argument("--only", choices=("forgeries", "alarms"))
    parser.add_argument("--per-family", type=int, default=40)
    parser.add_argument("--deliveries", nargs="+", default=list(DELIVERIES), choices=list(DELIVERIES))
    parser.add_argument("--controls", type=Path)
    parser.add_argument("--control-photos", type=int, default=300)
    parser.add_argument("--control-border", type=int, default=0, help="pixels cut off each side of the control photos")
    arguments = parser.parse_args()
    predictor = OnnxPredictor(arguments.model.with_suffix(".onnx"))
    people = by_split(find_face_photos(arguments.photos, YuNet(scales=(480,)), arguments.cache))
    rows: list[CardRow] = []
    if arguments.only != "alarms":
        rows += _on_forgeries(predictor, people, arguments)
    if arguments.only != "forgeries":
        rows += _on_real_photos(predictor, people["test"], arguments)
    trained = predictor.card.families.trained
    families = Families(trained=trained, unseen=unseen_families([predictor.card]))
    predictor.card.with_results(rows, families=families).save(arguments.model.with_suffix(".json"))


def _on_forgeries(
    predictor: OnnxPredictor, people: dict[str, list[FacePhoto]], arguments: argparse.Namespace
) -> Iterator[CardRow]:
    """Forged crops beside pristine ones, by delivery; the mean mask for comparison."""
    unseen = unseen_families([predictor.card])
    trained = [family for family in FAMILIES if family not in unseen]
    baseline = MeanMask(forged_crops(people["train"], trained, 100, sides=(64, 65), seed=5, before=1.0, after=1.0))
    for delivery, rows in forgery_rows(
        [predictor, baseline], people["test"], [*trained, *unseen], arguments.per_family, deliveries=arguments.deliveries
    ):
        print(f"\n{delivery}, people of the test split\n\n{rows_to_markdown(rows)}", flush=True)
        yield from (CardRow.of(row, "crops", delivery=delivery) for row in rows if row.model == predictor.name)


def _on_real_photos(predictor: OnnxPredictor, photos: list[FacePhoto], arguments: argparse.Namespace) -> list[CardRow]:
    """How often real photos are called manipulated, whole, under every control."""
    tested = [Path(photo.path) for photo in photos]
    rows = list(false_alarm_rows(predictor, YuNet(), tested, "test people"))
    if arguments.controls:
        found = sorted(arguments.controls.rglob("*.jpg"))
        chosen = np.random.default_rng(0).permutation(len(found))[: arguments.control_photos]
        paths, label = [found[index] for index in chosen], arguments.controls.name
        border = arguments.control_border
        rows += false_alarm_rows(predictor, YuNet(), paths, label, controls=OTHER_CONTROLS, border=border)
    print(f"\n{rows_to_markdown(rows_of_card(rows, predictor.name))}")
    return rows


if __name__ == "__main__":
    main()
