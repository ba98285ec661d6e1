import math

import numpy as np
import pytest

from tamperlens.metrics import (
    PixelCounts,
    count_values,
    equal_error_rate,
    pixel_average_precision,
    region_overlaps,
    true_positive_rate,
    wilson,
)
from tamperlens.metrics.baseline import MeanMask
from tamperlens.metrics.outcomes import Outcome, Outcomes, judge
from tamperlens.metrics.results import METRICS, rows_of
from tamperlens.metrics.thresholds import best_map_threshold, best_score_threshold, fit_calibration, operating_point
from tamperlens.types import LabelledCrop, Prediction


def crop(manipulated: bool, group: str = "a", subset: str = "swap") -> LabelledCrop:
    image, mask = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.bool_)
    if manipulated:
        image[4:12, 4:12] = 200
        mask[4:12, 4:12] = True
    return LabelledCrop(image, mask, subset if manipulated else "pristine", group)


class Bright:
    """Calls bright pixels manipulated, at 0.45 of certainty."""

    name, calibrated, limits, score_threshold, doubt_threshold = "bright", False, (), 0.1, 0.05

    def __call__(self, image) -> Prediction:
        pixel_map = np.where(image[..., 0] > 100, np.float32(0.45), np.float32(0.1))
        mask = pixel_map >= 0.4
        return Prediction(pixel_map, mask, float(mask.mean()))


class Everything:
    name, calibrated, limits, score_threshold, doubt_threshold = "everything", False, (), 0.1, 0.05

    def __call__(self, image) -> Prediction:
        mask = np.ones(image.shape[:2], np.bool_)
        return Prediction(mask.astype(np.float32), mask, 1.0)


CROPS = [crop(number % 2 == 0, group=f"person{number}") for number in range(12)]


def figures(predictor) -> dict[tuple[str, str], float]:
    rows = rows_of(predictor.name, judge(predictor, CROPS), predictor.score_threshold, rounds=20)
    return {(row.subset, row.metric): row.value for row in rows}


def test_a_perfect_predictor_gets_perfect_rows() -> None:
    found = figures(Bright())
    assert found["swap", "auc"] == found["swap", "fg_iou"] == found["swap", "bg_iou"] == found["all", "auc"] == 1
    assert found["swap", "accuracy"] == found["pristine", "accuracy"] == 1
    assert found["pristine", "bg_iou"] == 1 and found["pristine", "false_area"] == found["pristine", "false_alarms"] == 0


def test_calling_everything_manipulated_gets_chance_and_full_false_alarms() -> None:
    found = figures(Everything())
    assert found["swap", "accuracy"] == 1 and found["pristine", "accuracy"] == 0
    assert found["swap", "auc"] == 0.5 and found["swap", "fg_iou"] == pytest.approx(0.25)
    assert found["pristine", "bg_iou"] == 0 and found["pristine", "false_area"] == found["pristine", "false_alarms"] == 1


def test_rows_count_crops_and_carry_intervals() -> None:
    rows = {(row.subset, row.metric): row for row in rows_of("m", judge(Bright(), CROPS), 0.1, rounds=20)}
    assert rows["swap", "fg_iou"].count == 6 and rows["pristine", "false_alarms"].count == 6 and rows["all", "auc"].count == 12
    assert rows["swap", "fg_iou"].low == rows["swap", "fg_iou"].high == 1
    assert rows["pristine", "false_alarms"].high == pytest.approx(0.39, abs=0.01)  # six photos prove little
    assert rows["swap", "accuracy"].value == 1 and rows["swap", "accuracy"].low == pytest.approx(0.61, abs=0.01)


def test_false_alarms_of_a_method_are_of_its_crops_without_manipulated_pixels() -> None:
    crops = [Outcome("swap", str(number), number > 3, 0.9 if number % 2 else 0.1) for number in range(20)]
    rows = {row.subset: row for row in rows_of("m", Outcomes.of(crops), 0.5, ["false_alarms"])}
    assert rows["swap"].value == 0.5 and rows["swap"].count == rows["all"].count == 4
    assert (rows["swap"].low, rows["swap"].high) == wilson(2, 4)


def test_the_map_threshold_is_the_one_of_the_best_miou() -> None:
    assert 0.1 < best_map_threshold([Bright()(crop.image).pixel_map for crop in CROPS], CROPS) <= 0.45


def outcomes(scores: list[tuple[float, bool]]) -> Outcomes:
    return Outcomes.of(Outcome("swap", str(number), label, score) for number, (score, label) in enumerate(scores))


def test_the_operating_point_looks_at_pristine_scores_only() -> None:
    scores = [(number / 100, False) for number in range(100)] + [(2.0, True)] * 50
    threshold = operating_point(outcomes(scores), 0.05)
    assert sum(score >= threshold for score, label in scores if not label) == 5


