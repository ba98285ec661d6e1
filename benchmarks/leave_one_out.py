"""Which family of forgeries, and which source of photos, pays: short runs of the pair training, each without one of them.

    python benchmarks/leave_one_out.py PHOTOS... --out FOLDER [--init MODEL] [--without families] [--steps 600]

Each run begins with the same weights (--init, such as src/tamperlens/models/weights/twostream-joint; else the settings' own)
and makes as many steps by the settings of --config. It is judged on the same pairs of validation people, of every family;
--without sources on pairs of the source it did not see, too ("there"). The first run leaves nothing out; "gained" is AUC
beside it, with an interval by bootstrap over people of both at once. A run that was cut goes on when called again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from people import parser_of, people_of
from rich.console import Console

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto
from tamperlens.forge.recipes import RECIPES
from tamperlens.metrics import area_under_roc, bootstrap
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.runtime import load
from tamperlens.training.config import TrainConfig, read_config
from tamperlens.training.pair_batches import forged_pairs
from tamperlens.training.runs import train_on_people
from tamperlens.types import FloatArray, LabelledCrop, Predictor

SIDES = (128, 384)  # pixels


def settings_of(arguments: argparse.Namespace, families: Sequence[str]) -> TrainConfig:
    changes = {
        "steps": arguments.steps,
        "families": tuple(families),
        "validate_every": arguments.steps,
        "init": arguments.init,
        "average": max(0.0, min(0.999, 1 - 5 / arguments.steps)),  # shorter runs, shorter memory
    }
    settings = read_config(arguments.config, **changes)
    return settings.model_copy(update={"parts": {}}) if arguments.init else settings


def pairs_of(photos: Sequence[FacePhoto], per_recipe: int) -> list[LabelledCrop]:
    """Pairs of these people, as many of each recipe, pristine before forged."""
    return list(forged_pairs(photos, list(RECIPES), per_recipe, sides=SIDES, seed=seeds.VALIDATION))


def scores_of(model: Predictor, crops: Sequence[LabelledCrop]) -> FloatArray:
    return np.array([model(crop.image).score for crop in crops], np.float32)


def figures_of(scores: FloatArray, crops: Sequence[LabelledCrop], beside: FloatArray | None = None) -> dict[str, str]:
    """AUC of all pairs and of each recipe's; and how often a forged crop scores above its own pristine one.

    With ``beside``, another model's scores of the same crops, also by how much the AUC of all lies above that model's.
    """
    forged, people = np.array([crop.manipulated for crop in crops]), [crop.group for crop in crops]

    def auc(drawn: np.ndarray) -> float:
        return area_under_roc(scores[drawn], forged[drawn])

    several, every = len(set(people)) > 1, np.arange(len(crops))  # of one person there is no interval
    low, high = bootstrap(auc, people)
    figures = {"AUC": f"{auc(every):.3f}" + (f" [{low:.2f}, {high:.2f}]" if several else ""), "gained": "-"}
    if beside is not None:
        other = beside

        def gained(drawn: np.ndarray) -> float:
            return auc(drawn) - area_under_roc(other[drawn], forged[drawn])

        low, high = bootstrap(gained, people)
        figures["gained"] = f"{gained(every):+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if several else "")
    figures["forged above its own"] = f"{np.mean(scores[1::2] > scores[0::2]):.3f}"
    for recipe in RECIPES:
        own = np.flatnonzero([crop.subset == recipe for crop in crops])
        figures[recipe] = f"{auc(np.sort(np.concatenate([own - 1, own]))):.3f}"
    return figures


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[1] / "runs" / "twostream-joint.toml")
    parser.add_argument("--init", default="", help="path stem of the weights that every run begins with")
    parser.add_argument("--without", choices=("families", "sources"), default="families")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--per-recipe", type=int, default=24)
    arguments = parser.parse_args()
    console, people = Console(stderr=True), people_of(arguments)
    crops = pairs_of(people["val"], arguments.per_recipe)
    whole: tuple[Predictor, FloatArray] | None = None  # the model that nothing was left out of, and its scores of these crops
    choices = list(RECIPES) if arguments.without == "families" else [folder.name for folder in arguments.photos]
    for left_out in ("nothing", *choices):
        families = [name for name in RECIPES if name != left_out]
        seen = people  # splits hold for all runs: a person of two sources stays where both put them
        if arguments.without == "sources":
            seen = {split: [one for one in own if left_out not in Path(one.path).parts] for split, own in people.items()}
        best = train_on_people(seen, arguments.out / f"without-{left_out}", settings_of(arguments, families), console)
        model = load(best.with_suffix(".safetensors"), threads=1)
        scores = scores_of(model, crops)
        figures = figures_of(scores, crops, whole[1] if whole else None)
        if arguments.without == "sources":
            figures |= {"AUC there": "-", "gained there": "-"}
            unseen = [photo for photo in people["val"] if left_out in Path(photo.path).parts]
            if whole and unseen:
                own = pairs_of(unseen, arguments.per_recipe)
                there = figures_of(scores_of(model, own), own, scores_of(whole[0], own))
                figures |= {"AUC there": there["AUC"], "gained there": there["gained"]}
        if whole is None:
            whole = model, scores
            print(table_head("without", *figures), end="", flush=True)
        print(table_line(left_out, *figures.values()), end="", flush=True)


if __name__ == "__main__":
    main()
