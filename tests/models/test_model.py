"""Models, their cards and files, and their ONNX exports."""

import json
import re
import subprocess
import sys
import zipfile
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from torch import nn

from tamperlens.errors import ModelError
from tamperlens.metrics.calibration import Calibration
from tamperlens.models.card import (
    AS_PHOTOGRAPHED,
    CALLED_MANIPULATED,
    FACES_CALLED_MANIPULATED,
    AlarmRate,
    CardRow,
    Families,
    ModelCard,
    Origin,
    Training,
)
from tamperlens.models.export import to_onnx
from tamperlens.models.model import Model, load, model_names, parse_name, save
from tamperlens.models.networks import NETWORKS, WITH_IMAGE_HEAD, xception
from tamperlens.models.tasks import TASKS, map_of

every_model = pytest.mark.parametrize("name", model_names())


def lively(name: str) -> Model:
    """A model that is not trained, but whose maps and scores are as varied as a trained one's."""
    torch.manual_seed(0)
    model = Model.create(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average of all batches, here one
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        model.train().logit_map(images)
        model.eval()
        last = {"pyramid": "coarse", "twostream": "pyramid.coarse"}.get(parse_name(name)[0], "classifier")
        classifier = model.network.get_submodule(last)
        classifier.weight /= map_of(model.logit_map(images)).std()
        # cls shows a map only at a positive mean; seg's is most varied around 0.
        classifier.bias += (1.0 if name.endswith("cls") else 0.0) - map_of(model.logit_map(images)).mean()
    return model


def card_of(name: str, **entries) -> ModelCard:
    network, task = parse_name(name)
    entries = {"map_threshold": 0.5, "score_threshold": 0.5} | entries
    return ModelCard(name=name, network=network, task=task, **entries)


@pytest.fixture
def saved(tmp_path):
    """Path stem of a saved fn3-seg."""
    save(Model.create("fn3-seg"), tmp_path / "fn3-seg", card_of("fn3-seg"))
    return tmp_path / "fn3-seg"


def edit_card(stem, **entries):
    path = stem.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_every_network_goes_with_every_task_of_the_paper_and_joint_with_those_that_have_an_image_head():
    assert len(model_names()) == 2 * len(NETWORKS) + len(WITH_IMAGE_HEAD) >= 17
    with pytest.raises(ModelError, match=r"vgg5-joint: the task joint needs .* an image head, such as pyramid-joint"):
        Model.create("vgg5-joint")


@pytest.mark.parametrize("name", ["vgg5", "seg", "", "resnet-seg", "vgg5-reg", "seg-vgg5", "vgg5-seg-"])
def test_unknown_names_are_answered_with_what_would_work(name):
    with pytest.raises(ModelError, match=rf"no model is called '{name}': .*vgg5-seg.* xception, .*cls, seg"):
        Model.create(name)


def test_forward_is_normalisation_network_and_task():
    model = Model.create("vgg3-seg").eval()
    images = torch.rand(2, 3, 20, 24)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    with torch.no_grad():
        pixel_map, score = model(images)
        expected = model.network(normalised).sigmoid()
    torch.testing.assert_close(pixel_map, expected)
    torch.testing.assert_close(score, (pixel_map >= 0.5).float().mean((1, 2, 3)))


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5, float("nan")])
@pytest.mark.parametrize("threshold", ["map_threshold", "score_threshold"])
def test_thresholds_outside_0_and_1_are_refused(threshold, value):
    with pytest.raises(ModelError, match=f"{threshold} is {value}: expected a number above 0 and at most 1"):
        Model(NETWORKS["fn3"](), TASKS["seg"], **{threshold: value})


@every_model
def test_a_saved_model_comes_back_the_same(name, tmp_path):
    model = lively(name)
    network, task = parse_name(name)
    model = Model(
        model.network, TASKS[task], map_threshold=0.4, score_threshold=0.3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1)
    ).eval()
    written = save(model, tmp_path / "a.model", card_of(name, limits=["none known"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.model.json", "a.model.safetensors"]
    loaded, card = load(tmp_path / "a.model")
    assert card == written
    assert (card.network, card.task, card.limits) == (network, task, ["none known"])
    assert (card.map_threshold, card.score_threshold) == (0.4, 0.3)
    assert (card.mean, card.std) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.1))
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    images = torch.rand(1, 3, 61, 67)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(model(images), loaded(images), strict=True))


