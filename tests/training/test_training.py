import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from tamperlens.bench.paper import costs  # noqa: E402
from tamperlens.data.portraits import FacePhoto, find_face_photos, forged_crops, load_portrait, split_of  # noqa: E402
from tamperlens.errors import DataError  # noqa: E402
from tamperlens.faces import YuNet  # noqa: E402
from tamperlens.forge.portrait import Portrait  # noqa: E402
from tamperlens.models.card_page import card_to_markdown  # noqa: E402
from tamperlens.models.model import load  # noqa: E402
from tamperlens.training.batch import to_batch  # noqa: E402
from tamperlens.training.config import TrainConfig, read_config  # noqa: E402
from tamperlens.training.loop import train  # noqa: E402
from tamperlens.training.machine import layout_of  # noqa: E402
from tamperlens.training.photo_batches import LiveCrops  # noqa: E402
from tamperlens.training.run_folder import LearnedFrom, alone_in, keep_settings, kept_source  # noqa: E402
from tamperlens.types import LabelledCrop  # noqa: E402


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[FacePhoto]:
    folder = tmp_path_factory.mktemp("people")
    for number, gamma in enumerate((0.8, 1.0, 1.2)):
        image = (255 * (hopper() / 255.0) ** gamma).astype(np.uint8)
        Image.fromarray(image).save(folder / f"person{number}_0001.png")
    (folder / "broken.jpg").write_text("no photo")
    return find_face_photos([folder], YuNet(scales=(480,)), folder / "faces.json")


def test_photos_without_a_readable_face_are_left_out_and_the_list_is_kept(photos, tmp_path) -> None:
    assert [photo.person.split("/")[1] for photo in photos] == ["person0", "person1", "person2"]
    folder = Path(photos[0].path).parent

    def never(image: object) -> list[object]:
        raise AssertionError("the kept list was not used")

    assert find_face_photos([folder], never, folder / "faces.json") == photos
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"no face of 64 pixels or more .* \(0 photos read\)"):
        find_face_photos([empty], never)


def test_a_folder_has_the_same_people_however_it_is_given(photos, monkeypatch) -> None:
    monkeypatch.chdir(Path(photos[0].path).parent)
    assert [photo.person for photo in find_face_photos([Path(".")], YuNet(scales=(480,)))] == [one.person for one in photos]


def test_a_person_is_in_one_split_whatever_the_photo() -> None:
    splits = [split_of(f"x/{number}") for number in range(2000)]
    shares = {name: splits.count(name) / 2000 for name in ("train", "val", "test")}
    assert shares["train"] == pytest.approx(0.70, abs=0.03)
    assert shares["val"] == pytest.approx(0.15, abs=0.03) and shares["test"] == pytest.approx(0.15, abs=0.03)


def test_landmarks_stay_on_the_face_when_the_box_is_moved(photos) -> None:
    def eye(portrait) -> np.ndarray:
        """The surroundings of the right eye, 9 x 9 pixels."""
        x, y = np.round(portrait.landmarks[0]).astype(int)
        return portrait.image[y - 4 : y + 5, x - 4 : x + 5].astype(float)

    still = load_portrait(photos[1])
    misplaced = Portrait(still.image, still.landmarks + 6)
    moved = [load_portrait(photos[1], np.random.default_rng(seed)) for seed in range(5)]
    assert all(np.abs(eye(portrait) - eye(still)).mean() < 8 for portrait in moved)
    assert np.abs(eye(misplaced) - eye(still)).mean() > 16  # six pixels off would be seen
    assert len({portrait.image.shape for portrait in moved}) > 1


def crops_of(photos, seed: int = 0, **settings) -> LiveCrops:
    return LiveCrops(photos, ("self_blend", "swap"), batches=6, batch_size=4, windows=(64, 96), seed=seed, **settings)


def test_batch_i_is_the_same_whoever_makes_it(photos) -> None:
    first, again, other = crops_of(photos)[3], crops_of(photos)[3], crops_of(photos, seed=1)[3]
    assert torch.equal(first.images, again.images) and torch.equal(first.masks, again.masks)
    assert first.families == again.families
    assert first.images.shape != other.images.shape or not torch.equal(first.images, other.images)


