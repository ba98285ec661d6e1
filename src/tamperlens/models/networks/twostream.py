"""Two streams: what a pretrained trunk knows of the whole face, beside local texture in native resolution. Ours.

What a photo tool leaves (a hard edge, another grain) is lost at the size at which `pyramid` sees. The local stream is
`contrast`: it sees every pixel of the same middle of the crop and sets its features against those of all of it, so that only a
region that differs from its surroundings tells.
"""

from torch import Tensor, nn

from tamperlens.models.networks.contrast import CONTEXT_WIDTH, Contrast
from tamperlens.models.networks.pyramid import FUSED, GRID, Pyramid, around, middle, resized

__all__ = ["TwoStream"]


class TwoStream(nn.Module):
    """`pyramid` and `contrast`, joined at the pyramid's finest features and once more in the map.

    ``forward``: normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``.
    """

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = Pyramid()
        self.local = Contrast()
        self.join = nn.Conv2d(2 * CONTEXT_WIDTH, FUSED, 1, bias=False)
        nn.init.zeros_(self.join.weight)  # a trained pyramid first says what it said alone

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images ``(B, 3, H, W)`` -> logit map ``(B, 1, ceil(H / 4), ceil(W / 4))`` and image logits ``(B,)``."""
        seen = middle(images)
        local = self.local.features(seen)
        coarse, image = self.pyramid.judge(seen, resized(self.join(local), GRID, GRID))
        fine = resized(coarse, local.shape[-2], local.shape[-1]) + self.local.classifier(local)
        return around(fine, images.shape[-2], images.shape[-1]), image
