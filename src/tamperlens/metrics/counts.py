"""Count first, divide last: counts that add up over batches, videos and machines, and what is divided from them.

Undefined is NaN, never 0 and never averaged. As printed, the paper's IoU has TN where FN is meant; here it is
TP / (TP + FP + FN).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.types import BoolArray, FloatArray

__all__ = [
    "PixelCounts",
    "area_under_roc",
    "average_precision",
    "bootstrap",
    "count_pixels",
    "count_values",
    "equal_error_rate",
    "expected_calibration_error",
    "false_positive_rate_threshold",
    "mean_defined",
    "peak",
    "pixel_average_precision",
    "region_overlaps",
    "true_positive_rate",
    "wilson",
]

Scores = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]
NAN = float("nan")
VALUE_BINS = 100  # of a pixel map's values in [0, 1], for what is counted over all thresholds


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NAN


@dataclass(frozen=True)
class PixelCounts:
    """Pixels by prediction and truth; ``+`` pools crops, methods and machines.

    >>> (PixelCounts(tp=30, fp=5, fn=10, tn=55) + PixelCounts(fp=5, tn=95)).fg_iou
    0.6
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        return PixelCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def fg_iou(self) -> float:
        """IoU of the manipulated pixels; NaN where the truth has none (a pristine crop has no foreground to find)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn) if self.tp + self.fn else NAN

    @property
    def bg_iou(self) -> float:
        """IoU of the untouched pixels; NaN where the truth has none."""
        return _ratio(self.tn, self.tn + self.fp + self.fn) if self.tn + self.fp else NAN

    @property
    def miou(self) -> float:
        """Mean of the defined ones of `fg_iou` and `bg_iou`: on pristine crops that is `bg_iou` (Table 2's P column)."""
        return mean_defined([self.fg_iou, self.bg_iou])

    @property
    def f1(self) -> float:
        """Pixel F1 of the manipulated pixels; NaN where the truth has none."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn) if self.tp + self.fn else NAN

    @property
    def false_area(self) -> float:
        """Pixel false positive rate: the fraction of untouched pixels that are called manipulated."""
        return _ratio(self.fp, self.fp + self.tn)


def count_pixels(predicted: BoolArray, truth: BoolArray) -> PixelCounts:
    """Counts of two bool masks of one shape."""
    if predicted.shape != truth.shape:
        raise ValueError(f"masks must have one shape; got predicted {predicted.shape} and truth {truth.shape}: resize first")
    tp = int(np.count_nonzero(predicted & truth))
    fp, fn = int(np.count_nonzero(predicted)) - tp, int(np.count_nonzero(truth)) - tp
    return PixelCounts(tp, fp, fn, predicted.size - tp - fp - fn)


def count_values(pixel_map: FloatArray, truth: BoolArray) -> Counts:
    """How often each of `VALUE_BINS` equal bins of map values occurs, untouched and manipulated: int64 ``(2, VALUE_BINS)``.

    Adds up over crops, as `PixelCounts` does. NaN, as of a model that diverged, counts as 0: it reaches no threshold either.
    """
    place = np.minimum((np.nan_to_num(pixel_map) * VALUE_BINS).astype(np.int64), VALUE_BINS - 1) + VALUE_BINS * truth
    return np.bincount(place.ravel(), minlength=2 * VALUE_BINS).reshape(2, VALUE_BINS)


def pixel_average_precision(values: Counts) -> float:
    """Average precision over pixels of counted map values: each bin's precision, weighted by the recall it gains.

    Values within a bin count as tied. NaN without a manipulated pixel.
    """
    found = np.cumsum(values[1, ::-1])
    marked = found + np.cumsum(values[0, ::-1])
    if not found[-1]:
        return NAN
    precision = found / np.maximum(marked, 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def region_overlaps(predicted: BoolArray, truth: BoolArray) -> tuple[float, ...]:
    """Of each connected manipulated region, the fraction found: their mean is PRO (Bergmann et al. 2020), at one threshold.

    A small region counts as much as a large one.
    """
    number, regions = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
    sizes = np.bincount(regions.ravel(), minlength=number)
    found = np.bincount(regions[predicted], minlength=number)
    return tuple(float(overlap) for overlap in found[1:] / sizes[1:])


def mean_defined(values: Sequence[float] | Scores) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    found = np.asarray(values, np.float64)
    found = found[~np.isnan(found)]
    return float(found.mean()) if len(found) else NAN


def area_under_roc(scores: Scores, labels: BoolArray) -> float:
    """Probability that a manipulated one scores above a pristine one, ties counted half; NaN with one class only."""
    positives, negatives = np.sort(scores[labels]), np.sort(scores[~labels])
    if not len(positives) or not len(negatives):
        return NAN
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return float((below + up_to).mean() / 2 / len(negatives))


def average_precision(scores: Scores, labels: BoolArray) -> float:
    """Mean precision over the recall steps, tied scores taken together; NaN without a manipulated one."""
    if not labels.any():
        return NAN
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last = np.append(np.nonzero(np.diff(ranked))[0], len(ranked) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _operating_curve(scores: Scores, labels: BoolArray) -> tuple[Scores, Scores]:
    """False and true positive rates at every threshold, tied scores together, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], labels[order]
    last = np.append(np.nonzero(np.diff(ranked))[0], len(ranked) - 1)
    false, true = np.cumsum(~hits)[last] / (~labels).sum(), np.cumsum(hits)[last] / labels.sum()
    return np.append(0.0, false), np.append(0.0, true)


