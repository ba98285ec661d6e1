"""The touch test of docs/architecture.md: what a newcomer adds is one piece and one row, and no other edit under src/."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from faces_at_hand import hopper, hopper_face
from trees import FakeDetector, changed_area, clip_frames, encode, manipulated_frames

torch = pytest.importorskip("torch")

from tamperlens.bench.held_out import unseen_families  # noqa: E402
from tamperlens.bench.store import Conditions, benchmark_rows, judge_store  # noqa: E402
from tamperlens.cli import app  # noqa: E402
from tamperlens.data.doctor import examine  # noqa: E402
from tamperlens.data.portraits import find_face_photos, forged_crops  # noqa: E402
from tamperlens.data.prepare.masks import RECIPES, Recipe  # noqa: E402
from tamperlens.data.prepare.run import prepare  # noqa: E402
from tamperlens.data.readers import READERS, Clip, Layout, Reader  # noqa: E402
from tamperlens.data.store import Store  # noqa: E402
from tamperlens.data.store.manifest import PrepareSettings  # noqa: E402
from tamperlens.faces.detector import DETECTORS, detector_for  # noqa: E402
from tamperlens.forge import FAMILIES  # noqa: E402
from tamperlens.forge.portrait import Forgery  # noqa: E402
from tamperlens.inspection.casefile.record import Face, PhotoRecord, dump, json_schema, parse_record  # noqa: E402
from tamperlens.inspection.photo import inspect_photo  # noqa: E402
from tamperlens.inspection.verify import compare  # noqa: E402
from tamperlens.metrics.outcomes import Drawn, Outcomes, judge  # noqa: E402
from tamperlens.metrics.results import METRICS, Metric, rows_of  # noqa: E402
from tamperlens.models.card import ModelCard  # noqa: E402
from tamperlens.models.export import to_onnx  # noqa: E402
from tamperlens.models.model import load, model_names  # noqa: E402
from tamperlens.models.networks import NETWORKS  # noqa: E402
from tamperlens.models.runtime import load as load_predictor  # noqa: E402
from tamperlens.training.config import TrainConfig  # noqa: E402
from tamperlens.training.loop import train  # noqa: E402
from tamperlens.training.photo_batches import LiveCrops  # noqa: E402
from tamperlens.types import Prediction  # noqa: E402

ROOT = Path(__file__).parents[1]


# What newcomers bring.


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


def read_films(
    root: Path, *, methods: Sequence[str] | None = None, left_out: list | None = None, **others: Any
) -> tuple[Clip, ...]:
    """A newcomer's dataset: NAME.mp4, and NAME.forged.mp4 made from it; films that begin with "t" are for testing."""
    clips = []
    for path in sorted(root.glob("*.mp4")):
        name, forged, _ = path.stem.partition(".forged")
        code, original = ("EDIT", root / f"{name}.mp4") if forged else ("P", None)
        split, person = "test" if name.startswith("t") else "train", (name,)
        clips.append(
            Clip(f"{code}/{name}", path, code, name, None, None, split, original, None, person, Layout.VIDEO, "by first letter")
        )
    return tuple(sorted((clip for clip in clips if clip.method in (methods or ("P", "EDIT"))), key=lambda clip: clip.id))


def green_differs(manipulated, original, released, use) -> np.ndarray:
    """A newcomer's mask recipe."""
    return np.abs(manipulated[..., 1].astype(int) - original[..., 1]) > use["levels"]


def mcc(table: Outcomes, drawn: Drawn) -> float:
    """A newcomer's metric: Matthews' correlation of predicted and true pixels."""
    counts = table.pooled(drawn)
    tp, fp, fn, tn = (float(value) for value in (counts.tp, counts.fp, counts.fn, counts.tn))
    divisor = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / divisor if divisor else float("nan")


class SharpFace(Face):
    """A newcomer's field of the record."""

    sharpness: float


class SharpRecord(PhotoRecord):
    faces: list[SharpFace]  # type: ignore[assignment]


# Each of them, in use.


def test_a_network_a_family_and_a_predictor_go_the_whole_way(tmp_path, monkeypatch) -> None:
    """Forge, train, evaluate, export, inspect."""
    monkeypatch.setitem(NETWORKS, "tiny", Tiny)
    monkeypatch.setitem(FAMILIES, "red_square", red_square)
    assert "tiny-seg" in model_names() and "red_square" in unseen_families([load_predictor("contrast-seg").card])
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(hopper()).save(folder / "hopper.png")
    forged = CliRunner().invoke(
        app, ["forge", str(folder / "hopper.png"), "--out", str(tmp_path), "--family", "red_square"], catch_exceptions=False
    )
    assert forged.exit_code == 0 and (np.asarray(Image.open(forged.stdout.split()[0])) == (255, 0, 0)).all(axis=2).sum() > 100
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


