"""The trunk of EfficientNet-Lite0 (Tan and Le 2019; the Lite variant: ReLU6, no squeeze-and-excitation).

It is not one of the paper's networks: `twostream` stands on it. Written from the published table; weights of the ImageNet
classifier are brought in by ``runs/imagenet_weights.py``.
"""

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["EfficientNetLite0"]

STEM = 32
# stages: repeats, kernel, stride of the first block, expansion, outputs
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TAPPED = (1, 2, 4, 6)  # the stages whose last output is returned: strides 4, 8, 16 and 32
WIDTHS = tuple(STAGES[stage][-1] for stage in TAPPED)
EPSILON = 1e-3  # of batch norm, as the ImageNet weights were trained with
MOMENTUM = 0.01


def _same(images: Tensor, kernel: int, stride: int) -> Tensor:
    """Padded as TensorFlow's "SAME": at stride 2 and even sizes one pixel more at the right and the bottom.

    The ImageNet weights expect it; symmetric padding would move their features by a pixel per stride-2 layer.
    """
    before = (kernel - stride) // 2
    return functional.pad(images, (before, kernel - stride - before, before, kernel - stride - before))


class _Convolution(nn.Module):
    """Convolution with "SAME" padding, batch norm, ReLU6 unless ``linear``. Sizes must be multiples of the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.linear = kernel, stride, linear
        padding = (kernel - 1) // 2 if stride == 1 else 0
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=MOMENTUM)

    def forward(self, features: Tensor) -> Tensor:
        padded = features if self.stride == 1 else _same(features, self.kernel, self.stride)
        result: Tensor = self.norm(self.convolution(padded))
        return result if self.linear else functional.relu6(result)


class _Block(nn.Module):
    """An inverted residual: expanded, filtered channel by channel, projected; added to its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expand = _Convolution(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.filter = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, outputs, 1, linear=True)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.project(self.filter(self.expand(features)))
        return features + result if self.residual else result


class EfficientNetLite0(nn.Module):
    """Normalised images ``(B, 3, S, S)``, S a multiple of 32 -> features of strides 4, 8, 16 and 32, `WIDTHS` channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, STEM, 3, 2)
        self.stages = nn.ModuleList()
        width = STEM
        for repeats, kernel, stride, expansion, outputs in STAGES:
            blocks = []
            for number in range(repeats):
                blocks.append(_Block(width, outputs, kernel, stride if number == 0 else 1, expansion))
                width = outputs
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of strides 4, 8, 16 and 32."""
        features, tapped = self.stem(images), []
        for number, stage in enumerate(self.stages):
            features = stage(features)
            if number in TAPPED:
                tapped.append(features)
        return tapped
