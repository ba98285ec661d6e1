"""The bench on a small store of three people: train, evaluate, judge foreign maps, reproduce the paper's tables."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from trees import FakeDetector, build_tree, clip_frames, manipulated_frames, write_frames

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402

from tamperlens.bench.corruptions import CORRUPTIONS, parse_corruptions  # noqa: E402
from tamperlens.bench.curves import COLORS, draw_curves  # noqa: E402
from tamperlens.bench.paper.experiment import Experiment  # noqa: E402
from tamperlens.bench.paper.reproduction import reproduce  # noqa: E402
from tamperlens.bench.paper.sources import Source  # noqa: E402
from tamperlens.bench.store import Conditions, MapFolder, benchmark_rows, judge_maps, judge_store, robustness  # noqa: E402
from tamperlens.cli.console import app  # noqa: E402
from tamperlens.data.prepare.run import prepare  # noqa: E402
from tamperlens.data.store import Store  # noqa: E402
from tamperlens.data.store.manifest import PrepareSettings  # noqa: E402
from tamperlens.errors import DataError  # noqa: E402
from tamperlens.metrics import PixelCounts  # noqa: E402
from tamperlens.models.model import load  # noqa: E402
from tamperlens.models.runtime import TorchPredictor  # noqa: E402
from tamperlens.training.config import TrainConfig, read_config  # noqa: E402
from tamperlens.training.machine import share  # noqa: E402
from tamperlens.training.run_folder import LearnedFrom, keep_settings, kept_source  # noqa: E402
from tamperlens.training.runs import train_on_store  # noqa: E402
from tamperlens.types import Prediction  # noqa: E402

CONFIG = TrainConfig(
    model="fn3-seg",
    batch_size=4,
    micro_batch=2,
    steps=4,
    windows=(32,),
    judged_window=32,
    workers=0,
    precision="32-true",
    checkpoint_every=2,
)
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Two methods and their originals in every split; windows of 32 pixels of crops of 60."""
    base = tmp_path_factory.mktemp("bench")
    root = build_tree(base / "root", (("000", "003"), ("001", "002"), ("004", "005")), count=4)
    (root / "splits").mkdir()
    for name, pairs in (("train", [["000", "003"]]), ("val", [["004", "005"]]), ("test", [["001", "002"]])):
        (root / "splits" / f"{name}.json").write_text(json.dumps(pairs))
    settings = PrepareSettings(methods=("DF", "NT"), compression="raw", every_eval=2)
    prepare(root, base / "store", settings, FakeDetector(), allow_custom_split=True)
    return Store(base / "store")


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory) -> Path:
    return train_on_store(store, tmp_path_factory.mktemp("run"), CONFIG, QUIET)


def test_a_run_says_what_store_it_learned_from_and_is_not_resumed_on_another(store, trained, tmp_path) -> None:
    assert kept_source(trained.parent) == LearnedFrom(settings=store.info.settings_hash, inputs=store.info.inputs_hash)
    run = tmp_path / "run"
    run.mkdir()
    keep_settings(run, CONFIG, LearnedFrom(settings=store.info.settings_hash, inputs="others"))
    with pytest.raises(DataError, match="holds a run that learned from other clips"):
        train_on_store(store, run, CONFIG, QUIET)


class Truth:
    """Knows the store's masks by heart."""

    name, calibrated, limits, score_threshold, doubt_threshold = "truth", False, (), 0.01, 0.01

    def __init__(self, store: Store, conditions: Conditions) -> None:
        self.masks = {crop.image.tobytes(): crop.mask for _, crop in conditions.crops_of(store)}

    def __call__(self, image) -> Prediction:
        mask = self.masks[image.tobytes()]
        return Prediction(mask.astype(np.float32), mask, float(mask.mean()))


def test_a_model_trained_on_a_store_says_what_it_saw_and_how_its_thresholds_were_chosen(trained, store):
    _, card = load(trained)
    assert card.training.store.masks and card.training.store.splits == store.info.split_set
    assert card.families.trained == ()  # a store holds methods, none of the families made on the fly
    assert "validation crops" in card.training.thresholds
    assert set(card.training.operating_points) >= {"score_at_1%_false_alarms", "score_at_5%_false_alarms"}
    assert list((trained.parent / "tensorboard").glob("events*"))
    assert 0 < card.score_threshold <= 1 and card.calibration is None


