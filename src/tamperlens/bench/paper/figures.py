"""The paper's Figures 1, 5 and 6, drawn from trained models and a store's test split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

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

PREFERRED = ("vgg5", "vgg8", "vgg3", "fn3")  # whose maps and kernels are shown, the paper's best first
KERNELS = 5  # of each convolution


def draw_figures(
    store: Store, stems: Mapping[str, Path], policies: Mapping[str, str], window: int, folder: Path
) -> dict[str, Path]:
    """Figures of the models with these path stems, as PNG in ``folder``; returns captions and paths.

    Each shows one test crop of every method, the one in the middle of its rows, whole. ``policies`` and ``window``: what each
    model was trained on; where crops were resized, a whole crop is too. A figure whose models are missing is left out.
    """
    crops = [store.crop(own[len(own) // 2]) for method in store.methods if len(own := store.rows("test", method))]
    names = {crop.subset: METHODS[crop.subset].name if crop.subset in METHODS else crop.subset for crop in crops}
    predictors = {name: TorchPredictor(*load(stem)) for name, stem in stems.items() if not name.endswith(FROM_IMAGENET)}

    def pixel_map(model: str, crop: LabelledCrop) -> FloatArray:
        return _map(predictors[model], crop.image, window if policies[model] == "resized" else None)

    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, UInt8Array] = {}
    both = _first([name for name in _networks(predictors, "cls") if f"{name}-seg" in predictors])
    if both:
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
    shown = _first([name for name in segmenters if name in PREFERRED])
    manipulated = [crop for crop in crops if crop.mask.any()]
    if shown and manipulated:
        model, _ = load(stems[f"{shown}-seg"])
        image, columns = manipulated[0].image, []
        for layer in layers(model)[:-1]:
            channels = strongest(activations(model, image, layer.name), KERNELS)
            gradients = guided_backprop(model, image, layer.name, channels)
            columns.append(KernelColumn(layer.name, list(zip(channels, gradients, strict=True))))
        caption = f"Figure 6. Guided backpropagation of the {KERNELS} strongest kernels of each convolution: {shown}-seg"
        pictures[caption] = figure6(columns, image)
    paths = {}
    for caption, picture in pictures.items():
        paths[caption] = folder / f"{caption.split('.')[0].lower().replace(' ', '')}.png"
        write_png(paths[caption], picture)
    return paths


def _networks(models: Mapping[str, object], task: str) -> list[str]:
    return [name.removesuffix(f"-{task}") for name in models if name.endswith(f"-{task}")]


def _first(networks: Sequence[str]) -> str | None:
    ranked = sorted(networks, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
    return ranked[0] if ranked else None


def _map(predictor: TorchPredictor, image: UInt8Array, side: int | None) -> FloatArray:
    """The pixel map of a whole crop, looked at with its shorter side at ``side`` pixels where given."""
    height, width = image.shape[:2]
    if side is None:
        return predictor(image).pixel_map
    scale = side / min(height, width)
    small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    found = predictor(np.asarray(small, np.uint8)).pixel_map
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
