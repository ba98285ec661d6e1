"""VGG8, VGG5 and VGG3: the first 7, 4 and 2 convolutions of VGG16 and a 1x1 convolution as classifier.

Source: arXiv 1912.05790, section 3 (its Table 1 calls the first two VGG7 and VGG4). Architecture: Simonyan and
Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv 1409.1556, configuration D, which
has no batch norm.

    name   parameters   stride   receptive field
    vgg8    1,735,745        4   40 pixels
    vgg5      260,289        2   14 pixels
    vgg3       38,785        1    5 pixels
"""

from torch import Tensor, nn

__all__ = ["VGG", "vgg3", "vgg5", "vgg8"]

# Widths of the 3x3 convolutions, block by block; a 2x2 max pool lies between blocks, none after the last.
WIDTHS: dict[str, tuple[tuple[int, ...], ...]] = {
    "vgg8": ((64, 64), (128, 128), (256, 256, 256)),
    "vgg5": ((64, 64), (128, 128)),
    "vgg3": ((64, 64),),
}


class VGG(nn.Module):
    """A truncated VGG16. The layers of ``features`` have the indices of VGG16's own, so that its weights fit."""

    def __init__(self, widths: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        layers: list[nn.Module] = []
        channels = 3
        for block in widths:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for width in block:
                # Not in place: guided backpropagation reads a ReLU's input after the forward pass.
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(channels, 1, 1)
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                # Without batch norm, PyTorch's default start lets activations fade layer by layer.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logit map ``(B, 1, H // stride, W // stride)`` of normalised RGB images, float ``(B, 3, H, W)``."""
        logit_map: Tensor = self.classifier(self.features(images))
        return logit_map


def vgg8() -> VGG:
    """VGG16's first seven convolutions and a classifier; stride 4."""
    return VGG(WIDTHS["vgg8"])


def vgg5() -> VGG:
    """VGG16's first four convolutions and a classifier; stride 2."""
    return VGG(WIDTHS["vgg5"])


def vgg3() -> VGG:
    """VGG16's first two convolutions and a classifier; stride 1."""
    return VGG(WIDTHS["vgg3"])
