"""A predictor and labelled crops in, counts per subset out, then rows with 95 % intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from tamperlens.metrics.counts import (
    Counts,
    PixelCounts,
    area_under_roc,
    average_precision,
    bootstrap,
    count_pixels,
    count_values,
    equal_error_rate,
    expected_calibration_error,
    mean_defined,
    pixel_average_precision,
    region_overlaps,
    true_positive_rate,
    wilson,
)
from tamperlens.types import BoolArray, FloatArray, LabelledCrop, Prediction, Predictor, ResultRow, UInt8Array

__all__ = [
    "BASIC",
    "METRICS",
    "PRISTINE",
    "MeanMask",
    "Outcome",
    "judge",
    "outcome_of",
    "rows_of",
    "share_row",
]

PRISTINE = "pristine"
Statistic = Callable[[npt.NDArray[np.intp]], float]  # indices of drawn items -> figure


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one crop: its counts, and its score beside its label."""

    subset: str
    group: str
    label: bool
    score: float
    counts: PixelCounts
    values: Counts | None = None  # (2, VALUE_BINS), of `count_values`
    overlaps: tuple[float, ...] = ()  # of `region_overlaps`


def judge(predictor: Predictor, crops: Iterable[LabelledCrop]) -> list[Outcome]:
    """Run a predictor over labelled crops, one at a time."""
    return [outcome_of(predictor(crop.image), crop) for crop in crops]


def outcome_of(prediction: Prediction, crop: LabelledCrop) -> Outcome:
    """A prediction against the truth; where only the label is known, pixels are not counted."""
    if crop.truth is None:
        return Outcome(crop.subset, crop.group, crop.manipulated, prediction.score, PixelCounts())
    return Outcome(
        crop.subset,
        crop.group,
        crop.manipulated,
        prediction.score,
        count_pixels(prediction.mask, crop.mask),
        count_values(prediction.pixel_map, crop.mask),
        region_overlaps(prediction.mask, crop.mask),
    )


def _of_scores(figure: Callable[[FloatArray, BoolArray], float], items: Sequence[Outcome], threshold: float) -> Statistic:
    """A figure of scores and labels."""
    scores, labels = np.array([item.score for item in items]), np.array([item.label for item in items], np.bool_)
    return lambda drawn: figure(scores[drawn], labels[drawn])


def _pooled(metric: str, items: Sequence[Outcome], threshold: float) -> Statistic:
    """A metric of `PixelCounts` over the drawn items' added counts."""
    counts = np.array([(item.counts.tp, item.counts.fp, item.counts.fn, item.counts.tn) for item in items])
    return lambda drawn: float(getattr(PixelCounts(*counts[drawn].sum(axis=0).tolist()), metric))


def _mean(of: Callable[[Outcome, float], float], items: Sequence[Outcome], threshold: float) -> Statistic:
    """A figure of each crop, averaged over the crops that have it."""
    values = np.array([of(item, threshold) for item in items])
    return lambda drawn: mean_defined(values[drawn])


def _pixel_ap(items: Sequence[Outcome], threshold: float) -> Statistic:
    values = np.stack([np.zeros((2, 1), np.int64) if item.values is None else item.values for item in items])
    return lambda drawn: pixel_average_precision(values[drawn].sum(axis=0))


@dataclass(frozen=True)
class Metric:
    """How a figure comes of outcomes. ``against_pristine``: a method's crops are judged together with all pristine ones."""

    figure: Callable[[Sequence[Outcome], float], Statistic]  # items, score threshold
    against_pristine: bool = False


METRICS: dict[str, Metric] = {
    "accuracy": Metric(partial(_mean, lambda item, threshold: float((item.score >= threshold) == item.label))),
    "auc": Metric(partial(_of_scores, area_under_roc), True),
    "ap": Metric(partial(_of_scores, average_precision), True),
    "eer": Metric(partial(_of_scores, equal_error_rate), True),
    "tpr@1%": Metric(partial(_of_scores, partial(true_positive_rate, false_positive_rate=0.01)), True),
    "tpr@5%": Metric(partial(_of_scores, partial(true_positive_rate, false_positive_rate=0.05)), True),
    "ece": Metric(partial(_of_scores, expected_calibration_error), True),  # of calibrated scores only
    "fg_iou": Metric(partial(_pooled, "fg_iou")),
    "bg_iou": Metric(partial(_pooled, "bg_iou")),
    "miou": Metric(partial(_pooled, "miou")),
    "miou_per_crop": Metric(partial(_mean, lambda item, threshold: item.counts.miou)),
    "f1": Metric(partial(_pooled, "f1")),
    "pixel_ap": Metric(_pixel_ap),
    "pro": Metric(partial(_mean, lambda item, threshold: mean_defined(item.overlaps))),
    "false_area": Metric(partial(_pooled, "false_area")),
    "false_alarms": Metric(partial(_mean, lambda item, threshold: np.nan if item.label else float(item.score >= threshold))),
}
BASIC = ("accuracy", "auc", "fg_iou", "bg_iou", "miou", "false_area", "false_alarms")
AVERAGED = ("accuracy", "fg_iou", "bg_iou", "miou")  # the paper's averages are over methods, and pristine where defined


