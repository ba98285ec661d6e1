"""What a model must beat: a predictor that knows where faces are, and nothing else."""

from collections.abc import Iterable

import numpy as np

from tamperlens.metrics.counts import count_pixels
from tamperlens.types import BoolArray, FloatArray, LabelledCrop, Prediction, UInt8Array

__all__ = ["MeanMask"]


class MeanMask:
    """The trivial baseline: the mean training mask predicted for every crop. It knows where faces are, and nothing else.

    baseline = MeanMask(crops_of_people_trained_on)
    rows = rows_of(baseline.name, judge(baseline, test_crops), baseline.score_threshold)
    """

    name = "mean-mask"
    calibrated = False
    limits: tuple[str, ...] = ("It does not look at the crop.",)
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
