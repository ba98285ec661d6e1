"""Contrast: local texture set against the texture of everything else in the crop. Ours, not the paper's.

A shallow network judges texture absolutely, and so takes any soft or clean photo for a forgery. A forged region, though,
is one that differs from its surroundings. Contrast keeps the shallow network's local features, puts beside them the same
features normalised over the whole crop, and then looks around with dilated convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Contrast"]

# inputs come from the row above: outputs, kernel, stride. Most arithmetic is at stride 2 and 4: a processor has to keep up.
LOCAL = ((32, 5, 2), (48, 3, 1), (64, 3, 2))
CONTEXT_WIDTH = 48  # at stride 4
DILATIONS = (1, 2, 4, 8, 16, 1)

# High-pass residuals of the luminance (as in SRM, Fridrich and Kodovsky 2012): noise without content.
HIGH_PASS = (
    ((0, 0, 0), (0, -1, 1), (0, 0, 0)),
    ((0, 0, 0), (0, -1, 0), (0, 1, 0)),
    ((-1, 2, -1), (2, -4, 2), (-1, 2, -1)),
)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class _Look(nn.Module):
    """A residual block that looks ``dilation`` cells around."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3, dilation=dilation), nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.body(features))


class Contrast(nn.Module):
    """Local features, their contrast with the whole crop, and a look around.

    ``forward``: normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))``. Stride 4.
    """

    stride = 4
    high_pass: Tensor

    def __init__(self) -> None:
        super().__init__()
        high_pass = torch.tensor(HIGH_PASS, dtype=torch.float32)[:, None].repeat(3, 1, 1, 1)  # three kernels a channel
        self.register_buffer("high_pass", high_pass, persistent=False)
        layers: list[nn.Module] = []
        width = 3 + len(high_pass)
        for outputs, kernel, stride in LOCAL:
            layers.append(_convolution(width, outputs, kernel, stride))
            width = outputs
        self.local = nn.Sequential(*layers)
        self.mix = nn.Sequential(nn.Conv2d(3 * width, CONTEXT_WIDTH, 1, bias=False), nn.BatchNorm2d(CONTEXT_WIDTH), nn.ReLU())
        self.look = nn.Sequential(*(_Look(CONTEXT_WIDTH, dilation) for dilation in DILATIONS))
        self.classifier = nn.Conv2d(2 * CONTEXT_WIDTH, 1, 1)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images ``(B, 3, H, W)`` -> what the classifier sees, ``(B, 96, ceil(H / 4), ceil(W / 4))``."""
        residual = functional.conv2d(images, self.high_pass.to(images.dtype), padding=1, groups=3)
        # Residuals are small and heavy-tailed: amplified and squashed, faint noise stays visible beside edges.
        local = self.local(torch.cat([images, torch.tanh(4 * residual)], dim=1))
        mean = local.mean(dim=(2, 3), keepdim=True)
        spread = (local - mean).square().mean(dim=(2, 3), keepdim=True).add(1e-5).sqrt()
        features = self.mix(torch.cat([local, (local - mean) / spread, mean.expand_as(local)], dim=1))
        features = self.look(features)
        around = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
        return torch.cat([features, features - around], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))``."""
        logits: Tensor = self.classifier(self.features(images))
        return logits
