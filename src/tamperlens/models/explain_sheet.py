"""What a network looks at, and pictures in general, as labelled sheets: arrays in, one RGB picture out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tamperlens.figures import heat
from tamperlens.types import FloatArray, UInt8Array

__all__ = ["GRADIENT_NOTE", "Explanation", "draw_explanations", "gradient_picture", "sheet"]

INK, FAINT, PAPER = (24, 24, 27), (113, 113, 122), (255, 255, 255)
GAP = 6  # pixels between pictures
MARGIN = 20
GRADIENT_NOTE = "Gradients are stretched one by one: grey is zero. They go back from where the kernel answers positively."


@dataclass(frozen=True, eq=False)
class Explanation:
    """What one channel of a layer answers to a picture, and why: a row of an explanation."""

    label: str
    response: FloatArray  # (h, w) of any sign
    gradient: FloatArray  # (H, W, 3) of any sign: guided backpropagation
    random: FloatArray  # (H, W, 3) of any sign: the same with random weights


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
    notes = (*notes, GRADIENT_NOTE, "Where the last two columns look alike, the picture shows edges, not what was learned.")
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


def _positive(response: FloatArray, image: UInt8Array) -> FloatArray:
    """The positive part of a response, at the picture's size and relative to its largest value."""
    largest = max(float(response.max()), 0.0)
    relative = np.maximum(response, 0) / largest if largest else np.zeros_like(response)
    resized = Image.fromarray(relative.astype(np.float32)).resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR)
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