def test_a_crop_is_labelled_by_its_mask(photos) -> None:
    for index in range(6):
        batch = crops_of(photos)[index]
        assert batch.images.dtype == torch.uint8 and batch.images.shape[1] == 3 and batch.images.shape[2] in (64, 96)
        assert batch.masks.shape == (4, 1, *batch.images.shape[2:])
        assert torch.equal(batch.labels, batch.masks.flatten(1).amax(dim=1).float())
        assert all(label == 0 for label, family in zip(batch.labels, batch.families, strict=True) if family == "pristine")


def test_measuring_crops_do_not_depend_on_how_many_are_asked_for(photos) -> None:
    few = list(forged_crops(photos, ("swap",), 2, sides=(64, 96), seed=4))
    more = list(forged_crops(photos, ("swap", "inpaint"), 3, sides=(64, 96), seed=4))
    assert [crop.subset for crop in few] == ["swap"] * 2 + ["pristine"] * 2
    assert all(np.array_equal(a.image, b.image) for a, b in zip(few[:2], more[:2], strict=True))
    assert [crop.subset for crop in more].count("pristine") == 6


class Squares(torch.utils.data.Dataset):
    """Dark crops with a bright square to find; item i depends on i alone."""

    def __getitem__(self, index: int):
        rng = np.random.default_rng(index)
        crops = []
        for number in range(4):
            image = rng.integers(0, 60, (32, 32, 3)).astype(np.uint8)
            mask = np.zeros((32, 32), np.bool_)
            if number % 2:
                mask[8:24, 8:24] = True
                image[mask] += 150
            crops.append(LabelledCrop(image, mask, "square" if number % 2 else "pristine"))
        return to_batch(crops)


CONFIG = TrainConfig(
    model="vgg3-seg", batch_size=4, micro_batch=4, steps=6, workers=0, precision="32-true", checkpoint_every=2, validate_every=2
)


def curve(folder: Path) -> list[str]:
    return [row["loss"] for row in csv.DictReader((folder / "log.csv").read_text().splitlines())]


def test_the_loss_falls_and_the_best_model_is_kept_with_its_card(tmp_path) -> None:
    figures = iter([0.2, 0.9, 0.5])
    stem = train(CONFIG, Squares(), tmp_path, validate=lambda model: {"miou": next(figures)})
    losses = [float(loss) for loss in curve(tmp_path)]
    assert losses[-1] < losses[0]
    _, card = load(stem)
    assert card.training.steps == 4 and card.training.crops_seen == 16  # the second validation was the best
    assert card.validation == {"miou": 0.9}
    assert card.families.trained == CONFIG.families and card.crop_policy == "native"
    assert not list(tmp_path.glob("*.pt")) and not list(tmp_path.glob("*.pkl"))


def test_a_run_is_validated_as_often_as_it_says_whenever_checkpoints_are_written(tmp_path) -> None:
    config, looks = CONFIG.model_copy(update={"validate_every": 3, "steps": 5}), []
    train(config, Squares(), tmp_path, validate=lambda model: looks.append(model) or {"miou": len(looks) / 8})
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [(row["step"], row["miou"]) for row in rows] == [("2", ""), ("3", "0.1250"), ("4", ""), ("5", "0.2500")]


def test_of_validation_without_figures_the_last_model_is_kept(tmp_path) -> None:
    stem = train(CONFIG, Squares(), tmp_path, validate=lambda model: {"auc": float("nan")})
    card = load(stem)[1]
    assert card.training.steps == 6 and card.validation == {}


def test_a_run_that_diverged_says_so_and_keeps_what_it_had(tmp_path) -> None:
    stem = train(CONFIG.model_copy(update={"steps": 2}), Squares(), tmp_path)

    class Broken(Squares):
        def __getitem__(self, index: int):
            return replace(super().__getitem__(index), images=torch.full((4, 3, 32, 32), float("nan")))

    with pytest.raises(DataError, match=r"vgg3-seg diverged: up to step 4 the mean loss is nan .* learning_rate below 0\.001"):
        train(CONFIG, Broken(), tmp_path)
    assert load(stem)[1].training.steps == 2 and len(curve(tmp_path)) == 1


def test_a_run_whose_last_update_diverged_keeps_nothing_of_it(tmp_path, monkeypatch) -> None:
    def diverge(optimizer: torch.optim.Optimizer) -> None:  # after the loss, which is that of the weights before it
        optimizer.param_groups[0]["params"][0].data.fill_(float("inf"))

    monkeypatch.setattr(torch.optim.Adam, "step", diverge)
    with pytest.raises(DataError, match=r"vgg3-seg diverged: .* weights are infinite or no numbers"):
        train(CONFIG.model_copy(update={"steps": 1}), Squares(), tmp_path)
    assert not (tmp_path / "best.safetensors").exists() and not (tmp_path / "checkpoint.safetensors").exists()


