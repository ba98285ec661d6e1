import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tamperlens import metrics
from tamperlens.metrics import PixelCounts, count_pixels

LABELLED = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((9, 11)) < 0.4, rng.random((9, 11)) < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_pixel_metrics_agree_with_scikit_learn(seed: int) -> None:
    predicted, truth = masks(seed)
    counts = count_pixels(predicted, truth)
    assert counts.fg_iou == pytest.approx(reference.jaccard_score(truth.ravel(), predicted.ravel()))
    assert counts.bg_iou == pytest.approx(reference.jaccard_score(~truth.ravel(), ~predicted.ravel()))
    assert counts.f1 == pytest.approx(reference.f1_score(truth.ravel(), predicted.ravel()))
    assert counts.miou == pytest.approx((counts.fg_iou + counts.bg_iou) / 2)


def test_pixels_that_are_no_number_count_as_none() -> None:
    values = metrics.count_values(np.array([[np.nan, 0.005, 1.0]], np.float32), np.array([[False, True, False]]))
    assert values[0, 0] == values[0, -1] == values[1, 0] == 1 and values.sum() == 3


def test_counts_add_up() -> None:
    (p1, t1), (p2, t2) = masks(1), masks(2)
    together = count_pixels(np.concatenate([p1, p2]), np.concatenate([t1, t2]))
    assert count_pixels(p1, t1) + count_pixels(p2, t2) == together


def test_a_perfect_prediction_on_a_pristine_crop_is_perfect() -> None:
    nothing = np.zeros((8, 8), np.bool_)
    counts = count_pixels(nothing, nothing)
    assert counts.bg_iou == 1 and counts.miou == 1 and counts.false_area == 0
    assert math.isnan(counts.fg_iou) and math.isnan(counts.f1)  # there is no foreground to find: undefined, not 0


def test_calling_everything_manipulated_is_punished() -> None:
    nothing = np.zeros((8, 8), np.bool_)
    counts = count_pixels(~nothing, nothing)
    assert counts.bg_iou == 0 and counts.false_area == 1


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got predicted \(2, 2\) and truth \(3, 3\)"):
        count_pixels(np.zeros((2, 2), np.bool_), np.zeros((3, 3), np.bool_))


@settings(deadline=None, derandomize=True)  # a busy machine is no failure
@given(LABELLED)
def test_area_under_roc_and_average_precision_agree_with_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    assert metrics.area_under_roc(scores, labels) == pytest.approx(reference.roc_auc_score(labels, scores))
    assert metrics.average_precision(scores, labels) == pytest.approx(reference.average_precision_score(labels, scores))


def test_one_class_alone_has_no_auc() -> None:
    assert math.isnan(metrics.area_under_roc(np.array([0.1, 0.9]), np.array([True, True])))


@settings(deadline=None, derandomize=True)  # a busy machine is no failure
@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.sampled_from([0.0, 0.01, 0.05, 0.5, 1.0]))
def test_the_threshold_keeps_false_alarms_within_the_rate(values: list[int], rate: float) -> None:
    scores = np.array(values, float)
    threshold = metrics.false_positive_rate_threshold(scores, rate)
    assert (scores >= threshold).mean() <= rate + 1e-9
    if rate < 1 and len(set(values)) > 1:
        assert threshold not in scores or (scores >= scores.min()).mean() <= rate + 1e-9  # midway: rounding decides nothing


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 0.95])
    assert metrics.expected_calibration_error(probabilities, np.array([False, False, True, True])) == pytest.approx(0.05)
    assert metrics.expected_calibration_error(probabilities, np.array([True, True, False, False])) == pytest.approx(0.95)


def test_wilson_interval_of_no_alarms_in_a_hundred() -> None:
    low, high = metrics.wilson(0, 100)
    assert low == 0 and high == pytest.approx(0.0370, abs=1e-4)
    assert all(math.isnan(bound) for bound in metrics.wilson(0, 0))


def test_the_bootstrap_draws_whole_groups() -> None:
    """A hundred frames of one video are one observation: the interval must be that of two videos, not of two hundred frames."""
    values = np.array([0.0] * 100 + [1.0] * 100)
    groups = ["a"] * 100 + ["b"] * 100
    low, high = metrics.bootstrap(lambda drawn: float(values[drawn].mean()), groups)
    assert (low, high) == (0.0, 1.0)
    assert all(math.isnan(bound) for bound in metrics.bootstrap(lambda drawn: 1.0, ["a"] * 9))


def test_the_peak_is_the_mean_of_the_surest_pixels() -> None:
    pixel_map = np.zeros((10, 10), np.float32)
    pixel_map[3, 4], pixel_map[7, 7] = 1.0, 0.5
    assert metrics.peak(pixel_map, 0.01) == 1.0 and metrics.peak(pixel_map, 0.02) == 0.75
    assert metrics.peak(pixel_map, 1.0) == pytest.approx(0.015) and metrics.peak(pixel_map, 1e-9) == 1.0


def test_undefined_values_are_left_out_of_means() -> None:
    assert metrics.mean_defined([1.0, float("nan"), 0.0]) == 0.5
    assert math.isnan(metrics.mean_defined([float("nan")]))


def test_the_papers_table_2_obeys_the_definitions_used_here() -> None:
    """mIoU is the mean of Fg- and Bg-IoU, P's mIoU is its Bg-IoU, and averages run over all five columns."""
    table = Path(__file__).parents[1] / "golden" / "table2.csv"
    rows = {(row["model"], row["metric"]): row for row in csv.DictReader(table.read_text().splitlines())}
    for model in ("vgg8-seg", "vgg5-seg", "fn3-seg"):
        miou, fg, bg = (rows[model, metric] for metric in ("miou", "fg_iou", "bg_iou"))
        for method in ("DF", "F2F", "FS", "NT"):
            both = [float(fg[method]), float(bg[method])]
            assert metrics.mean_defined(both) == pytest.approx(float(miou[method]), abs=0.0051)
        assert metrics.mean_defined([float("nan"), float(bg["P"])]) == float(miou["P"])
        assert metrics.mean_defined([float(miou[m]) for m in ("DF", "F2F", "FS", "NT", "P")]) == pytest.approx(
            float(miou["Avg"]), abs=0.0051
        )


def test_miou_without_a_background_is_the_foregrounds() -> None:
    assert PixelCounts(tp=10).miou == 1.0
