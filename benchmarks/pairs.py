"""Models on pairs of people held out: does each forged crop score above its own pristine one, and how well is it found?

    python benchmarks/pairs.py PHOTOS... [--models NAME OTHER.onnx] [--split val] [--per-recipe 16]

Pairs are of the second generation's recipes (forge/recipes.py), each with a life of its own (forge/lives.py), rebuilt from real
photos by seed. Recipes and widths are chosen on people of the split ``val``; ``test`` is for reporting.
"""

import numpy as np
from people import parser_of, people_of

from tamperlens.data import seeds
from tamperlens.forge.recipes import RECIPES
from tamperlens.metrics import PixelCounts, area_under_roc, count_pixels
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.training.pair_batches import forged_pairs

SIDES = (128, 384)  # pixels


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL])
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--per-recipe", type=int, default=16)
    arguments = parser.parse_args()
    photos = people_of(arguments)[arguments.split]
    crops = list(forged_pairs(photos, list(RECIPES), arguments.per_recipe, sides=SIDES, seed=seeds.VALIDATION))
    forged = np.array([crop.manipulated for crop in crops])
    print(f"{len(photos)} photos of {arguments.split} people, {len(crops) // 2} pairs, seed {seeds.VALIDATION}\n")
    print(table_head("model", "AUC", "forged above its own", "Fg-IoU", *(f"AUC {recipe}" for recipe in RECIPES)), end="")
    for name in arguments.models:
        predictor = load(name, threads=1)
        predictions = [predictor(crop.image) for crop in crops]
        scores = np.array([prediction.score for prediction in predictions])
        counts = sum((count_pixels(p.mask, crop.mask) for p, crop in zip(predictions, crops, strict=True)), PixelCounts())
        own = [np.array([crop.subset == recipe for crop in crops]) | ~forged for recipe in RECIPES]
        rank = float(np.mean(scores[1::2] > scores[0::2]))
        by_recipe = (area_under_roc(scores[held], forged[held]) for held in own)
        figures = (area_under_roc(scores, forged), rank, counts.fg_iou, *by_recipe)
        print(table_line(predictor.name, *(f"{figure:.3f}" for figure in figures)), end="", flush=True)


if __name__ == "__main__":
    main()