def test_a_resumed_run_continues_the_same_loss_curve(tmp_path) -> None:
    train(CONFIG, Squares(), tmp_path / "whole")
    train(CONFIG.model_copy(update={"steps": 4}), Squares(), tmp_path / "parts")
    train(CONFIG, Squares(), tmp_path / "parts")
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    whole, parts = (load(tmp_path / name / "best")[0].state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_accumulation_gives_the_loss_curve_of_the_whole_batch(tmp_path) -> None:
    class Halves(Squares):
        def __getitem__(self, index: int):
            batch = super().__getitem__(index // 2)
            half = slice(0, 2) if index % 2 == 0 else slice(2, 4)
            return replace(
                batch,
                images=batch.images[half],
                masks=batch.masks[half],
                labels=batch.labels[half],
                families=batch.families[half],
            )

    train(CONFIG, Squares(), tmp_path / "whole")
    train(CONFIG.model_copy(update={"micro_batch": 2}), Halves(), tmp_path / "halves")
    whole, halves = (np.array(curve(tmp_path / name), float) for name in ("whole", "halves"))
    assert np.allclose(whole, halves, rtol=1e-3)


def test_the_learning_rate_falls_to_zero_over_the_cooldown(tmp_path) -> None:
    config = CONFIG.model_copy(update={"cooldown": 0.5, "checkpoint_every": 1})
    train(config, Squares(), tmp_path)
    rates = [float(row["learning_rate"]) for row in csv.DictReader((tmp_path / "log.csv").read_text().splitlines())]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 2 / 3 * 1e-3, 1 / 3 * 1e-3], rel=1e-2)


