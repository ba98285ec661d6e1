"""Figures 1, 5 and 6 of arXiv 1912.05790, and what a network looks at, as labelled sheets: arrays in, one RGB picture out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tamperlens.figures import heat
from tamperlens.types import BoolArray, FloatArray, UInt8Array

__all__ = [
    "Example", "Explanation", "KernelColumn", "MethodRow", "draw_explanations", "figure1", "figure5", "figure6",
    "gradient_picture", "sheet",
]  # fmt: skip

INK, FAINT, PAPER = (24, 24, 27), (113, 113, 122), (255, 255, 255)
GAP = 6  # pixels between pictures
MARGIN = 20
_GRADIENT = "Gradients are stretched one by one: grey is zero. They go back from where the kernel answers positively."
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


@dataclass(frozen=True, eq=False)
class Explanation:
    """What one channel of a layer answers to a picture, and why: a row of an explanation."""

    label: str
    response: FloatArray  # (h, w) of any sign
    gradient: FloatArray  # (H, W, 3) of any sign: guided backpropagation
    random: FloatArray  # (H, W, 3) of any sign: the same with random weights


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
    return sheet(pictures, [name for name, _ in front], captions=captions, cell=cell, title=title, notes=(_GRADIENT,))


def draw_explanations(
    image: UInt8Array, rows: Sequence[Explanation], *, cell: int = 224, title: str = "", notes: Sequence[str] = ()
) -> UInt8Array:
    """For each channel: the picture, where the channel answers to it, guided backpropagation, and that with random weights.

    ``image`` is RGB uint8 ``(H, W, 3)``; so is the sheet. Raises ``ValueError`` where there is no row.
    """
    grey = np.repeat(np.rint(image.mean(axis=2, keepdims=True)).astype(np.uint8), 3, axis=2)
    pictures = [
        [
            image,
            heat(grey, _positive(row.response, image)),
            gradient_picture(row.gradient, cell),
            gradient_picture(row.random, cell),
        ]
        for row in rows
    ]
    columns = ("picture", "activation", "guided backpropagation", "with random weights")
    notes = (*notes, _GRADIENT, "Where the last two columns look alike, the picture shows edges, not what was learned.")
    return sheet(
        pictures,
        columns,
        [row.label for row in rows],
        cell=cell,
        title=title,
        notes=notes,
        scale="positive activation, up to its largest value",
    )


def gradient_picture(gradient: FloatArray, side: int) -> UInt8Array:
    """A gradient ``(H, W, 3)`` of any sign as RGB uint8, fitted into a square of ``side`` pixels: grey is zero.

    Its largest values, all but one in a hundred, fill the range, and roots are drawn, so that faint ones are seen too.
    """
    bands = [np.asarray(_fitted(Image.fromarray(gradient[..., band]), side), np.float32) for band in range(3)]
    fitted = np.stack(bands, axis=2)
    largest = float(np.percentile(np.abs(fitted), 99)) or float(np.abs(fitted).max()) or 1.0
    root = np.sqrt(np.minimum(np.abs(fitted) / largest, 1))
    return np.asarray(np.rint(127.5 + 127.5 * np.sign(fitted) * root), np.uint8)


def sheet(
    rows: Sequence[Sequence[UInt8Array | None]],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    *,
    captions: Sequence[Sequence[str]] = (),
    cell: int = 160,
    title: str = "",
    notes: Sequence[str] = (),
    scale: str = "",
) -> UInt8Array:
    """Pictures in rows under a heading for each column, RGB uint8 ``(H, W, 3)``; ``None`` leaves a place blank.

    Each RGB uint8 picture is fitted into a square of ``cell`` pixels. ``labels`` stand before the rows, ``captions`` under
    the pictures, ``notes`` below all; ``scale`` says what the colours of `heat`, from nothing to full, mean. Text that is
    wider than its place is set smaller. Raises ``ValueError`` where there is no picture.
    """
    if not rows or not any(len(row) for row in rows):
        raise ValueError("a sheet needs at least one picture; got none")
    count = max(len(row) for row in rows)
    left = MARGIN + (max(round(_font(16).getlength(label)) for label in labels) + 2 * GAP if labels else 0)
    top = MARGIN + (36 if title else 0) + (26 if columns else 0)
    step = cell + GAP + (20 if captions else 0)
    below = top + len(rows) * step + GAP
    height = below + 20 * len(notes) + (26 if scale else 0) + MARGIN - (0 if notes or scale else GAP)
    width = left + count * (cell + GAP) - GAP + MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    across = width - 2 * MARGIN
    if title:
        _write(draw, (MARGIN, MARGIN), title, 20, across, "la")
    for x, name in enumerate(columns):
        _write(draw, (left + x * (cell + GAP) + cell // 2, top - 8), name, 15, cell, "ms")
    for y, row in enumerate(rows):
        upper = top + y * step
        if labels:
            _write(draw, (MARGIN, upper + cell // 2), labels[y], 16, left, "lm")
        for x, picture in enumerate(row):
            start = left + x * (cell + GAP)
            if picture is not None:
                fitted = _fitted(Image.fromarray(picture), cell)
                canvas.paste(fitted, (start + (cell - fitted.width) // 2, upper + (cell - fitted.height) // 2))
            if captions and captions[y][x]:
                _write(draw, (start + cell // 2, upper + cell + 15), captions[y][x], 13, cell, "ms", FAINT)
    if scale:
        canvas.paste(Image.fromarray(_bar(120, 12)), (MARGIN, below + 5))
        _write(draw, (MARGIN + 130, below + 11), scale, 13, across - 130, "lm", FAINT)
        below += 26
    for y, note in enumerate(notes):
        _write(draw, (MARGIN, below + 20 * y), note, 13, across, "la", FAINT)
    return np.asarray(canvas, np.uint8)


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


def _positive(response: FloatArray, image: UInt8Array) -> FloatArray:
    """The positive part of a response, at the picture's size and relative to its largest value."""
    largest = max(float(response.max()), 0.0)
    share = np.maximum(response, 0) / largest if largest else np.zeros_like(response)
    resized = Image.fromarray(share.astype(np.float32)).resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(resized, np.float32), 0, 1)


def _bar(width: int, height: int) -> UInt8Array:
    steps = np.linspace(0, 1, width, dtype=np.float32)[None].repeat(height, axis=0)
    return heat(np.full((height, width, 3), 160, np.uint8), steps)


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


@cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    width: int,
    anchor: str,
    color: tuple[int, int, int] = INK,
) -> None:
    while size > 8 and _font(size).getlength(text) > width:
        size -= 1
    draw.text(at, text, color, _font(size), anchor)