def test_undefined_figures_are_left_out_of_the_card(tmp_path):
    training = Training(steps=3).model_copy(update={"operating_points": {"some": 0.5, "none": float("nan")}})
    card = card_of("fn3-seg", training=training).model_copy(update={"validation": {"miou": 0.5, "auc": float("nan")}})
    save(Model.create("fn3-seg"), tmp_path / "model", card)
    found = load(tmp_path / "model")[1]
    assert found.validation == {"miou": 0.5} and found.training == Training(steps=3, operating_points={"some": 0.5})


def test_either_file_names_the_model(saved):
    for path in (str(saved), saved.with_suffix(".json"), saved.with_suffix(".safetensors")):
        assert load(path)[1].name == "fn3-seg"


def test_weights_are_safetensors_and_no_pickle(saved):
    weights = saved.with_suffix(".safetensors")
    assert not zipfile.is_zipfile(weights)
    with safe_open(weights, "pt") as tensors:
        assert set(tensors.keys()) == set(Model.create("fn3-seg").state_dict())
    assert b"pickle" not in weights.read_bytes()


def test_saving_refuses_a_card_of_another_network(tmp_path):
    with pytest.raises(ModelError, match=r"does not fit the network vgg5: .* 'network' must name"):
        save(Model.create("fn3-seg"), tmp_path / "model", card_of("vgg5-seg"))
    assert not list(tmp_path.iterdir())


def test_missing_files_are_named(saved, tmp_path):
    with pytest.raises(ModelError, match=r"no model card at .*nothing\.json: keep the card's JSON file beside"):
        load(tmp_path / "nothing")
    saved.with_suffix(".safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights at .*fn3-seg\.safetensors: the card .*fn3-seg\.json needs them"):
        load(saved)


def test_changed_weights_are_noticed(saved):
    path = saved.with_suffix(".safetensors")
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ModelError, match=r"fn3-seg\.safetensors have SHA-256 [0-9a-f]{64}, but their card says"):
        load(saved)


def test_weights_of_another_kind_are_noticed(saved):
    edit_card(saved, weights_sha256=None)
    saved.with_suffix(".safetensors").write_bytes(b"PK\3\4 not safetensors at all")
    with pytest.raises(ModelError, match=r"fn3-seg\.safetensors is not a safetensors file \(.*\): copy it again"):
        load(saved)


def test_weights_of_another_network_are_noticed(saved):
    edit_card(saved, network="vgg5")
    with pytest.raises(
        ModelError, match=r"does not fit the network vgg5: network\.classifier\.weight is .*, expected \(1, 128, 1, 1\)"
    ):
        load(saved)


@pytest.mark.parametrize(("entry", "value"), [("network", "resnet"), ("task", "reg")])
def test_unknown_networks_and_tasks_are_answered_with_what_would_work(saved, entry, value):
    edit_card(saved, **{entry: value})
    with pytest.raises(ModelError, match=f"no model is called .*{value}.*network of xception, .*task of cls, seg"):
        load(saved)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"treshold": 1}, "treshold: Extra inputs are not permitted"),
        ({"map_threshold": 0}, "map_threshold: Input should be greater than 0"),
        ({"score_threshold": 1.01}, "score_threshold: Input should be less than or equal to 1"),
        ({"std": [1, 0, 1]}, "std.1: Input should be greater than 0"),
        ({"max_side": 8}, "max_side: Input should be greater than or equal to 32"),
        ({"name": None}, "name: Input should be a valid string"),
        ({"calibration": {"slope": 1}}, "calibration.intercept: Field required"),
        ({"weights_sha256": "abc"}, "weights_sha256: String should match pattern"),
    ],
)
def test_a_wrong_card_is_answered_with_file_entry_and_fix(saved, entries, message):
    edit_card(saved, **entries)
    expected = rf"fn3-seg\.json is not valid \({re.escape(message)}.*\): correct these entries; a card has format, name"
    with pytest.raises(ModelError, match=expected):
        ModelCard.load(saved.with_suffix(".json"))


def test_a_card_that_is_no_json_or_no_text(saved):
    path = saved.with_suffix(".json")
    path.write_text("{")
    with pytest.raises(ModelError, match=r"fn3-seg\.json is not valid \(the file: Invalid JSON"):
        ModelCard.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"fn3-seg\.json cannot be read \(.*\): expected a UTF-8 JSON file"):
        ModelCard.load(path)


