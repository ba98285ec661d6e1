"""From a run to a shipped model: thresholds by source, and the whole way on three people."""

import copy
import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper
from tamperlens.errors import DataError
from tamperlens.metrics.calibration import Calibration
from tamperlens.metrics.outcomes import PRISTINE, Outcome, Outcomes

pytest.importorskip("torch")

from typer.testing import CliRunner

from tamperlens.bench import measure
from tamperlens.cli import app
from tamperlens.data.portraits import FacePhoto, by_split, split_of
from tamperlens.models import model as models
from tamperlens.models import runtime
from tamperlens.models.card import CardRow, Families, ModelCard, Training
from tamperlens.models.runtime import load
from tamperlens.training import ship as shipping
from tamperlens.training.config import TrainConfig
from tamperlens.training.loop import card_of
from tamperlens.training.run_folder import LearnedFrom, keep_settings, splits_learned
from tamperlens.training.ship import About, read_about, worst_source
from tamperlens.types import LabelledCrop

ROOT = Path(__file__).parents[2]


def pristine(scores) -> Outcomes:
    return Outcomes.of(Outcome(PRISTINE, "somebody", False, float(score)) for score in scores)


def test_the_worst_source_decides_the_threshold() -> None:
    low, high = np.linspace(0, 0.3, 200), np.linspace(0, 0.9, 50)
    easy, hard = pristine(low), pristine(high)
    threshold, source = worst_source({"large and easy": easy, "small and hard": hard}, 0.05)
    assert source == "small and hard"
    assert np.mean(hard.scores >= threshold) <= 0.05 < np.mean(hard.scores >= threshold - 0.05)
    pooled, _ = worst_source({"pooled": pristine([*low, *high])}, 0.05)
    assert pooled < threshold  # what a pool of sources would have allowed
    few, _ = worst_source({"three": pristine([0.1, 0.2, 0.4])}, 0.01)
    assert few > 0.4  # too few photos for a share of one in a hundred: none may raise an alarm


def test_the_projects_own_data_are_described() -> None:
    about = read_about(ROOT / "runs" / "data.toml")
    assert about.limits and {"congress", "london", "capitol", "grid"} <= set(about.data)
    assert {origin.part for origin in about.initialised_from["twostream-joint"]} == {"pyramid.trunk", "local"}


def test_a_wrong_description_is_refused(tmp_path) -> None:
    (tmp_path / "about.toml").write_text("limit = ['x']")
    with pytest.raises(DataError, match=r"about.toml does not say what the data are .*limit"):
        read_about(tmp_path / "about.toml")


def finished(run: Path, **settings) -> Path:
    """The folder of a finished run of a small network with random weights."""
    config = TrainConfig(model="fn3-seg", **settings)
    model = models.Model.create(config.model).eval()
    entries = {"training": Training(config=config.model_dump(mode="json")), "families": Families(trained=config.families)}
    run.mkdir()
    models.save(model, run / "best", card_of(model, config).model_copy(update=entries))
    return run


@pytest.mark.parametrize(
    ("settings", "recipes"),
    [
        ({"families": ("inpaint", "self_blend")}, []),
        ({"pairs": True, "families": ("generator", "swap")}, [("generator", "swap")]),
    ],
)
def test_recipes_are_measured_of_runs_of_pairs_and_a_step_that_fails_loses_no_other(
    settings, recipes, tmp_path, monkeypatch
) -> None:
    run, out = finished(tmp_path / "run", **settings), tmp_path / "out"
    out.mkdir()
    model, card = models.load(run / "best")
    models.save(model, out / "fn3-seg", card)
    row = CardRow(table="crops", subset="inpaint", delivery="JPEG 75", metric="auc", value=0.5, n=2)
    measured = []

    def fails(*_, **__) -> None:
        raise DataError("no such photo")

    monkeypatch.setattr(runtime, "OnnxPredictor", lambda *_, **__: runtime.TorchPredictor(*models.load(out / "fn3-seg")))
    monkeypatch.setattr(shipping, "people_of", lambda *_: {"train": [], "val": [], "test": []})
    monkeypatch.setattr(measure, "measure_forgeries", lambda *_: [row])
    monkeypatch.setattr(measure, "measure_recipes", lambda *given: measured.append(given[2]) or [])
    monkeypatch.setattr(measure, "measure_photos", fails)
    shipped = CliRunner().invoke(
        app,
        ["ship", str(run), str(tmp_path), "--out", str(out), "--about", "none", "--only", "forgeries", "--only", "photos"],
    )
    assert shipped.exit_code == 2 and "no such photo" in shipped.output and measured == recipes
    assert ModelCard.load(out / "fn3-seg.json").results == (row,)


