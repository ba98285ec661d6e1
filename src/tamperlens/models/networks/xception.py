"""Xception: the 36-convolution trunk and a 1x1 convolution as classifier.

Source: arXiv 1912.05790, section 3.1: pooling and the fully connected layer give way to a convolution. Architecture:
Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", arXiv 1610.02357, figure 5.
20,806,952 parameters in the trunk, 20,809,001 with the classifier; stride 32; the receptive field exceeds 256 pixels.
"""

from collections import OrderedDict

from torch import Tensor, nn

__all__ = ["Xception"]

# One residual block a row: channels in, channels out, separable convolutions, stride.
BLOCKS: tuple[tuple[int, int, int, int], ...] = (
    (64, 128, 2, 2),
    (128, 256, 2, 2),
    (256, 728, 2, 2),
    *[(728, 728, 3, 1)] * 8,
    (728, 1024, 2, 2),
)


class SeparableConv2d(nn.Module):
    """A 3x3 convolution of each channel, then a 1x1 convolution across channels."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to ``(B, width, H, W)``."""
        out: Tensor = self.pointwise(self.conv1(x))
        return out


class Block(nn.Module):
    """Separable convolutions around which a shortcut runs."""

    def __init__(self, channels: int, width: int, convolutions: int, stride: int, first: bool, last: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(convolutions):
            # Blocks widen at once, the last one only at its end.
            before = channels if i == 0 or last else width
            after = channels if last and i < convolutions - 1 else width
            layers += [nn.ReLU(), SeparableConv2d(before, after), nn.BatchNorm2d(after)]
        if first:
            del layers[0]  # the stem has just ended in a ReLU
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers)
        self.skip: nn.Module = nn.Identity()
        self.skipbn: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.skip = nn.Conv2d(channels, width, 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to ``(B, width, ceil(H / stride), ceil(W / stride))``."""
        out: Tensor = self.rep(x) + self.skipbn(self.skip(x))
        return out


class Xception(nn.Module):
    """Entry, middle and exit flow; stride 32.

    The layers of ``trunk`` are named as in the usual PyTorch port (timm's ``legacy_xception``), so that its weights fit.
    """

    stride = 32

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(3, 32, 3, stride=2, bias=False),
            bn1=nn.BatchNorm2d(32),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(32, 64, 3, bias=False),
            bn2=nn.BatchNorm2d(64),
            relu2=nn.ReLU(),
        )
        for i, row in enumerate(BLOCKS, start=1):
            layers[f"block{i}"] = Block(*row, first=i == 1, last=i == len(BLOCKS))
        for i, (channels, width) in enumerate(((1024, 1536), (1536, 2048)), start=3):
            layers[f"conv{i}"] = SeparableConv2d(channels, width)
            layers[f"bn{i}"] = nn.BatchNorm2d(width)
            layers[f"relu{i}"] = nn.ReLU()
        self.trunk = nn.Sequential(layers)
        self.classifier = nn.Conv2d(2048, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logit map ``(B, 1, h, w)``, about H / 32 and W / 32, of normalised RGB images, float ``(B, 3, H, W)``."""
        logit_map: Tensor = self.classifier(self.trunk(images))
        return logit_map
