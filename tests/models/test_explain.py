"""Guided backpropagation and activation maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from faces_at_hand import hopper

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from tamperlens.cli import app  # noqa: E402
from tamperlens.errors import ModelError  # noqa: E402
from tamperlens.models.card import ModelCard  # noqa: E402
from tamperlens.models.explain import activations, guided_backprop, layers, randomised, strongest  # noqa: E402
from tamperlens.models.model import Model, model_names, save  # noqa: E402
from tamperlens.models.runtime import as_seen, shipped_models  # noqa: E402
from tamperlens.models.tasks import TASKS  # noqa: E402


def picture(side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


RELUS = {
    "module": torch.nn.ReLU(),
    "module in place": torch.nn.ReLU(inplace=True),
    "functional": functional.relu,
    "function": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "keyword": lambda x: functional.relu(input=x),
}


class ByHand(torch.nn.Module):
    """Two 1x1 convolutions with a ReLU between: small enough to reckon by hand."""

    def __init__(self, relu) -> None:
        super().__init__()
        self.relu = relu
        self.first = torch.nn.Conv2d(3, 3, 1, bias=False)
        self.second = torch.nn.Conv2d(3, 1, 1, bias=False)
        self.first.weight.data = torch.tensor([[2.0, 0, 0], [0, 1, -1], [0, -1, 1]])[:, :, None, None]
        self.second.weight.data = torch.tensor([[3.0, -1, 5]])[:, :, None, None]

    def forward(self, images):
        return self.second(self.relu(self.first(images)))


@pytest.mark.parametrize("kind", RELUS)
def test_it_is_the_guided_gradient_reckoned_by_hand(kind):
    model = Model(ByHand(RELUS[kind]), TASKS["seg"], mean=(0, 0, 0), std=(1, 1, 1)).eval()
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 0], image[0, 1] = (51, 102, 0), (51, 0, 204)  # (0.2, 0.4, 0) and (0.2, 0, 0.8)
    # First pixel: hidden (0.4, 0.4, -0.4), after the ReLU (0.4, 0.4, 0); answer 3 * 0.4 - 0.4 = 0.8, which goes back as
    # 0.8 * (3, -1, 5) = (2.4, -0.8, 4.0). The guided ReLU stops -0.8 for its sign and 4.0 for its input's: (2.4, 0, 0),
    # and so (4.8, 0, 0) at the picture. Second pixel: hidden (0.4, -0.8, 0.8); answer 1.2 + 4 = 5.2; back (15.6, 0, 26),
    # at the picture (31.2, -26, 26).
    gradient = guided_backprop(model, image, "second", [0])[0, 0]
    assert gradient == pytest.approx(np.array([[4.8, 0, 0], [31.2, -26, 26]]), rel=1e-5)
    assert activations(model, image, "first")[:, 0] == pytest.approx(np.array([[0.4, 0.4], [0.4, -0.8], [-0.4, 0.8]]))
    # The plain gradient is another: the change ends with the call.
    plain = torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255).requires_grad_()
    logits = model.logit_map(plain)
    assert isinstance(logits, torch.Tensor)
    (expected,) = torch.autograd.grad(logits[0, 0, 0, 0] * 0.8, plain)
    assert expected[0, :, 0, 0].tolist() == pytest.approx([4.8, -0.8, 0.8])


def test_a_relu_that_is_cut_off_lets_nothing_back_from_beyond():
    model = Model(ByHand(functional.relu6), TASKS["seg"], mean=(0, 0, 0), std=(1, 1, 1)).eval()
    model.network.first.weight.data *= 10
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = (
        51,
        102,
        0,
    )  # hidden (4, 4, -4); answer 12 - 4 = 8, back (24, -8, 40): -8 would pass a ReLU6 that is not guided
    image[0, 0] = (51, 0, 204)  # hidden (4, -8, 8), after the ReLU6 (4, 0, 6); answer 12 + 30 = 42, back (126, -42, 210)
    # Of these only the first passes: the second for its sign and its input's, the third for its input above 6.
    assert guided_backprop(model, image, "second", [0])[0, 0] == pytest.approx(np.array([[2520, 0, 0], [480, 0, 0]]), rel=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_every_model_can_be_explained_layer_by_layer(name):
    torch.manual_seed(0)
    model = Model.create(name).eval()
    before = {key: value.clone() for key, value in model.state_dict().items() if key.endswith("running_mean")}
    found = layers(model)
    if not name.startswith(("pyramid", "twostream")):  # which has several ends
        assert found[-1].name == "classifier" and found[-1].channels == 1
    for layer in (found[0], found[-2]):
        maps = activations(model, picture(), layer.name)
        assert maps.shape[0] == layer.channels and maps.dtype == np.float32
        gradients = guided_backprop(model, picture(), layer.name, strongest(maps, 1))
        assert gradients.shape == (1, 32, 32, 3) and gradients.dtype == np.float32
        assert np.isfinite(gradients).all() and gradients.any()
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["vgg3-seg", "fn3-seg", "mesoinception4-seg", "contrast-seg"])
def test_no_relu_is_missed(name):
    """Whatever comes back through a ReLU of the network is not negative."""
    torch.manual_seed(0)
    model = Model.create(name).eval()
    calls = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, gradient):
            calls.append(float(gradient.min()))
            return gradient

    for module in model.network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_pre_hook(lambda module, inputs: (Watched.apply(inputs[0]),))
    guided_backprop(model, picture(), "classifier", [0])
    assert calls and min(calls) >= 0


def test_a_random_model_has_the_same_layers_and_other_weights_and_leaves_the_model_alone():
    torch.manual_seed(0)
    model = Model.create("contrast-seg").eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    one, again, other = randomised(model), randomised(model), randomised(model, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert layers(one) == layers(model) and not one.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
        if key.endswith("weight") and value.ndim == 4:
            assert not torch.equal(one.state_dict()[key], value)
            assert torch.equal(one.state_dict()[key], again.state_dict()[key])
            assert not torch.equal(one.state_dict()[key], other.state_dict()[key])
    last = layers(model)[-2].name
    assert not np.allclose(*(guided_backprop(each, picture(), last, [0]) for each in (model, one)))


def test_strongest_channels_come_first_and_negative_answers_count_nothing():
    maps = np.zeros((4, 2, 2), np.float32)
    maps[1], maps[2, 0, 0], maps[3] = 1, 8, -9
    assert strongest(maps, 2) == [2, 1]


def test_what_cannot_be_explained_is_said():
    model = Model.create("vgg3-seg").eval()
    with pytest.raises(ModelError, match=r"no layer 'conv9': expected one of these .* features\.0 \(64\), features\.2 \(64\)"):
        activations(model, picture(), "conv9")
    with pytest.raises(ModelError, match=r"layer features\.0 has no channel 64: expected 0 to 63"):
        guided_backprop(model, picture(), "features.0", [64])
    with pytest.raises(ValueError, match="in training mode"):
        activations(model.train(), picture(), "features.0")
    with pytest.raises(ValueError, match=r"RGB uint8 \(H, W, 3\); got float64 \(4, 4\)"):
        activations(model, np.zeros((4, 4)), "features.0")


def test_a_large_crop_is_shown_at_the_size_the_model_sees():
    card = ModelCard(
        name="x", network="vgg3", task="seg", map_threshold=0.5, score_threshold=0.5, crop_policy="native", max_side=32
    )
    assert as_seen(np.zeros((64, 48, 3), np.uint8), card).shape == (32, 24, 3)
    small = picture(32)
    assert as_seen(small, card) is small


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "hopper.png"
    Image.fromarray(hopper()).resize((256, 300)).save(path)
    return path


@pytest.fixture(scope="module")
def vgg5(tmp_path_factory) -> Path:
    """Weights of the paper's network, as they begin."""
    stem = tmp_path_factory.mktemp("weights") / "vgg5-seg"
    card = ModelCard(name="vgg5-seg", network="vgg5", task="seg", map_threshold=0.5, score_threshold=0.5, crop_policy="native")
    save(Model.create("vgg5-seg"), stem, card)
    return stem.with_suffix(".safetensors")


