"""The paper's experiments in miniature: from a tree in FaceForensics++'s layout, with its quirks, to the report."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from faces_at_hand import hopper
from trees import (
    FakeDetector,
    build_tree,
    changed_area,
    clip_frames,
    encode,
    manipulated_frames,
    mask_video,
    video,
)

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402

from tamperlens.bench.paper import costs, judging, reproduction, sources  # noqa: E402
from tamperlens.bench.paper.costs import Cost  # noqa: E402
from tamperlens.bench.paper.experiment import Experiment, Run, Standins, read_experiment, variant_name  # noqa: E402
from tamperlens.bench.paper.sources import Source, forecast_source, make_stores, store_jobs  # noqa: E402
from tamperlens.cli.console import app  # noqa: E402
from tamperlens.data.store import Store  # noqa: E402
from tamperlens.errors import DataError  # noqa: E402
from tamperlens.faces import YuNet  # noqa: E402
from tamperlens.metrics.outcomes import Outcome, Outcomes  # noqa: E402
from tamperlens.training.config import TrainConfig  # noqa: E402
from tamperlens.training.runs import train_on_store  # noqa: E402

PAIRS = (("000", "003"), ("001", "002"), ("004", "005"), ("006", "007"))
METHODS = ("Deepfakes", "NeuralTextures")
FRAMES = 4
SPLITS = {"train": PAIRS[:1], "val": PAIRS[2:3], "test": PAIRS[1::2]}
TRAINING = TrainConfig(
    batch_size=4,
    micro_batch=4,
    steps=2,
    windows=(32,),
    judged_window=32,
    workers=0,
    threads=1,
    precision="32-true",
    checkpoint_every=1,
)
SMALL = Experiment(
    training=TRAINING,
    methods=("DF", "NT"),
    compressions=("raw", "c23"),
    every_eval=2,
    models=("fn3-seg", "fn3-cls", "vgg3-seg"),
    seeds={"fn3": 2},
    crossed=("fn3",),
    imagenet=("vgg3",),
    degraded="jpeg:70",
    curves="blur:1",
    curve_crops=3,
)
QUIET = Console(quiet=True)


def write_splits(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in SPLITS.items():
        (folder / f"{name}.json").write_text(json.dumps(pairs))


def numbered(folder: Path, frames: Sequence, first: int, digits: int) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, first):
        assert cv2.imwrite(str(folder / f"{number:0{digits}d}.png"), frame[..., ::-1])


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A tree as people have it: of the download script, of extractors and of preprocessing tools, all in one."""
    root = build_tree(tmp_path_factory.mktemp("paper") / "root", PAIRS, levels=("c0", "c23"), count=FRAMES)
    originals, fakes = root / "original_sequences" / "youtube" / "c0", root / "manipulated_sequences"
    # Frames, of four digits from 0 as the dataset's extractor numbers them, and of three from 1 as others do.
    for target, source, kind, first, digits in (("001", "002", "images", 0, 4), ("004", "005", "frames", 1, 3)):
        video(root, target, "c0").unlink()
        numbered(originals / kind / target, clip_frames(target, FRAMES), first, digits)
        for method in METHODS:
            name = f"{target}_{source}"
            video(root, name, "c0", method).unlink()
            frames = manipulated_frames(target, source, method, FRAMES)
            numbered(fakes / method / "c0" / kind / name, frames, first, digits)
    # A clip that is shorter than its original.
    encode(video(root, "003_000", "c0", "NeuralTextures"), manipulated_frames("003", "000", METHODS[1], FRAMES - 1), "c0")
    # Masks as pictures, where releases and tools put them.
    area = changed_area().astype("uint8")[..., None].repeat(3, axis=2) * 255
    for name, folder, first, digits in (("002_001", "masks/images", 0, 4), ("004_005", "c0/masks", 1, 3)):
        mask_video(root, name).unlink()
        numbered(fakes / "Deepfakes" / folder / name, [area] * FRAMES, first, digits)
    # What lies beside it: a method's models, methods nobody asked for, splits at the top.
    (fakes / "Deepfakes" / "models" / "000_003").mkdir(parents=True)
    (fakes / "Deepfakes" / "models" / "000_003" / "decoder_A.h5").write_bytes(b"no video")
    encode(video(root, "000_003", "c23", "FaceShifter"), clip_frames("000", FRAMES), "c23")
    encode(video(root, "01_02__walking__ABCDEFGH", "c23", "DeepFakeDetection"), clip_frames("9", FRAMES), "c23")
    write_splits(root)
    return root