def test_a_card_survives_its_file(tmp_path):
    card = card_of(
        "vgg5-cls",
        max_side=512,
        calibration=Calibration(slope=1.5, intercept=-0.25),
        training=Training(steps=3, before=Training(config="a.toml"), data={"a": "b"}),
        initialised_from=(Origin(part="trunk", name="EfficientNet-Lite0 from ImageNet", terms="Apache 2.0"),),
        validation={"miou": 0.5},
        results=[CardRow(table="crops", subset="swap", delivery="JPEG 75", metric="auc", value=None, n=3)],
        limits=["faces under 64 pixels", "ümlauts"],
    )
    card.save(tmp_path / "card.json")
    assert ModelCard.load(tmp_path / "card.json") == card


def test_cards_are_read_without_torch():
    code = "import sys, tamperlens.models.card; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Tracing takes seconds a model. What cls adds to seg is the same for all networks, so the deep ones can wait; a twostream has
# a whole pyramid in it.
WAITING = {f"{network}-cls" for network in ("xception", "unet8x", "unet4x", "contrast", "pyramid", "twostream")} | {
    "pyramid-seg",
    "pyramid-joint",
    "twostream-seg",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in WAITING else ()) for name in model_names()]
)
def test_onnx_gives_pytorchs_numbers(name, tmp_path, monkeypatch):
    # The eight blocks in the middle are alike and take the exporter long: one stands for all.
    monkeypatch.setattr(xception, "BLOCKS", xception.BLOCKS[:4] + xception.BLOCKS[-1:])
    model = lively(name)
    path = tmp_path / f"{name}.onnx"
    # A pretrained network's depth lets roundings of random weights grow a little further.
    tolerance = 1e-3 if name.startswith(("pyramid", "twostream")) else 1e-4
    assert to_onnx(model, path, tolerance) <= tolerance
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = torch.rand(2, 3, 75, 90)
    pixel_map, score = session.run(["pixel_map", "score"], {"images": images.numpy()})
    with torch.no_grad():
        expected_map, expected_score = (output.numpy() for output in model(images))
    assert expected_map.std() > 0.01
    np.testing.assert_allclose(pixel_map, expected_map, atol=1e-3)
    # For seg, pixels nearer to the threshold than the maps are to each other may flip.
    near = np.mean(np.abs(expected_map - model.map_threshold) < 1e-3)
    np.testing.assert_allclose(score, expected_score, atol=tolerance + (near if name.endswith("seg") else 0))


def test_export_writes_one_file_and_leaves_the_model_as_it_was(tmp_path):
    model = Model.create("fn3-cls").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    to_onnx(model, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    # The exporter's stack traces would tell of the machine it ran on.
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()
    assert model.training and model.network.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_export_that_differs_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    message = r"differ by [\d.e-]+ in the logit map of images of \(1, 3, 64, 64\), at most 1e-12 was expected"
    with pytest.raises(ModelError, match=message):
        to_onnx(lively("fn3-seg"), path, tolerance=1e-12)
    model = lively("fn3-seg")
    model.network.classifier.bias.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="differ by nan in the logit map"):
        to_onnx(model, path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def row_of(table="photos", value=0.0, n=100, metric=CALLED_MANIPULATED, **subject) -> CardRow:
    return CardRow(table=table, metric=metric, value=value, n=n, **{"subset": "pristine", **subject})


def test_new_rows_replace_those_of_their_tables_and_are_checked():
    first = card_of("fn3-seg", results=[row_of("crops", delivery="raw"), row_of("clips", source="a", delivery="b")])
    second = first.with_results([row_of(source="c", control="JPEG 75")], families=Families(trained=("swap",)))
    assert [row.table for row in second.results] == ["crops", "clips", "photos"] and second.families.trained == ("swap",)
    assert [row.n for row in first.with_results([row_of("crops", n=7, delivery="raw")]).results] == [100, 7]
    with pytest.raises(ValidationError):
        first.model_copy(update={"map_threshold": 2.0}).with_results([])


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"table": "crops", "subset": "swap", "delivery": "JPEG 75"}, "swap, JPEG 75"),
        ({"table": "photos", "source": "lfw", "control": "blurred 1.0"}, "pristine: lfw, blurred 1.0"),
        ({"table": "groups", "group": "glasses", "control": AS_PHOTOGRAPHED}, "glasses, as photographed"),
        ({"table": "clips", "subset": "sDF", "source": "clips of test people", "delivery": "H.264 18"}, None),
    ],
)
def test_a_rows_label_is_made_of_its_fields(fields, label):
    assert row_of(**fields).label == (label or "sDF: clips of test people, H.264 18")