def test_the_truth_scores_one_in_everything_and_rows_name_their_conditions(store):
    conditions = Conditions(policy=None)
    rows = benchmark_rows("truth", judge_store(Truth(store, conditions), store, conditions), 0.01)
    found = {(row.subset, row.metric): row.value for row in rows}
    for metric in ("accuracy", "auc", "ap", "fg_iou", "bg_iou", "miou", "miou_per_crop", "f1", "pixel_ap", "pro", "tpr@1%"):
        assert found["DF", metric] == pytest.approx(1), metric
    assert found["DF", "eer"] == found["pristine", "false_area"] == found["pristine", "false_alarms"] == 0
    assert found["pristine", "bg_iou"] == found["pristine", "miou"] == found["average", "miou"] == 1
    assert ("pristine", "fg_iou") not in found  # undefined, never 0
    assert "absdiff-exact" in conditions.describe(store) and "split test of custom-" in conditions.describe(store)


def test_evaluate_prints_tables_and_json_and_draws_curves(trained, store, tmp_path):
    arguments = ["evaluate", f"{trained}.safetensors", str(store.path), "--window", "32", "--corruptions", "jpeg:90..50,blur:1"]
    result = CliRunner().invoke(app, [*arguments, "--json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    (of_store,) = record["results"]
    assert "absdiff-exact" in of_store["conditions"] and "native 32 x 32" in of_store["conditions"]
    models = {row["model"] for row in of_store["rows"]}
    assert sum("jpeg" in model for model in models) == 5 and sum("blur 1" in model for model in models) == 1
    curves = cv2.imread(str(tmp_path / "store.curves.png"))
    assert curves.std() > 10 and "| model | subset | n |" in (tmp_path / "tables.md").read_text()


def test_foreign_maps_stand_in_the_same_table(store, tmp_path):
    conditions = Conditions(policy=None)
    for split in ("val", "test"):
        for row in store.indices(split):
            crop = store.crop(row)
            if row % 2:
                cv2.imwrite(str(tmp_path / f"{row}.png"), np.where(crop.mask, 60000, 100).astype(np.uint16))
            else:
                np.savez(tmp_path / f"{row}.npz", crop.mask * 0.9)
    outcomes, threshold, how = judge_maps(MapFolder(tmp_path), store, conditions)
    found = {(row.subset, row.metric): row.value for row in benchmark_rows("theirs", outcomes, threshold)}
    assert found["DF", "fg_iou"] == found["average", "accuracy"] == 1 and "validation crops" in how
    victim = next(tmp_path.glob("*.npz"))
    np.savez(victim, np.full((3, 3), 0.5))
    with pytest.raises(DataError, match=r"npz cannot be used: it is \(3, 3\)"):
        judge_maps(MapFolder(tmp_path), store, Conditions(split=store.row(int(victim.stem)).split))
    victim.unlink()
    with pytest.raises(DataError, match=r"1 of .* crops have no pixel maps, .*every crop of the split needs one"):
        judge_maps(MapFolder(tmp_path), store, Conditions(split=store.row(int(victim.stem)).split))


def write_maps(store: Store, folder: Path, splits=("val", "test"), value=255, kind=np.uint8) -> Path:
    """Perfect maps of 8 bits, and scores of all of them."""
    folder.mkdir(exist_ok=True)
    rows = [row for split in splits for row in store.indices(split)]
    for row in rows:
        cv2.imwrite(str(folder / f"{row}.png"), (store.crop(row).mask * kind(value)).astype(kind))
    lines = [f"{row},{float(store.crop(row).manipulated)}" for row in rows]
    (folder / "scores.csv").write_text("\n".join(["row,score", *lines]) + "\n")
    return folder


def accuracy_of(store: Store, folder: Path) -> float:
    outcomes, threshold, _ = judge_maps(MapFolder(folder), store, Conditions(policy=None))
    return float(np.mean((outcomes.scores >= threshold) == outcomes.labels))


def test_maps_and_scores_of_all_rows_are_judged_by_their_scores(store, tmp_path):
    assert accuracy_of(store, write_maps(store, tmp_path / "all")) == 1
    assert accuracy_of(store, write_maps(store, tmp_path / "test", splits=("test",))) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines, last: lines[: len(lines) // 2],
            r"\d+ of \d+ crops have no scores, the first is row \d+; .*or remove scores.csv",
        ),
        (lambda lines, last: lines[:1], "holds no scores"),
        (lambda lines, last: ["row,scores", *lines[1:]], "needs the columns row and score"),
        (lambda lines, last: [*lines, lines[1].split(",")[0] + ",0.5"], "has two scores"),
        (lambda lines, last: [*lines[:-1], lines[-1].split(",")[0] + ",nan"], "has the score nan"),
        (lambda lines, last: [*lines[:-1], lines[-1].split(",")[0] + ",97"], "has the score 97"),
        (
            lambda lines, last: [*lines, f"{last + 1},0.5"],
            r"there are scores of row \d+, and .* has rows 0 to \d+; count rows from 0",
        ),
    ],
)
def test_scores_that_are_not_those_of_the_rows_are_refused(store, tmp_path, change, message):
    folder = write_maps(store, tmp_path / "maps")
    lines = (folder / "scores.csv").read_text().splitlines()
    (folder / "scores.csv").write_text("\n".join(change(lines, len(store) - 1)) + "\n")
    with pytest.raises(DataError, match=message):
        accuracy_of(store, folder)


