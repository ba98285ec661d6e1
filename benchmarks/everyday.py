"""What everyday changes of whole pristine pictures do to a model's score: which of them are still mistaken for forgery?

    python benchmarks/everyday.py PHOTOS... [--models MODEL.onnx ...] [--split val]

Every step of the training pipeline, and a few changes that are never trained on, are made to the crop around each face of the
split. Shares are of crops at or above the model's thresholds, without the re-encodes and gates of whole inspections.
"""

from collections.abc import Callable

import numpy as np
from people import parser_of, people_of

from tamperlens.data.portraits import load_portrait
from tamperlens.forge import effects
from tamperlens.forge.degrade import STEPS
from tamperlens.forge.portrait import scaled
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import UInt8Array

Change = Callable[[UInt8Array, np.random.Generator], UInt8Array]
SIDES = (160, 512)  # pixels, as in the frozen bench


UNTRAINED: dict[str, Change] = {
    "vignette": lambda image, rng: effects.vignette(image),
    "flash": lambda image, rng: effects.flash(image),
    "half in shadow": lambda image, rng: effects.half_in_shadow(image, rng.uniform(-0.15, 0.15)),
    "caption": lambda image, rng: effects.caption(image, rng.integers(0, 255, 3)),
    "photo of a screen": lambda image, rng: effects.moire(image),
    "monochrome": lambda image, rng: effects.monochrome(image),
    "16 levels": lambda image, rng: effects.few_levels(image),
}


def _of_pipeline(name: str) -> Change:
    return lambda image, rng: STEPS[name][1](image, rng)[0]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL])
    parser.add_argument("--split", default="val", choices=["train", "val", "test"])
    arguments = parser.parse_args()
    predictors = [load(model) for model in arguments.models]
    changes: dict[str, Change] = {"none": lambda image, rng: image}
    changes |= {name.replace("_", " "): _of_pipeline(name) for name in STEPS}
    changes |= {f"{name} (never trained on)": change for name, change in UNTRAINED.items()}
    crops = []
    for index, photo in enumerate(people_of(arguments)[arguments.split]):
        side = round(float(np.exp(np.random.default_rng(index).uniform(*np.log(SIDES)))))
        portrait = load_portrait(photo)
        crops.append(scaled(portrait, min(side, portrait.image.shape[0])).image)
    print(f"{len(crops)} pristine crops\n")
    print(table_head("change", "model", "manipulated", "at least inconclusive", "median", "90th percentile"), end="")
    for name, change in changes.items():
        changed = [np.ascontiguousarray(change(crop, np.random.default_rng(index))) for index, crop in enumerate(crops)]
        for predictor in predictors:
            scores = np.array([predictor(crop).score for crop in changed])
            shares = [float((scores >= t).mean()) for t in (predictor.score_threshold, predictor.doubt_threshold)]
            cells = [f"{value:.3f}" for value in (*shares, np.median(scores), np.quantile(scores, 0.9))]
            print(table_line(name, predictor.name, *cells), end="", flush=True)


if __name__ == "__main__":
    main()
