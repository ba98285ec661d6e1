"""tamperlens export: what is written is a model by itself, and gives PyTorch's numbers."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from tamperlens.bench import exporting  # noqa: E402
from tamperlens.bench.exporting import export_model, sample_crops  # noqa: E402
from tamperlens.cli import app  # noqa: E402
from tamperlens.errors import DataError, ModelError  # noqa: E402
from tamperlens.models.card import ModelCard, Quantised  # noqa: E402
from tamperlens.models.model import Model, save  # noqa: E402
from tamperlens.models.quantise import quantise  # noqa: E402
from tamperlens.models.runtime import load  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network with weights by seed, saved."""
    torch.manual_seed(3)
    stem = tmp_path_factory.mktemp("model") / "small"
    card = ModelCard(name="small", network="fn3", task="seg", map_threshold=0.5, score_threshold=0.05, crop_policy="native")
    save(Model.create("fn3-seg").eval(), stem, card)
    return stem.with_suffix(".safetensors")


@pytest.fixture(scope="module")
def traced(model, tmp_path_factory):
    """The ONNX file of it. Tracing takes the exporter seconds, so it is done once."""
    return export_model(model, "onnx", tmp_path_factory.mktemp("traced"), say=lambda _: None).path


@pytest.fixture(autouse=True)
def one_trace(request, monkeypatch):
    """All but the fixture above are given its file for a traced one."""
    file = request.getfixturevalue("traced")
    monkeypatch.setattr(exporting, "to_onnx", lambda network, path: shutil.copy(file, path))


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_an_exported_file_is_a_model_without_its_card_beside_it(to, model, tmp_path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(to, to))
    said = []
    done = export_model(model, to, tmp_path, say=said.append)
    assert done.map_apart < 1e-3 and "maps are within" in said[0]
    beside = done.path.with_suffix(".json")
    assert ModelCard.load(beside) == done.card
    beside.unlink()
    predictor, original = load(done.path, threads=1), load(model, threads=1)
    assert predictor.card == done.card and predictor.disagreement() < 1e-4
    for crop in sample_crops()[:2]:
        assert np.abs(predictor(crop).pixel_map - original(crop).pixel_map).max() < 1e-3
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == ({".onnx"} if to == "onnx" else {".xml", ".bin"})


def test_numbers_that_differ_are_refused_and_nothing_is_left(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(exporting, "compare", lambda *_: (0.01, 0.0))
    with pytest.raises(ModelError, match=r"differ by 0\.01 in pixel maps"):
        export_model(model, "onnx", tmp_path, say=lambda _: None)
    assert not list(tmp_path.iterdir())


def test_folders_for_int8_that_are_missing_or_share_a_name_are_refused(model, tmp_path) -> None:
    folders = [tmp_path / "a" / "photos", tmp_path / "b" / "photos"]
    for folder in folders:
        folder.mkdir(parents=True)
    with pytest.raises(DataError, match="are both called photos"):
        export_model(model, "onnx", tmp_path, folders)
    with pytest.raises(DataError, match="misspelt is no folder"):
        export_model(model, "onnx", tmp_path, [folders[0], tmp_path / "misspelt"])


def test_int8_weights_are_int8_and_maps_near(traced, tmp_path) -> None:
    card = ModelCard.load(traced.with_suffix(".json")).model_copy(update={"precision": "int8", "reference": None})
    crops = sample_crops()
    assert quantise(traced, tmp_path / "q.onnx", card, crops[:3]) == 3
    card.save(tmp_path / "q.json")
    quantised, original = load(tmp_path / "q.onnx", threads=1), load(traced, threads=1)
    assert ", int8, " in quantised.how
    import onnx

    kinds = {node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node}
    assert "QuantizeLinear" in kinds or "DequantizeLinear" in kinds
    apart = np.abs(quantised(crops[3]).pixel_map - original(crops[3]).pixel_map)
    assert 0 < apart.max() < 0.1


def test_what_int8_costs_stands_in_the_card_and_too_much_ends_in_exit_code_1(model, tmp_path, monkeypatch) -> None:
    cost = Quantised(auc_before=0.9, auc=0.8, miou_before=0.8, miou=0.8, crops=10, calibrated_on=3)
    monkeypatch.setattr(exporting, "find_face_photos", lambda folders, detector: [])
    monkeypatch.setattr(exporting, "by_split", lambda photos: {"train": [], "test": []})
    monkeypatch.setattr(exporting, "_calibration_crops", lambda photos, card: sample_crops()[:3])
    monkeypatch.setattr(exporting, "cost_of_int8", lambda *_: cost)
    for suffix in (".safetensors", ".json"):
        shutil.copy(model.with_suffix(suffix), tmp_path)
    folder = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["export", str(tmp_path / "small.safetensors"), "--int8", str(tmp_path), "--out", str(folder)]
    )
    assert done.exit_code == 1 and "AUC 0.9000 before, 0.8000 after" in done.output and "NOT fit to ship" in done.output
    card = ModelCard.load(folder / "small-int8.json")
    assert card.quantised == cost and card.precision == "int8" and "NOT fit" in card.limits[-1]
    assert load(folder / "small-int8.onnx", threads=1).name.startswith("small-int8 ")
