"""FN3: the paper's own three-layer network.

Source: arXiv 1912.05790, section 3 (its Table 1 calls it Conv3): two Conv7x7-stride-2-BN-ReLU of width 64 and a 3x3
convolution. 210,945 parameters, stride 4, receptive field 27 pixels.
"""

from torch import Tensor, nn

__all__ = ["FN3"]

WIDTH = 64


class FN3(nn.Module):
    """Two strided 7x7 convolutions and a 3x3 classifier; stride 4."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # No bias: the batch norm that follows has its own.
            nn.Conv2d(3, WIDTH, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
        )
        self.classifier = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` of normalised RGB images, float ``(B, 3, H, W)``."""
        logit_map: Tensor = self.classifier(self.features(images))
        return logit_map
