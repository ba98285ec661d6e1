import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from faces_at_hand import hopper_portrait
from tamperlens.errors import ModelError
from tamperlens.metrics.calibration import Calibration
from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import DEFAULT_MODEL, OnnxPredictor, load, shipped_models
from tamperlens.types import Predictor

WEIGHTS = Path(__file__).parents[2] / "src" / "tamperlens" / "models" / "weights"


def test_the_default_is_shipped() -> None:
    assert DEFAULT_MODEL in shipped_models()


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_whole(name: str) -> None:
    card = ModelCard.load(WEIGHTS / f"{name}.json")
    assert card.name == name and (WEIGHTS / f"{name}.safetensors").exists()
    assert card.training.data and card.training.date and card.training.commit and card.training.crops_seen > 0
    assert '"format": "tamperlens.card/2"' in (WEIGHTS / f"{name}.json").read_text()
    assert card.families.trained and not set(card.families.trained) & set(card.families.unseen)
    assert card.false_alarms.photo.rate < 0.02 and card == card.with_results(card.results)
    assert card.limits and card.calibration and card.doubt_threshold <= card.score_threshold
    assert {"auc", "fg_iou", "called manipulated"} <= {row.metric for row in card.results}


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_predicts_at_the_crops_own_size(name: str) -> None:
    predictor = load(name, threads=2)
    assert isinstance(predictor, Predictor) and name in predictor.name
    for side in (48, 131, 192):
        image = hopper_portrait(side).image
        prediction = predictor(image)
        assert prediction.pixel_map.shape == prediction.mask.shape == image.shape[:2]
        assert prediction.pixel_map.dtype == np.float32 and prediction.mask.dtype == np.bool_
        assert 0 <= prediction.pixel_map.min() <= prediction.pixel_map.max() <= 1 and 0 <= prediction.score <= 1


@pytest.mark.parametrize("name", shipped_models())
def test_onnx_and_torch_agree_on_a_face(name: str) -> None:
    pytest.importorskip("torch")
    image = hopper_portrait(131).image
    onnx, reference = load(name, threads=1)(image), load(WEIGHTS / f"{name}.safetensors", threads=1)(image)
    assert np.abs(onnx.pixel_map - reference.pixel_map).max() < 1e-3
    assert onnx.score == pytest.approx(reference.score, abs=5e-3)


def test_large_crops_are_shrunk_to_the_cards_side_and_the_map_enlarged() -> None:
    predictor = load()
    ran = []
    run = predictor._run
    predictor._run = lambda images: ran.append(images.shape) or run(images)
    side = predictor.card.max_side + 90
    assert predictor(np.full((side, side, 3), 128, np.uint8)).pixel_map.shape == (side, side)
    assert ran == [(1, 3, predictor.card.max_side, predictor.card.max_side)]


def test_scores_are_calibrated_where_the_card_says_so() -> None:
    predictor = load()
    calibration = predictor.card.calibration
    assert predictor.calibrated and predictor.score_threshold == calibration(predictor.card.score_threshold)
    steep = Calibration(slope=2.0, intercept=0.5)
    assert steep(0.5) == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert 0 < steep(0.0) < steep(0.3) < steep(1.0) < 1


def test_unknown_names_missing_cards_and_broken_files_are_model_errors(tmp_path) -> None:
    with pytest.raises(ModelError, match=rf"no shipped model is called 'vgg6-seg': expected one of .*{DEFAULT_MODEL}"):
        load("vgg6-seg")
    with pytest.raises(ModelError, match="no model card at"):
        load(tmp_path / "a.onnx")
    card = json.loads((WEIGHTS / f"{DEFAULT_MODEL}.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="no model at"):
        OnnxPredictor(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"not onnx")
    with pytest.raises(ModelError, match="is not a model that ONNX Runtime can load"):
        load(tmp_path / "a.onnx")


def test_a_raw_score_of_zero_is_no_evidence_however_low_the_threshold() -> None:
    """Calibration treats all raw scores near zero as one: thresholds must lie where they can be told from it."""
    card = load().card.model_dump()
    with pytest.raises(ValueError, match=r"must lie above 0\.001"):
        ModelCard.model_validate(card | {"doubt_threshold": 0.001})
    calibration = load().card.calibration
    assert calibration(0.0) < load().doubt_threshold <= load().score_threshold


def test_a_foreign_onnx_file_is_a_model_error(tmp_path) -> None:
    data = (Path(onnxruntime.__file__).parent / "datasets" / "sigmoid.onnx").read_bytes()
    (tmp_path / "sigmoid.onnx").write_bytes(data)
    (tmp_path / "sigmoid.json").write_text((WEIGHTS / f"{DEFAULT_MODEL}.json").read_text())
    with pytest.raises(ModelError, match="expected images, pixel_map and score"):
        load(tmp_path / "sigmoid.onnx")


def test_inspecting_leaves_torch_out_and_importing_takes_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import tamperlens\n"
        "early = {name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {'tamperlens'}\n"
        "from matplotlib.cbook import get_sample_data\n"
        "path = get_sample_data('grace_hopper.jpg', asfileobj=False)\n"
        "verdict = tamperlens.inspect(path).verdict\n"
        "import tamperlens.inspection.casefile.record, tamperlens.models.card_page, tamperlens.metrics.outcomes\n"
        "import tamperlens.forge, tamperlens.bench.held_out, tamperlens.cli\n"
        "print(sorted(early), 'torch' in sys.modules, verdict in ('manipulated', 'no_evidence', 'inconclusive'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False True"
