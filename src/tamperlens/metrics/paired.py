"""Models compared on the same crops, several trainings of each: intervals cover people and seeds.

Everything is a figure of pooled counts, so a model's outcomes are first added up by group (video or people) and subset. A draw
takes groups with replacement, the same for all models that are compared. Trainings are too few to be drawn again: of three,
a ninth of the draws would take the same one thrice, and equal models would be told apart far too often. Their spread is added
to each draw as Welch's t has it, from as many degrees of freedom as seeds allow.

>>> import numpy as np
>>> from tamperlens.metrics.outcomes import Outcome, Outcomes
>>> def model(right: bool) -> Sums:
...     return Sums.of(Outcomes.of(Outcome("swap", name, True, 0.9 if right else 0.1) for name in "abc"))
>>> estimate_of(difference([model(True)], [model(False)], "accuracy", "swap")).value
1.0
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from tamperlens.metrics.counts import wilson
from tamperlens.metrics.outcomes import PRISTINE, Outcomes
from tamperlens.types import ResultRow

__all__ = [
    "AVERAGE",
    "PAIRED_METRICS",
    "Estimate",
    "Sums",
    "check_paired",
    "combined",
    "difference",
    "draws",
    "estimate_of",
    "holm",
    "mean_of",
    "resampled",
    "seed_rows",
]

AVERAGE = "average"  # the subset that stands for the mean over methods and, where defined, pristine, as the paper takes it
PAIRED_METRICS = ("accuracy", "fg_iou", "bg_iou", "miou")
ROUNDS = 10_000  # so many that the least p, two of them, still tells something after the correction of many comparisons
Draws = npt.NDArray[np.float64]  # (1 + ROUNDS,): the figure itself, then of every draw
ByTraining = npt.NDArray[np.float64]  # (T, 1 + ROUNDS): the same of each of a model's trainings


@dataclass(frozen=True, eq=False)
class Sums:
    """One training's outcomes, added up by group and subset."""

    groups: tuple[str, ...]  # G, sorted
    subsets: tuple[str, ...]  # S, methods first, `PRISTINE` last
    counts: npt.NDArray[np.int64]  # (G, S, 4): pixels that are tp, fp, fn, tn
    called: npt.NDArray[np.int64]  # (G, S, 2): crops given their class, crops
    _kept: dict[str, Draws] = field(default_factory=dict)  # by metric: many figures are asked for again and again

    @classmethod
    def of(cls, table: Outcomes) -> "Sums":
        """Outcomes at their score threshold, added up."""
        groups = tuple(np.unique(table.groups).tolist())
        subsets = tuple(sorted(np.unique(table.subsets).tolist(), key=lambda name: (name == PRISTINE, name)))
        counts = np.zeros((len(groups), len(subsets), 4), np.int64)
        called = np.zeros((len(groups), len(subsets), 2), np.int64)
        place = [groups.index(name) for name in table.groups], [subsets.index(name) for name in table.subsets]
        np.add.at(counts, place, table.counts)
        np.add.at(called, place, np.stack([table.called == table.labels, np.ones(len(table))], 1).astype(np.int64))
        return cls(groups, subsets, counts, called)

    def drawn(self, metric: str) -> Draws:
        """A metric of every subset as it is, then of every draw of groups: (1 + ROUNDS, S)."""
        if metric not in self._kept:
            self._kept[metric] = self.figures(metric, resampled(len(self.groups), seed=(0,)))
        return self._kept[metric]

    def figures(self, metric: str, weights: npt.NDArray[np.int64]) -> Draws:
        """A metric of every subset, with groups counted as often as ``weights`` (R, G) says: (R, S), NaN where undefined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if metric == "accuracy":
                right, all_of = np.moveaxis(_added(weights, self.called), 2, 0)
                return np.asarray(right / all_of)
            tp, fp, fn, tn = np.moveaxis(_added(weights, self.counts), 2, 0)
            ious = {
                "fg_iou": np.where(tp + fn > 0, tp / (tp + fp + fn), np.nan),
                "bg_iou": np.where(tn + fp > 0, tn / (tn + fp + fn), np.nan),
            }
        return _mean_defined(np.stack([ious["fg_iou"], ious["bg_iou"]])) if metric == "miou" else ious[metric]


@dataclass(frozen=True)
class Estimate:
    """A figure or a difference with its 95 % interval, and how easily it is zero by chance."""

    value: float
    low: float
    high: float
    p: float  # two-sided, of the draws; at least 2 / (draws + 1)


def draws(trainings: Sequence[Sums], metric: str, subset: str = AVERAGE) -> ByTraining:
    """A metric of one subset, of each of a model's trainings: as it is, then of every draw of groups.

    Raises ``ValueError`` for an unknown metric and for trainings that were not judged on the same groups.
    """
    if metric not in PAIRED_METRICS:
        raise ValueError(f"no paired metric is called {metric!r}; expected one of {', '.join(PAIRED_METRICS)}")
    own, subsets = [one.drawn(metric) for one in trainings], trainings[0].subsets
    if any(one.groups != trainings[0].groups or one.subsets != subsets for one in trainings):
        raise ValueError("the trainings were judged on different people or methods; judge them on the same test crops")
    return np.stack([_mean_defined(one.T) if subset == AVERAGE else one[:, subsets.index(subset)] for one in own])


def combined(*terms: tuple[float, ByTraining]) -> Draws:
    """A weighted sum of several models' means over trainings: as it is, then of every draw, with the spread of seeds in it.

    ``terms``: weights and what `draws` gives, each model once. The seeds' share of the variance is the sum of w^2 s^2 / T over
    models with several trainings, its degrees of freedom Satterthwaite's; of a single training no spread is known, and none is
    added.
    """
    total = np.sum([weight * own.mean(axis=0) for weight, own in terms], axis=0)
    several = [(weight, own[:, 0]) for weight, own in terms if len(own) > 1]
    variances = [weight**2 * float(np.var(own, ddof=1)) / len(own) for weight, own in several]
    if not (spread := sum(variances)) > 0:  # true of NaN, too
        return np.asarray(total)
    freedom = spread**2 / sum(one**2 / (len(own) - 1) for one, (_, own) in zip(variances, several, strict=True))
    noise = np.random.default_rng(1).standard_t(freedom, ROUNDS) * np.sqrt(spread)
    return np.asarray(total + np.concatenate([[0], noise]))


@cache
def resampled(size: int, seed: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """How often each of ``size`` things is taken: once each, then as drawn with replacement; (1 + ROUNDS, size)."""
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), ROUNDS)
    return np.concatenate([np.ones((1, size), np.int64), drawn])


def _added(weights: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Counts of groups (G, ...), added up as often as weights (R, G) say: (R, ...); exact, as these sums are far below 2^53."""
    return np.asarray(np.tensordot(weights.astype(np.float64), counts.astype(np.float64), 1))


