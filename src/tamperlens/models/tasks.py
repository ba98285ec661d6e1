"""What a network's logit map means: ``cls`` puts the loss on its mean, ``seg`` on each of its pixels.

Both tasks of arXiv 1912.05790 (sections 3.1 and 3.2) read the same one-channel logit map ``(B, 1, h, w)``, which has
the network's own resolution. Wherever pixels are compared, it is first resized bilinearly to the crop.

As printed, the paper's Eq. 1 and Eq. 5 lack the ``1 -`` inside one of their logarithms. Its text calls the loss binary
cross entropy, and that is what is implemented here.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["CAM_MIN_SCORE", "TASKS", "Classification", "Segmentation", "Task", "mask_of", "resize"]

#: A crop with a lower ``cls`` score has an empty pixel map (the paper's Figure 2).
CAM_MIN_SCORE = 0.5
#: A ``cls`` map whose logits differ by no more than this shows nothing: stretching it would show rounding errors.
CAM_MIN_RANGE = 1e-3


def resize(logit_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``(B, 1, h, w)`` bilinearly to ``size = (H, W)``; cell centres are kept (``align_corners=False``)."""
    return F.interpolate(logit_map.float(), size=size, mode="bilinear", align_corners=False)


def mask_of(pixel_map: Tensor, map_threshold: float) -> Tensor:
    """The pixels called manipulated, bool in the map's shape: ``pixel_map >= map_threshold`` (the paper's tau 1)."""
    return pixel_map >= map_threshold


class Task(Protocol):
    """How a logit map is trained and read. Tasks keep no state and no parameters."""

    name: str
    #: tau 1 and tau 2 until the validation split has chosen better ones; both in (0, 1].
    map_threshold: float
    score_threshold: float

    def loss(self, logit_map: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """The training loss, a float32 scalar, averaged over the batch.

        ``logit_map`` is float ``(B, 1, h, w)``, ``masks`` float ``(B, 1, H, W)`` in {0, 1}, ``labels`` float ``(B,)``
        in {0, 1}; 1 is manipulated.
        """
        ...

    def pixel_map(self, logit_map: Tensor, size: tuple[int, int]) -> Tensor:
        """Pixel map, float32 ``(B, 1, H, W)`` in [0, 1], at the crop's ``size = (H, W)``."""
        ...

    def score(self, logit_map: Tensor, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Score of each crop, float32 ``(B,)`` in [0, 1]; ``pixel_map`` is what the method of that name returned."""
        ...


class Classification:
    """``cls`` (section 3.1): the mean of the map is the image's logit, the map itself is its class activation map."""

    name = "cls"
    map_threshold = 0.5
    score_threshold = 0.5

    def loss(self, logit_map: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """Eq. 1: binary cross entropy between the map's mean and the label. Masks are not looked at."""
        return F.binary_cross_entropy_with_logits(_mean(logit_map), labels.float())

    def pixel_map(self, logit_map: Tensor, size: tuple[int, int]) -> Tensor:
        """Eq. 2-4: each crop's map stretched to [0, 1]; all zero where the score is under ``CAM_MIN_SCORE``.

        The values are relative to the crop, not probabilities. A constant map becomes all zero.
        """
        manipulated = (torch.sigmoid(_mean(logit_map)) >= CAM_MIN_SCORE).view(-1, 1, 1, 1)
        # Asked of the map itself: resizing a constant map may leave rounding errors.
        varied = _range(logit_map)[1] > CAM_MIN_RANGE
        resized = resize(logit_map, size)
        lowest, span = _range(resized)
        return (resized - lowest) / span.clamp(min=CAM_MIN_RANGE) * (manipulated & varied)

    def score(self, logit_map: Tensor, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Sigmoid of the map's mean, taken at the network's own resolution; the threshold plays no part."""
        return torch.sigmoid(_mean(logit_map))


class Segmentation:
    """``seg`` (section 3.2): each pixel has its own probability."""

    name = "seg"
    map_threshold = 0.5
    #: A share of the crop's area, not a probability: the face fills about a quarter of a crop.
    score_threshold = 0.05

    def loss(self, logit_map: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """Eq. 5: binary cross entropy of each pixel of the resized map, averaged. Labels are not looked at."""
        return F.binary_cross_entropy_with_logits(resize(logit_map, _size(masks)), masks.float())

    def pixel_map(self, logit_map: Tensor, size: tuple[int, int]) -> Tensor:
        """Sigmoid of the resized map: the probability that a pixel is manipulated."""
        return torch.sigmoid(resize(logit_map, size))

    def score(self, logit_map: Tensor, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Eq. 6: the share of the crop's pixels that are called manipulated."""
        return mask_of(pixel_map, map_threshold).float().mean(dim=(1, 2, 3))


def _mean(logit_map: Tensor) -> Tensor:
    return logit_map.float().mean(dim=(1, 2, 3))


def _range(logit_map: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest value of each map and how far the highest lies above it, both ``(B, 1, 1, 1)``."""
    lowest = logit_map.float().amin(dim=(1, 2, 3), keepdim=True)
    return lowest, logit_map.float().amax(dim=(1, 2, 3), keepdim=True) - lowest


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Segmentation())}
