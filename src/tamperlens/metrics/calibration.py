"""Raw scores as probabilities."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["NEAREST", "NEAREST_ONE", "Calibration"]

#: Lower clip of raw scores: a thousandth of a crop's area.
NEAREST = 1e-3

#: Upper clip. Peak scores cluster near 1, and the thresholds lie inside that cluster.
NEAREST_ONE = 1e-6


class Calibration(BaseModel):
    """Platt scaling: probability = sigmoid(slope * logit(raw score) + intercept), fitted on validation data.

    Raw scores are first brought into [`NEAREST`, 1 - `NEAREST_ONE`], so that a score of exactly 0 or 1 has a logit.

    >>> Calibration(slope=1.0, intercept=0.0)(0.5)
    0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: Annotated[float, Field(gt=0)]  # a higher raw score never means a lower probability
    intercept: float

    def __call__(self, raw: float) -> float:
        """The probability, in (0, 1), that a crop of this raw score, in [0, 1], is manipulated."""
        raw = min(max(raw, NEAREST), 1 - NEAREST_ONE)
        return 1 / (1 + math.exp(-(self.slope * math.log(raw / (1 - raw)) + self.intercept)))
