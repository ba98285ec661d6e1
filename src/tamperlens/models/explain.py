"""What a network's kernels look at: activation maps and guided backpropagation, for any network and any layer.

Guided backpropagation (Springenberg et al. 2015, "Striving for Simplicity", arXiv 1412.6806) is the gradient of a channel
with respect to the picture in which every ReLU lets back only what is positive; arXiv 1912.05790 draws it in Figure 6. Much
of it repeats the picture's edges whatever the weights (Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv
1810.03292), so look at it only beside the same picture of a `randomised` model.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from tamperlens.errors import ModelError
from tamperlens.models.card import ModelCard
from tamperlens.models.explain_sheet import Explanation
from tamperlens.models.model import Model, load
from tamperlens.models.runtime import WEIGHTS, shipped_models
from tamperlens.types import FloatArray, UInt8Array

__all__ = ["Layer", "activations", "explain", "guided_backprop", "layers", "randomised", "strongest", "weights_of"]

ROWS = 4  # of an explanation, unless channels are named
# Each ReLU, and the value at which it is cut off.
_RELUS = dict.fromkeys((functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), math.inf)
_RELUS[functional.relu6] = 6.0


@dataclass(frozen=True)
class Layer:
    """A convolution of a network."""

    name: str  # as in the network's state dict, such as "features.3"
    channels: int


def weights_of(name: str) -> tuple[Model, ModelCard]:
    """The PyTorch weights of a shipped model or of a ``.safetensors`` file, in use, and their card."""
    if name in shipped_models():
        return load(WEIGHTS / name)
    if Path(name).suffix != ".safetensors":
        raise ModelError(
            f"{name!r} cannot be explained: expected a shipped model ({', '.join(shipped_models())}) or a .safetensors file, "
            f"since gradients need PyTorch's weights"
        )
    return load(name)


def explain(model: Model, image: UInt8Array, layer: str = "", channels: Sequence[int] = ()) -> list[Explanation]:
    """What channels of a model answer to an RGB uint8 ``(H, W, 3)`` picture and why, each beside a random model's.

    Of ``layer``: the ``channels``, or its `ROWS` strongest. Without one: the strongest channel of `ROWS` layers, spread evenly
    from the first to the last. ``image`` is best what `runtime.as_seen` gives. Raises ``ModelError`` for an unknown layer or
    channel.

    >>> model = Model.create("vgg5-seg").eval()
    >>> [row.label for row in explain(model, np.zeros((64, 64, 3), np.uint8), "features.2", [7])]
    ['features.2 / 7']
    """
    fresh, rows = randomised(model), []
    for name in [layer] if layer else [each.name for each in _evenly_chosen(layers(model), ROWS)]:
        maps = activations(model, image, name)
        wanted = list(channels) or strongest(maps, ROWS if layer else 1)
        gradients = guided_backprop(model, image, name, wanted)
        random = guided_backprop(fresh, image, name, wanted)
        for place, channel in enumerate(wanted):
            rows.append(Explanation(f"{name} / {channel}", maps[channel], gradients[place], random[place]))
    return rows


def _evenly_chosen(layers: Sequence[Layer], count: int) -> Sequence[Layer]:
    """``count`` layers from the first to the last, evenly apart; all where there are fewer."""
    steps = min(count, len(layers)) - 1
    return [layers[round(step * (len(layers) - 1) / steps)] for step in range(steps + 1)] if steps else layers


def layers(model: Model) -> list[Layer]:
    """The network's convolutions in the order in which they are listed in it; the last is the classifier, the logit map."""
    return [
        Layer(name, module.out_channels)
        for name, module in model.network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]


def activations(model: Model, image: UInt8Array, layer: str) -> FloatArray:
    """What a layer answers to an RGB uint8 ``(H, W, 3)`` picture: float32 ``(channels, h, w)``, of any sign.

    ``layer`` is one of `layers`, or any other module of the network that returns maps, such as the ReLU "features.4".
    Raises ``ModelError`` for an unknown one.
    """
    with torch.no_grad():
        return np.asarray(_answer(model, _images(model, image), layer)[0].cpu().numpy(), np.float32)


def guided_backprop(model: Model, image: UInt8Array, layer: str, channels: Sequence[int]) -> FloatArray:
    """Guided gradients of some channels of a layer with respect to the picture: float32 ``(len(channels), H, W, 3)``.

    Back goes the channel's own positive answer, at every place where it has one, so that the result is strong where the
    kernel found much of what it looks for. ``image`` is RGB uint8 ``(H, W, 3)``, ``layer`` as for `activations`; batch norms
    work as in use. Raises ``ModelError`` for an unknown layer or channel.
    """
    images = _images(model, image).requires_grad_()
    with torch.enable_grad():
        answer = _answer(model, images, layer)
        found = []
        for channel in channels:
            if not 0 <= channel < answer.shape[1]:
                raise ModelError(f"layer {layer} has no channel {channel}: expected 0 to {answer.shape[1] - 1}")
            start = torch.zeros_like(answer)
            start[:, channel] = answer.detach()[:, channel].clamp(min=0)
            (gradient,) = torch.autograd.grad(answer, images, start, retain_graph=True)
            found.append(gradient[0].permute(1, 2, 0).cpu().numpy())
    return np.asarray(np.stack(found), np.float32)


def strongest(maps: npt.NDArray[np.float32], count: int) -> list[int]:
    """The ``count`` channels of largest positive answer on average, strongest first; maps as `activations` returns them."""
    return [int(channel) for channel in np.argsort(-np.maximum(maps, 0).mean(axis=(1, 2)), kind="stable")[:count]]


def randomised(model: Model, seed: int = 0) -> Model:
    """A copy of the model with everything learned replaced by random weights, for the sanity check of Adebayo et al. 2018.

    Convolutions are initialised so that activations keep their size from layer to layer (He et al. 2015); batch norms and
    all else are as fresh as when training starts. The same seed gives the same weights.
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return fresh


class _GuidedReLU(torch.autograd.Function):
    """A ReLU, cut off at ``most``, whose way back lets through what is positive on both ways."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.most = most
        return x.clamp(0, most)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * ((x > 0) & (x < ctx.most)), None


class _GuidedReLUs(TorchFunctionMode):
    """Within it every ReLU is a guided one, as a module, a function or a method, and none overwrites what it is given."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _RELUS:
            return _GuidedReLU.apply(args[0] if args else kwargs["input"], _RELUS[function])  # type: ignore[no-untyped-call]
        return function(*args, **(kwargs or {}))


def _images(model: Model, image: UInt8Array) -> Tensor:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture to explain is RGB uint8 (H, W, 3); got {image.dtype} {image.shape}")
    images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
    return images.to(model.mean.device).float() / 255


def _answer(model: Model, images: Tensor, layer: str) -> Tensor:
    """The layer's output ``(1, channels, h, w)``."""
    if model.training:
        raise ValueError("the model is in training mode, where batch norms depend on the picture; call eval() first")
    modules = dict(model.network.named_modules())
    if layer not in modules:
        known = ", ".join(f"{known.name} ({known.channels})" for known in layers(model))
        raise ModelError(f"the network has no layer {layer!r}: expected one of these (with their channels): {known}")
    outputs: list[Tensor] = []
    handle = modules[layer].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        with _GuidedReLUs():
            model.logit_map(images)
    finally:
        handle.remove()
    return outputs[-1]
