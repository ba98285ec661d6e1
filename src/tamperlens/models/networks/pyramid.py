"""A look at the whole face: EfficientNet-Lite0 and a feature pyramid (Lin et al. 2017) down to stride 4. Ours, not the paper's.

The crop of two face heights is brought to 320 pixels, of which the trunk sees the middle 224: the face and what joins it,
half as large again as it would be in the whole crop. From ImageNet it knows what faces, light and blur look like. Alone it is
the network `pyramid`; beside a local stream it is half of `twostream`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tamperlens.models.networks.efficientnet import WIDTHS, EfficientNetLite0

__all__ = ["CELLS", "FUSED", "Pyramid", "resized"]

SIDE, SEEN = 320, 224  # pixels: of the whole crop, and of its middle that the trunk sees, the size of ImageNet's pictures
GRID, MARGIN = SEEN // 4, (SIDE - SEEN) // 8  # cells a side that the trunk sees, and around them
CELLS = GRID + 2 * MARGIN  # a side of the map
PYRAMID = 48  # channels of the feature pyramid
FUSED = 32
DILATIONS = (1, 2, 4)
STRONGEST = GRID * GRID // 20  # cells of the seen part that enter the image's logit


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

    ``forward``: normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, 80, 80)`` and image logits ``(B,)``. Outside the part
    that the trunk sees, the map repeats its border.
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

    def forward(self, images: Tensor, joined: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, 80, 80)`` and image logits ``(B,)``.

        ``joined``, ``(B, 32, 80, 80)``, is added to the pyramid's features: what another stream has to say.
        """
        margin = 4 * MARGIN
        tapped = self.trunk(resized(images, SIDE, SIDE)[..., margin:-margin, margin:-margin])
        features = self.lateral[-1](tapped[-1])
        for level, lateral in zip(tapped[-2::-1], list(self.lateral)[-2::-1], strict=True):
            features = lateral(level) + functional.interpolate(features, scale_factor=2.0, mode="nearest")
        fused = self.fuse(features)
        if joined is not None:
            fused = fused + joined[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        fused = self.context(functional.relu(self.norm(fused)))
        around = fused.mean(dim=(2, 3), keepdim=True)
        coarse = self.coarse(torch.cat([fused, fused - around], dim=1))
        ranked = coarse.flatten(1).topk(STRONGEST, dim=1).values
        whole = self.whole(tapped[-1]).mean(dim=(2, 3))
        summary = torch.cat([whole, around.flatten(1), ranked[:, :8].mean(1, True), ranked.mean(1, True)], dim=1)
        return functional.pad(coarse, (MARGIN,) * 4, mode="replicate"), self.image(summary).flatten()
