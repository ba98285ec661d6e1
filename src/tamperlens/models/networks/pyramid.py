"""A look at the whole face: EfficientNet-Lite0 and a feature pyramid (Lin et al. 2017) down to stride 4. Ours, not the paper's.

Of a crop of two face heights the trunk sees the middle, the face and what joins it, at 224 pixels. From ImageNet it knows what
faces, light and blur look like. Alone it is the network `pyramid`; beside a local stream it is half of `twostream`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tamperlens.models.networks.efficientnet import WIDTHS, EfficientNetLite0

__all__ = ["FUSED", "GRID", "Pyramid", "around", "middle", "resized"]

SIDE = 224  # pixels: the size of ImageNet's pictures
GRID = SIDE // 4  # cells a side of the trunk's map
PYRAMID = 48  # channels of the feature pyramid
FUSED = 32
DILATIONS = (1, 2, 4)
STRONGEST = GRID * GRID // 20  # cells of the map that enter the image's logit


def _convolution(inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.01),
        nn.ReLU(),
    )


def resized(features: Tensor, height: int, width: int) -> Tensor:
    """Features ``(B, C, h, w)`` -> ``(B, C, height, width)``, bilinear."""
    return functional.interpolate(features, size=(height, width), mode="bilinear", align_corners=False)


def middle(images: Tensor) -> Tensor:
    """The middle 70 % of each side, less or more by two cells of four pixels at most: ``(B, C, H, W)`` -> ``(B, C, h, w)``."""
    (top, left) = (4 * _margin(side) for side in images.shape[-2:])
    return images[..., top : images.shape[-2] - top, left : images.shape[-1] - left]


def around(logit_map: Tensor, height: int, width: int) -> Tensor:
    """The map of the `middle` of images of ``height`` x ``width`` -> their whole map, of four pixels a cell.

    What was not seen is as the border of what was.
    """
    top, left = _margin(height), _margin(width)
    seen = resized(logit_map, (height + 3) // 4 - 2 * top, (width + 3) // 4 - 2 * left)
    return functional.pad(seen, (left, left, top, top), mode="replicate")


def _margin(side: int) -> int:
    """Cells of four pixels that are not seen at either end of so many pixels: 15 %."""
    return (3 * side + 40) // 80


class _ContextBlock(nn.Module):
    """A residual block whose convolution is dilated."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3, dilation),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width, momentum=0.01),
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.body(features))


class Pyramid(nn.Module):
    """A pretrained trunk, its features summed from the coarsest to stride 4, and a look around with dilated convolutions.

    ``forward``: normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``.
    """

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.trunk = EfficientNetLite0()
        self.lateral = nn.ModuleList(nn.Conv2d(width, PYRAMID, 1) for width in WIDTHS)
        self.fuse = nn.Conv2d(PYRAMID, FUSED, 1, bias=False)
        self.norm = nn.BatchNorm2d(FUSED, momentum=0.01)
        self.context = nn.Sequential(*(_ContextBlock(FUSED, dilation) for dilation in DILATIONS))
        self.coarse = nn.Conv2d(2 * FUSED, 1, 1)
        self.whole = _convolution(WIDTHS[-1], 64)
        self.image = nn.Linear(64 + FUSED + 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``."""
        coarse, image = self.judge(middle(images))
        return around(coarse, images.shape[-2], images.shape[-1]), image

    def judge(self, seen: Tensor, joined: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Middles of normalised images ``(B, 3, h, w)`` -> their logit map ``(B, 1, 56, 56)`` and image logits ``(B,)``.

        ``joined``, ``(B, 32, 56, 56)``, is added to the pyramid's features: what another stream has to say.
        """
        tapped = self.trunk(resized(seen, SIDE, SIDE))
        features = self.lateral[-1](tapped[-1])
        for level, lateral in zip(tapped[-2::-1], list(self.lateral)[-2::-1], strict=True):
            features = lateral(level) + functional.interpolate(features, scale_factor=2.0, mode="nearest")
        fused = self.fuse(features)
        if joined is not None:
            fused = fused + joined
        fused = self.context(functional.relu(self.norm(fused)))
        mean = fused.mean(dim=(2, 3), keepdim=True)
        coarse = self.coarse(torch.cat([fused, fused - mean], dim=1))
        ranked = coarse.flatten(1).topk(STRONGEST, dim=1).values
        whole = self.whole(tapped[-1]).mean(dim=(2, 3))
        summary = torch.cat([whole, mean.flatten(1), ranked[:, :8].mean(1, True), ranked.mean(1, True)], dim=1)
        return coarse, self.image(summary).flatten()