@pytest.fixture(autouse=True)
def faces(monkeypatch) -> None:
    monkeypatch.setattr(sources, "detector_for", lambda *_: FakeDetector())


def source_of(tree: Path) -> Source:
    return Source((tree,), allow_custom_split=True)


def train(store: Store, run: Path, config: TrainConfig) -> Path:
    return train_on_store(store, run, config, QUIET)


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory) -> Path:
    """A folder with a made-up VGG16: what matters here is that models begin with it."""
    from safetensors.torch import save_file

    from tamperlens.models.networks import NETWORKS

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("imagenet")
    save_file(
        {f"features.{key}": value for key, value in NETWORKS["vgg3"]().features.state_dict().items()},
        folder / "vgg16.safetensors",
    )
    return folder


def test_damaged_settings_of_a_run_are_told_in_words(tmp_path) -> None:
    out = tmp_path / "out"
    for run in SMALL.runs(SMALL.imagenet):
        folder = out / "models" / run.name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"model": "fn3')
    with pytest.raises(DataError, match=r"config\.json are damaged"):
        reproduction.report_so_far(source_of(tmp_path), out, SMALL)


def test_a_source_that_cannot_be_used_is_refused_before_anything_is_measured(tmp_path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(DataError):
        reproduction.make_plan(source_of(tmp_path / "tree"), tmp_path / "out", SMALL, None, lambda text: None)
    assert not (tmp_path / "out" / "costs.json").exists()


class Killed(Exception):
    pass


def test_from_a_tree_to_the_report_killed_and_gone_on_with(tree, vgg16, tmp_path, monkeypatch):
    said: list[str] = []
    trained: list[str] = []

    def dying(store: Store, run: Path, config: TrainConfig) -> Path:
        trained.append(run.name)
        if len(trained) == 3:
            train(store, run, config.model_copy(update={"steps": 1}))  # killed half way
            (run / "config.json").write_text(config.model_dump_json())
            (run / "best.json").unlink()
            raise Killed
        return train(store, run, config)

    out = tmp_path / "out"
    with pytest.raises(Killed):
        reproduction.reproduce(source_of(tree), out, SMALL, dying, imagenet=vgg16, log=said.append)
    first = (out / "results" / trained[0] / "own.npz").stat().st_mtime_ns
    plan, runs = reproduction.make_plan(source_of(tree), out, SMALL, vgg16, said.append)
    states = {step.name: step.state for step in plan.steps}
    assert states[trained[0]] == "done" and states[trained[2]].startswith("step 1 of 2") and states[runs[-1].name] == "to do"
    assert plan.seconds > 0 and (out / "plan.md").exists()

    page = reproduction.reproduce(source_of(tree), out, SMALL, train, imagenet=vgg16, log=said.append)
    assert (out / "results" / trained[0] / "own.npz").stat().st_mtime_ns == first  # not judged again
    after, _ = reproduction.make_plan(source_of(tree), out, SMALL, vgg16, said.append)
    assert {step.state for step in after.steps} == {"done"} and after.seconds == 0
    assert {run.name for run in runs} == {path.name for path in (out / "models").iterdir()}
    assert {run.variant for run in runs} >= {"fn3-seg", "fn3-seg-resized", "fn3-cls-native", "vgg3-seg+imagenet"}

    def refusing(store: Store, run: Path, config: TrainConfig) -> Path:
        raise AssertionError(f"{run.name} is trained though its results are there")

    for weights in out.glob("models/*/*.safetensors"):
        if weights.name == "checkpoint.safetensors" or "vgg3" in weights.parent.name:
            weights.unlink()
    tables = {path.name: path.read_text() for path in (out / "tables").glob("*.csv")}
    monkeypatch.setattr(reproduction, "draw_figures", lambda *_: {})  # they lie there, and take half of a report's time
    # Whoever trains a few models alone reports on all that has been judged, and that takes no weights.
    reproduction.reproduce(source_of(tree), out, SMALL, refusing, only=("fn3-seg",), log=said.append)
    assert tables == {path.name: path.read_text() for path in (out / "tables").glob("*.csv")}
    reproduction.report_so_far(source_of(tree), out, SMALL)
    assert "Figures 1, 5 and 6 are without vgg3-seg, whose weights are not here" in (out / "report.md").read_text()
    assert tables == {path.name: path.read_text() for path in (out / "tables").glob("*.csv")}
    reproduction.reproduce(source_of(tree), out, SMALL, refusing, imagenet=vgg16, log=said.append)
    assert tables == {path.name: path.read_text() for path in (out / "tables").glob("*.csv")}

    # Other settings are another experiment, and so is a run made longer after its learning rate fell.
    other, longer = (
        SMALL.model_copy(update={"training": TRAINING.model_copy(update=changes)})
        for changes in ({"learning_rate": 0.5}, {"steps": 3})
    )
    with pytest.raises(DataError, match=r"holds a run with another steps: "):
        reproduction.report_so_far(source_of(tree), out, longer)
    for trial in (
        lambda: reproduction.report_so_far(source_of(tree), out, other),
        lambda: reproduction.make_plan(source_of(tree), out, other, vgg16, said.append),
    ):
        with pytest.raises(DataError, match=r"holds a run with another learning_rate: .*best\.json"):
            trial()
    card = out / "models" / runs[0].name / "best.json"
    kept = card.read_text()
    card.write_text(kept.replace(Store(out / "stores" / "raw").info.settings_hash, "0123456789ab"))
    with pytest.raises(DataError, match="was trained on a store of the settings 0123456789ab"):
        reproduction.report_so_far(source_of(tree), out, SMALL)
    card.write_text(kept.replace(Store(out / "stores" / "raw").info.inputs_hash, "0123456789ab"))
    with pytest.raises(DataError, match="was trained on other clips than those of"):
        reproduction.report_so_far(source_of(tree), out, SMALL)
    card.write_text(kept)
    # Results that were judged under other conditions are not told of, but named.
    fewer = SMALL.model_copy(update={"test_crops": 6})
    reproduction.report_so_far(source_of(tree), out, fewer)
    assert (out / "claims.md").read_text().startswith(f"0 of {len(runs)} runs have been judged.")
    assert f"without {runs[0].name}, " in (out / "report.md").read_text().replace("*", "")
    again, _ = reproduction.make_plan(source_of(tree), out, fewer, vgg16, said.append)
    states = {step.name: step.state for step in again.steps}
    assert all(states[run.name].startswith("to do again: judged on other clips or") for run in runs) and again.seconds > 0
    # Where stores are to be made anew, what was judged counts as done until they turn out to be others.
    (out / "stores" / "raw-dssim").rename(tmp_path / "away")
    again, _ = reproduction.make_plan(source_of(tree), out, SMALL, vgg16, said.append)
    assert [step.name for step in again.steps if step.state != "done"] == ["raw-dssim"]
    (tmp_path / "away").rename(out / "stores" / "raw-dssim")
    reproduction.report_so_far(source_of(tree), out, SMALL)

    text, markdown = page.read_text(), (out / "report.md").read_text()
    assert "absdiff-exact" in text and "not comparable" in text and "http" not in text.replace("http-equiv", "")
    assert "(98.16)" in markdown  # Table 1, Conv3 as seg, Deepfakes
    table4 = (out / "tables" / "table4.csv").read_text()
    assert '"vgg3-seg, ImageNet"' in table4 and '"vgg3-seg, random"' in table4
    crossed = (out / "tables" / "table6.csv").read_text().splitlines()
    assert len(crossed) == 3 and '""' not in crossed[1]  # all four cells
    recipes = (out / "tables" / "table7.csv").read_text()
    assert "raw, released" in recipes and "c23, dssim" in recipes and "c23, absdiff-exact" not in recipes
    assert '"c23","jpeg 70"' in (out / "tables" / "table5.csv").read_text()
    header, first_model, *_ = (out / "tables" / "table8.csv").read_text().splitlines()
    auc = dict(zip(header.split('","'), first_model.split('","'), strict=True))["AUC"]
    assert 0 <= float(auc.split()[0]) <= 100 and "[" in auc and "hardly tells them apart" in (out / "tables.md").read_text()
    claims = (out / "claims.md").read_text()
    assert (
        "**cannot be told here**" in claims
        and "of fn3-seg and fn3-cls the experiment has 2 of 3 seeds" in claims
        and "xception-seg and xception-cls not run" in claims
    )
    assert "**holds**" not in claims  # of two seeds
    assert claims.startswith(f"{len(runs)} of {len(runs)} runs have been judged.\n\n|")
    data = (out / "tables" / "table9.csv").read_text()
    assert '"NT","c23","difference inside: median"' in data and '"9 to 11"' in data
    for name in (
        "figure1-fn3",
        "figure5",
        "figure6-fn3-seg",
        "figure6-fn3-cls",
        "figure6-vgg3-seg",
        "curves-seg",
        "curves-cls",
    ):
        assert (out / "figures" / f"{name}.png").exists(), name


@pytest.mark.parametrize("kept", [0, 100, -30])
def test_a_file_of_outcomes_that_was_cut_is_judged_anew_or_refused(kept, tmp_path):
    outcomes = Outcomes.of([Outcome("swap", "a", True, 0.8), Outcome("pristine", "b", False, 0.1)])
    file, about = tmp_path / "own.npz", {"thresholds": [0.5, 0.4]}
    judging._write(file, about, {"": outcomes})
    assert judging._kept(file) == about and list(tmp_path.iterdir()) == [file]
    assert judging.read_outcomes(tmp_path, "own").outcomes.scores.tolist() == [0.8, 0.1]
    file.write_bytes(file.read_bytes()[:kept])
    assert judging._kept(file) is None
    with pytest.raises(DataError, match=r"own\.npz cannot be read .* remove it, and the run judges anew"):
        judging.read_outcomes(tmp_path, "own")


def test_what_preparing_takes_is_estimated_before(tree, tmp_path):
    found = forecast_source(source_of(tree), SMALL, tmp_path / "out")
    assert not (tmp_path / "out").exists() and set(found) == {job.name for job in store_jobs(SMALL)}
    stores = make_stores(source_of(tree), SMALL, tmp_path / "out", lambda text: None)
    assert all("frames" in note for note in stores.notes) and set(stores.by_compression) == {"raw", "c23"}
    assert {level: set(own) for level, own in stores.masks.items()} == {
        "raw": {"absdiff-smooth", "dssim", "released"},
        "c23": {"dssim", "released"},
    }
    for name, one in found.items():
        store = Store(tmp_path / "out" / "stores" / name)
        counts = {split: sum(own.values()) for split, own in store.info.counts.items()}
        assert one.crops == counts and one.clips == store.info.clips, name
        size = sum(shard.size for shard in store.info.shards)
        assert 0.5 * size < one.size < 2 * size and one.seconds > 0, name
    assert forecast_source(source_of(tree), SMALL, tmp_path / "out") == {}


def test_from_photos_to_the_report_by_stand_ins(tmp_path, monkeypatch):
    """One face in six lights, forecast, forged, prepared, learned from and judged."""
    monkeypatch.setattr(sources, "detector_for", lambda *_: YuNet(scales=(240,)))
    for number in range(6):
        image = (255 * (hopper() / 255.0) ** (0.7 + 0.1 * number)).astype("uint8")
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(image, (204, 240))[..., ::-1])
    experiment = SMALL.model_copy(
        update={
            "standins": Standins(people=6, frames=2, side=240, noise=8),
            "methods": ("sFS", "sNT"),
            "compressions": ("raw",),
            "recipes": ("dssim",),
            "accept": ("noise-floor", "noise-unknown"),
            "models": ("fn3-seg",),
            "seeds": {},
            "crossed": (),
        }
    )
    source, out = Source(tuple(sorted(tmp_path.glob("*.png")))), tmp_path / "out"
    before, _ = reproduction.make_plan(source, out, experiment, None, lambda text: None)
    assert [step.name for step in before.steps] == ["tree", "raw", "raw-dssim", "fn3-seg.seed0"]
    assert not (out / "tree").exists()
    page = reproduction.reproduce(source, out, experiment, train, log=lambda text: None)
    assert "stand-ins (sFS, sNT), which are not FaceForensics++" in page.read_text()
    sizes = {step.name: step.size for step in before.steps}
    for name in ("tree", "stores/raw"):
        size = sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())
        assert 0.3 * size < sizes[name.rpartition("/")[2]] < 3 * size, name
    assert (out / "claims.md").read_text().startswith("1 of 1 runs have been judged.")
    after, _ = reproduction.make_plan(source, out, experiment, None, lambda text: None)
    assert {step.state for step in after.steps} == {"done"}


