"""Numbers: counts first, what is divided from them last. Needs no model, only what one said and what is true."""

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
