"""The paper's Figures 1, 5 and 6, drawn from trained models and a store's test split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from tamperlens.bench.paper.figure_sheets import Example, KernelColumn, MethodRow, figure1, figure5, figure6
from tamperlens.bench.paper.tables import FROM_IMAGENET
from tamperlens.data.readers.methods import METHODS
from tamperlens.data.store import Store
from tamperlens.media import write_png
from tamperlens.models.explain import activations, guided_backprop, layers, strongest
from tamperlens.models.model import load
from tamperlens.models.runtime import TorchPredictor
from tamperlens.types import FloatArray, LabelledCrop, UInt8Array

__all__ = ["draw_figures"]

KERNELS = 5  # of each convolution
COLUMNS = 7  # convolutions at most, of deep networks evenly spread ones

T = TypeVar("T")


def draw_figures(
    store: Store, stems: Mapping[str, Path], policies: Mapping[str, str], window: int, folder: Path
) -> dict[str, Path]:
    """Figures of the models with these path stems, as PNG in ``folder``; returns captions and paths.

    Each shows one test crop of every method, the one in the middle of its rows, whole. ``policies`` and ``window``: what each
    model was trained on; where crops were resized, a whole crop is too. Figure 1 is drawn of every network, Figure 6 of every
    model, Figure 5 of all together; a figure whose models are missing is left out.
    """
    crops = [store.crop(own[len(own) // 2]) for method in store.methods if len(own := store.rows("test", method))]
    names = {crop.subset: METHODS[crop.subset].name if crop.subset in METHODS else crop.subset for crop in crops}
    predictors = {name: TorchPredictor(*load(stem)) for name, stem in stems.items() if not name.endswith(FROM_IMAGENET)}

    def pixel_map(model: str, crop: LabelledCrop) -> FloatArray:
        return _map(predictors[model], crop.image, window if policies[model] == "resized" else None)

    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, UInt8Array] = {}
    for both in [name for name in _networks(predictors, "cls") if f"{name}-seg" in predictors]:
        rows = [
            Example(crop.image, pixel_map(f"{both}-cls", crop), pixel_map(f"{both}-seg", crop), crop.mask, names[crop.subset])
            for crop in crops
        ]
        pictures[f"Figure 1. One network, two tasks: {both}"] = figure1(rows)
    if segmenters := _networks(predictors, "seg"):
        lines = [
            MethodRow(names[crop.subset], crop.image, crop.mask, {n: pixel_map(f"{n}-seg", crop) for n in segmenters})
            for crop in crops
        ]
        pictures["Figure 5. Pixel maps of the segmentation models by method"] = figure5(lines)
    manipulated = [crop for crop in crops if crop.mask.any()]
    for shown in predictors if manipulated else ():
        model, _ = load(stems[shown])
        image, columns = manipulated[0].image, []
        for layer in _spread(layers(model)[:-1]):
            channels = strongest(activations(model, image, layer.name), KERNELS)
            gradients = guided_backprop(model, image, layer.name, channels)
            columns.append(KernelColumn(layer.name, list(zip(channels, gradients, strict=True))))
        caption = f"Figure 6. Guided backpropagation of the {KERNELS} strongest kernels of each convolution: {shown}"
        pictures[caption] = figure6(columns, image)
    paths = {}
    for caption, picture in pictures.items():
        number, _, of = caption.partition(". ")
        network = f"-{of.rpartition(': ')[2]}" if ": " in of else ""
        paths[caption] = folder / f"{number.lower().replace(' ', '')}{network}.png"
        write_png(paths[caption], picture)
    return paths


def _networks(models: Mapping[str, object], task: str) -> list[str]:
    return [name.removesuffix(f"-{task}") for name in models if name.endswith(f"-{task}")]


def _spread(found: Sequence[T]) -> list[T]:
    """At most `COLUMNS` of them, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(found) - 1, min(COLUMNS, len(found)))
    return [found[round(place)] for place in places.tolist()]


def _map(predictor: TorchPredictor, image: UInt8Array, side: int | None) -> FloatArray:
    """The pixel map of a whole crop, looked at with its shorter side at ``side`` pixels where given."""
    height, width = image.shape[:2]
    if side is None:
        return predictor(image).pixel_map
    scale = side / min(height, width)
    small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    found = predictor(np.asarray(small, np.uint8)).pixel_map
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
