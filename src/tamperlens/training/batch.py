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
    """Samples of one size as tensors; a sample is labelled manipulated where its mask is not empty."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    masks = torch.from_numpy(np.stack([sample.mask for sample in samples]).astype(np.uint8))[:, None]
    return Batch(images, masks, masks.flatten(1).any(dim=1).float(), tuple(sample.subset for sample in samples))
