"""Metrics: counts first, divided last. Needs no model, only predictions beside the truth.

>>> import numpy as np
>>> truth = np.array([[True, True, False, False]])
>>> counts = count_pixels(predicted=np.array([[True, False, False, False]]), truth=truth)
>>> counts.fg_iou, counts.f1
(0.5, 0.6666666666666666)
>>> area_under_roc(np.array([0.1, 0.4, 0.8]), labels=np.array([False, True, True]))
1.0
>>> low, high = wilson(hits=0, count=100)  # no false alarm in 100 photos
>>> round(high, 3)
0.037
"""

from tamperlens.metrics.counts import (
    PixelCounts,
    area_under_roc,
    average_precision,
    bootstrap,
    count_pixels,
    count_values,
    equal_error_rate,
    expected_calibration_error,
    false_positive_rate_threshold,
    mean_defined,
    peak,
    pixel_average_precision,
    region_overlaps,
    true_positive_rate,
    wilson,
)

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
