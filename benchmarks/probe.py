"""Does anything but the forged region tell the class? A classifier on global statistics of crops should stay at chance.

    python benchmarks/probe.py PHOTOS... [--crops 600] [--config runs/contrast-seg-varied.toml]

Crops are made as in training. The features know no region: size, colour, sharpness, noise, compressibility and blockiness of
the whole crop, and the same of its outermost border, where no forgery lies. Prints the AUC of cross-validated gradient boosting
with people kept apart, per group of features, with its 95 % interval by bootstrap over people.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from people import parser_of, people_of
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, load_portrait
from tamperlens.forge.portrait import Portrait
from tamperlens.forge.sampler import draw_family, make_sample
from tamperlens.metrics import area_under_roc, bootstrap
from tamperlens.metrics.rows import table_head, table_line, with_interval
from tamperlens.training.config import read_config
from tamperlens.types import UInt8Array

BORDER = 0.06  # of the crop's side


def statistics(image: UInt8Array) -> list[float]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    blocks = float(steps[7::8].mean() / (steps.mean() + 1e-6))
    size = len(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]) / image.size
    return [*image.mean(axis=(0, 1)), *image.std(axis=(0, 1)), fine.std(), np.median(np.abs(fine)), blocks, size]


def border(image: UInt8Array) -> list[float]:
    width = max(4, round(BORDER * image.shape[0]))
    top, left = image[:width], np.ascontiguousarray(image[:, :width].transpose(1, 0, 2))
    return [*statistics(top), *statistics(left)]


def _any_portrait(photos: Sequence[FacePhoto], rng: np.random.Generator) -> Portrait:
    return load_portrait(photos[int(rng.integers(len(photos)))], rng)


def _auc(scores: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> float:
    return area_under_roc(scores[drawn], labels[drawn])


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--crops", type=int, default=600)
    parser.add_argument("--config", type=Path, default=Path("runs/contrast-seg-varied.toml"))
    arguments = parser.parse_args()
    config = read_config(arguments.config)
    photos = people_of(arguments)["train"]

    features: dict[str, list[list[float]]] = {"size and place": [], "whole crop": [], "border": []}
    labels, people = [], []
    for number in range(arguments.crops):
        rng = np.random.default_rng([seeds.PROBE, number])
        photo = photos[int(rng.integers(len(photos)))]
        family = draw_family(rng, config.families, 0.5)
        side = int(rng.integers(128, 400))
        target = load_portrait(photo, rng)
        before, after = config.untouched
        crop = make_sample(
            target,
            partial(_any_portrait, photos, rng),
            family,
            side,
            rng,
            before=before,
            after=after,
            compressed=config.compressed,
        )
        features["size and place"].append([crop.image.shape[0], *target.landmarks.mean(axis=0)])
        features["whole crop"].append(statistics(crop.image))
        features["border"].append(border(crop.image))
        labels.append(family != "pristine")
        people.append(photo.person)
    print(f"{len(labels)} crops, {sum(labels)} forged, {len(set(people))} people\n")
    print(table_head("features", "AUC"), end="")
    for name, rows in features.items():
        model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
        folds = GroupKFold(5).split(rows, labels, people)
        scores = cross_val_predict(model, np.array(rows), np.array(labels), cv=folds, method="predict_proba")[:, 1]
        auc = partial(_auc, scores, np.array(labels))
        print(table_line(name, with_interval(auc(np.arange(len(labels))), *bootstrap(auc, people))), end="", flush=True)


if __name__ == "__main__":
    main()
