"""Curves for people: figures against the severity of a corruption."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tamperlens.figures import OKABE_ITO
from tamperlens.metrics.outcomes import PRISTINE
from tamperlens.types import ResultRow, UInt8Array

__all__ = ["PANELS", "CurvePoint", "draw_curves"]


@dataclass(frozen=True)
class CurvePoint:
    """What was measured after one corruption."""

    kind: str
    severity: float
    rows: list[ResultRow]


@dataclass(frozen=True)
class Panel:
    """How one figure is drawn, where it was measured."""

    metric: str
    title: str  # of the y axis
    of_pristine: bool = False  # of pristine crops, not of each method's
    top: float | None = 1.02  # of the y axis; None: as the values need


PANELS = (
    Panel("auc", "AUC of the score"),
    Panel("fg_iou", "Fg-IoU"),
    Panel("false_area", "false area on pristine crops", of_pristine=True, top=None),
)
COLORS = [*("#{:02x}{:02x}{:02x}".format(*color) for color in OKABE_ITO.values()), "#999999"]  # one for each of eight networks
MARKERS = "os^Dv<>P"  # lines differ by them too


def draw_curves(points: Sequence[CurvePoint], *, subset: str = "", unchanged: Sequence[ResultRow] = ()) -> UInt8Array:
    """A line of plots per corruption, one for each of `PANELS` that was measured, with intervals; RGB uint8 ``(H, W, 3)``.

    A curve is of a method, or, where a ``subset`` is given, of a model on that subset and on pristine crops. ``unchanged``: the
    figures of crops as they are; each is a dotted line at its height.
    """

    def shown_in(panel: Panel, row: ResultRow) -> bool:
        of_one = not subset or row.subset in (subset, PRISTINE)
        return row.metric == panel.metric and (row.subset == PRISTINE) == panel.of_pristine and of_one

    def name_of(row: ResultRow) -> str:
        return row.model if subset else row.subset

    measured = {row.metric for point in points for row in point.rows}
    panels = [panel for panel in PANELS if panel.metric in measured]
    curves: dict[str, list[CurvePoint]] = {}
    for point in points:
        curves.setdefault(point.kind, []).append(point)
    figure = Figure(figsize=(12, 3.2 * len(curves)), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(curves), len(panels), squeeze=False)
    for line, (kind, curve) in zip(axes, curves.items(), strict=True):
        for axis, panel in zip(line, panels, strict=True):
            rows = [(point.severity, row) for point in curve for row in point.rows if shown_in(panel, row)]
            shown = dict.fromkeys(name_of(row) for _, row in rows)
            for number, label in enumerate(shown):
                own = [(at, row) for at, row in rows if name_of(row) == label]
                at = [severity for severity, _ in own]
                style = {
                    "color": COLORS[number % len(COLORS)],
                    "marker": MARKERS[(number + number // len(COLORS)) % len(MARKERS)],
                }
                axis.plot(at, [row.value for _, row in own], label=label, markersize=4, linewidth=1.5, **style)
                axis.fill_between(
                    at, [row.low for _, row in own], [row.high for _, row in own], color=style["color"], alpha=0.12
                )
                for row in unchanged:
                    if shown_in(panel, row) and name_of(row) == label:
                        axis.axhline(row.value, color=style["color"], linestyle=":", linewidth=1.2)
            axis.set(xlabel=kind, ylabel=panel.title, ylim=(0, panel.top))
            if curve[0].severity > curve[-1].severity:
                axis.invert_xaxis()  # the picture gets worse to the right
            axis.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3])
