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

__all__ = ["CAM_MIN_SCORE", "TASKS", "Classification", "Joint", "Logits", "Segmentation", "Task", "map_of", "mask_of", "resize"]

#: What a network gives: its logit map ``(B, 1, h, w)``, and beside it the image's logits ``(B,)`` where it has a head for them.
Logits = Tensor | tuple[Tensor, Tensor]

#: A crop with a lower ``cls`` score has an empty pixel map (the paper's Figure 2).
CAM_MIN_SCORE = 0.5
#: A ``cls`` map whose logits differ by no more than this shows nothing: stretching it would show rounding errors.
CAM_MIN_RANGE = 1e-3


def resize(logit_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``(B, 1, h, w)`` bilinearly to ``size = (H, W)``; cell centres are kept (``align_corners=False``)."""
    return F.interpolate(logit_map.float(), size=size, mode="bilinear", align_corners=False)


def map_of(logits: Logits) -> Tensor:
    """The logit map ``(B, 1, h, w)`` of what a network gives."""
    return logits[0] if isinstance(logits, tuple) else logits


def mask_of(pixel_map: Tensor, map_threshold: float) -> Tensor:
    """The pixels called manipulated, bool in the map's shape: ``pixel_map >= map_threshold`` (the paper's tau 1)."""
    return pixel_map >= map_threshold


class Task(Protocol):
    """How a logit map is trained and read. Tasks keep no state and no parameters."""

    name: str
    #: tau 1 and tau 2 until the validation split has chosen better ones; both in (0, 1].
    map_threshold: float
    score_threshold: float

    def loss(self, logits: Logits, masks: Tensor, labels: Tensor) -> Tensor:
        """The training loss, a float32 scalar, averaged over the batch.

        ``logit_map`` is float ``(B, 1, h, w)``, ``masks`` float ``(B, 1, H, W)`` in {0, 1}, ``labels`` float ``(B,)``
        in {0, 1}; 1 is manipulated.
        """
        ...

    def pixel_map(self, logits: Logits, size: tuple[int, int]) -> Tensor:
        """Pixel map, float32 ``(B, 1, H, W)`` in [0, 1], at the crop's ``size = (H, W)``."""
        ...

    def score(self, logits: Logits, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Score of each crop, float32 ``(B,)`` in [0, 1]; ``pixel_map`` is what the method of that name returned."""
        ...


class Classification:
    """``cls`` (section 3.1): the mean of the map is the image's logit, the map itself is its class activation map."""

    name = "cls"
    map_threshold = 0.5
    score_threshold = 0.5

    def loss(self, logits: Logits, masks: Tensor, labels: Tensor) -> Tensor:
        """Eq. 1: binary cross entropy between the map's mean and the label. Masks are not looked at."""
        return F.binary_cross_entropy_with_logits(_mean(logits), labels.float())

    def pixel_map(self, logits: Logits, size: tuple[int, int]) -> Tensor:
        """Eq. 2-4: each crop's map stretched to [0, 1]; all zero where the score is under ``CAM_MIN_SCORE``.

        The values are relative to the crop, not probabilities. A constant map becomes all zero.
        """
        manipulated = (torch.sigmoid(_mean(logits)) >= CAM_MIN_SCORE).view(-1, 1, 1, 1)
        # Asked of the map itself: resizing a constant map may leave rounding errors.
        varied = _range(map_of(logits))[1] > CAM_MIN_RANGE
        resized = resize(map_of(logits), size)
        lowest, span = _range(resized)
        return (resized - lowest) / span.clamp(min=CAM_MIN_RANGE) * (manipulated & varied)

    def score(self, logits: Logits, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Sigmoid of the map's mean, taken at the network's own resolution; the threshold plays no part."""
        return torch.sigmoid(_mean(logits))


class Segmentation:
    """``seg`` (section 3.2): each pixel has its own probability."""

    name = "seg"
    map_threshold = 0.5
    #: A share of the crop's area, not a probability: the face fills about a quarter of a crop.
    score_threshold = 0.05

    def loss(self, logits: Logits, masks: Tensor, labels: Tensor) -> Tensor:
        """Eq. 5: binary cross entropy of each pixel of the resized map, averaged. Labels are not looked at."""
        return F.binary_cross_entropy_with_logits(resize(map_of(logits), _size(masks)), masks.float())

    def pixel_map(self, logits: Logits, size: tuple[int, int]) -> Tensor:
        """Sigmoid of the resized map: the probability that a pixel is manipulated."""
        return torch.sigmoid(resize(map_of(logits), size))

    def score(self, logits: Logits, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Eq. 6: the share of the crop's pixels that are called manipulated."""
        return mask_of(pixel_map, map_threshold).float().mean(dim=(1, 2, 3))


class Joint:
    """``joint``: the pixels and the image, learned together from pairs. Ours, not the paper's.

    Needs a network that gives the image's logit beside its map. Neighbours in a batch of which the first is pristine and the
    second manipulated are a pair, and the second should score higher by a margin: so what both share tells nothing.
    """

    name = "joint"
    map_threshold = 0.5
    score_threshold = 0.5
    pixels, overlap, image, pairs, margin = 2.0, 0.5, 1.0, 0.3, 1.0  # weights of the loss's parts, and the pairs' margin

    def loss(self, logits: Logits, masks: Tensor, labels: Tensor) -> Tensor:
        """Binary cross entropy of the pixels and of the image, Dice's loss of the forged crops, a hinge between pairs.

        Masks are reduced to the map's resolution by area.
        """
        logit_map, image = self._both(logits)
        truth = F.interpolate(masks.float(), size=_size(logit_map), mode="area")
        found = torch.sigmoid(logit_map)
        both, either = (found * truth).sum(dim=(1, 2, 3)), (found + truth).sum(dim=(1, 2, 3))
        forged = labels.float()
        dice = ((1 - (2 * both + 1) / (either + 1)) * forged).sum() / forged.sum().clamp(min=1)
        first, second = image[0 : len(image) // 2 * 2 : 2], image[1::2]
        paired = (1 - forged[0 : len(image) // 2 * 2 : 2]) * forged[1::2]
        hinge = (F.relu(self.margin - (second - first)) * paired).sum() / paired.sum().clamp(min=1)
        return (
            self.pixels * F.binary_cross_entropy_with_logits(logit_map, truth)
            + self.overlap * dice
            + self.image * F.binary_cross_entropy_with_logits(image, forged)
            + self.pairs * hinge
        )

    def pixel_map(self, logits: Logits, size: tuple[int, int]) -> Tensor:
        """Sigmoid of the resized map: the probability that a pixel is manipulated."""
        return torch.sigmoid(resize(map_of(logits), size))

    def score(self, logits: Logits, pixel_map: Tensor, map_threshold: float) -> Tensor:
        """Sigmoid of the image's logit; map and threshold play no part."""
        return torch.sigmoid(self._both(logits)[1])

    @staticmethod
    def _both(logits: Logits) -> tuple[Tensor, Tensor]:
        if not isinstance(logits, tuple):
            raise ValueError(
                "the task joint needs a network with an image head, such as twostream; use seg or cls for this one"
            )
        return logits[0].float(), logits[1].float()


def _mean(logits: Logits) -> Tensor:
    return map_of(logits).float().mean(dim=(1, 2, 3))


def _range(logit_map: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest value of each map and how far the highest lies above it, both ``(B, 1, 1, 1)``."""
    lowest = logit_map.float().amin(dim=(1, 2, 3), keepdim=True)
    return lowest, logit_map.float().amax(dim=(1, 2, 3), keepdim=True) - lowest


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Segmentation(), Joint())}
