"""Two streams: what a pretrained trunk knows of the whole face, beside local texture in native resolution. Ours.

The trunk sees the crop at 224 pixels and knows from ImageNet what faces, light and blur look like, but what a photo tool leaves
(a hard edge, another grain) is lost at that size. The local stream is `contrast`: it sees every pixel and sets its features
against those of the whole crop, so that only a region that differs from its surroundings tells.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tamperlens.models.networks.contrast import CONTEXT_WIDTH, Contrast
from tamperlens.models.networks.efficientnet import WIDTHS, EfficientNetLite0

__all__ = ["TwoStream"]

TRUNK_SIDE = 224  # pixels: the size of ImageNet's pictures
GRID = TRUNK_SIDE // 4  # cells a side at which the streams meet
PYRAMID = 48  # channels of the trunk's feature pyramid
LOCAL = 2 * CONTEXT_WIDTH  # channels of the local stream
FUSED = 32
DILATIONS = (1, 2, 4)
STRONGEST = GRID * GRID // 20  # cells of the map that enter the image's logit


def _convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.01),
        nn.ReLU(),
    )


def _resized(features: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(features, size=(height, width), mode="bilinear", align_corners=False)


class _ContextBlock(nn.Module):
    """A residual block whose convolution is dilated."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3, dilation=dilation),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width, momentum=0.01),
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.body(features))


class TwoStream(nn.Module):
    """A pretrained trunk and a local stream, joined.

    ``forward``: normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``.
    """

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.trunk = EfficientNetLite0()
        self.lateral = nn.ModuleList(nn.Conv2d(width, PYRAMID, 1) for width in WIDTHS)
        self.local = Contrast()
        self.fuse = _convolution(PYRAMID + LOCAL, FUSED)
        self.context = nn.Sequential(*(_ContextBlock(FUSED, dilation) for dilation in DILATIONS))
        self.coarse = nn.Conv2d(2 * FUSED, 1, 1)
        self.whole = _convolution(WIDTHS[-1], 64)
        self.image = nn.Linear(64 + FUSED + 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``."""
        tapped = self.trunk(_resized(images, TRUNK_SIDE, TRUNK_SIDE))
        pyramid = self.lateral[-1](tapped[-1])
        for features, lateral in zip(tapped[-2::-1], list(self.lateral)[-2::-1], strict=True):
            pyramid = lateral(features) + functional.interpolate(pyramid, scale_factor=2.0, mode="nearest")
        local = self.local.features(images)
        fused = self.context(self.fuse(torch.cat([pyramid, _resized(local, GRID, GRID)], dim=1)))
        around = fused.mean(dim=(2, 3), keepdim=True)
        coarse = self.coarse(torch.cat([fused, fused - around], dim=1))
        logit_map = _resized(coarse, local.shape[-2], local.shape[-1]) + self.local.classifier(local)
        ranked = coarse.flatten(1).topk(STRONGEST, dim=1).values
        whole = self.whole(tapped[-1]).mean(dim=(2, 3))
        summary = torch.cat([whole, around.flatten(1), ranked[:, :8].mean(1, True), ranked.mean(1, True)], dim=1)
        return logit_map, self.image(summary).flatten()
