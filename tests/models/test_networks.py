"""One contract for every network: run over NETWORKS, so that a new one arrives tested."""

import pytest
import torch
from torch import Tensor, nn

from tamperlens.models.networks import NETWORKS
from tamperlens.models.tasks import map_of

PARAMETERS = {
    "xception": 20_806_952 + 2_049,
    "mesoinception4": 12_215,
    "unet8x": 7_700_161,
    "unet4x": 1_864_129,
    "vgg8": 1_735_745,
    "vgg5": 260_289,
    "vgg3": 38_785,
    "fn3": 210_945,
}
STRIDES = {"xception": 32, "mesoinception4": 8, "unet8x": 1, "unet4x": 1, "vgg8": 4, "vgg5": 2, "vgg3": 1, "fn3": 4}
# Half the receptive field, rounded up to something generous: how far borders reach into the map, in pixels.
REACH = {"xception": 576, "unet8x": 96, "unet4x": 64}

every_network = pytest.mark.parametrize("name", NETWORKS)
papers_network = pytest.mark.parametrize("name", PARAMETERS)


def build(name: str) -> nn.Module:
    """A network in eval mode whose batch norms have seen a batch, so that its activations have a trained one's size."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain average of all batches, here one
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 96, 96))
    return network.eval()


@torch.no_grad()
def run(network: nn.Module, images: Tensor) -> Tensor:
    return map_of(network(images))


def test_the_papers_networks_are_all_there():
    assert set(PARAMETERS) <= set(NETWORKS)


@papers_network
def test_parameter_count_and_stride(name):
    network = NETWORKS[name]()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]
    assert network.stride == STRIDES[name]


@every_network
@pytest.mark.parametrize("size", [(256, 256), (255, 193), (61, 67), (32, 32)], ids=str)
def test_map_has_one_finite_channel_at_the_networks_stride(name, size):
    network = build(name)
    logit_map = run(network, torch.randn(1, 3, *size))
    assert logit_map.shape[:2] == (1, 1)
    assert logit_map.isfinite().all()
    for cells, pixels in zip(logit_map.shape[2:], size, strict=True):
        assert cells >= 1
        assert abs(cells - pixels / network.stride) <= 1
        if network.stride == 1:
            assert cells == pixels


@every_network
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    given = network(torch.randn(2, 3, 96, 96))
    sum((values * torch.randn_like(values)).sum() for values in (given if isinstance(given, tuple) else (given,))).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@papers_network
@pytest.mark.parametrize("axis", [2, 3], ids=["down", "right"])
def test_moving_the_image_by_one_stride_moves_the_map_by_one_cell(name, axis):
    """Away from borders; UNets, whose map is finer than their poolings, by their period."""
    network = build(name)
    period = getattr(network, "period", network.stride)
    cells = period // network.stride
    reach = REACH.get(name, 48)
    # A long strip in the direction of the shift; across it, borders do no harm.
    strip = torch.randn(1, 3, 32, 2 * reach + 12 * period)
    images = (strip[..., :-period], strip[..., period:])
    before, after = (run(network, i if axis == 3 else i.mT).transpose(axis, 3) for i in images)
    margin = reach // network.stride
    length = before.shape[3]
    still, moved = before[..., cells + margin : length - margin], after[..., margin : length - margin - cells]
    assert still.shape[3] >= 4
    assert still.std() > 1e-3
    torch.testing.assert_close(moved, still, rtol=0, atol=1e-4 * float(still.abs().max()))
    assert not torch.allclose(moved, before[..., margin : length - margin - cells], atol=1e-3 * float(still.std()))


@every_network
def test_eval_mode_is_deterministic_and_images_do_not_influence_each_other(name):
    network = build(name)
    images = torch.randn(2, 3, 48, 48)
    together = run(network, images)
    assert torch.equal(together, run(network, images))
    torch.testing.assert_close(run(network, images[1:]), together[1:], rtol=1e-4, atol=1e-5)


@every_network
def test_no_layer_works_in_place(name):
    """Guided backpropagation and activation maps read activations after the forward pass."""
    assert not any(getattr(module, "inplace", False) for module in NETWORKS[name]().modules())