@pytest.mark.parametrize("name", shipped_models())
def test_the_command_draws_shipped_models(name, photo, tmp_path):
    file = tmp_path / "new" / "sheet.png"
    assert run("explain", name, photo, "--out", file) == (0, f"{file}\n", "")
    with Image.open(file) as drawing:
        drawn = np.asarray(drawing)
    assert drawn.shape[0] > 4 * 224 and drawn.shape[1] > 4 * 224 and drawn.std() > 20


def test_one_layer_and_its_channels_can_be_asked_for(photo, tmp_path):
    few, more = tmp_path / "few.png", tmp_path / "more.png"
    common = ("explain", "contrast-seg", photo, "--layer", "local.0.0", "--channels")
    assert run(*common, "3", "--whole", "--out", few)[0] == run(*common, "3,17", "--out", more)[0] == 0
    with Image.open(few) as one, Image.open(more) as two:
        assert one.height < two.height


def test_without_a_photo_the_layers_are_listed(vgg5):
    code, out, _ = run("explain", vgg5)
    assert code == 0 and out.splitlines() == [
        "features.0 64",
        "features.2 64",
        "features.5 128",
        "features.7 128",
        "classifier 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("MODEL", "PHOTO"), "say where it goes with --out"),
        (("MODEL", "PHOTO", "--out", "x.png", "--channels", "1"), "name it with --layer"),
        (("MODEL", "PHOTO", "--out", "x.png", "--layer", "conv1"), "no layer 'conv1': expected one of"),
        (("MODEL", "PHOTO", "--out", "x.png", "--layer", "classifier", "--channels", "one"), "expected numbers"),
        (("MODEL", "PHOTO", "--out", "x.png", "--layer", "classifier", "--channels", "1"), "no channel 1: expected 0 to 0"),
        (("vgg9-seg", "PHOTO"), f"expected a shipped model ({', '.join(shipped_models())}) or a .safetensors file"),
        (("model.onnx", "PHOTO"), "gradients need PyTorch's weights"),
        (("MODEL", "PLAIN", "--out", "x.png"), "no face was found in"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(arguments, words, vgg5, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save("plain.png")
    named = {"MODEL": vgg5, "PHOTO": photo, "PLAIN": "plain.png"}
    code, out, err = run("explain", *(named.get(argument, argument) for argument in arguments))
    assert code == 2 and out == "" and err.startswith("error: ") and words in err
    assert not Path("x.png").exists()
