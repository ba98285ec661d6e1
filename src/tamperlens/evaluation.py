"""A predictor and labelled crops in, counts per subset out, then rows with 95 % intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamperlens.metrics import PixelCounts, area_under_roc, bootstrap, count_pixels, wilson
from tamperlens.types import LabelledCrop, Predictor, ResultRow

__all__ = ["PRISTINE", "Outcome", "judge", "rows_of"]

PRISTINE = "pristine"


@dataclass(frozen=True)
class Outcome:
    """What came of one crop: its counts, and its score beside its label."""

    subset: str
    group: str
    label: bool
    score: float
    counts: PixelCounts


def judge(predictor: Predictor, crops: Iterable[LabelledCrop]) -> list[Outcome]:
    """Run a predictor over labelled crops, one at a time."""
    outcomes = []
    for crop in crops:
        prediction = predictor(crop.image)
        counts = count_pixels(prediction.mask, crop.mask)
        outcomes.append(Outcome(crop.subset, crop.group, bool(crop.mask.any()), prediction.score, counts))
    return outcomes


def _pooled(outcomes: Sequence[Outcome]) -> PixelCounts:
    return sum((outcome.counts for outcome in outcomes), PixelCounts())


def rows_of(model: str, outcomes: Sequence[Outcome], score_threshold: float, rounds: int = 300) -> list[ResultRow]:
    """Per subset: score AUC against all pristine crops, pooled IoUs, false area; for pristine crops the false-alarm rate.

    Intervals are by bootstrap over groups; the false-alarm rate's is Wilson's.
    """
    pristine = [outcome for outcome in outcomes if outcome.subset == PRISTINE]
    rows: list[ResultRow] = []

    def add(subset: str, metric: str, items: Sequence[Outcome], statistic: Callable[[Sequence[Outcome]], float]) -> None:
        def of(indices: npt.NDArray[np.intp]) -> float:
            return statistic([items[i] for i in indices])

        low, high = bootstrap(of, [item.group for item in items], rounds)
        count = sum(item.subset == subset or subset == "all" for item in items)
        rows.append(ResultRow(model, subset, metric, statistic(items), low, high, count))

    families = sorted({outcome.subset for outcome in outcomes} - {PRISTINE})
    for subset in families:
        own = [outcome for outcome in outcomes if outcome.subset == subset]
        add(subset, "auc", own + pristine, _auc)
        add(subset, "fg_iou", own, lambda items: _pooled(items).fg_iou)
        add(subset, "bg_iou", own, lambda items: _pooled(items).bg_iou)
        add(subset, "miou", own, lambda items: _pooled(items).miou)
    if families and pristine:
        add("all", "auc", outcomes, _auc)
        add("all", "fg_iou", [o for o in outcomes if o.label], lambda items: _pooled(items).fg_iou)
    if pristine:
        add(PRISTINE, "bg_iou", pristine, lambda items: _pooled(items).bg_iou)
        add(PRISTINE, "false_area", pristine, lambda items: _pooled(items).false_area)
        alarms = sum(outcome.score >= score_threshold for outcome in pristine)
        rows.append(
            ResultRow(model, PRISTINE, "false_alarms", alarms / len(pristine), *wilson(alarms, len(pristine)), len(pristine))
        )
    return rows


def _auc(items: Sequence[Outcome]) -> float:
    return area_under_roc(np.array([item.score for item in items]), np.array([item.label for item in items], np.bool_))