def test_the_calibration_is_of_scores_at_the_map_threshold_that_ships(tmp_path, monkeypatch) -> None:
    run, rng, found = finished(tmp_path / "run"), np.random.default_rng(1), []
    images = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(4)]
    crops = [LabelledCrop(image, np.full((64, 64), number > 1), "x") for number, image in enumerate(images)]

    def exported(model: models.Model, card: ModelCard, path: Path) -> tuple[runtime.TorchPredictor, float]:
        path.touch()
        return runtime.TorchPredictor(copy.deepcopy(model), card), 0.0

    monkeypatch.setattr(shipping, "_exported", exported)
    monkeypatch.setattr(shipping, "people_of", lambda *_: {"train": [], "val": [], "test": []})
    monkeypatch.setattr(shipping, "_validation_crops", lambda *_: crops)
    monkeypatch.setattr(shipping, "photo_outcomes", lambda *_: {"photos": pristine(np.linspace(0, 0.5, 30))})
    monkeypatch.setattr(shipping, "best_map_threshold", lambda maps, _: float(np.median(maps)))
    monkeypatch.setattr(
        shipping, "fit_calibration", lambda outcomes: found.append(outcomes) or Calibration(slope=1.0, intercept=0.0)
    )
    monkeypatch.setattr(shipping, "PEAK_SHARES", (None,))
    stem = shipping.ship(run, [tmp_path], tmp_path / "out", About(), {}, say=lambda _: None)
    model, card = models.load(stem)
    ships = runtime.TorchPredictor(model, card.model_copy(update={"calibration": None}))
    assert model.map_threshold != 0.5
    assert list(found[0].scores) == pytest.approx([ships(image).score for image in images])


@pytest.mark.parametrize(("settings", "wrong"), [({}, "the file"), ({"model": "fn3-seg", "stepz": 5}, "stepz")])
def test_a_card_without_settings_of_a_run_is_told_in_words(settings: dict, wrong: str, tmp_path) -> None:
    run = finished(tmp_path / "run")
    card = ModelCard.load(run / "best.json")
    changed = card.model_copy(update={"training": card.training.model_copy(update={"config": settings})})
    (run / "best.json").write_text(changed.model_dump_json())
    with pytest.raises(DataError, match=rf"best\.json has no settings of a run of this version \({wrong}"):
        shipping.ship(run, [tmp_path], tmp_path / "out", About(), {})


