"""Figures 1, 5 and 6 of arXiv 1912.05790 as labelled sheets: arrays in, one RGB picture out; needs no model and no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tamperlens.figures import heat
from tamperlens.models.explain_sheet import GRADIENT_NOTE, gradient_picture, sheet
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = ["Example", "KernelColumn", "MethodRow", "figure1", "figure5", "figure6"]

_PROBABILITY = "pixel map: from surely pristine to surely manipulated"


@dataclass(frozen=True, eq=False)
class Example:
    """A crop with its truth and what one network says of it in both tasks: a row of Figure 1."""

    image: UInt8Array  # (H, W, 3) RGB
    cls_map: FloatArray  # (H, W) in [0, 1]: the pixel map of the network trained as a classifier
    seg_map: FloatArray  # (H, W) in [0, 1]: of the same network trained by pixels
    truth: BoolArray  # (H, W)
    label: str  # such as "Deepfakes" or "pristine"


@dataclass(frozen=True, eq=False)
class MethodRow:
    """A crop of one method with its truth and what each network says of it: a row of Figure 5."""

    label: str
    image: UInt8Array  # (H, W, 3) RGB
    truth: BoolArray  # (H, W)
    maps: Mapping[str, FloatArray]  # by the network's name, (H, W) in [0, 1]


@dataclass(frozen=True, eq=False)
class KernelColumn:
    """Guided gradients of some kernels of one convolution: a column of Figure 6."""

    layer: str
    kernels: Sequence[tuple[int, FloatArray]]  # channel, (H, W, 3) of any sign


def figure1(rows: Sequence[Example], *, cell: int = 192, title: str = "") -> UInt8Array:
    """The paper's Figure 1: crop, map of the classifier, map of the same network trained by pixels, truth; RGB uint8.

    Maps are laid over the crop as heat. Raises ``ValueError`` where there is no row, or a map or mask is not of its crop's
    size.
    """
    pictures = [
        [
            row.image,
            _overlay(row.image, row.cls_map, f"the cls map of {row.label}"),
            _overlay(row.image, row.seg_map, f"the seg map of {row.label}"),
            _mask(row.image, row.truth, row.label),
        ]
        for row in rows
    ]
    notes = ("A cls map is stretched to [0, 1] crop by crop; it is empty where the crop's score is under one half.",)
    columns = ("crop", "cls: class activation map", "seg: pixel map", "truth")
    return sheet(pictures, columns, [row.label for row in rows], cell=cell, title=title, notes=notes, scale=_PROBABILITY)


def figure5(rows: Sequence[MethodRow], *, cell: int = 128, title: str = "") -> UInt8Array:
    """The paper's Figure 5: for a crop of each method, the truth and each network's map over the crop; RGB uint8.

    Networks stand in the order in which they are first named; where a row lacks one, its place is left blank. Raises
    ``ValueError`` where there is no row, or a map or mask is not of its crop's size.
    """
    networks = list(dict.fromkeys(name for row in rows for name in row.maps))
    pictures = [
        [
            row.image,
            _mask(row.image, row.truth, row.label),
            *(
                _overlay(row.image, row.maps[name], f"the map of {name}, {row.label}") if name in row.maps else None
                for name in networks
            ),
        ]
        for row in rows
    ]
    labels = [row.label for row in rows]
    return sheet(pictures, ["crop", "truth", *networks], labels, cell=cell, title=title, scale=_PROBABILITY)


def figure6(
    columns: Sequence[KernelColumn], image: UInt8Array | None = None, *, cell: int = 144, title: str = ""
) -> UInt8Array:
    """The paper's Figure 6: guided backpropagation of some kernels, a column for each convolution; RGB uint8.

    ``image``, RGB uint8 ``(H, W, 3)``, is what the gradients are of; it stands in front. Raises ``ValueError`` where there
    is no kernel.
    """
    front: list[tuple[str, list[tuple[str, UInt8Array]]]] = [] if image is None else [("crop", [("", image)])]
    front += [
        (column.layer, [(f"kernel {channel}", gradient_picture(gradient, cell)) for channel, gradient in column.kernels])
        for column in columns
    ]
    height = max((len(column.kernels) for column in columns), default=0)
    pictures = [[cells[y][1] if y < len(cells) else None for _, cells in front] for y in range(height)]
    captions = [[cells[y][0] if y < len(cells) else "" for _, cells in front] for y in range(height)]
    return sheet(pictures, [name for name, _ in front], captions=captions, cell=cell, title=title, notes=(GRADIENT_NOTE,))


def _overlay(image: UInt8Array, pixel_map: FloatArray, what: str) -> UInt8Array:
    _check_size(image, pixel_map.shape, what)
    if not (np.min(pixel_map) >= 0 and np.max(pixel_map) <= 1):  # true of NaN too
        raise ValueError(f"{what} reaches from {np.min(pixel_map)} to {np.max(pixel_map)}; expected values in [0, 1]")
    return heat(image, pixel_map)


def _mask(image: UInt8Array, truth: BoolArray, label: str) -> UInt8Array:
    _check_size(image, truth.shape, f"the truth of {label}")
    return np.repeat(truth.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)


def _check_size(image: UInt8Array, shape: tuple[int, ...], what: str) -> None:
    if shape != image.shape[:2]:
        raise ValueError(f"{what} has the shape {shape}, but its crop {image.shape[:2]}; resize it to the crop first")
