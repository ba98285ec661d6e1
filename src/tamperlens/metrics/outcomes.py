"""Outcomes: predictions beside the truth of labelled crops, as a table of arrays with a row for each crop.

>>> from tamperlens.metrics import PixelCounts
>>> table = Outcomes.of([Outcome("pristine", "a", False, 0.1, PixelCounts(tn=9)), Outcome("swap", "b", True, 0.8)])
>>> table.scores[table.labels]
array([0.8])
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tamperlens.metrics.counts import VALUE_BINS, Counts, PixelCounts, count_pixels, count_values, mean_defined, region_overlaps
from tamperlens.types import BoolArray, LabelledCrop, Prediction, Predictor

__all__ = ["PRISTINE", "Drawn", "Outcome", "Outcomes", "judge", "outcome_of"]

PRISTINE = "pristine"  # the subset of crops in which nothing was manipulated
Drawn = npt.NDArray[np.intp]  # numbers of rows of a table; a row may be drawn more than once


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of one crop: its pixel counts, and its score beside its label."""

    subset: str
    group: str
    label: bool
    score: float
    counts: PixelCounts = field(default_factory=PixelCounts)
    values: Counts | None = None  # (2, VALUE_BINS), of `count_values`
    overlaps: tuple[float, ...] = ()  # of `region_overlaps`


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcomes of N crops, a row for each."""

    subsets: npt.NDArray[np.str_]  # (N,): method or family, or PRISTINE
    groups: npt.NDArray[np.str_]  # (N,): video or person; rows of one group are not independent
    labels: BoolArray  # (N,): whether anything was manipulated
    scores: npt.NDArray[np.float64]  # (N,)
    counts: npt.NDArray[np.int64]  # (N, 4): pixels that are tp, fp, fn, tn
    values: npt.NDArray[np.int64]  # (N, 2, VALUE_BINS): of `count_values`, zeros where they were not counted
    mious: npt.NDArray[np.float64]  # (N,): of each crop alone
    overlaps: npt.NDArray[np.float64]  # (N,): mean fraction found of a crop's manipulated regions; NaN where it has none
    score_threshold: float = 0.5  # a crop whose score reaches it is called manipulated

    @classmethod
    def of(cls, rows: Iterable[Outcome]) -> "Outcomes":
        """The table of single outcomes, in their order."""
        crops = list(rows)
        count, blank = len(crops), np.zeros((2, VALUE_BINS), np.int64)
        return cls(
            subsets=np.array([crop.subset for crop in crops], np.str_),
            groups=np.array([crop.group for crop in crops], np.str_),
            labels=np.array([crop.label for crop in crops], np.bool_),
            scores=np.array([crop.score for crop in crops], np.float64),
            counts=np.array([astuple(crop.counts) for crop in crops], np.int64).reshape(count, 4),
            values=np.stack([blank if crop.values is None else crop.values for crop in crops])
            if crops
            else np.zeros((0, 2, VALUE_BINS), np.int64),
            mious=np.array([crop.counts.miou for crop in crops], np.float64),
            overlaps=np.array([mean_defined(crop.overlaps) for crop in crops], np.float64),
        )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def called(self) -> BoolArray:
        """Whether each crop is called manipulated, (N,)."""
        return self.scores >= self.score_threshold

    def at(self, score_threshold: float) -> "Outcomes":
        """The same at another score threshold."""
        return replace(self, score_threshold=score_threshold)

    def where(self, keep: BoolArray | Drawn) -> "Outcomes":
        """The rows that ``keep`` marks or numbers."""
        return Outcomes(
            self.subsets[keep],
            self.groups[keep],
            self.labels[keep],
            self.scores[keep],
            self.counts[keep],
            self.values[keep],
            self.mious[keep],
            self.overlaps[keep],
            self.score_threshold,
        )

    def pooled(self, drawn: BoolArray | Drawn | slice = slice(None)) -> PixelCounts:
        """The added counts of the drawn rows, all by default."""
        return PixelCounts(*self.counts[drawn].sum(axis=0).tolist())


def judge(predictor: Predictor, crops: Iterable[LabelledCrop]) -> Outcomes:
    """Run a predictor over labelled crops, one at a time."""
    return Outcomes.of(outcome_of(predictor(crop.image), crop) for crop in crops)


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
