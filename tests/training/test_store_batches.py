from collections import Counter

import numpy as np
import pytest

from tamperlens.data.store import Store
from tamperlens.errors import DataError
from trees import small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return small_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def dataset():
    return pytest.importorskip("tamperlens.training.store_batches")


def test_batches_are_balanced_and_every_crop_comes_once_a_lap(store, dataset):
    data = dataset.StoreCrops(store, "train", batches=12, batch_size=6, windows=(60,), seed=3)
    assert len(data) == 12 and data.methods == ["P", "DF", "NT"]
    counts, images = Counter(), Counter()
    for index in range(6):
        batch = data[index]
        assert batch.images.shape == (6, 3, 60, 60) and batch.masks.shape == (6, 1, 60, 60)
        assert batch.labels.tolist() == [float(family != "pristine") for family in batch.families]
        counts.update(batch.families)
        images.update((family, image.numpy().tobytes()) for family, image in zip(batch.families, batch.images, strict=True))
    assert counts == {"pristine": 12, "DF": 12, "NT": 12}  # one lap of P and DF, two of NT
    assert Counter(images.values()) == {1: 12 + 12, 2: 6}


def test_batch_i_is_the_same_whoever_makes_it(store, dataset):
    from torch.utils.data import DataLoader

    options = {"batches": 5, "batch_size": 4, "policy": "native", "windows": (32, 48), "mirror": True, "seed": 1}
    first, again, other = (dataset.StoreCrops(store, **{**options, "seed": seed}) for seed in (1, 1, 2))
    assert all(np.array_equal(first[i].images, again[i].images) for i in (4, 0, 2))
    assert not all(np.array_equal(first[i].images, other[i].images) for i in range(5))
    loader = DataLoader(first, batch_size=None, sampler=range(2, 5), num_workers=1, multiprocessing_context="spawn")
    for index, batch in enumerate(loader, start=2):
        assert (batch.images == first[index].images).all() and (batch.masks == first[index].masks).all()
        assert batch.families == first[index].families


def test_image_and_mask_stay_together(store, dataset):
    data = dataset.StoreCrops(store, "train", batches=4, batch_size=8, windows=(52,), mirror=True, methods=["DF"])
    pristine = {store.row(i).target: [] for i in store.rows("train", "P")}
    for index in store.rows("train", "P"):
        pristine[store.row(index).target].append(store.crop(index).image)
    for index in range(4):
        batch = data[index]
        for image, mask in zip(batch.images.numpy(), batch.masks.numpy()[:, 0].astype(bool), strict=True):
            image = image.transpose(1, 2, 0)
            # Somewhere in some original lies what is outside the mask; and inside every pixel differs from it.
            assert any(fits(image, mask, whole) for images in pristine.values() for whole in images)


def test_small_windows_of_resized_crops_have_the_size_at_which_a_model_is_judged(store, dataset):
    options = {"batches": 2, "batch_size": 4, "policy": "resized", "methods": ["P"]}
    whole = [crop.image for crop in store.crops("train", methods=["P"], policy="resized", window=52)]
    for windows, resized_to, found in (((32,), 52, True), ((32,), 0, False), ((52,), 52, True), ((52,), 40, True)):
        batch = dataset.StoreCrops(store, **options, windows=windows, resized_to=resized_to)[1]
        for image in batch.images.numpy():
            image = image.transpose(1, 2, 0)
            assert image.shape == (*windows * 2, 3)
            assert any(fits(image, np.zeros(image.shape[:2], np.bool_), one) for one in whole) == found


def fits(image, mask, whole) -> bool:
    for candidate in (image, image[:, ::-1]):
        own = mask if candidate is image else mask[:, ::-1]
        side, (height, width) = len(image), whole.shape[:2]
        for y in range(height - side + 1):
            for x in range(width - side + 1):
                cut = whole[y : y + side, x : x + side]
                if (cut[0, 0] == candidate[0, 0]).all() and ((cut != candidate).any(axis=2) == own).all():
                    return True
    return False


def test_what_cannot_be_drawn_from(store, dataset):
    with pytest.raises(DataError, match=r"no crops of FS in split 'train'; it has test: "):
        dataset.StoreCrops(store, "train", batches=1, batch_size=1, methods=["DF", "FS"])
    with pytest.raises(DataError, match="no crops in split 'val'"):
        dataset.StoreCrops(store, "val", batches=1, batch_size=1)
    with pytest.raises(ValueError, match="unknown crop policy 'magic'; known are native, resized"):
        dataset.StoreCrops(store, batches=1, batch_size=1, policy="magic")