def test_maps_that_are_not_those_of_the_rows_are_refused(store, tmp_path):
    def refused(name, change, message):
        folder = write_maps(store, tmp_path / name)
        change(folder)
        with pytest.raises(DataError, match=message):
            accuracy_of(store, folder)

    row = store.indices("val")[0]
    refused("half", lambda folder: (folder / f"{row}.png").unlink(), r"1 of \d+ crops have no pixel maps")
    refused("beyond", lambda folder: (folder / f"{row}.png").rename(folder / f"{len(store)}.png"), "count rows from 0")
    refused("twice", lambda folder: np.savez(folder / f"{row}.npz", store.crop(row).mask * 1.0), "are maps of one row")
    refused("padded", lambda folder: (folder / f"{row}.png").rename(folder / f"{row:06d}.png"), "are called by their row alone")


@pytest.mark.parametrize(("value", "kind", "factor"), [(1, np.uint8, 255), (255, np.uint16, 257), (1, np.uint16, 65535)])
def test_maps_of_0_and_1_in_whole_numbers_are_refused(store, tmp_path, value, kind, factor):
    folder = write_maps(store, tmp_path / "maps", value=value, kind=kind)
    with pytest.raises(DataError, match=rf"no uint.* map has a value above {value}, .*by {factor} before writing"):
        accuracy_of(store, folder)
    # Where some maps use their range, a faint one is what it is.
    row = store.indices("test")[0]
    cv2.imwrite(str(folder / f"{row}.png"), (store.crop(row).mask * kind(0) + np.iinfo(kind).max).astype(kind))
    assert accuracy_of(store, folder) == 1


def test_data_without_masks_train_and_test_classification_alone(tmp_path):
    for number, split in enumerate(("train", "val", "test")):
        write_frames(tmp_path / "root" / split / "real" / "a", clip_frames(str(number), 4))
        write_frames(tmp_path / "root" / split / "fake" / "b", manipulated_frames(str(number + 5), "003", count=4))
    prepare(tmp_path / "root", tmp_path / "s", PrepareSettings(reader="unpaired", every_eval=1), FakeDetector())
    labelled = Store(tmp_path / "s")
    with pytest.raises(
        DataError, match=r"crops of FAKE have a label and no mask.*training fn3-seg needs to know.*take a cls model"
    ):
        train_on_store(labelled, tmp_path / "seg", CONFIG, QUIET)
    experiment = Experiment(training=CONFIG.model_copy(update={"model": "vgg5-seg"}), models=("fn3-cls",), imagenet=())
    with pytest.raises(DataError, match="the paper's tables needs to know"):
        reproduce(
            Source((labelled.path,)), tmp_path / "paper", experiment, lambda store, run, config: run, log=lambda text: None
        )
    stem = train_on_store(labelled, tmp_path / "cls", CONFIG.model_copy(update={"model": "fn3-cls"}), QUIET)
    assert load(stem)[1].map_threshold == 0.5  # nothing to choose it by
    command = ["evaluate", f"{stem}.safetensors", str(labelled.path), "--window", "32", "--json"]
    (found,) = json.loads(CliRunner().invoke(app, command).stdout)["results"]
    assert "4 crops have a label and no mask, so their pixels are not counted" in found["conditions"]
    figures = {(row["subset"], row["metric"]) for row in found["rows"]}
    assert {("FAKE", "accuracy"), ("FAKE", "auc"), ("pristine", "bg_iou")} <= figures
    assert not {metric for subset, metric in figures if subset == "FAKE"} & {
        "fg_iou",
        "miou",
        "f1",
        "pixel_ap",
        "pro",
        "bg_iou",
    }


