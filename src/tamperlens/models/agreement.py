"""Whether an engine gives a model's numbers: one fixed crop, and what PyTorch made of it when the model was saved.

The crop is made by code and small, so that every load can ask an engine about it; the answer stands in the model's card.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tamperlens.types import FloatArray

__all__ = ["TOLERANCES", "Reference", "difference", "fixed_crop", "reference_of"]

SIDE, BLOCK = 96, 12  # pixels: of the crop, and of the blocks of its map that are compared

#: How far an engine may lie from the reference, by its precision. float32: what summing in another order does. bf16 and int8
#: round each layer; what that costs in quality the frozen bench says, and here only what is broken is found.
TOLERANCES = {"float32": 2e-3, "bf16": 5e-2, "int8": 5e-2}

Run = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


class Reference(BaseModel):
    """What a model gives for `fixed_crop`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pixel_map: tuple[float, ...]  # means of blocks, row by row
    score: float  # raw


def fixed_crop() -> FloatArray:
    """Images (1, 3, 96, 96) in [0, 1]: a smooth texture, and noise on a disc in its middle, which networks see as put there."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / np.float32(SIDE)
    disc = 1 / (1 + np.exp(np.minimum(60 * (np.hypot(x - 0.5, y - 0.5) - 0.28), 50)))
    noise = np.random.default_rng(0).random((3, SIDE, SIDE), dtype=np.float32) - np.float32(0.5)
    shades = np.stack([0.35 + 0.3 * x, 0.3 + 0.3 * y, 0.6 - 0.3 * x * y])
    texture = 0.08 * np.sin(25 * x + 3 * y) * np.cos(25 * y)
    image: FloatArray = np.clip(shades + texture + 0.15 * noise * disc + 0.1 * disc, 0, 1).astype(np.float32)
    return image[None]


def reference_of(run: Run) -> Reference:
    """What ``run``, images -> pixel map and score, gives for `fixed_crop`."""
    *blocks, score = np.round(_numbers(run), 6).tolist()
    return Reference(pixel_map=tuple(blocks), score=score)


def difference(run: Run, reference: Reference) -> float:
    """The largest difference of a block of the map, or of the score, from the reference; infinite where one is no number."""
    apart = np.abs(_numbers(run) - np.array([*reference.pixel_map, reference.score]))
    return float(apart.max()) if np.isfinite(apart).all() else np.inf


def _numbers(run: Run) -> npt.NDArray[np.float64]:
    """The means of the map's blocks, then the score."""
    pixel_map, score = run(fixed_crop())
    side = SIDE // BLOCK
    blocks = np.asarray(pixel_map, np.float64).reshape(side, BLOCK, side, BLOCK).mean(axis=(1, 3))
    numbers: npt.NDArray[np.float64] = np.array([*blocks.ravel(), np.asarray(score).ravel()[0]])
    return numbers
