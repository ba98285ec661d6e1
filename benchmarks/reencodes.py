"""When the re-encodes for stability can be left out: how far scores move, and which verdicts would be others without them.

    python benchmarks/reencodes.py PHOTOS... [--models NAME_OR_PATH] [--limit 300] [--per-recipe 40]

Judged are the faces of at most --limit photos of each folder as they are, and pairs of pristine and forged crops of their test
people (--per-recipe of each recipe), all as they are and after each of `REENCODES`. Scores are compared in logits, since
probabilities near 0 and 1 hardly move. A face whose score lies further below the doubt threshold than a margin would not be
re-encoded: "missed" are those among them whose verdict the re-encodes would have made inconclusive.
"""

from pathlib import Path

import numpy as np
from people import parser_of, people_of

from tamperlens.bench.measure import photos_in
from tamperlens.data import seeds
from tamperlens.faces import crop_face, detector_for, quarter_turns
from tamperlens.forge.recipes import RECIPES
from tamperlens.inspection.face import MIN_FACE, NEAR, REENCODES, logit
from tamperlens.media import read_photo
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.training.pair_batches import forged_pairs
from tamperlens.types import Predictor, UInt8Array

MARGINS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def faces_of(folder: Path, limit: int) -> list[UInt8Array]:
    """The crop of the largest face of photos chosen by a seed."""
    detector, crops = detector_for("photo"), []
    for path in photos_in(folder, limit):
        image = read_photo(path).image
        for face in detector(image)[:1]:
            if face.size >= MIN_FACE:
                crops.append(np.ascontiguousarray(np.rot90(crop_face(image, face).image, quarter_turns(face))))
    return crops


def line(name: str, crops: list[UInt8Array], model: Predictor) -> str:
    scores = np.array(
        [[logit(model(view).score) for view in (crop, *(change(crop) for change in REENCODES.values()))] for crop in crops]
    )
    threshold, doubt = logit(model.score_threshold), logit(model.doubt_threshold)
    as_is, highest = scores[:, 0], scores.max(axis=1)
    moved = np.abs(scores[:, 1:] - as_is[:, None]).max(axis=1)
    missed = (as_is < doubt) & (highest >= threshold)
    cells = [f"{len(crops)}", f"{np.median(moved):.2f}", f"{np.percentile(moved, 99):.2f}", f"{missed.sum()}"]
    for margin in MARGINS:
        far = as_is < doubt - margin
        cells.append(f"{far.mean():.0%}, {(far & missed).sum()}")
    return table_line(name, *cells)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", default=DEFAULT_MODEL)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--per-recipe", type=int, default=40)
    arguments = parser.parse_args()
    model = load(arguments.models, threads=1)
    print(
        f"{model.name}: doubt from {model.doubt_threshold:.3f}, manipulated from {model.score_threshold:.3f}; in use {NEAR}\n"
    )
    head = ("crops", "crops", "moved, median", "99 %", "made inconclusive from no evidence")
    print(table_head(*head, *(f"left out beyond {margin}, missed" for margin in MARGINS)), end="", flush=True)
    for folder in arguments.photos:
        print(line(folder.name, faces_of(folder, arguments.limit), model), end="", flush=True)
    people = people_of(arguments)["test"]
    pairs = list(forged_pairs(people, list(RECIPES), arguments.per_recipe, sides=(128, 384), seed=seeds.RECIPES))
    for name, manipulated in (("pairs, pristine", False), ("pairs, forged", True)):
        print(line(name, [crop.image for crop in pairs if crop.manipulated == manipulated], model), end="", flush=True)


if __name__ == "__main__":
    main()
