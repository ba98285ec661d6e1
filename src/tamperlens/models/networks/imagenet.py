"""ImageNet initialisation (arXiv 1912.05790, Table 4): the weights of a whole classifier start the part of it that is ours.

    network            weights of                          as named by
    vgg8, vgg5, vgg3   VGG16 without batch norm            torchvision, ``features.N.weight`` and ``.bias``
    xception           Xception, its trunk                 Cadene's port and timm's ``legacy_xception``

The other networks have no counterpart that was trained on ImageNet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["ANCESTORS", "Ancestor", "from_imagenet"]


@dataclass(frozen=True)
class Ancestor:
    """The classifier that a network is the beginning of, and how its images were normalised: RGB in [0, 1]."""

    name: str
    file: str  # what its weights are called in a folder of them
    where: str  # the network's part that is taken from it
    prefix: str  # before the part's own names in the classifier's state dict
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_VGG16 = Ancestor(
    "plain VGG16 (torchvision)", "vgg16.safetensors", "features", "features.", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
_XCEPTION = Ancestor(
    "Xception (Cadene's port, timm's legacy_xception)", "xception.safetensors", "trunk", "", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
)

ANCESTORS: dict[str, Ancestor] = {"vgg8": _VGG16, "vgg5": _VGG16, "vgg3": _VGG16, "xception": _XCEPTION}


def from_imagenet(network_name: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Load into ``network`` what it shares with the ImageNet classifier whose state dict ``tensors`` is.

    ``network_name`` is its key in ``NETWORKS``. Its classifier, a convolution to one channel, keeps its fresh weights, and
    later layers of the ImageNet classifier are left aside. Returns the names of the parameters and statistics that were
    taken. To see images as the ImageNet classifier did, normalise them by ``ANCESTORS[network_name]``'s mean and std.

    Raises ``ValueError`` for a network without counterpart, and, before anything is changed, for a state dict that lacks
    a tensor or has one of another shape.
    """
    if network_name not in ANCESTORS:
        raise ValueError(
            f"{network_name} has no counterpart trained on ImageNet: expected one of {', '.join(ANCESTORS)}; "
            f"start it from random weights"
        )
    ancestor = ANCESTORS[network_name]
    part = network.get_submodule(ancestor.where)
    taken = {}
    for key, own in part.state_dict().items():
        given = tensors.get(ancestor.prefix + key)
        if given is None and key.endswith("num_batches_tracked"):
            continue  # weights saved before PyTorch 0.4.1 have none, and nothing depends on it
        if given is not None and given.shape == own.shape[:2] and own.shape[2:] == (1, 1):
            given = given[:, :, None, None]  # the first files of Cadene's port hold 1x1 convolutions as matrices
        if given is None or given.shape != own.shape:
            came = "nothing" if given is None else tuple(given.shape)
            raise ValueError(
                f"the ImageNet weights do not fit {network_name}: {ancestor.prefix}{key} is {came}, "
                f"expected {tuple(own.shape)}; give the state dict of {ancestor.name}{_hint(ancestor, tensors)}"
            )
        taken[key] = given
    with torch.no_grad():
        part.load_state_dict(taken, strict=False)
    return [f"{ancestor.where}.{key}" for key in taken]


def _hint(ancestor: Ancestor, tensors: Mapping[str, Tensor]) -> str:
    if ancestor is _VGG16 and any(key.endswith("running_mean") for key in tensors):
        return "; these have batch norm, which the paper's VGG networks have not"
    if first := next(iter(tensors), None):
        return f"; these begin with {first}"
    return "; these are empty"
