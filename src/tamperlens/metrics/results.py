"""Metrics as functions of a table of outcomes, and result rows: each figure per subset, with its 95 % interval.

A metric is ``metric(table, drawn) -> float``: a figure of the drawn rows of a table. A new one is a function here and a row in
`METRICS`; what it counts may stand in `counts`.

    >>> from tamperlens.metrics.outcomes import Outcome, Outcomes
    >>> table = Outcomes.of([Outcome("pristine", "a", False, 0.1), Outcome("swap", "b", True, 0.8)])
    >>> [f"{row.subset} {row.metric} {row.value:g}" for row in rows_of("mine", table, 0.5, ["accuracy", "auc"])]
    ['swap accuracy 1', 'swap auc 1', 'all accuracy 1', 'all auc 1', 'pristine accuracy 1']
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tamperlens.metrics.counts import (
    area_under_roc,
    average_precision,
    bootstrap,
    equal_error_rate,
    expected_calibration_error,
    mean_defined,
    pixel_average_precision,
    true_positive_rate,
    wilson,
)
from tamperlens.metrics.outcomes import PRISTINE, Drawn, Outcomes
from tamperlens.types import ResultRow

__all__ = ["BASIC", "METRICS", "Metric", "rate_row", "rows_of"]

Figure = Callable[[Outcomes, Drawn], float]


def accuracy(table: Outcomes, drawn: Drawn) -> float:
    """Fraction of crops that are given their class."""
    return mean_defined((table.called == table.labels)[drawn].astype(np.float64))


def false_alarms(table: Outcomes, drawn: Drawn) -> float:
    """Fraction of pristine crops that are called manipulated."""
    pristine = drawn[~table.labels[drawn]]
    return mean_defined(table.called[pristine].astype(np.float64))


def auc(table: Outcomes, drawn: Drawn) -> float:
    """Area under the ROC curve of the scores."""
    return area_under_roc(table.scores[drawn], table.labels[drawn])


def ap(table: Outcomes, drawn: Drawn) -> float:
    """Average precision of the scores."""
    return average_precision(table.scores[drawn], table.labels[drawn])


def eer(table: Outcomes, drawn: Drawn) -> float:
    """Equal error rate of the scores."""
    return equal_error_rate(table.scores[drawn], table.labels[drawn])


def tpr(table: Outcomes, drawn: Drawn, at: float) -> float:
    """True positive rate of the scores at a false positive rate of at most ``at``."""
    return true_positive_rate(table.scores[drawn], table.labels[drawn], at)


def ece(table: Outcomes, drawn: Drawn) -> float:
    """Expected calibration error of the scores."""
    return expected_calibration_error(table.scores[drawn], table.labels[drawn])


def fg_iou(table: Outcomes, drawn: Drawn) -> float:
    """IoU of the manipulated pixels, counts pooled."""
    return table.pooled(drawn).fg_iou


def bg_iou(table: Outcomes, drawn: Drawn) -> float:
    """IoU of the untouched pixels, counts pooled."""
    return table.pooled(drawn).bg_iou


def miou(table: Outcomes, drawn: Drawn) -> float:
    """Mean of the defined ones of both IoUs, counts pooled."""
    return table.pooled(drawn).miou


def miou_per_crop(table: Outcomes, drawn: Drawn) -> float:
    """Mean over crops of each one's mean IoU."""
    return mean_defined(table.mious[drawn])


def f1(table: Outcomes, drawn: Drawn) -> float:
    """F1 of the manipulated pixels, counts pooled."""
    return table.pooled(drawn).f1


def pixel_ap(table: Outcomes, drawn: Drawn) -> float:
    """Average precision of the pixel maps' values, pixels pooled."""
    return pixel_average_precision(table.values[drawn].sum(axis=0))


def pro(table: Outcomes, drawn: Drawn) -> float:
    """Per-region overlap: mean over crops of the mean fraction found of each manipulated region."""
    return mean_defined(table.overlaps[drawn])


def false_area(table: Outcomes, drawn: Drawn) -> float:
    """Fraction of the untouched pixels that are called manipulated (pixel false positive rate)."""
    return table.pooled(drawn).false_area


