"""Pictures for people: the overlay of what was found."""

import cv2
import numpy as np

from tamperlens.types import FaceFinding, Inspection, UInt8Array, Verdict

__all__ = ["draw_overlay", "heat"]

# Okabe and Ito's colours, told apart by colour-blind readers too.
COLORS = {
    Verdict.MANIPULATED: (213, 94, 0),
    Verdict.NO_EVIDENCE: (0, 114, 178),
    Verdict.INCONCLUSIVE: (120, 120, 120),
}
LABELS = {
    Verdict.MANIPULATED: "manipulated",
    Verdict.NO_EVIDENCE: "no evidence",
    Verdict.INCONCLUSIVE: "inconclusive",
}


def heat(image: UInt8Array, pixel_map: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> UInt8Array:
    """``image`` with its pixel map laid over it: the surer, the warmer and the less transparent."""
    colors = cv2.applyColorMap(np.rint(pixel_map * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = (0.65 * pixel_map)[..., None]
    return np.asarray(np.rint(image * (1 - weight) + colors * weight), dtype=np.uint8)


def draw_overlay(inspection: Inspection) -> UInt8Array:
    """The picture with heat map, outline of the mask, and a labelled box around each face; RGB uint8, the picture's size."""
    canvas = heat(inspection.image, inspection.pixel_map)
    unit = max(1, round(max(canvas.shape[:2]) / 600))
    outlines, _ = cv2.findContours(inspection.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, (255, 255, 255), unit)
    for finding in inspection.faces:
        _draw_face(canvas, finding, unit)
    return canvas


def _draw_face(canvas: UInt8Array, finding: FaceFinding, unit: int) -> None:
    color, box = COLORS[finding.verdict], finding.box
    cv2.rectangle(canvas, (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1)), color, 2 * unit)
    text = LABELS[finding.verdict] + ("" if finding.score is None else f" {finding.score:.2f}")
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit
    (width, height), base = cv2.getTextSize(text, font, scale, unit)
    # The label stands above the box, inside the picture.
    left = min(max(0, round(box.x0)), max(0, canvas.shape[1] - width - 2 * unit))
    bottom = max(height + base, round(box.y0) - unit)
    cv2.rectangle(canvas, (left, bottom - height - base), (left + width + 2 * unit, bottom), color, -1)
    cv2.putText(canvas, text, (left + unit, bottom - base // 2), font, scale, (255, 255, 255), unit, cv2.LINE_AA)
