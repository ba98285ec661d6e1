"""Models compared on the same crops: figures are those of `rows_of`, differences those that were put in."""

import numpy as np
import pytest

from tamperlens.metrics import PixelCounts
from tamperlens.metrics.outcomes import PRISTINE, Outcome, Outcomes
from tamperlens.metrics.paired import Sums, combined, difference, draws, estimate_of, holm, mean_of, resampled, seed_rows
from tamperlens.metrics.results import rows_of


def outcomes(skill: float, seed: int, people: int = 30) -> Outcomes:
    """A model that finds ``skill`` of each mask; people differ in how hard they are."""
    rng, hard, rows = np.random.default_rng(seed), np.random.default_rng(99).normal(0, 0.05, people), []
    for person in range(people):
        for subset in ("DF", "FS", PRISTINE):
            share = float(np.clip(skill + hard[person] + rng.normal(0, 0.02), 0, 1))
            found = round(400 * share)
            counts = (
                PixelCounts(fp=400 - found, tn=600 + found) if subset == PRISTINE else PixelCounts(found, 50, 400 - found, 550)
            )
            rows.append(Outcome(subset, str(person), subset != PRISTINE, float(rng.random() < share), counts))
    return Outcomes.of(rows)


def test_figures_of_one_training_are_those_of_the_bench():
    table = outcomes(0.7, 0)
    ours = {(row.subset, row.metric): row for row in seed_rows("m", [Sums.of(table)])}
    theirs = {(row.subset, row.metric): row for row in rows_of("m", table, 0.5, ("accuracy", "fg_iou", "bg_iou", "miou"))}
    assert {key for key in theirs if key[0] != "all"} == set(ours)
    for key, row in ours.items():
        assert row.value == pytest.approx(theirs[key].value), key
        assert row.low == pytest.approx(theirs[key].low, abs=0.06), key
        assert row.high == pytest.approx(theirs[key].high, abs=0.06), key
        assert row.count == theirs[key].count, key


def test_a_difference_is_found_and_none_is_not():
    good, bad, same = (
        [Sums.of(outcomes(skill, seed)) for seed in seeds]
        for skill, seeds in ((0.8, (1, 2, 3)), (0.6, (4, 5, 6)), (0.8, (7, 8, 9)))
    )
    better = estimate_of(difference(good, bad, "fg_iou"))
    assert better.value == pytest.approx(0.18, abs=0.03) and better.low > 0.1 and better.p < 0.01
    none = estimate_of(difference(good, same, "fg_iou"))
    assert none.low < 0 < none.high and none.p > 0.05
    # People differ more than models do: only pairing tells that apart.
    alone = estimate_of(combined((1, draws(good, "fg_iou"))))
    assert none.high - none.low < alone.high - alone.low


def test_seeds_widen_an_interval_as_people_do():
    steady, moody = (
        [Sums.of(outcomes(0.7, seed)) for seed in (1, 2, 3)],
        [Sums.of(outcomes(skill, 1)) for skill in (0.5, 0.7, 0.9)],
    )
    narrow, wide = (estimate_of(combined((1, draws(one, "miou")))) for one in (steady, moody))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("people", "seeds"), [(0.0, 0.03), (0.02, 0.03), (0.06, 0.005)])
def test_equal_models_are_seldom_told_apart_by_three_seeds(people, seeds):
    """The interval has its 95 %, whether people or seeds differ more; of seeds drawn again it had 80."""
    rng, weights, told = np.random.default_rng(0), resampled(17, seed=(0,)) / 17, []

    def model(hard: np.ndarray) -> np.ndarray:
        return np.stack([weights @ (hard + rng.normal(0, people, 17) + rng.normal(0, seeds)) for _ in range(3)])

    for _ in range(200):
        hard = rng.normal(0, 0.05, 17)
        found = estimate_of(combined((1, model(hard)), (-1, model(hard))))
        told.append(found.p < 0.05)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high) or 0.03 < found.p < 0.07
    assert np.mean(told) < 0.08


def test_a_weighted_sum_is_of_means_and_its_spread_of_all_models():
    steady, moody = np.zeros((3, 10_001)), np.repeat([[0.1], [0.2], [0.3]], 10_001, axis=1)
    found = estimate_of(combined((1, moody), (-2, steady)))
    # Welch's t of one model with three trainings: two degrees of freedom, 4.30 standard errors of 0.1 / sqrt(3).
    assert found.value == pytest.approx(0.2) and found.high - found.value == pytest.approx(4.30 * 0.1 / 3**0.5, rel=0.1)
    alone = estimate_of(combined((1, moody[:1])))
    assert alone.low == alone.high == 0.1
    cut = mean_of(moody)  # 0.2 and 4.30 standard errors reach below nothing
    assert cut.low == 0 and cut.value == pytest.approx(0.2) and 0.4 < cut.high < 0.5


def test_what_cannot_be_compared_is_refused():
    one, other = Sums.of(outcomes(0.7, 0)), Sums.of(outcomes(0.7, 0, people=5))
    with pytest.raises(ValueError, match="different people"):
        difference([one], [other], "miou")
    with pytest.raises(ValueError, match="different people or methods"):
        draws([one, other], "miou")
    with pytest.raises(ValueError, match=r"'auc'.*accuracy"):
        draws([one], "auc")


def test_holm_corrects_for_many_tests():
    assert holm([0.001, 0.5, 0.02, float("nan")])[:3] == pytest.approx([0.003, 0.5, 0.04])
    assert holm([]) == [] and holm([0.9, 0.9]) == [1.0, 1.0]