def test_rates_of_false_alarms_are_those_of_the_pristine_rows_whatever_they_are_called():
    rows = [
        row_of(value=0.01, source="people, of the test: split", control=AS_PHOTOGRAPHED),
        row_of(value=0.0, n=300, source="b", control=AS_PHOTOGRAPHED),
        row_of(value=0.5, source="a", control="JPEG 75"),
        row_of(value=0.5, metric="inconclusive", source="a", control=AS_PHOTOGRAPHED),
        row_of("crops", value=0.5, delivery=AS_PHOTOGRAPHED),
        row_of("groups", value=0.5, group="glasses", control=AS_PHOTOGRAPHED),
        row_of("clips", value=0.5, subset="sDF", source="clips", delivery="H.264"),
    ]
    alarms = card_of("fn3-seg").with_results(rows).false_alarms
    assert (alarms.photo.called_manipulated, alarms.photo.count, alarms.photo.counted) == (1, 400, "files")
    assert alarms.photo.rate == 0.0025 and 0 < alarms.photo.interval[0] < 0.0025 < alarms.photo.interval[1] < 0.02
    assert alarms.video is None and card_of("fn3-seg").false_alarms.photo is None
    # Where faces were counted, the rate is that of faces; a control set in which no face was judged gives none.
    faces = row_of(value=0.002, n=500, metric=FACES_CALLED_MANIPULATED, source="b", control=AS_PHOTOGRAPHED)
    alarms = card_of("fn3-seg").with_results([*rows, faces]).false_alarms
    assert (alarms.photo.called_manipulated, alarms.photo.count, alarms.photo.counted) == (1, 500, "faces")
    nobody = card_of("fn3-seg").with_results([row_of(value=None, n=0, source="c", control=AS_PHOTOGRAPHED)])
    assert nobody.false_alarms.photo is None
    with pytest.raises(ValidationError, match="more than the count"):
        AlarmRate(called_manipulated=3, count=2)


def old_card(**entries) -> dict:
    """A card as the first format had it."""
    return {
        "name": "m",
        "network": "fn3",
        "task": "seg",
        "map_threshold": 0.5,
        "score_threshold": 0.5,
        "training": {"steps": 2, "crops_seen": 8, "config": {"policy": "resized", "families": ["swap"]}},
        "results": {"validation_during_training": {"miou": 0.5}},
        **entries,
    }


def test_a_card_of_the_first_format_is_read(tmp_path):
    numbers = {"value": 0.01, "low": 0.0, "high": 0.1, "n": 100}
    results: dict[str, Any] = {
        "unseen_families": ["reenact"],
        "expected_calibration_error_on_validation": 0.04,
        "test": [
            {"subset": "self_blend, JPEG 75", "metric": "auc", **numbers},
            {"subset": "pristine: lfw, as photographed", "metric": "called manipulated", **numbers},
        ],
        "groups": [{"subset": "cheeks: dark, as photographed", "metric": "median score", **numbers, "low": None}],
        "video": [{"subset": "in part: clips of test people, H.264 18 to 23", "metric": "called manipulated", **numbers}],
    }
    (tmp_path / "card.json").write_text(json.dumps(old_card(results=results)))
    card = ModelCard.load(tmp_path / "card.json")
    captions = [row["subset"] for name in ("test", "groups", "video") for row in results[name]]
    assert [row.label for row in card.results] == captions
    assert card.results[2].group == "cheeks: dark" and card.results[2].low is None and card.results[3].subset == "in part"
    assert (card.false_alarms.photo.count, card.false_alarms.video, card.calibration_error) == (100, None, 0.04)
    assert (card.crop_policy, card.families) == ("resized", Families(trained=("swap",), unseen=("reenact",)))
    card.save(tmp_path / "new.json")
    assert ModelCard.load(tmp_path / "new.json") == card
    plain = ModelCard.model_validate(old_card())
    assert plain.validation == {"miou": 0.5} and plain.training.crops_seen == 8 and plain.results == ()
    (tmp_path / "card.json").write_text(json.dumps(old_card(results={"test": [{"subset": "nonsense", **numbers}]})))
    with pytest.raises(ModelError, match=r"the row 'nonsense' of an old card cannot be read; measure the model again"):
        ModelCard.load(tmp_path / "card.json")