def true_positive_rate(scores: Scores, labels: BoolArray, false_positive_rate: float) -> float:
    """Highest recall of the manipulated at a threshold with at most this ``false_positive_rate`` on the pristine.

    NaN with one class only. On n pristine scores, rates below 1 / n mean no alarm at all.
    """
    if labels.all() or not labels.any():
        return NAN
    false, true = _operating_curve(scores, labels)
    return float(true[false <= false_positive_rate + 1e-12].max())


def equal_error_rate(scores: Scores, labels: BoolArray) -> float:
    """Error rate where misses and false alarms are equally frequent, straight lines between thresholds; NaN with one class."""
    if labels.all() or not labels.any():
        return NAN
    false, true = _operating_curve(scores, labels)
    gap = false - (1 - true)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    between = -gap[after - 1] / (gap[after] - gap[after - 1])  # where the gap is zero, from 0 to 1 between two thresholds
    return float(false[after - 1] + between * (false[after] - false[after - 1]))


def false_positive_rate_threshold(pristine_scores: Scores, rate: float) -> float:
    """A threshold that at most ``rate`` of the pristine scores reach (score >= threshold is an alarm).

    It lies midway between the last score that may raise an alarm and the first that may not, so that rounding decides nothing;
    where none may, a tenth of the way from the highest score to 1, which scores end at.
    """
    ranked = np.unique(pristine_scores)
    if not len(ranked):
        return NAN
    allowed = np.array([(pristine_scores >= score).mean() for score in ranked]) <= rate + 1e-12
    if allowed.all():
        return float(ranked[0])
    highest_quiet = float(ranked[~allowed][-1])
    if not allowed.any():
        return highest_quiet + max(0.1 * (1 - highest_quiet), 1e-6)
    return (highest_quiet + float(ranked[allowed][0])) / 2


def expected_calibration_error(probabilities: Scores, labels: BoolArray, bins: int = 10) -> float:
    """Mean gap between stated probability and observed fraction of manipulated, weighted by count, over equal-width bins."""
    if not len(probabilities):
        return NAN
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    members = [place == b for b in set(place.tolist())]
    return float(sum(abs(probabilities[own].mean() - labels[own].mean()) * own.mean() for own in members))


def peak(pixel_map: FloatArray, top_fraction: float) -> float:
    """Mean of the highest ``top_fraction`` of a pixel map's values: the score of the strongest region, however small it is.

    >>> peak(np.array([[0.1, 0.1, 0.8, 1.0]], np.float32), 0.5)
    0.8999999761581421
    """
    values = pixel_map.ravel()
    count = max(1, round(top_fraction * values.size))
    return float(np.partition(values, values.size - count)[values.size - count :].mean())


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson's score interval); NaN, NaN with no count."""
    if not count:
        return NAN, NAN
    z, rate = 1.959964, hits / count
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return float(max(0.0, middle - reach)), float(min(1.0, middle + reach))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float], groups: Sequence[object], rounds: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a statistic by resampling whole groups (videos or people: their frames are not independent).

    ``statistic`` gets the indices of the drawn items; ``groups`` names the group of each item.

    >>> values = np.array([0.0, 0.0, 1.0, 1.0])
    >>> bootstrap(lambda drawn: float(values[drawn].mean()), ["a", "a", "b", "b"])
    (0.0, 1.0)
    """
    members: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    pools = [np.array(pool) for pool in members.values()]
    if len(pools) < 2:
        return NAN, NAN
    rng = np.random.default_rng(seed)
    values = [statistic(np.concatenate([pools[i] for i in rng.integers(len(pools), size=len(pools))])) for _ in range(rounds)]
    defined = [value for value in values if not np.isnan(value)]
    if not defined:
        return NAN, NAN
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
