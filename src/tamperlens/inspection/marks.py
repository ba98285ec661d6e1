"""Which pixels are shown as manipulated: decided here and nowhere else, from a model's map and mask and the verdict.

A model's mask says which pixels reach its map threshold, whatever it thinks of the whole face: of a face that is not called
manipulated it may still hold half. What people see follows the verdict.
"""

import cv2
import numpy as np

from tamperlens.types import BoolArray, FloatArray, Verdict

__all__ = ["SPECK", "marked_pixels"]

SPECK = 0.002  # of a face's square: smaller spots are not marked, unless there is no larger one


def marked_pixels(pixel_map: FloatArray, mask: BoolArray, verdict: Verdict) -> BoolArray:
    """The pixels of one face's square that are shown as manipulated; bool, the shape of ``mask``.

    None of a face that is not called manipulated. Of one that is, ``mask`` without specks; where no pixel of ``pixel_map``
    reached the model's threshold, those that reach half of its highest value, so that the verdict is never without a place.
    """
    if verdict is not Verdict.MANIPULATED or mask.size == 0:
        return np.zeros_like(mask)
    return _without_specks(mask if mask.any() else pixel_map >= pixel_map.max() / 2)


def _without_specks(mask: BoolArray) -> BoolArray:
    count, labels, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = figures[1:, cv2.CC_STAT_AREA]  # without the background
    if count <= 2:
        return mask
    large = areas >= min(SPECK * mask.size, areas.max())
    return np.asarray(np.concatenate([[False], large])[labels], np.bool_)
