"""Pictures for people: the overlay of what was found, the sheet of a dataset's crops."""

from collections.abc import Iterable

import cv2
import numpy as np

from tamperlens.types import BoolArray, FaceBox, FacePicture, FloatArray, Inspection, LabelledCrop, UInt8Array, Verdict

__all__ = ["OKABE_ITO", "ON_WHITE", "draw_contact_sheet", "draw_face", "draw_heat_layer", "draw_overlay", "heat", "unit_of"]

#: Okabe and Ito's colours, RGB, told apart by colour-blind readers too; those that show best on white first.
OKABE_ITO = {
    "vermillion": (213, 94, 0),
    "blue": (0, 114, 178),
    "green": (0, 158, 115),
    "purple": (204, 121, 167),
    "orange": (230, 159, 0),
    "sky": (86, 180, 233),
    "black": (0, 0, 0),
}
#: The same hues for thin lines, as CSS writes them, darkened where needed to stand out from white at 3:1 or more.
ON_WHITE = ("#b34700", "#00639c", "#007a5a", "#8a4f7d", "#7a6a00", "#333333")
COLORS = {
    Verdict.MANIPULATED: OKABE_ITO["vermillion"],
    Verdict.NO_EVIDENCE: OKABE_ITO["blue"],
    Verdict.INCONCLUSIVE: (120, 120, 120),
}


def heat(image: UInt8Array, pixel_map: FloatArray, mask: BoolArray | None = None) -> UInt8Array:
    """``image`` with its pixel map laid over it: the surer, the warmer and the less transparent; only where ``mask`` is."""
    canvas = image.copy()
    seen = pixel_map if mask is None else mask
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows):  # only around faces: of a large picture the rest would cost much memory
        area = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        shown = pixel_map[area] if mask is None else pixel_map[area] * mask[area]
        colors = cv2.applyColorMap(np.rint(shown * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        weight = (0.65 * shown)[..., None]
        canvas[area] = np.rint(image[area] * (1 - weight) + colors * weight)
    return canvas


def draw_heat_layer(picture: FacePicture) -> UInt8Array:
    """The heat map within the mask and the mask's outline alone, to be laid over the picture: RGBA uint8 ``(H, W, 4)``."""
    levels = np.rint(picture.pixel_map * picture.mask * 255).astype(np.uint8)
    layer = np.ascontiguousarray(np.dstack([cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1], levels]))
    _outline(layer, picture.mask, (255, 255, 255, 255))
    return layer


def draw_overlay(inspection: Inspection) -> UInt8Array:
    """The picture with heat map, outline of the mask, and a labelled box around each face; RGB uint8, the picture's size."""
    canvas = heat(inspection.image, inspection.pixel_map, inspection.mask)
    _outline(canvas, inspection.mask, (255, 255, 255))
    for finding in inspection.faces:
        text = finding.verdict.words + ("" if finding.score is None else f" {finding.score:.2f}")
        draw_face(canvas, finding.box, finding.verdict, text)
    return canvas


def unit_of(canvas: UInt8Array) -> int:
    """Pixels of a thin line that is seen when the whole picture is."""
    return max(1, round(int(max(canvas.shape[:2])) / 600))


def _outline(canvas: UInt8Array, mask: BoolArray, color: tuple[int, ...]) -> None:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, color, unit_of(canvas))


def draw_face(canvas: UInt8Array, box: FaceBox, verdict: Verdict, text: str) -> None:
    """A box around a face in its verdict's colour and a label, in place on RGB uint8 ``(H, W, 3)``."""
    color, unit = COLORS[verdict], unit_of(canvas)
    cv2.rectangle(canvas, (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1)), color, 2 * unit)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit
    (width, height), base = cv2.getTextSize(text, font, scale, unit)
    # The label stands above the box, inside the picture.
    left = min(max(0, round(box.x0)), max(0, canvas.shape[1] - width - 2 * unit))
    bottom = max(height + base, round(box.y0) - unit)
    cv2.rectangle(canvas, (left, bottom - height - base), (left + width + 2 * unit, bottom), color, -1)
    cv2.putText(canvas, text, (left + unit, bottom - base // 2), font, scale, (255, 255, 255), unit, cv2.LINE_AA)


def draw_contact_sheet(crops: Iterable[LabelledCrop], columns: int = 8, cell: int = 192) -> UInt8Array:
    """Crops side by side in squares of ``cell`` pixels with the outlines of their masks; RGB uint8 ``(H, W, 3)``.

    Each subset begins a new line and is named in its crops' corner. Raises ``ValueError`` where there is no crop.
    """
    lines: list[list[UInt8Array]] = []
    last = None
    for crop in crops:
        if crop.subset != last or len(lines[-1]) == columns:
            lines.append([])
        last = crop.subset
        lines[-1].append(_draw_cell(crop, cell))
    if not lines:
        raise ValueError("a contact sheet needs at least one crop; got none")
    gap = 2
    sheet = np.full((len(lines) * (cell + gap) - gap, columns * (cell + gap) - gap, 3), 255, np.uint8)
    for y, line in enumerate(lines):
        for x, picture in enumerate(line):
            top, left = y * (cell + gap), x * (cell + gap)
            sheet[top : top + cell, left : left + cell] = picture
    return sheet


def _draw_cell(crop: LabelledCrop, cell: int) -> UInt8Array:
    picture = np.ascontiguousarray(cv2.resize(crop.image, (cell, cell), interpolation=cv2.INTER_AREA))
    drawn = np.zeros(crop.image.shape[:2], np.bool_) if crop.truth is None else crop.truth
    mask = cv2.resize(drawn.astype(np.uint8), (cell, cell), interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for color, width in (((255, 255, 255), 3), (COLORS[Verdict.MANIPULATED], 1)):  # seen on light and dark skin
        cv2.drawContours(picture, outlines, -1, color, width)
    for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(picture, crop.subset, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, width, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)