@dataclass(frozen=True)
class Metric:
    """A figure, and how it is reported."""

    figure: Figure
    against_pristine: bool = False  # a method's crops are judged together with all pristine ones
    averaged: bool = False  # also averaged over methods and, where defined, pristine, as the paper does
    of_pristine: bool = False  # only of crops in which nothing is manipulated, of a method's, too
    of_probabilities: bool = False  # only where scores are calibrated
    interval: str = "bootstrap"  # over groups; "agreement": Wilson's over groups where all crops agree; "wilson": over crops


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, averaged=True, interval="agreement"),
    "auc": Metric(auc, against_pristine=True),
    "ap": Metric(ap, against_pristine=True),
    "eer": Metric(eer, against_pristine=True),
    "tpr@1%": Metric(partial(tpr, at=0.01), against_pristine=True),
    "tpr@5%": Metric(partial(tpr, at=0.05), against_pristine=True),
    "ece": Metric(ece, against_pristine=True, of_probabilities=True),
    "fg_iou": Metric(fg_iou, averaged=True),
    "bg_iou": Metric(bg_iou, averaged=True),
    "miou": Metric(miou, averaged=True),
    "miou_per_crop": Metric(miou_per_crop),
    "f1": Metric(f1),
    "pixel_ap": Metric(pixel_ap),
    "pro": Metric(pro),
    "false_area": Metric(false_area),
    "false_alarms": Metric(false_alarms, of_pristine=True, interval="wilson"),
}
BASIC = ("accuracy", "auc", "fg_iou", "bg_iou", "miou", "false_area", "false_alarms")


def rows_of(
    model: str, outcomes: Outcomes, score_threshold: float, metrics: Sequence[str] = BASIC, rounds: int = 300
) -> list[ResultRow]:
    """The figures named in ``metrics`` (keys of `METRICS`) per method, over "all" methods, on pristine crops, and the
    "average" over methods and pristine as the paper takes it. What is undefined has no row.

    Intervals are by bootstrap over groups (videos or people); Wilson's for the false-alarm rate, and over groups for an
    accuracy whose crops all agree.
    """
    table = outcomes.at(score_threshold)
    pristine = np.flatnonzero(table.subsets == PRISTINE)
    methods = {name: np.flatnonzero(table.subsets == name) for name in np.unique(table.subsets).tolist() if name != PRISTINE}
    subsets = {**methods, "all": np.flatnonzero(table.subsets != PRISTINE), PRISTINE: pristine}
    rows: list[ResultRow] = []
    for subset, crops in subsets.items():
        for name in metrics if len(crops) else ():
            metric = METRICS[name]
            own = crops[~table.labels[crops]] if metric.of_pristine else crops
            items = np.concatenate([own, pristine]) if metric.against_pristine and subset != PRISTINE else own
            count = len(items) if subset == "all" else len(own)
            rows += _row(table, items, ResultRow(model, subset, name, np.nan, count=count), metric.figure, rounds)
    if len(methods) > 1:
        items = np.concatenate([*methods.values(), pristine])
        for name in (name for name in metrics if METRICS[name].averaged):
            figure = partial(_average, figure=METRICS[name].figure, subsets=(*methods, PRISTINE))
            rows += _row(table, items, ResultRow(model, "average", name, np.nan, count=len(items)), figure, rounds)
    return rows


def _row(table: Outcomes, items: Drawn, row: ResultRow, figure: Figure, rounds: int) -> list[ResultRow]:
    """The row with its figure over ``items`` and its interval; none where the figure is undefined."""
    value = figure(table, items)
    if np.isnan(value):
        return []
    groups, kind = table.groups[items].tolist(), METRICS[row.metric].interval
    if kind == "wilson":
        low, high = wilson(round(value * row.count), row.count)
    else:
        low, high = bootstrap(lambda drawn: figure(table, items[drawn]), groups, rounds)
        if kind == "agreement" and low == high:  # a bootstrap over equal crops has zero width
            low, high = wilson(round(value * len(set(groups))), len(set(groups)))
    return [ResultRow(row.model, row.subset, row.metric, value, low, high, row.count)]


def _average(table: Outcomes, drawn: Drawn, figure: Figure, subsets: Sequence[str]) -> float:
    """The mean over subsets of a figure of each one's drawn rows."""
    parts = [drawn[table.subsets[drawn] == subset] for subset in subsets]
    return mean_defined([figure(table, part) for part in parts if len(part)])


def rate_row(model: str, subset: str, metric: str, hits: int, count: int) -> ResultRow:
    """``hits`` of ``count`` files as a row, with Wilson's interval; undefined where there are none.

    >>> rate_row("mine", PRISTINE, "called manipulated", hits=1, count=50).value
    0.02
    """
    return ResultRow(model, subset, metric, hits / count if count else np.nan, *wilson(hits, count), count)
