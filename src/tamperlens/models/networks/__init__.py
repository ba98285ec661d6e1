"""The paper's eight networks and three of ours: normalised RGB images ``(B, 3, H, W)`` to a logit map ``(B, 1, h, w)``.

``NETWORKS`` is the only list of them: to add one, write its file and add its row. A network's attribute ``stride`` is
the number of image pixels between two cells of its map: h and w are within one of H / stride and W / stride. What the
logits mean is the task's concern (``tamperlens.models.tasks``).
"""

from collections.abc import Callable

from torch import nn

from tamperlens.models.networks.contrast import Contrast
from tamperlens.models.networks.fn3 import FN3
from tamperlens.models.networks.mesoinception4 import MesoInception4
from tamperlens.models.networks.pyramid import Pyramid
from tamperlens.models.networks.twostream import TwoStream
from tamperlens.models.networks.unet import unet4x, unet8x
from tamperlens.models.networks.vgg import vgg3, vgg5, vgg8
from tamperlens.models.networks.xception import Xception

__all__ = ["NETWORKS", "WITH_IMAGE_HEAD"]

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "xception": Xception,
    "mesoinception4": MesoInception4,
    "unet8x": unet8x,
    "unet4x": unet4x,
    "vgg8": vgg8,
    "vgg5": vgg5,
    "vgg3": vgg3,
    "fn3": FN3,
    "contrast": Contrast,  # ours
    "pyramid": Pyramid,  # ours
    "twostream": TwoStream,  # ours
}

# Networks that give the images' logits ``(B,)`` beside the map, as the task ``joint`` needs.
WITH_IMAGE_HEAD = ("pyramid", "twostream")
