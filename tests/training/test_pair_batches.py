"""Training on pairs: batches, the joint task in the loop, parts that are frozen or come from files, the moving average."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from tamperlens.data.portraits import FacePhoto, find_face_photos, load_portrait  # noqa: E402
from tamperlens.errors import DataError  # noqa: E402
from tamperlens.faces import YuNet  # noqa: E402
from tamperlens.forge.recipes import RECIPES  # noqa: E402
from tamperlens.models.networks import NETWORKS  # noqa: E402
from tamperlens.training.batch import Batch, to_batch  # noqa: E402
from tamperlens.training.config import TrainConfig  # noqa: E402
from tamperlens.training.loop import train  # noqa: E402
from tamperlens.training.pair_batches import LivePairs, forged_pairs  # noqa: E402
from tamperlens.types import LabelledCrop  # noqa: E402


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[FacePhoto]:
    folder = tmp_path_factory.mktemp("people")
    for number, gamma in enumerate((0.8, 1.0, 1.2)):
        Image.fromarray((255 * (hopper() / 255.0) ** gamma).astype(np.uint8)).save(folder / f"person{number}_0001.png")
    return find_face_photos([folder], YuNet(scales=(480,)))


def test_the_same_name_in_two_folders_is_one_person(tmp_path) -> None:
    for folder, name in (("first", "A01"), ("second", "A01"), ("second", "B02")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(hopper()).save(tmp_path / folder / f"{name}.jpg")
    (tmp_path / "third" / "ann").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        Image.fromarray(hopper()).save(tmp_path / "third" / "ann" / name)
    found = find_face_photos([tmp_path / name for name in ("first", "second", "third")], YuNet(scales=(480,)))
    people = [photo.person for photo in found]
    assert people == ["first/A01", "first/A01", "second/B02", "third/ann", "third/ann"]


def test_a_batch_holds_pairs_and_depends_on_its_number_alone(photos) -> None:
    data = LivePairs(photos, batches=4, batch_size=4, sides=(64, 96), seed=3)
    batch, again = data[2], LivePairs(photos, batches=9, batch_size=4, sides=(64, 96), seed=3)[2]
    assert torch.equal(batch.images, again.images) and torch.equal(batch.masks, again.masks)
    assert batch.labels.tolist() == [0, 1, 0, 1]
    assert batch.families[0::2] == ("pristine", "pristine") and set(batch.families[1::2]) <= set(RECIPES)


def test_sides_that_no_photo_can_fill_are_left_out_or_refused(photos) -> None:
    drawn = [load_portrait(photos[0], np.random.default_rng(seed)).image.shape[0] for seed in range(60)]
    largest = round(1.2 * 2 * max(photos[0].box[2] - photos[0].box[0], photos[0].box[3] - photos[0].box[1]))
    assert largest - 20 < max(drawn) <= largest + 1
    data = LivePairs(photos, batches=2, batch_size=2, sides=(64, largest + 20), seed=3)
    assert {data[index].images.shape[-1] for index in range(6)} == {64}
    with pytest.raises(DataError, match=r"pairs of 900, 1000 pixels cannot be cut: the largest crop of 3 photos has \d+; give"):
        LivePairs(photos, batches=1, batch_size=2, sides=(900, 1000))


def test_measuring_pairs_do_not_depend_on_how_many_are_asked_for(photos) -> None:
    few = list(forged_pairs(photos, ("swap",), 2, sides=(64, 96), seed=4))
    more = list(forged_pairs(photos, ("swap", "cutout"), 3, sides=(64, 96), seed=4))
    assert [crop.subset for crop in few] == ["pristine", "swap"] * 2
    assert all(np.array_equal(a.image, b.image) for a, b in zip(few, more[:4], strict=True))


class Squares(torch.utils.data.Dataset[Batch]):
    """Pairs of dark crops, the second with a bright square to find; item i depends on i alone."""

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng(index)
        crops = []
        for number in range(2):
            image = rng.integers(0, 60, (32, 32, 3)).astype(np.uint8)
            mask = np.zeros((32, 32), np.bool_)
            if number % 2:
                mask[8:24, 8:24] = True
                image[mask] += 150
            crops.append(LabelledCrop(image, mask, "square" if number % 2 else "pristine"))
        return to_batch(crops)


SETTINGS = {
    "model": "twostream-joint",
    "pairs": True,
    "families": (),
    "batch_size": 2,
    "micro_batch": 2,
    "steps": 4,
    "cooldown": 0.5,
    "warmup": 2,
    "weight_decay": 1e-4,
    "trunk_rate": 0.3,
    "average": 0.9,
    "frozen": ("pyramid.trunk.stem", "pyramid.trunk.stages.0", "local"),
    "windows": (32,),
    "workers": 0,
    "threads": 1,
    "precision": "32-true",
    "validate_every": 4,
    "checkpoint_every": 2,
}


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoint.safetensors")


def test_a_run_that_was_cut_goes_on_exactly_and_frozen_parts_stay(tmp_path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(TrainConfig(**SETTINGS), Squares(), whole)
    with pytest.raises(_Cut):
        train(TrainConfig(**SETTINGS), _First(2), cut)
    train(TrainConfig(**SETTINGS), Squares(), cut)
    a, b = weights(whole), weights(cut)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    torch.manual_seed(0)
    fresh = NETWORKS["twostream"]().state_dict()
    held = [key for key in fresh if key.startswith(("pyramid.trunk.stem.", "pyramid.trunk.stages.0.", "local."))]
    assert len(held) > 20 and all(torch.equal(a[f"model.network.{key}"], fresh[key]) for key in held)
    assert not torch.equal(a["model.network.pyramid.image.weight"], fresh["pyramid.image.weight"])
    # Statistics of a batch that is half forged would tell which half.
    statistics = [key for key in fresh if key.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 100 and all(torch.equal(a[f"model.network.{key}"], fresh[key]) for key in statistics)
    kept = load_file(whole / "best.safetensors")
    judged = a["average.network.pyramid.image.weight"]
    assert torch.equal(kept["network.pyramid.image.weight"], judged)  # the average is what is kept
    assert not torch.equal(judged, a["model.network.pyramid.image.weight"])


class _First(Squares):
    """As if the power failed at step ``at``."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __getitem__(self, index: int) -> Batch:
        if index >= self.at:
            raise _Cut
        return super().__getitem__(index)


class _Cut(Exception):
    pass


def test_parts_start_from_files_of_their_own(tmp_path) -> None:
    torch.manual_seed(5)
    local = NETWORKS["contrast"]().state_dict()
    save_file({f"network.{key}": value for key, value in local.items()}, tmp_path / "contrast.safetensors")
    settings = SETTINGS | {"parts": {"local": str(tmp_path / "contrast.safetensors")}, "steps": 2}
    train(TrainConfig(**settings), Squares(), tmp_path / "run")
    found = weights(tmp_path / "run")
    assert all(torch.equal(found[f"model.network.local.{key}"], value) for key, value in local.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frozen": ("trunc",)}, "frozen: the network has no part 'trunc'; expected one of pyramid, "),
        ({"parts": {"local": "nowhere.safetensors"}}, "parts: nowhere.safetensors cannot start local"),
    ],
)
def test_wrong_parts_are_named(tmp_path, changes, message) -> None:
    with pytest.raises(DataError, match=message):
        train(TrainConfig(**SETTINGS | changes), Squares(), tmp_path)


def test_pairs_need_even_micro_batches() -> None:
    with pytest.raises(ValueError, match="a pair is two crops"):
        TrainConfig(pairs=True, families=(), batch_size=6, micro_batch=3)
