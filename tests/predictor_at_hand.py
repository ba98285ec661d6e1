"""A predictor that says what a test chooses."""

import numpy as np

from tamperlens.types import Prediction, UInt8Array


class FakePredictor:
    """Calls the left half of every crop manipulated, at the scores that the test chooses, the last one ever after."""

    name = "fake 000000000000"
    calibrated = False
    limits: tuple[str, ...] = ("It looks left only.",)
    score_threshold = 0.6
    doubt_threshold = 0.4

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.sides: list[int] = []  # of the crops it was shown

    def __call__(self, image: UInt8Array) -> Prediction:
        self.sides.append(image.shape[0])
        pixel_map = np.zeros(image.shape[:2], np.float32)
        pixel_map[:, : image.shape[1] // 2] = 0.9
        return Prediction(pixel_map, pixel_map > 0.5, self.scores.pop(0) if len(self.scores) > 1 else self.scores[0])
