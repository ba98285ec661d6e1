"""UNet8x and UNet4x: three and two halvings, as many doublings, and skip connections between them.

Source: arXiv 1912.05790, section 3 (Tables 1-4). Architecture: Ronneberger et al., "U-Net: Convolutional Networks for
Biomedical Image Segmentation", arXiv 1505.04597, with batch norm and padding, so that the map has the image's size.

    name     parameters   stride   smallest shift that moves the map exactly
    unet8x    7,700,161        1   8 pixels
    unet4x    1,864,129        1   4 pixels
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["UNet", "unet4x", "unet8x"]

WIDTHS: dict[str, tuple[int, ...]] = {"unet8x": (64, 128, 256, 512), "unet4x": (64, 128, 256)}


def _double_conv(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (channels, width):
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """An encoder of the given widths and its mirror image; stride 1.

    Its poolings make it exact only under shifts by ``period`` pixels, although it yields a logit for each pixel.
    """

    stride = 1

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.period = 2 ** (len(widths) - 1)
        self.down = nn.ModuleList(_double_conv(a, b) for a, b in zip((3, *widths[:-1]), widths, strict=True))
        # Rounding up at odd sizes, so that what comes back up is never too small for the skip connection.
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        pairs = list(pairwise(reversed(widths)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.merge = nn.ModuleList(_double_conv(2 * b, b) for _, b in pairs)
        self.classifier = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logit map ``(B, 1, H, W)`` of normalised RGB images, float ``(B, 3, H, W)``."""
        x = images
        skips: list[Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(x if i == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            skip = skips.pop()
            x = up(x)[..., : skip.shape[-2], : skip.shape[-1]]
            x = merge(torch.cat((skip, x), dim=1))
        logit_map: Tensor = self.classifier(x)
        return logit_map


def unet8x() -> UNet:
    """Three halvings, widths 64 to 512."""
    return UNet(WIDTHS["unet8x"])


def unet4x() -> UNet:
    """Two halvings, widths 64 to 256."""
    return UNet(WIDTHS["unet4x"])