ONLY_C23 = SMALL.model_copy(update={"compressions": ("c23",), "recipes": ()})


def test_the_flat_copy_makes_the_store_of_the_tree(tree, tmp_path):
    flat = tmp_path / "flat"
    folders = {"original": "original_sequences/youtube", **{name: f"manipulated_sequences/{name}" for name in METHODS}}
    for folder, at in folders.items():
        (flat / folder).mkdir(parents=True)
        for file in (tree / at / "c23" / "videos").iterdir():
            (flat / folder / file.name).write_bytes(file.read_bytes())
    (flat / "csv").mkdir()
    (flat / "csv" / "Deepfakes.csv").write_text("File Path,Label\n")
    write_splits(flat / "splits")
    ours, theirs = (
        make_stores(source_of(root), ONLY_C23, tmp_path / name, lambda text: None).trained
        for root, name in ((flat, "a"), (tree, "b"))
    )
    columns = ["clip", "frame", "left", "top", "side", "split", "mask_pixels"]
    assert ours.table.select(columns).sort_by("clip").equals(theirs.table.select(columns).sort_by("clip"))


def test_a_c40_original_in_a_c23_folder_is_refused_before_anything_is_trained(tmp_path):
    root = build_tree(tmp_path / "root", PAIRS, levels=("c23",), count=FRAMES)
    write_splits(root / "splits")
    file = video(root, "000", "c23")
    file.unlink()
    encode(file, clip_frames("000", FRAMES), "c40")
    with pytest.raises(DataError, match="crf"):
        reproduction.reproduce(source_of(root), tmp_path / "out", ONLY_C23, train, log=lambda text: None)
    assert not (tmp_path / "out" / "models").exists()


