"""What the training loop sees of any data source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tamperlens.types import LabelledCrop

__all__ = ["Batch", "to_batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """What the training loop sees of any data source."""

    images: Tensor  # (B, 3, S, S) uint8 RGB
    masks: Tensor  # (B, 1, S, S) uint8 {0, 1}
    labels: Tensor  # (B,) float32 {0, 1}
    families: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(self.images.to(device), self.masks.to(device), self.labels.to(device), self.families)


def to_batch(samples: Sequence[LabelledCrop]) -> Batch:
    """Samples of one size as tensors. Of a sample that has a label and no mask the mask is empty: see `Store.require_masks`."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    empty = np.zeros(samples[0].image.shape[:2], np.bool_)
    drawn = np.stack([empty if sample.truth is None else sample.truth for sample in samples])
    masks = torch.from_numpy(drawn.astype(np.uint8))[:, None]
    labels = torch.tensor([float(sample.manipulated) for sample in samples])
    return Batch(images, masks, labels, tuple(sample.subset for sample in samples))