def test_calibration_recovers_the_probabilities_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.01, 0.99, 20_000)
    truth = 1 / (1 + np.exp(-(1.5 * np.log(raw / (1 - raw)) + 0.0)))
    calibration = fit_calibration(outcomes(list(zip(raw.tolist(), (rng.random(20_000) < truth).tolist(), strict=True))))
    assert calibration.slope == pytest.approx(1.5, abs=0.08) and calibration.intercept == pytest.approx(0.0, abs=0.08)


def test_calibration_of_separated_classes_is_finite() -> None:
    calibration = fit_calibration(outcomes([(0.01, False)] * 20 + [(0.9, True)] * 20))
    assert math.isfinite(calibration.slope) and calibration(0.9) > 0.9 and calibration(0.01) < 0.1


def test_the_mean_mask_knows_only_where_faces_are() -> None:
    baseline = MeanMask(CROPS)
    found = figures(baseline)
    assert found["swap", "accuracy"] == 0 and found["pristine", "accuracy"] == 1  # it calls nothing manipulated
    assert found["swap", "auc"] == 0.5 and found["swap", "fg_iou"] > 0.7 and found["pristine", "false_area"] > 0.2
    assert baseline(np.zeros((50, 50, 3), np.uint8)).pixel_map.shape == (50, 50)


def test_the_score_threshold_weighs_pristine_as_much_as_all_methods_together() -> None:
    def of(subset: str, *scores: float) -> list[Outcome]:
        return [Outcome(subset, str(score), subset != "pristine", score) for score in scores]

    clear = of("swap", 0.7, 0.8) + of("edit", 0.9, 0.9) + of("pristine", 0.1, 0.3)
    assert best_score_threshold(Outcomes.of(clear)) == pytest.approx(0.5)
    blind = [*of("swap", 0.5), *of("edit", 0.5), *of("warp", 0.5), *of("pristine", 0.5, 0.2)]
    assert best_score_threshold(Outcomes.of(blind)) == pytest.approx(0.35)  # half of the pristine is worth more than nothing
    weak = of("swap", 0.4, 0.6) + of("edit", 0.4, 0.6) + of("pristine", 0.4, 0.45, 0.5, 0.55)
    assert best_score_threshold(Outcomes.of(weak)) > 0.5  # calling everything manipulated would get 2 of 3 subsets right


def test_metrics_of_scores_and_regions_on_cases_done_by_hand() -> None:
    scores, labels = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([False, False, True, False, True])
    assert true_positive_rate(scores, labels, 0.01) == 0.5 and true_positive_rate(scores, labels, 0.4) == 1.0
    assert equal_error_rate(scores, labels) == pytest.approx(1 / 3)
    assert np.isnan(equal_error_rate(scores, np.ones(5, np.bool_)))
    truth, found = np.zeros((8, 8), np.bool_), np.zeros((8, 8), np.bool_)
    truth[:2, :2], truth[5:, 5:], found[:2, :1] = True, True, True
    assert region_overlaps(found, truth) == (0.5, 0.0)  # PRO 0.25; pixel recall would say 2 of 13
    values = count_values(np.where(truth, 0.9, 0.1).astype(np.float32), truth)
    assert values.sum() == 64 and pixel_average_precision(values) == 1.0
    assert pixel_average_precision(count_values(np.full((8, 8), 0.5, np.float32), truth)) == pytest.approx(13 / 64)


def test_temperature_scaling_keeps_one_half_where_it_is() -> None:
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.05, 0.95, 4000)
    sharpened = 1 / (1 + ((1 - raw) / raw) ** 2)  # twice as sure as it should be
    labels = rng.random(4000) < raw
    fitted = fit_calibration(outcomes(list(zip(sharpened.tolist(), labels.tolist(), strict=True))), temperature=True)
    assert fitted.slope == pytest.approx(0.5, abs=0.05) and fitted(0.5) == pytest.approx(0.5)


def test_a_metric_is_a_function_of_the_table_and_of_the_drawn_rows() -> None:
    table = judge(Bright(), CROPS).at(0.1)
    forged, pristine = np.flatnonzero(table.labels), np.flatnonzero(~table.labels)
    for name, metric in METRICS.items():
        once, twice = metric.figure(table, np.arange(12)), metric.figure(table, np.arange(12).repeat(2))
        assert once == pytest.approx(twice, nan_ok=True), name  # every row drawn twice changes nothing
    assert METRICS["fg_iou"].figure(table, forged[:1]) == 1 and math.isnan(METRICS["fg_iou"].figure(table, pristine))
    assert math.isnan(METRICS["false_alarms"].figure(table, forged)) and METRICS["false_alarms"].figure(table, pristine) == 0
    assert METRICS["accuracy"].figure(table.at(1.0), forged) == 0  # nothing reaches that threshold
    assert len(table.where(table.labels)) == 6 and table.where(table.labels).pooled() == PixelCounts(tp=384, tn=1152)
    assert table.where(forged[[0, 0]]).groups.tolist() == ["person0", "person0"]


def test_a_table_of_no_crops_has_no_figures() -> None:
    assert rows_of("m", Outcomes.of([]), 0.5, list(METRICS)) == [] and Outcomes.of([]).pooled() == PixelCounts()
