"""What everyday changes of whole pristine pictures do to a model's score: which of them are still mistaken for forgery?

    python benchmarks/everyday.py PHOTOS... [--models MODEL.onnx ...] [--split val]

Every step of the training pipeline, and a few changes that are never trained on, are made to the crop around each face of the
split. Shares are of crops at or above the model's thresholds, without the re-encodes and gates of whole inspections.
"""

from collections.abc import Callable

import cv2
import numpy as np
from people import parser_of, people_of

from tamperlens.data.portraits import load_portrait
from tamperlens.forge.degrade import STEPS
from tamperlens.forge.portrait import scaled
from tamperlens.models.runtime import load
from tamperlens.types import UInt8Array

Change = Callable[[UInt8Array, np.random.Generator], UInt8Array]
SIDES = (160, 512)  # pixels, as in the frozen bench


def _clipped(image: object) -> UInt8Array:
    return np.asarray(np.clip(np.rint(np.asarray(image)), 0, 255), np.uint8)


def _place(image: UInt8Array) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel's x and y from the middle, in sides."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] / max(height, width) - 0.5
    return x[..., None], y[..., None]


def _vignette(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    x, y = _place(image)
    return _clipped(image * (1 - 1.2 * (x * x + y * y)))


def _flash(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    x, y = _place(image)
    return _clipped(image * (0.5 + 1.1 * np.exp(-8 * (x * x + y * y))))


def _half_in_shadow(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    x, _ = _place(image)
    return _clipped(image * (1 - 0.5 * np.clip((x - rng.uniform(-0.15, 0.15)) / 0.06 + 0.5, 0, 1)))


def _caption(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    captioned, height = image.copy(), image.shape[0]
    captioned[int(0.85 * height) :] = rng.integers(0, 255, 3)
    size, place = height / 300, (height // 40, int(0.95 * height))
    return np.asarray(
        cv2.putText(captioned, "NEWS AT TEN", place, cv2.FONT_HERSHEY_DUPLEX, size, (255, 255, 255), 2, cv2.LINE_AA), np.uint8
    )


def _screen(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return _clipped(image * (1 + 0.06 * np.sin(2 * np.pi * (0.27 * x + 0.03 * y)))[..., None])


def _monochrome(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _few_levels(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return np.asarray(image // 16 * 16 + 8, np.uint8)


UNTRAINED: dict[str, Change] = {
    "vignette": _vignette,
    "flash": _flash,
    "half in shadow": _half_in_shadow,
    "caption": _caption,
    "photo of a screen": _screen,
    "monochrome": _monochrome,
    "16 levels": _few_levels,
}


def _of_pipeline(name: str) -> Change:
    return lambda image, rng: STEPS[name][1](image, rng)[0]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=["contrast-seg"])
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
    print(f"{len(crops)} pristine crops\n\n| change | model | manipulated | at least inconclusive | median | raised |")
    print("|---|---|---|---|---|---|")
    for name, change in changes.items():
        changed = [np.ascontiguousarray(change(crop, np.random.default_rng(index))) for index, crop in enumerate(crops)]
        for predictor in predictors:
            scores = np.array([predictor(crop).score for crop in changed])
            shares = [float((scores >= t).mean()) for t in (predictor.score_threshold, predictor.doubt_threshold)]
            cells = f"{shares[0]:.3f} | {shares[1]:.3f} | {np.median(scores):.3f} | {np.quantile(scores, 0.9):.3f}"
            print(f"| {name} | {predictor.name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