@pytest.mark.parametrize("where", ["photos", "--control"])
def test_folders_that_are_missing_or_share_a_name_are_refused(where: str, tmp_path) -> None:
    photos = [tmp_path / "a" / "photos", tmp_path / "b" / "photos"]
    for folder in photos:
        folder.mkdir(parents=True)
    run = finished(tmp_path / "run")

    def shipped(*folders: Path) -> str:
        given = [str(folder) for folder in folders]
        given = (
            given if where == "photos" else [str(photos[0]), *(word for name in given for word in ("--control", f"{name}=3"))]
        )
        about = ["--about", str(ROOT / "runs" / "data.toml"), "--only", "photos"]
        done = CliRunner().invoke(app, ["ship", str(run), *given, "--out", str(tmp_path / "out"), *about])
        assert done.exit_code == 2
        return " ".join(done.output.split())

    assert "are both called photos" in shipped(*photos)
    assert "misspelt is no folder" in shipped(tmp_path / "misspelt")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--delivery", "JPEG 12", "JPEG 12 unknown; expected some of uncompressed, JPEG 90"),
        ("--change", "sharper", "sharper unknown; expected some of as photographed"),
        ("--only", "photo", "photo unknown; expected some of thresholds"),
        ("--control", "others=wide", "expected FOLDER or FOLDER=BORDER"),
    ],
)
def test_what_ship_does_not_know_is_refused_in_a_line(option: str, value: str, words: str, tmp_path) -> None:
    given = ["--about", str(ROOT / "runs" / "data.toml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["ship", str(tmp_path), str(tmp_path), *given, option, value])
    assert done.exit_code == 2 and words in " ".join(done.output.split()) and not (tmp_path / "out").exists()


def test_the_commit_is_of_the_projects_checkout_or_none(tmp_path, monkeypatch) -> None:
    asked = []

    def git(command, cwd, **_) -> SimpleNamespace:
        asked.append(cwd)
        return SimpleNamespace(stdout=f"{top}\n" if "--show-toplevel" in command else "abc\n")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", git)
    top = ROOT
    assert shipping._commit() == "abc" and set(asked) == {ROOT / "src" / "tamperlens"}
    top = tmp_path  # somebody else's repository, which holds the virtual environment
    assert shipping._commit() == ""

    def lacks(*_, **__) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", lacks)
    assert shipping._commit() == ""


@pytest.mark.parametrize("old", [False, True])
def test_photos_that_were_in_another_split_are_refused(old: bool, tmp_path, monkeypatch) -> None:
    def photos_in(folder: str) -> list[FacePhoto]:
        (tmp_path / folder).mkdir(exist_ok=True)
        found = []
        for number in range(12):
            path = tmp_path / folder / f"p{number}.jpg"
            path.write_text(f"photo {number}")
            found.append(FacePhoto(str(path), f"{folder}/p{number}", (0, 0, 1, 1), ()))
        return found

    learned = photos_in("photos")
    run = tmp_path / "run"
    run.mkdir()
    if old:
        kept = json.dumps({"stamp": "", "photos": [asdict(photo) for photo in learned]})
        (run / "faces.json").write_text(kept)
    else:
        keep_settings(run, TrainConfig(), LearnedFrom.people(by_split(learned)))
    monkeypatch.setattr(shipping, "find_face_photos", lambda folders, *_: photos_in(folders[0].name))
    assert shipping.people_of([tmp_path / "photos"], run) == by_split(learned)
    (tmp_path / "others").mkdir()
    with pytest.raises(DataError, match=r"photos, such as .* are in another split than when .*run learned from them"):
        shipping.people_of([tmp_path / "others"], run)  # the same photos under another name
    assert not old or (run / "faces.json").read_text() == kept
    assert not (run / "shipping" / "faces.json").exists()  # the next try begins with training's list again


def people(folder: Path, split: str, count: int) -> None:
    """Photos of so many people of a split: one face in several lights."""
    names = [name for name in (f"p{number}" for number in range(400)) if split_of(f"{folder.name}/{name}") == split][:count]
    for number, name in enumerate(names):
        image = (255 * (hopper() / 255.0) ** (0.8 + 0.1 * number)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{name}.jpg", quality=95)


def test_the_whole_way_from_photos_to_a_shipped_model(tmp_path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for split, count in (("train", 3), ("val", 3), ("test", 2)):
        people(photos, split, count)
    (tmp_path / "run.toml").write_text(
        'model = "contrast-seg"\nbatch_size = 2\nmicro_batch = 2\nsteps = 1\nwindows = [64]\nmax_side = 96\nworkers = 0\n'
        'threads = 1\nfamilies = ["inpaint"]\nvalidate_every = 1\ncheckpoint_every = 1\n'
    )
    (tmp_path / "about.toml").write_text('limits = ["a test"]\n[data]\nphotos = "made by a test"\n')
    (tmp_path / "labels.csv").write_text("person,glasses,facial_hair\n")
    run = CliRunner().invoke
    trained = run(app, ["train", str(photos), "--config", str(tmp_path / "run.toml"), "--out", str(tmp_path / "run")])
    assert trained.exit_code == 0, trained.output
    assert set().union(*splits_learned(tmp_path / "run").values()) == {"train", "val", "test"}
    arguments = [
        "ship", str(tmp_path / "run"), str(photos), "--out", str(tmp_path / "out"), "--about", str(tmp_path / "about.toml"),
        "--labels", str(tmp_path / "labels.csv"), "--per-family", "1", "--per-source", "1", "--clips", "2",
        "--delivery", "JPEG 75", "--change", "as photographed", "--change", "JPEG 75", "--control", f"{photos}=3",
    ]  # fmt: skip
    shipped = run(app, [*arguments, "--only", "thresholds", "--only", "photos", "--only", "forgeries"])
    assert shipped.exit_code == 0, shipped.output + str(shipped.exception)
    card = ModelCard.load(tmp_path / "out" / "contrast-seg.json")
    assert card.calibration and card.families.trained == ("inpaint",) and "swap" in card.families.unseen
    assert card.limits == ["a test"] and card.training.photos == {"train": 3, "val": 3, "test": 2}
    assert {row.table for row in card.results} == {"crops", "photos"}
    assert {row.source for row in card.results if row.table == "photos"} == {"photos, test people", "photos"}
    assert card.false_alarms.photo and card.false_alarms.photo.count >= 1
    predictor = load(tmp_path / "out" / "contrast-seg.onnx")
    assert predictor.score_threshold == card.calibration(card.score_threshold)
    kept = next((tmp_path / "run" / "shipping").glob("photos.*.jsonl"))
    before = kept.read_text()
    again = run(app, [*arguments, "--only", "thresholds"])
    assert again.exit_code == 0 and kept.read_text() == before  # photos were not scored again
    assert run(app, [*arguments, "--only", "everything"]).exit_code != 0
