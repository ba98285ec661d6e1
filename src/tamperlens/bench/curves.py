"""Curves for people: figures against the severity of a corruption."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tamperlens.types import ResultRow, UInt8Array

__all__ = ["CURVES", "CurvePoint", "draw_curves"]


@dataclass(frozen=True)
class CurvePoint:
    """What was measured after one corruption."""

    kind: str
    severity: float
    rows: list[ResultRow]


CURVES = {"auc": "AUC of the score", "fg_iou": "Fg-IoU", "false_area": "false area on pristine crops"}
# Okabe and Ito's colours, told apart by colour-blind readers too; lines also differ by their markers.
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "os^Dv<>"


def draw_curves(points: Sequence[CurvePoint]) -> UInt8Array:
    """A line of plots per corruption: AUC, Fg-IoU and false area per method, with intervals; RGB uint8 ``(H, W, 3)``."""
    curves: dict[str, list[CurvePoint]] = {}
    for point in points:
        curves.setdefault(point.kind, []).append(point)
    figure = Figure(figsize=(12, 3.2 * len(curves)), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(curves), len(CURVES), squeeze=False)
    for line, (kind, curve) in zip(axes, curves.items(), strict=True):
        for axis, (metric, title) in zip(line, CURVES.items(), strict=True):
            wanted = [row.subset for point in curve for row in point.rows if row.metric == metric]
            shown = [s for s in dict.fromkeys(wanted) if (s == "pristine") == (metric == "false_area")]
            for number, subset in enumerate(shown):
                own = [
                    (point.severity, row)
                    for point in curve
                    for row in point.rows
                    if (row.subset, row.metric) == (subset, metric)
                ]
                at = [severity for severity, _ in own]
                style = {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
                axis.plot(at, [row.value for _, row in own], label=subset, markersize=4, linewidth=1.5, **style)
                axis.fill_between(
                    at, [row.low for _, row in own], [row.high for _, row in own], color=style["color"], alpha=0.12
                )
            axis.set(xlabel=kind, ylabel=title, ylim=(0, 1.02) if metric != "false_area" else (0, None))
            if curve[0].severity > curve[-1].severity:
                axis.invert_xaxis()  # the picture gets worse to the right
            axis.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3])