def test_a_folder_with_another_run_is_refused(tmp_path) -> None:
    train(CONFIG.model_copy(update={"steps": 2}), Squares(), tmp_path)
    with pytest.raises(DataError, match="holds a run with another learning_rate"):
        train(CONFIG.model_copy(update={"learning_rate": 0.1}), Squares(), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["learning_rate"] == 1e-3


def test_a_run_is_not_resumed_on_anything_else(photos, tmp_path) -> None:
    for name in ("store", "photos", "before"):
        (tmp_path / name).mkdir()
    store = LearnedFrom(settings="a", inputs="b")
    keep_settings(tmp_path / "store", CONFIG, store)
    keep_settings(tmp_path / "store", CONFIG, store)
    assert kept_source(tmp_path / "store") == store
    for other, words in (
        (LearnedFrom(settings="c", inputs="b"), "settings a, not c"),
        (LearnedFrom(settings="a", inputs="c"), "other clips"),
    ):
        with pytest.raises(DataError, match=f"{words}.*: give another --out"):
            keep_settings(tmp_path / "store", CONFIG, other)
    keep_settings(tmp_path / "photos", CONFIG, LearnedFrom.people({"train": photos[:2], "val": photos[2:]}))
    keep_settings(tmp_path / "photos", CONFIG, LearnedFrom.people({"val": photos[2:], "train": photos[1::-1]}))
    with pytest.raises(DataError, match="other photos: 1 are missing or changed, 1 were in another split"):
        keep_settings(tmp_path / "photos", CONFIG, LearnedFrom.people({"train": photos[1:2], "test": photos[2:]}))
    keep_settings(tmp_path / "before", CONFIG)
    keep_settings(tmp_path / "before", CONFIG, store)  # a run of earlier versions, which does not say what it learned from
    assert kept_source(tmp_path / "before") is None


def test_settings_that_are_damaged_are_told_in_words_and_equal_ones_left_alone(tmp_path) -> None:
    path = tmp_path / "config.json"
    keep_settings(tmp_path, CONFIG)
    before = path.stat()
    keep_settings(tmp_path, CONFIG)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_text(path.read_text()[:40])
    with pytest.raises(DataError, match=r"config\.json are damaged .* give another --out"):
        keep_settings(tmp_path, CONFIG)


def test_nobody_else_trains_in_a_folder_meanwhile(tmp_path) -> None:
    pytest.importorskip("fcntl")
    with alone_in(tmp_path / "run"), pytest.raises(DataError, match=r"another process trains in .*run; wait"):
        alone_in(tmp_path / "run").__enter__()
    with alone_in(tmp_path / "run"):
        pass


def test_a_run_starts_from_a_saved_model_or_from_imagenet_weights(tmp_path) -> None:
    first = train(CONFIG.model_copy(update={"steps": 2}), Squares(), tmp_path / "first")
    train(CONFIG.model_copy(update={"steps": 1, "learning_rate": 1e-12, "init": str(first)}), Squares(), tmp_path / "second")
    one, two = (load(tmp_path / name / "best")[0].state_dict() for name in ("first", "second"))
    assert all(torch.allclose(one[key], two[key], atol=1e-9) for key in one)
    card = load(tmp_path / "second" / "best")[1]
    assert card.training.before.steps == 2 and "2 steps, then" in card_to_markdown(card)
    torch.manual_seed(5)
    shapes = {"features.0": (64, 3), "features.2": (64, 64), "features.5": (128, 64)}
    vgg16 = {f"{name}.weight": 0.1 * torch.randn(*shape, 3, 3) for name, shape in shapes.items()}
    vgg16 |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    save_file(vgg16, tmp_path / "vgg16.safetensors")
    config = CONFIG.model_copy(update={"steps": 1, "learning_rate": 1e-12, "init": str(tmp_path / "vgg16.safetensors")})
    train(config, Squares(), tmp_path / "third")
    found = load(tmp_path / "third" / "best")[0].state_dict()
    assert torch.allclose(found["network.features.0.weight"], vgg16["features.0.weight"], atol=1e-9)
    with pytest.raises(DataError, match=r"cannot start fn3-seg: fn3 has no counterpart"):
        train(config.model_copy(update={"model": "fn3-seg"}), Squares(), tmp_path / "fourth")
    with pytest.raises(DataError, match="is a vgg3-seg, but the run trains vgg3-cls"):
        train(CONFIG.model_copy(update={"model": "vgg3-cls", "init": str(first)}), Squares(), tmp_path / "fifth")


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig()
    assert (config.learning_rate, config.betas, config.weight_decay, config.batch_size) == (1e-3, (0.9, 0.999), 0.0, 64)
    assert config.windows == (256,) and config.cooldown == 0


def test_settings_are_checked_and_errors_name_the_file(tmp_path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('model = "fn3-seg"\nsteps = 3\n')
    assert read_config(path, steps=5).steps == 5 and read_config(path).model == "fn3-seg"
    path.write_text("stepz = 3\n")
    with pytest.raises(DataError, match=r"run\.toml are not valid \(stepz"):
        read_config(path)
    path.write_text("steps = \n")
    with pytest.raises(DataError, match="are not TOML"):
        read_config(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_config(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('families = ["morph"]', "morph unknown; expected some of self_blend"),
        ("batch_size = 64\nmicro_batch = 48", "batch_size 64 is no multiple of micro_batch 48"),
        ("windows = []", "windows are sides"),
        ("betas = [2.0, 3.0]", "betas lie in"),
        ('methods = ["DF", "NT"]', "expected P and others, got DF, NT"),
        ('methods = ["P"]', "expected P and others, got P"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(line: str, words: str, tmp_path) -> None:
    (tmp_path / "run.toml").write_text(line + "\n")
    with pytest.raises(DataError, match=words):
        read_config(tmp_path / "run.toml")


def test_the_shipped_settings_are_valid() -> None:
    for path in (Path(__file__).parents[2] / "runs").glob("*.toml"):
        # What the photos are, and the paper's experiments, are no settings of one run.
        if path.name != "data.toml" and not path.name.startswith("paper"):
            assert path.stem.startswith(read_config(path).model)


def test_a_network_is_timed_in_the_layout_that_it_learns_in(monkeypatch) -> None:
    capability = "AVX2"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    cpu, asked = torch.device("cpu"), []
    assert layout_of("vgg5", cpu) == torch.contiguous_format
    assert layout_of("xception", cpu) == layout_of("vgg5", torch.device("cuda")) == torch.channels_last

    def noted(network: str, device: torch.device) -> torch.memory_format:
        asked.append(network)
        return layout_of(network, device)

    monkeypatch.setattr(costs, "layout_of", noted)
    settings = TrainConfig(windows=(64,), judged_window=64, batch_size=2, micro_batch=2)
    assert costs.cost_of("mesoinception4", settings).trained > 0
    assert asked == ["mesoinception4"]
    capability = "AVX512"
    assert layout_of("vgg5", cpu) == torch.channels_last