def rows_of(
    model: str, outcomes: Sequence[Outcome], score_threshold: float, metrics: Sequence[str] = BASIC, rounds: int = 300
) -> list[ResultRow]:
    """The figures named in ``metrics`` (keys of `METRICS`) per method, over "all" methods, on pristine crops, and the
    "average" over methods and pristine as the paper takes it. What is undefined has no row.

    Intervals are by bootstrap over groups (videos or people); Wilson's for the false-alarm rate, and over groups for an
    accuracy whose crops all agree.
    """
    pristine = [outcome for outcome in outcomes if outcome.subset == PRISTINE]
    methods = sorted({outcome.subset for outcome in outcomes} - {PRISTINE})
    subsets = {method: [outcome for outcome in outcomes if outcome.subset == method] for method in methods}
    every = {**subsets, "all": [outcome for outcome in outcomes if outcome.subset != PRISTINE], PRISTINE: pristine}
    rows: list[ResultRow] = []

    def add(subset: str, metric: str, items: Sequence[Outcome], statistic: Statistic, count: int) -> None:
        value = statistic(np.arange(len(items)))
        if metric == "false_alarms":
            low, high = wilson(round(value * count), count) if value == value else (value, value)
        else:
            groups = [item.group for item in items]
            low, high = bootstrap(statistic, groups, rounds)
            if metric == "accuracy" and low == high:  # where all crops agree, drawing them anew knows no doubt
                low, high = wilson(round(value * len(set(groups))), len(set(groups)))
        if not np.isnan(value):
            rows.append(ResultRow(model, subset, metric, value, low, high, count))

    for subset, own in every.items():
        for metric in metrics if own else ():
            against = METRICS[metric].against_pristine and subset != PRISTINE
            items = [*own, *pristine] if against else own
            add(
                subset,
                metric,
                items,
                METRICS[metric].figure(items, score_threshold),
                len(items) if subset == "all" else len(own),
            )
    if len(methods) > 1:
        over = [own for own in (*subsets.values(), pristine) if own]
        ordered = [outcome for own in over for outcome in own]
        for metric in (metric for metric in metrics if metric in AVERAGED):
            add("average", metric, ordered, _average(over, METRICS[metric], score_threshold), len(ordered))
    return rows


def _average(subsets: Sequence[Sequence[Outcome]], metric: Metric, threshold: float) -> Statistic:
    """The mean over subsets of a figure; items are those of the first subset, then those of the second, and so on."""
    statistics = [metric.figure(own, threshold) for own in subsets]
    ends = np.cumsum([len(own) for own in subsets])
    starts = ends - [len(own) for own in subsets]

    def value(drawn: npt.NDArray[np.intp]) -> float:
        parts = [drawn[(drawn >= start) & (drawn < end)] - start for start, end in zip(starts, ends, strict=True)]
        return mean_defined([figure(part) for figure, part in zip(statistics, parts, strict=True) if len(part)])

    return value


def share_row(model: str, subset: str, metric: str, hits: int, count: int) -> ResultRow:
    """A share of ``count`` files as a row, with Wilson's interval; undefined of none."""
    return ResultRow(model, subset, metric, hits / count if count else np.nan, *wilson(hits, count), count)


class MeanMask:
    """The trivial baseline: the mean training mask predicted for every crop. It knows where faces are, and nothing else."""

    name = "mean-mask"
    calibrated = False
    limits = ("It does not look at the crop.",)
    score_threshold = doubt_threshold = 1.0
    SIDE = 64

    def __init__(self, crops: Iterable[LabelledCrop]) -> None:
        """The mean mask of the forged crops, thresholded where the pooled Fg-IoU on these very crops is best."""
        masks = np.stack([self._small(crop.mask) for crop in crops if crop.truth is not None and crop.manipulated])
        self.mean = masks.mean(axis=0)
        truth = masks >= 0.5
        self.threshold = max(
            np.linspace(0.05, 0.95, 19),
            key=lambda tau: count_pixels(np.broadcast_to(self.mean >= tau, truth.shape), truth).fg_iou,
        )

    def _small(self, mask: BoolArray) -> FloatArray:
        places = (np.linspace(0, side - 1, self.SIDE).round().astype(int) for side in mask.shape)
        return np.asarray(mask[np.ix_(*places)], np.float32)

    def __call__(self, image: UInt8Array) -> Prediction:
        """The same map for every crop, at its size."""
        pixel_map = self.mean[np.ix_(*((np.arange(side) * self.SIDE) // side for side in image.shape[:2]))]
        return Prediction(pixel_map, pixel_map >= self.threshold, 0.5)