def test_a_detector_is_reached_by_commands_and_named_in_the_record(tmp_path, monkeypatch) -> None:
    asked = []

    def middle(purpose):
        asked.append(purpose)
        return middle_face

    monkeypatch.setitem(DETECTORS, "middle", middle)
    Image.fromarray(hopper()).save(tmp_path / "hopper.png")
    found = CliRunner().invoke(
        app, ["inspect", str(tmp_path / "hopper.png"), "--detector", "middle", "--json"], catch_exceptions=False
    )
    record = parse_record(found.stdout)
    assert isinstance(record, PhotoRecord) and record.settings.detector == "middle" and "photo" in asked
    box = hopper_face()
    assert record.faces[0].box == pytest.approx([box.x0, box.y0, box.x1, box.y1], abs=0.1)
    assert detector_for("dataset", "middle") is middle_face and asked[-1] == "dataset"


def test_a_reader_a_recipe_and_a_metric_go_from_films_to_a_table(tmp_path, monkeypatch) -> None:
    """Doctor, prepare, evaluate."""
    monkeypatch.setitem(READERS, "films", Reader("films", read_films, "films and forgeries of them"))
    monkeypatch.setitem(RECIPES, "green", Recipe("green", 1, (("levels", 8.0),), green_differs))
    monkeypatch.setitem(METRICS, "mcc", Metric(mcc, averaged=True))
    root = tmp_path / "films"
    for name in ("000", "t01"):
        target = name.removeprefix("t")
        encode(root / f"{name}.mp4", clip_frames(target, 4), "raw")
        encode(root / f"{name}.forged.mp4", manipulated_frames(target, "003", count=4), "raw")
    findings = examine(root, reader="films", recipe="green", detector=FakeDetector())
    assert not [finding for finding in findings if finding.severity.value == "error"], findings

    settings = PrepareSettings(reader="films", recipe="green", every_eval=1)
    prepare(root, tmp_path / "store", settings, FakeDetector())
    store = Store(tmp_path / "store")
    assert store.info.counts == {"train": {"P": 4, "EDIT": 4}, "test": {"P": 4, "EDIT": 4}}
    assert store.info.recipes[0].startswith("green v1") and store.info.split_set == "by first letter"
    share = float(np.mean([crop.mask.mean() for crop in store.crops("test", methods=["EDIT"])]))
    assert share == pytest.approx(changed_area().sum() / 60**2, rel=0.3)  # less where green happens to stay

    conditions = Conditions(policy=None)
    rows = benchmark_rows("all-red", judge_store(AllRed(), store, conditions), 0.5)
    found = {(row.subset, row.metric): row for row in rows}
    assert ("EDIT", "mcc") not in found  # nothing is called manipulated, so it is undefined
    masks = {crop.image.tobytes(): crop.mask for _, crop in conditions.crops_of(store)}

    class Truth(AllRed):
        def __call__(self, image) -> Prediction:
            mask = masks[image.tobytes()]
            return Prediction(mask.astype(np.float32), mask, float(mask.any()))

    rows = benchmark_rows("truth", judge_store(Truth(), store, conditions), 0.5)
    found = {(row.subset, row.metric): row for row in rows}
    assert found["EDIT", "mcc"].value == pytest.approx(1) and found["EDIT", "mcc"].count == 4


def test_a_field_of_the_record_is_read_allowed_and_compared_by_itself(tmp_path) -> None:
    Image.fromarray(hopper()).save(tmp_path / "hopper.png")
    found = CliRunner().invoke(app, ["inspect", str(tmp_path / "hopper.png"), "--json"], catch_exceptions=False)
    values = json.loads(found.stdout)
    for face in values["faces"]:
        face["sharpness"] = 2.5
    jsonschema.validate(values, json_schema())  # the published schema has no word against it
    assert isinstance(parse_record(values), PhotoRecord)  # nor have readers that do not know it
    one = SharpRecord.model_validate(values)
    again = one.model_copy(update={"faces": [one.faces[0].model_copy(update={"sharpness": 2.0})]})
    assert [check.what for check in compare(one, again) if not check.holds] == ["faces[0].sharpness"]
    assert dump(one)["faces"][0]["score"] == values["faces"][0]["score"]


@pytest.mark.parametrize(
    ("change", "file", "row"),
    [
        ("new architecture", "models/networks/__init__.py", "NETWORKS"),
        ("new dataset, paired or not", "data/readers/__init__.py", "READERS"),
        ("new forgery family", "forge/__init__.py", "FAMILIES"),
        ("new face detector", "faces/detector.py", "DETECTORS"),
        ("new mask recipe", "data/prepare/masks.py", "RECIPES"),
        ("new metric", "metrics/results.py", "METRICS"),
        ("new field of the record", "inspection/casefile/record.py", "PhotoRecord"),
    ],
)
def test_the_architecture_page_names_the_file_of_each_change(change, file, row) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {change} |")]
    assert f"`{file}`" in line
    source = (ROOT / "src" / "tamperlens" / file).read_text(encoding="utf-8")
    assert f"\n{row}: " in source or f"\nclass {row}(" in source