def test_the_command_says_what_is_to_be_done(tree, tmp_path):
    settings = tmp_path / "e.toml"
    settings.write_text(
        'methods = ["DF", "NT"]\ncompressions = ["raw"]\nrecipes = []\nmodels = ["vgg3-seg"]\nseeds = {}\ncrossed = []\n'
        "[training]\nsteps = 1\nbatch_size = 2\nmicro_batch = 2\nwindows = [32]\njudged_window = 32\nthreads = 1\n"
    )
    command = ["paper", str(tree), "--out", str(tmp_path / "out"), "--config", str(settings), "--allow-custom-split", "--plan"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "| vgg3-seg.seed0 | to do |" in result.output and "| raw | to do |" in result.output
    assert "0 of 2 steps are done" in result.output and not (tmp_path / "out" / "stores").exists()
    unknown = CliRunner().invoke(app, [*command, "--models", "vgg3-seg,fn3-seg"])
    assert unknown.exit_code == 2 and "--models: fn3-seg unknown; expected some of vgg3-seg" in " ".join(unknown.output.split())
    both = CliRunner().invoke(app, [*command, "--report"])
    assert both.exit_code == 2 and "give one of them" in " ".join(both.output.split())
    early = CliRunner().invoke(app, [*command[:-1], "--report"])
    assert early.exit_code == 2 and "is no prepared store" in " ".join(early.output.split())
    refused = CliRunner().invoke(app, ["paper", str(tree), str(tree), "--out", str(tmp_path / "out")])
    assert refused.exit_code == 2


def test_settings_are_read_and_refused_by_name(tmp_path):
    file = tmp_path / "e.toml"
    file.write_text('models = ["vgg6-seg"]\n')
    with pytest.raises(DataError, match="vgg6-seg unknown; expected some of mesoinception4-seg"):
        read_experiment(file)
    file.write_text('[training]\nmodel = "fn3-seg"\n')
    with pytest.raises(DataError, match=r"training\.model is the runs' own"):
        read_experiment(file)
    file.write_text('curves = "sepia"\n')
    with pytest.raises(DataError, match="no corruption is called 'sepia'"):
        read_experiment(file)
    assert read_experiment(None, models=("fn3-seg",)).models == ("fn3-seg",)


def test_costs_are_of_this_machine_and_none_that_another_process_measured_is_lost(tmp_path, monkeypatch):
    file, cost = tmp_path / "costs.json", Cost(1, 0.1, 10.0, 20.0)

    def measured(network: str, config: TrainConfig) -> Cost:
        if network == "vgg3":  # while this one is measured
            costs.costs_of(["vgg5"], config, file)
        return cost

    monkeypatch.setattr(costs, "cost_of", measured)
    assert costs.costs_of(["fn3", "vgg3"], TrainConfig(), file) == {"fn3": cost, "vgg3": cost}
    assert set(costs.measured_costs(TrainConfig(), file)) == {"fn3", "vgg3", "vgg5"}
    monkeypatch.setattr(costs, "device_name", lambda: "another processor")
    assert costs.measured_costs(TrainConfig(), file) == {}


def test_the_experiments_that_are_committed_are_the_papers(tmp_path):
    for file in (Path(__file__).parents[2] / "runs").glob("paper-*.toml"):
        experiment = read_experiment(file)
        runs = experiment.runs(from_imagenet=("vgg3", "vgg5", "vgg8"))
        assert len({run.name for run in runs}) == len(runs) and {run.model for run in runs} == set(experiment.models)
        assert sum(run.variant == "vgg5-cls-native" for run in runs) == experiment.seeds["vgg5"] == 3
        assert runs[0].seed == 0 and runs[-1].network.startswith("unet")
    assert variant_name("vgg5-cls", "resized") == Run("vgg5-cls", "resized", False, 1).variant == "vgg5-cls"