def test_every_corruption_changes_the_picture_and_keeps_its_shape():
    image = np.random.default_rng(0).integers(0, 256, (47, 61, 3)).astype(np.uint8)
    for corruption in parse_corruptions(",".join(CORRUPTIONS)):
        changed = corruption.apply(image)
        assert changed.shape == image.shape and changed.dtype == np.uint8 and (changed != image).any(), corruption.name
    names = [corruption.name for corruption in parse_corruptions("jpeg:90..30, h264:23")]
    assert names == ["jpeg 90", "jpeg 75", "jpeg 60", "jpeg 45", "jpeg 30", "h264 23"]
    assert [c.name for c in parse_corruptions("h264:18..20")] == ["h264 18", "h264 19", "h264 20"]
    for wrong in ("sepia", "jpeg:high", "jpeg:500", "webp:-3", "blur:0"):
        with pytest.raises(DataError, match="expected"):
            parse_corruptions(wrong)


def test_curves_carry_every_method(store, trained):
    model, card = load(trained)
    conditions = Conditions(window=32)
    points = robustness(TorchPredictor(model, card), store, conditions, parse_corruptions("noise:2..8"))
    assert [point.severity for point in points] == [2, 3.5, 5, 6.5, 8]
    assert {row.subset for row in points[0].rows} >= {"DF", "NT", "pristine"}
    plain = draw_curves(points)
    assert plain.ndim == 3
    assert len(set(COLORS)) >= 8  # the paper's networks stand in one picture
    # Figures of crops as they are stand beside them, each in its own panel alone.
    (auc,) = [row for row in points[0].rows if (row.subset, row.metric) == ("DF", "auc")]
    assert (draw_curves(points, unchanged=[replace(auc, value=0.33)]) != plain).any()
    for elsewhere in (replace(auc, value=0.33, metric="accuracy"), replace(auc, value=0.33, subset="pristine")):
        assert (draw_curves(points, unchanged=[elsewhere]) == plain).all()


def test_two_processes_give_the_loss_curve_of_one(store, tmp_path):
    """torchrun with two gloo processes against one, by launcher arguments alone."""
    (tmp_path / "run.toml").write_text(
        'model = "fn3-seg"\nbatch_size = 4\nmicro_batch = 2\nsteps = 4\nwindows = [32]\n'
        "judged_window = 32\nworkers = 0\nthreads = 1\n"
        'precision = "32-true"\ncheckpoint_every = 1\n'
    )
    train_on_store(store, tmp_path / "one", read_config(tmp_path / "run.toml"), QUIET)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    main = [str(Path(sys.executable).with_name("tamperlens")), "train", str(store.path), "--config", str(tmp_path / "run.toml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*launcher, *main, "--out", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    curves = []
    for name in ("one", "two"):
        lines = (tmp_path / name / "log.csv").read_text().splitlines()
        curves.append([float(row["loss"]) for row in csv.DictReader(lines)])
    assert len(curves[1]) == 4 and np.allclose(*curves, rtol=1e-3)


def test_a_batch_that_cannot_be_shared_among_processes_is_refused():
    assert [*share(4, 1, 2, CONFIG)] == [2, 3]
    with pytest.raises(DataError, match=r"in 3 micro batches of 2 cannot be shared by 2 processes; set micro_batch"):
        share(3, 0, 2, CONFIG)


def test_the_papers_identities_hold_for_ours_and_were_kept_from_theirs():
    """Table 2: mIoU is the mean of Fg-IoU and Bg-IoU, and on pristine crops it is Bg-IoU."""
    from tamperlens.bench.paper.tables import published

    theirs = published()
    rows = {(name, column) for number, name, _, metric, column in theirs if number == 2 and metric == "miou"}
    off = set()
    for name, column in rows - {row for row in rows if row[1] == "Avg"}:
        miou, background = theirs[2, name, None, "miou", column], theirs[2, name, None, "bg_iou", column]
        foreground = theirs.get((2, name, None, "fg_iou", column))
        expected = background if foreground is None else (foreground + background) / 2
        if abs(miou - expected) > 0.03:
            off.add((name, column))
    assert off == {("xception-cls", "NT")}  # the paper's own slip, see docs/paper.md
    counts = PixelCounts(tp=30, fp=5, fn=10, tn=55)
    assert counts.miou == pytest.approx((counts.fg_iou + counts.bg_iou) / 2)
    assert PixelCounts(fp=3, tn=7).miou == PixelCounts(fp=3, tn=7).bg_iou
