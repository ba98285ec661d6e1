"""ImageNet initialisation, with state dicts of the right names and shapes and random values: nothing is downloaded."""

import pytest
import torch
from torch import Tensor, nn

from tamperlens.models.networks import NETWORKS
from tamperlens.models.networks.imagenet import ANCESTORS, from_imagenet

# torchvision's table of VGG16: widths, "M" for a pooling.
VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
# Tensors of Cadene's Xception without its fully connected layer: 34 separable convolutions of two weights, six others,
# and 40 batch norms of five tensors each.
XCEPTION_TENSORS = 2 * 34 + 6 + 5 * 40


def vgg16(batch_norm: bool = False) -> nn.Sequential:
    """VGG16's ``features`` as torchvision builds them."""
    layers: list[nn.Module] = []
    channels = 3
    for width in VGG16:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), *([nn.BatchNorm2d(width)] if batch_norm else []), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


def state_of(features: nn.Module) -> dict[str, Tensor]:
    tensors = {f"features.{key}": value for key, value in features.state_dict().items()}
    return tensors | {"classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}


def separable(name: str, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.conv1.weight": (channels, 1, 3, 3), f"{name}.pointwise.weight": (width, channels, 1, 1)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.{key}": (width,) for key in ("weight", "bias", "running_mean", "running_var")
    }
    return shapes | {f"{name}.num_batches_tracked": ()}


def xception() -> dict[str, Tensor]:
    """A state dict as Cadene's port of Xception has it, written down from its source and not from our network."""
    shapes = {"conv1.weight": (32, 3, 3, 3), **norm("bn1", 32), "conv2.weight": (64, 32, 3, 3), **norm("bn2", 64)}
    for block, channels, width in ((1, 64, 128), (2, 128, 256), (3, 256, 728), (12, 728, 1024)):
        middle = channels if block == 12 else width
        at = (0, 1, 3, 4) if block == 1 else (1, 2, 4, 5)  # the first block begins without a ReLU
        shapes |= separable(f"block{block}.rep.{at[0]}", channels, middle) | norm(f"block{block}.rep.{at[1]}", middle)
        shapes |= separable(f"block{block}.rep.{at[2]}", middle, width) | norm(f"block{block}.rep.{at[3]}", width)
        shapes |= {f"block{block}.skip.weight": (width, channels, 1, 1), **norm(f"block{block}.skipbn", width)}
    for block in range(4, 12):
        for first in (1, 4, 7):
            shapes |= separable(f"block{block}.rep.{first}", 728, 728) | norm(f"block{block}.rep.{first + 1}", 728)
    shapes |= separable("conv3", 1024, 1536) | norm("bn3", 1536) | separable("conv4", 1536, 2048) | norm("bn4", 2048)
    shapes |= {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    return {key: torch.rand(shape) if shape else torch.tensor(7) for key, shape in shapes.items()}


@pytest.mark.parametrize(("name", "layers"), [("vgg8", 16), ("vgg5", 9), ("vgg3", 4)])
def test_a_vgg_started_from_imagenet_sees_what_the_beginning_of_vgg16_sees(name, layers):
    torch.manual_seed(0)
    reference = vgg16()
    network = NETWORKS[name]()
    classifier = network.classifier.weight.clone()
    taken = from_imagenet(name, network, state_of(reference))
    assert taken == [f"features.{key}" for key in network.features.state_dict()]
    images = torch.randn(1, 3, 32, 40)
    with torch.no_grad():
        expected = reference[:layers](images)
        assert torch.equal(network.features(images), expected)
    assert expected.std() > 1e-4
    assert torch.equal(network.classifier.weight, classifier)


@pytest.mark.parametrize("old", [False, True], ids=["timm", "first port"])
def test_xception_takes_the_whole_trunk(old):
    tensors = xception()
    network = NETWORKS["xception"]()
    if old:  # 1x1 convolutions as matrices, no counters
        tensors = {
            key: value[:, :, 0, 0] if "pointwise" in key else value
            for key, value in tensors.items()
            if not key.endswith("num_batches_tracked")
        }
    taken = from_imagenet("xception", network, tensors)
    assert len(taken) == XCEPTION_TENSORS - 40 * old
    assert {key for key, _ in network.trunk.named_parameters()} <= {key.removeprefix("trunk.") for key in taken}
    assert torch.equal(
        network.trunk.block12.rep[4].pointwise.weight.flatten(), tensors["block12.rep.4.pointwise.weight"].flatten()
    )
    assert torch.equal(network.trunk.bn4.running_var, tensors["bn4.running_var"])


def test_weights_that_do_not_fit_are_refused_by_name_and_change_nothing():
    network = NETWORKS["vgg5"]()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    tensors = state_of(vgg16())
    del tensors["features.7.bias"]
    with pytest.raises(
        ValueError, match=r"do not fit vgg5: features\.7\.bias is nothing, expected \(128,\); give .* plain VGG16"
    ):
        from_imagenet("vgg5", network, tensors)
    with pytest.raises(ValueError, match=r"features\.2\.weight is nothing.*these have batch norm"):
        from_imagenet("vgg5", network, state_of(vgg16(batch_norm=True)))
    with pytest.raises(ValueError, match=r"features\.0\.weight is nothing.*these begin with conv1\.weight"):
        from_imagenet("vgg5", network, {"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"features\.0\.weight is \(8, 3, 3, 3\), expected \(64, 3, 3, 3\)"):
        from_imagenet("vgg5", network, state_of(vgg16()) | {"features.0.weight": torch.zeros(8, 3, 3, 3)})
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - ANCESTORS.keys()))
def test_networks_without_counterpart_are_refused(name):
    with pytest.raises(ValueError, match=rf"{name} has no counterpart .* expected one of vgg8, vgg5, vgg3, xception"):
        from_imagenet(name, NETWORKS[name](), state_of(vgg16()))