def _mean_defined(values: Draws) -> Draws:
    """Mean over the first axis of what is not NaN; NaN where there is nothing."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0))


def estimate_of(drawn: Draws) -> Estimate:
    """Value, interval and p of draws, of a figure or of anything computed from several figures' draws."""
    value, others = float(drawn[0]), drawn[1:][~np.isnan(drawn[1:])]
    if not len(others) or np.isnan(value):
        return Estimate(value, np.nan, np.nan, np.nan)
    low, high = np.percentile(others, [2.5, 97.5])
    tail = 1 + min(int((others <= 0).sum()), int((others >= 0).sum()))
    return Estimate(value, float(low), float(high), min(1.0, 2 * tail / (len(others) + 1)))


def mean_of(own: ByTraining) -> Estimate:
    """A model's mean over its trainings; the interval ends where such figures do, at 0 and 1."""
    found = estimate_of(combined((1, own)))
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high)) if not np.isnan(found.low) else found


def difference(first: Sequence[Sums], second: Sequence[Sums], metric: str, subset: str = AVERAGE) -> Draws:
    """By how much the first model's figure lies above the second's, on the same crops: as it is, then of every draw.

    Raises ``ValueError`` where they were judged on different groups.
    """
    check_paired(first, second)
    return combined((1, draws(first, metric, subset)), (-1, draws(second, metric, subset)))


def check_paired(*models: Sequence[Sums]) -> None:
    """Raises ``ValueError`` where models were judged on different groups: draws would pair different people."""
    if any(own[0].groups != models[0][0].groups for own in models):
        raise ValueError("the models were judged on different people; judge all on the same test crops")


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values of one family of tests, corrected for their number (Holm 1979); NaN stays and counts for none.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = [place for place in np.argsort(ps, kind="stable").tolist() if not np.isnan(ps[place])]
    corrected, least = [float("nan")] * len(ps), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, ps[place] * (len(order) - rank)))
        corrected[place] = round(least, 12)
    return corrected


def seed_rows(model: str, trainings: Sequence[Sums]) -> list[ResultRow]:
    """`PAIRED_METRICS` of every subset and their `AVERAGE`, averaged over a model's trainings; what is undefined has no row.

    Intervals cover people and, where there are several trainings, seeds; Wilson's over groups where all draws agree.
    """
    table = trainings[0]
    rows = []
    for number, subset in enumerate((*table.subsets, AVERAGE)):
        crops = table.called[..., 1] if subset == AVERAGE else table.called[:, number, 1]
        groups = int((table.called[:, number, 1] > 0).sum()) if subset != AVERAGE else len(table.groups)
        for metric in PAIRED_METRICS:
            found = mean_of(draws(trainings, metric, subset))
            if np.isnan(found.value):
                continue
            low, high = found.low, found.high
            if metric == "accuracy" and low == high:
                low, high = wilson(round(found.value * groups), groups)
            rows.append(ResultRow(model, subset, metric, found.value, low, high, int(crops.sum())))
    return rows
