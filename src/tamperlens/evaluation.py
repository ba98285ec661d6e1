"""A predictor and labelled crops in, counts per subset out, then rows with 95 % intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamperlens.card import NEAREST, Calibration
from tamperlens.metrics import (
    PixelCounts,
    area_under_roc,
    bootstrap,
    count_pixels,
    false_positive_rate_threshold,
    wilson,
)
from tamperlens.types import BoolArray, FloatArray, LabelledCrop, Prediction, Predictor, ResultRow, UInt8Array

__all__ = ["PRISTINE", "MeanMask", "Outcome", "best_map_threshold", "fit_calibration", "judge", "operating_point", "rows_of"]

PRISTINE = "pristine"
Statistic = Callable[[npt.NDArray[np.intp]], float]  # indices of drawn items -> figure


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


def rows_of(model: str, outcomes: Sequence[Outcome], score_threshold: float, rounds: int = 300) -> list[ResultRow]:
    """Per subset: score AUC against all pristine crops, pooled IoUs, false area; for pristine crops the false-alarm rate.

    Intervals are by bootstrap over groups; the false-alarm rate's is Wilson's.
    """
    pristine = [outcome for outcome in outcomes if outcome.subset == PRISTINE]
    rows: list[ResultRow] = []

    def add(subset: str, metric: str, items: Sequence[Outcome], statistic: Statistic) -> None:
        low, high = bootstrap(statistic, [item.group for item in items], rounds)
        count = sum(item.subset == subset or subset == "all" for item in items)
        rows.append(ResultRow(model, subset, metric, statistic(np.arange(len(items))), low, high, count))

    families = sorted({outcome.subset for outcome in outcomes} - {PRISTINE})
    for subset in families:
        own = [outcome for outcome in outcomes if outcome.subset == subset]
        add(subset, "auc", own + pristine, _auc(own + pristine))
        for metric in ("fg_iou", "bg_iou", "miou"):
            add(subset, metric, own, _pooled(own, metric))
    if families and pristine:
        manipulated = [outcome for outcome in outcomes if outcome.label]
        add("all", "auc", outcomes, _auc(outcomes))
        add("all", "fg_iou", manipulated, _pooled(manipulated, "fg_iou"))
    if pristine:
        for metric in ("bg_iou", "false_area"):
            add(PRISTINE, metric, pristine, _pooled(pristine, metric))
        alarms = sum(outcome.score >= score_threshold for outcome in pristine)
        rows.append(
            ResultRow(model, PRISTINE, "false_alarms", alarms / len(pristine), *wilson(alarms, len(pristine)), len(pristine))
        )
    return rows


MAP_THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))  # 0.2 to 0.8


def best_map_threshold(
    pixel_maps: Iterable[FloatArray], crops: Iterable[LabelledCrop], candidates: Sequence[float] = MAP_THRESHOLDS
) -> float:
    """The map threshold (tau 1) of the best pooled mIoU over all crops, pristine ones included."""
    pooled = [PixelCounts() for _ in candidates]
    for pixel_map, crop in zip(pixel_maps, crops, strict=True):
        found = [count_pixels(pixel_map >= tau, crop.mask) for tau in candidates]
        pooled = [before + counts for before, counts in zip(pooled, found, strict=True)]
    return float(candidates[int(np.argmax([counts.miou for counts in pooled]))])


def operating_point(outcomes: Sequence[Outcome], false_alarms: float) -> float:
    """The lowest score threshold at which at most that share of the pristine outcomes is called manipulated."""
    return false_positive_rate_threshold(np.array([o.score for o in outcomes if not o.label]), false_alarms)


def fit_calibration(outcomes: Sequence[Outcome], rounds: int = 50) -> Calibration:
    """Platt scaling of raw scores by Newton's method, both classes given equal weight whatever their numbers.

    Targets are Platt's (1999), which keep the fit finite where the classes separate.
    """
    raw = np.clip([o.score for o in outcomes], NEAREST, 1 - NEAREST)
    labels = np.array([o.label for o in outcomes], np.bool_)
    inputs = np.stack([np.log(raw / (1 - raw)), np.ones(len(raw))], axis=1)
    sizes = labels.sum(), (~labels).sum()
    targets = np.where(labels, (sizes[0] + 1) / (sizes[0] + 2), 1 / (sizes[1] + 2))
    weights = np.where(labels, 0.5 / sizes[0], 0.5 / sizes[1])
    fit = np.zeros(2)
    for _ in range(rounds):
        probability = 1 / (1 + np.exp(-inputs @ fit))
        gradient = inputs.T @ (weights * (probability - targets))
        curvature = (inputs * (weights * probability * (1 - probability))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        fit = fit - np.linalg.solve(curvature, gradient)
    return Calibration(slope=float(fit[0]), intercept=float(fit[1]))


class MeanMask:
    """The trivial baseline: the mean training mask predicted for every crop. It knows where faces are, and nothing else."""

    name = "mean-mask"
    calibrated = False
    limits = ("It does not look at the crop.",)
    score_threshold = doubt_threshold = 1.0
    SIDE = 64

    def __init__(self, crops: Iterable[LabelledCrop]) -> None:
        """The mean mask of the forged crops, thresholded where the pooled Fg-IoU on these very crops is best."""
        masks = np.stack([self._small(crop.mask) for crop in crops if crop.mask.any()])
        self.mean = masks.mean(axis=0)
        truth = masks >= 0.5
        self.threshold = max(
            np.linspace(0.05, 0.95, 19),
            key=lambda tau: count_pixels(np.broadcast_to(self.mean >= tau, truth.shape), truth).fg_iou,
        )

    def _small(self, mask: BoolArray) -> FloatArray:
        place = np.linspace(0, mask.shape[0] - 1, self.SIDE).round().astype(int)
        return np.asarray(mask[np.ix_(place, place)], np.float32)

    def __call__(self, image: UInt8Array) -> Prediction:
        """The same map for every crop, at its size."""
        place = (np.arange(image.shape[0]) * self.SIDE) // image.shape[0]
        pixel_map = self.mean[np.ix_(place, place)]
        return Prediction(pixel_map, pixel_map >= self.threshold, 0.5)


def _auc(items: Sequence[Outcome]) -> Statistic:
    scores, labels = np.array([item.score for item in items]), np.array([item.label for item in items], np.bool_)
    return lambda drawn: area_under_roc(scores[drawn], labels[drawn])


def _pooled(items: Sequence[Outcome], metric: str) -> Statistic:
    """A metric of `PixelCounts` over the drawn items' added counts."""
    counts = np.array([(item.counts.tp, item.counts.fp, item.counts.fn, item.counts.tn) for item in items])
    return lambda drawn: float(getattr(PixelCounts(*counts[drawn].sum(axis=0).tolist()), metric))
