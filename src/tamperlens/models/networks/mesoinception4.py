"""MesoInception-4: two inception modules and two 5x5 convolutions, all very narrow.

Source: arXiv 1912.05790, section 3.1 (its Table 1 calls it Mesonet): everything after the last batch norm gives way to
one convolution. Architecture: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", arXiv
1809.00888. 12,215 parameters, stride 8, receptive field 74 pixels.
"""

import torch
from torch import Tensor, nn

__all__ = ["MesoInception4"]

# Widths of an inception module's branches: 1x1; 1x1 and 3x3 at dilation 1; the same at 2; the same at 3.
INCEPTIONS = ((1, 4, 4, 2), (2, 4, 4, 2))
WIDTH = 16


def _conv(channels: int, width: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(nn.Conv2d(channels, width, kernel, padding=padding, dilation=dilation), nn.ReLU())


class Inception(nn.Module):
    """Four branches side by side, of growing reach."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList([_conv(channels, widths[0], 1)])
        for dilation, width in enumerate(widths[1:], start=1):
            self.branches.append(nn.Sequential(_conv(channels, width, 1), _conv(width, width, 3, dilation)))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to ``(B, sum(widths), H, W)``."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class MesoInception4(nn.Module):
    """Three times convolutions, batch norm and pooling, then convolution, batch norm and classifier; stride 8."""

    stride = 8

    def __init__(self) -> None:
        super().__init__()
        first, second = INCEPTIONS
        self.features = nn.Sequential(
            Inception(3, first),
            nn.BatchNorm2d(sum(first)),
            nn.MaxPool2d(2),
            Inception(sum(first), second),
            nn.BatchNorm2d(sum(second)),
            nn.MaxPool2d(2),
            _conv(sum(second), WIDTH, 5),
            nn.BatchNorm2d(WIDTH),
            nn.MaxPool2d(2),
            _conv(WIDTH, WIDTH, 5),
            nn.BatchNorm2d(WIDTH),
        )
        self.classifier = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logit map ``(B, 1, H // 8, W // 8)`` of normalised RGB images, float ``(B, 3, H, W)``."""
        logit_map: Tensor = self.classifier(self.features(images))
        return logit_map
