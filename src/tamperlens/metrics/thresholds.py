"""Chosen on validation data, never on test: the map threshold, operating points, and the calibration of scores.

outcomes = judge(predictor, validation_crops)
score_threshold = operating_point(outcomes, false_alarms=0.01)
calibration = fit_calibration(outcomes)
"""

from collections.abc import Iterable, Sequence

import numpy as np

from tamperlens.errors import DataError
from tamperlens.metrics.calibration import NEAREST, NEAREST_ONE, Calibration
from tamperlens.metrics.counts import PixelCounts, count_pixels, false_positive_rate_threshold
from tamperlens.metrics.outcomes import PRISTINE, Outcomes
from tamperlens.types import FloatArray, LabelledCrop

__all__ = ["best_map_threshold", "best_score_threshold", "fit_calibration", "operating_point"]

MAP_THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))  # 0.2 to 0.8


def best_map_threshold(
    pixel_maps: Iterable[FloatArray], crops: Iterable[LabelledCrop], candidates: Sequence[float] = MAP_THRESHOLDS
) -> float:
    """The map threshold (tau 1) of the best pooled mIoU over all crops with masks, pristine ones included.

    Where manipulated crops have labels only, nothing can be chosen: 0.5.
    """
    pooled, marked, lacking = [PixelCounts() for _ in candidates], False, False
    for pixel_map, crop in zip(pixel_maps, crops, strict=True):
        if crop.truth is None:
            lacking = True
            continue
        marked |= crop.manipulated
        found = [count_pixels(pixel_map >= tau, crop.mask) for tau in candidates]
        pooled = [before + counts for before, counts in zip(pooled, found, strict=True)]
    return 0.5 if lacking and not marked else float(candidates[int(np.argmax([counts.miou for counts in pooled]))])


def operating_point(outcomes: Outcomes, false_alarms: float) -> float:
    """The lowest score threshold at which at most the fraction ``false_alarms`` of the pristine crops is called manipulated.

    >>> from tamperlens.metrics.outcomes import Outcome
    >>> operating_point(Outcomes.of(Outcome(PRISTINE, "", False, score / 4) for score in range(4)), 0.25)
    0.625
    """
    return false_positive_rate_threshold(outcomes.scores[~outcomes.labels], false_alarms)


def best_score_threshold(outcomes: Outcomes) -> float:
    """The score threshold (tau 2) of the best balanced accuracy, midway between two scores; in (0, 1].

    Half the weight is the pristine crops', half the methods', one as much as the other: the paper's plain average over methods
    and pristine would reward calling everything manipulated.
    """
    ranked = np.unique(outcomes.scores)
    candidates = np.clip([*((ranked[1:] + ranked[:-1]) / 2), ranked[-1] + 1e-3], 1e-6, 1.0)
    right = (outcomes.scores >= candidates[:, None]) == outcomes.labels
    subsets, accuracy = np.unique(outcomes.subsets).tolist(), np.zeros(len(candidates))
    for subset in subsets:
        weight = 0.5 if subset == PRISTINE else 0.5 / max(1, len(subsets) - 1)
        accuracy += weight * right[:, outcomes.subsets == subset].mean(axis=1)
    return float(candidates[int(np.argmax(accuracy))])


def fit_calibration(outcomes: Outcomes, *, temperature: bool = False, rounds: int = 50) -> Calibration:
    """Platt scaling of raw scores by Newton's method, both classes given equal weight whatever their numbers.

    Targets are Platt's (1999), which keep the fit finite where the classes separate. With ``temperature``, temperature scaling
    (Guo et al. 2017) instead: the slope alone is fitted, so that a score of one half stays one half. Raises `DataError` where
    higher scores do not mean manipulated.
    """
    raw, labels = np.clip(outcomes.scores, NEAREST, 1 - NEAREST_ONE), outcomes.labels
    inputs = np.stack([np.log(raw / (1 - raw)), np.full(len(raw), 0.0 if temperature else 1.0)], axis=1)
    sizes = labels.sum(), (~labels).sum()
    targets = np.where(labels, (sizes[0] + 1) / (sizes[0] + 2), 1 / (sizes[1] + 2))
    weights = np.where(labels, 0.5 / sizes[0], 0.5 / sizes[1])
    fit = np.zeros(2)
    for _ in range(rounds):
        probability = 1 / (1 + np.exp(-inputs @ fit))
        gradient = inputs.T @ (weights * (probability - targets))
        curvature = (inputs * (weights * probability * (1 - probability))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        fit = fit - np.linalg.solve(curvature, gradient)
    if fit[0] <= 0:
        raise DataError(
            f"the scores of {len(raw)} validation crops cannot be calibrated: higher ones do not mean manipulated (slope "
            f"{fit[0]:.3f}); train the model further"
        )
    return Calibration(slope=float(fit[0]), intercept=float(fit[1]))
