"""The figures of a shipped model: forgeries of test people by family and delivery, real photos by source and control."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tamperlens.bench.held_out import DELIVERIES, false_alarm_rows, forgery_rows, mean_mask_of, unseen_families
from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto
from tamperlens.faces import detector_for
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.forge import FAMILIES
from tamperlens.metrics.outcomes import judge
from tamperlens.metrics.results import rows_of
from tamperlens.metrics.rows import rows_to_markdown
from tamperlens.models.card import CardRow, rows_of_card
from tamperlens.models.runtime import OnnxPredictor
from tamperlens.training.pair_batches import forged_pairs

__all__ = ["OTHER_CONTROLS", "measure_forgeries", "measure_photos", "measure_recipes", "photos_in"]

OTHER_CONTROLS = ("as photographed", "blurred 1.0", "JPEG 75")  # of photos of other people
Say = Callable[[str], None]


def measure_forgeries(
    predictor: OnnxPredictor,
    people: dict[str, list[FacePhoto]],
    per_family: int,
    deliveries: Sequence[str] = tuple(DELIVERIES),
    say: Say = print,
) -> Iterator[CardRow]:
    """The frozen bench: crops of test people by the first generation's families and delivery; the mean mask beside it."""
    unseen = unseen_families([predictor.card])
    trained = [family for family in FAMILIES if family not in unseen]
    families = [*trained, *unseen]
    baseline = mean_mask_of(people["train"], trained or families, min(60, 4 * per_family))
    for delivery, rows in forgery_rows([predictor, baseline], people["test"], families, per_family, deliveries=deliveries):
        say(f"\n{delivery}, people of the test split\n\n{rows_to_markdown(rows)}")
        yield from (CardRow.of(row, "crops", delivery=delivery) for row in rows if row.model == predictor.name)


def measure_recipes(
    predictor: OnnxPredictor, photos: Sequence[FacePhoto], recipes: Sequence[str], per_recipe: int, say: Say = print
) -> Iterator[CardRow]:
    """Pairs of test people by the second generation's recipes, each with a life of its own."""
    crops = list(forged_pairs(photos, recipes, per_recipe, sides=(160, 512), seed=seeds.RECIPES))
    rows = rows_of(predictor.name, judge(predictor, crops), predictor.score_threshold)
    say(f"\npairs with lives, people of the test split\n\n{rows_to_markdown(rows)}")
    yield from (CardRow.of(row, "crops", delivery="a life of its own") for row in rows)


def measure_photos(
    predictor: OnnxPredictor,
    sources: Mapping[str, Sequence[Path]],
    controls: Sequence[str],
    borders: dict[str, int] | None = None,
    say: Say = print,
) -> list[CardRow]:
    """How often pristine photos are called manipulated, whole, by source and control; ``borders`` are cut off, in pixels."""
    rows: list[CardRow] = []
    for source, paths in sources.items():
        border = (borders or {}).get(source, 0)
        rows += false_alarm_rows(predictor, detector_for("photo"), list(paths), source, controls=controls, border=border)
    say(f"\n{rows_to_markdown(rows_of_card(rows, predictor.name))}")
    return rows


def photos_in(folder: Path, most: int) -> list[Path]:
    """At most so many photos of a folder, drawn by a fixed seed."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    return [found[index] for index in np.random.default_rng(seeds.CHOSEN_PHOTOS).permutation(len(found))[:most]]
