"""The touch test of docs/architecture.md: what a newcomer adds needs no edit under src/ beyond its own file and row."""

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper, hopper_face

torch = pytest.importorskip("torch")

from tamperlens.data.portraits import find_face_photos, forged_crops  # noqa: E402
from tamperlens.forge import FAMILIES  # noqa: E402
from tamperlens.forge.portrait import Forgery  # noqa: E402
from tamperlens.inspection.photo import inspect_photo  # noqa: E402
from tamperlens.metrics.outcomes import judge  # noqa: E402
from tamperlens.metrics.results import rows_of  # noqa: E402
from tamperlens.models.card import ModelCard  # noqa: E402
from tamperlens.models.export import to_onnx  # noqa: E402
from tamperlens.models.model import load  # noqa: E402
from tamperlens.models.networks import NETWORKS  # noqa: E402
from tamperlens.models.runtime import load as load_predictor  # noqa: E402
from tamperlens.training.config import TrainConfig  # noqa: E402
from tamperlens.training.loop import train  # noqa: E402
from tamperlens.training.photo_batches import LiveCrops  # noqa: E402
from tamperlens.types import Prediction  # noqa: E402


class Tiny(torch.nn.Module):
    """A newcomer's network."""

    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images)


def red_square(target, donor, rng) -> Forgery:
    """A newcomer's forgery family."""
    image, mask = target.image.copy(), np.zeros(target.image.shape[:2], np.bool_)
    x, y = target.landmarks[2].astype(int)
    mask[max(0, y - 12) : y + 12, max(0, x - 12) : x + 12] = True
    image[mask] = (255, 0, 0)
    return Forgery(image, mask, {"family": "red_square"})


def middle_face(image) -> list:
    """A newcomer's face detector."""
    return [hopper_face()]


class AllRed:
    """A newcomer's predictor: somebody else's method."""

    name, calibrated, limits, score_threshold, doubt_threshold = "all-red", False, (), 0.001, 0.001

    def __call__(self, image) -> Prediction:
        mask = (image[..., 0] > 250) & (image[..., 1] < 5)
        return Prediction(mask.astype(np.float32), mask, float(mask.mean()))


def test_train_evaluate_export_and_inspect_with_everything_new(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", Tiny)
    monkeypatch.setitem(FAMILIES, "red_square", red_square)
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(hopper()).save(folder / "hopper.png")
    photos = find_face_photos([folder], middle_face)

    config = TrainConfig(
        model="tiny-seg", learning_rate=0.05, batch_size=4, micro_batch=4, steps=12, windows=(64,), families=("red_square",),
        workers=0, precision="32-true",
    )  # fmt: skip
    data = LiveCrops(photos, config.families, batches=12, batch_size=4, windows=(64,))
    stem = train(config, data, tmp_path / "run")

    crops = list(forged_crops(photos, ("red_square",), 3, sides=(64, 96), before=1.0, after=1.0))
    for predictor in (AllRed(), load_predictor(f"{stem}.safetensors")):
        rows = rows_of(predictor.name, judge(predictor, crops), 0.01, rounds=5)
        figures = {(row.subset, row.metric): row.value for row in rows}
        if predictor.name == "all-red":
            assert figures["red_square", "fg_iou"] > 0.9 and figures["all", "auc"] == 1.0
        assert 0 <= figures["pristine", "false_area"] <= 1

    model, card = load(stem)
    to_onnx(model, tmp_path / "tiny.onnx")
    ModelCard.model_validate(card).save(tmp_path / "tiny.json")
    inspection = inspect_photo(folder / "hopper.png", middle_face, load_predictor(tmp_path / "tiny.onnx"))
    assert len(inspection.faces) == 1 and inspection.faces[0].score is not None
