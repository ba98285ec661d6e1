"""Engines: one Predictor in each, told apart where their numbers are not the card's."""

import sys

import numpy as np
import pytest

from faces_at_hand import hopper_portrait
from tamperlens.errors import MissingExtra, ModelError
from tamperlens.models import engines
from tamperlens.models.agreement import difference, fixed_crop, reference_of
from tamperlens.models.card import ModelCard, Quantised
from tamperlens.models.runtime import WEIGHTS, load
from tamperlens.types import BatchPredictor

NAME = "contrast-seg"


@pytest.mark.parametrize("way", ["onnx", "openvino", "torch"])
def test_every_engine_gives_the_cards_numbers_and_says_what_it_is(way) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(way, way))
    predictor = load(NAME, runtime=way, threads=1)
    assert predictor.card.reference is not None and predictor.disagreement() < 1e-4
    assert predictor.how.startswith({"onnx": "onnxruntime "}.get(way, f"{way} ")) and ", float32, " in predictor.how
    assert isinstance(predictor, BatchPredictor)
    crop = hopper_portrait(96).image
    expected = load(NAME, threads=1)(crop)
    found = predictor(crop)
    assert np.abs(found.pixel_map - expected.pixel_map).max() < 1e-3 and found.score == pytest.approx(expected.score, abs=1e-3)


def test_auto_takes_the_next_engine_where_the_first_gives_other_numbers(monkeypatch) -> None:
    pytest.importorskip("openvino")
    assert load(NAME, threads=1).how.startswith("onnxruntime")
    run = engines.OnnxEngine.__call__
    monkeypatch.setattr(engines.OnnxEngine, "__call__", lambda self, images: (run(self, images)[0] + 0.1, run(self, images)[1]))
    assert load(NAME, threads=1).how.startswith("openvino")
    with pytest.raises(ModelError, match=r"onnxruntime [\d.]+ differs by 0\.1; 0\.002 is allowed"):
        load(NAME, threads=1, runtime="onnx")


def test_auto_does_without_openvino_and_asking_for_it_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load(NAME, threads=1).how.startswith("onnxruntime")
    with pytest.raises(MissingExtra, match=r"tamperlens\[openvino\]"):
        load(NAME, threads=1, runtime="openvino")


def test_threads_and_precision_reach_openvino_and_a_precision_that_is_not_taken_is_refused(monkeypatch) -> None:
    openvino = pytest.importorskip("openvino")
    asked = []
    compile_model = openvino.Core.compile_model

    def listening(self, model, device, options):
        asked.append(options)
        return compile_model(self, model, device, options | {"INFERENCE_PRECISION_HINT": "f32"})

    monkeypatch.setattr(openvino.Core, "compile_model", listening)
    load(NAME, threads=1, runtime="openvino")
    assert asked[0]["INFERENCE_NUM_THREADS"] == 1 and asked[0]["INFERENCE_PRECISION_HINT"] == "f32"
    with pytest.raises(ModelError, match="asked for bf16 and takes f32 on this processor"):
        load(NAME, threads=1, runtime="openvino", precision="bf16")
    assert asked[1]["INFERENCE_PRECISION_HINT"] == "bf16"
    with pytest.raises(ModelError, match="bf16 is OpenVINO's alone"):
        load(NAME, threads=1, runtime="onnx", precision="bf16")
    with pytest.raises(ModelError, match="expected one of auto, onnx, openvino, torch"):
        load(NAME, runtime="tensorrt")


def test_crops_of_one_size_go_through_together_and_come_back_in_their_order() -> None:
    predictor = load(NAME, threads=1)
    sides = (64, 80, 64, 64, 80)
    crops = [np.ascontiguousarray(hopper_portrait(side).image[::-1] if n % 2 else hopper_portrait(side).image)
             for n, side in enumerate(sides)]  # fmt: skip
    alone = [predictor(crop) for crop in crops]
    shapes = []
    run = predictor._run
    predictor._run = lambda images: shapes.append(images.shape[0]) or run(images)
    predictor.engine.batch_pixels = 2 * 64 * 64
    together = predictor.many(crops)
    assert shapes == [2, 1, 1, 1]  # two and one of 64 pixels; larger ones one at a time
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.pixel_map - other.pixel_map).max() < 1e-5 and one.score == pytest.approx(other.score, abs=1e-4)


def test_what_is_no_number_disagrees() -> None:
    crop = fixed_crop()
    assert crop.shape == (1, 3, 96, 96) and crop.dtype == np.float32 and 0 <= crop.min() < crop.max() <= 1

    def own(images):
        return images[:, :1], np.array([0.5], np.float32)

    reference = reference_of(own)
    assert difference(own, reference) < 1e-6
    assert difference(lambda images: (images[:, :1] * np.nan, np.array([0.5])), reference) == np.inf
    assert difference(lambda images: (images[:, :1], np.array([0.9])), reference) == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize(
    ("auc", "miou", "fit"), [(0.896, 0.796, True), (0.895, 0.8, False), (0.9, 0.7949, False), (0.95, 0.9, True)]
)
def test_int8_is_fit_only_where_it_costs_little(auc, miou, fit) -> None:
    cost = Quantised(auc_before=0.9, auc=auc, miou_before=0.8, miou=miou, crops=10, calibrated_on=5)
    assert cost.fit is fit and ("NOT fit to ship" in cost.in_words()) is not fit


def test_a_torch_model_is_told_how_many_threads(monkeypatch) -> None:
    torch = pytest.importorskip("torch")
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    load(WEIGHTS / f"{NAME}.safetensors", threads=3)
    assert asked == [3]


def test_a_card_without_a_reference_is_trusted(tmp_path) -> None:
    card = ModelCard.load(WEIGHTS / f"{NAME}.json").model_copy(update={"reference": None})
    card.save(tmp_path / "old.json")
    (tmp_path / "old.onnx").write_bytes((WEIGHTS / f"{NAME}.onnx").read_bytes())
    assert load(tmp_path / "old.onnx", threads=1).disagreement() == 0


def test_an_engines_name_stands_for_the_weights_not_for_the_engine() -> None:
    pytest.importorskip("openvino")
    assert load(NAME, threads=1).name == load(NAME, threads=1, runtime="openvino").name
