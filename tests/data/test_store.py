import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tamperlens.data.store import POLICIES, Store, native_window, resized_window
from tamperlens.data.store.manifest import INFO, MANIFEST, SHARDS
from tamperlens.errors import DataError
from tamperlens.figures import draw_contact_sheet
from tamperlens.types import LabelledCrop
from trees import small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return small_store(tmp_path_factory.mktemp("store"))


def crop_of(height, width, seed=0) -> LabelledCrop:
    """A crop whose mask can be read off its image."""
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 3 : width // 2] = True
    image = np.random.default_rng(seed).integers(0, 100, (height, width, 3)).astype(np.uint8)
    image[..., 0] = mask * np.uint8(255)
    return LabelledCrop(image, mask, "DF", "000")


# --------------------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [(100, 100), (64, 64), (40, 40), (90, 50), (33, 120), (300, 200)])
def test_windows_keep_image_and_mask_together(policy, size):
    for rng in (None, np.random.default_rng(1)):
        window = POLICIES[policy](crop_of(*size), 64, rng)
        assert window.image.shape == (64, 64, 3) and window.mask.shape == (64, 64) and window.mask.dtype == bool
        assert ((window.image[..., 0] >= 128) == window.mask).mean() > 0.98
        assert (window.subset, window.group) == ("DF", "000")


def test_a_native_window_is_a_cut_and_the_central_one_without_chance():
    crop = crop_of(100, 120)
    assert (native_window(crop, 64, None).image == crop.image[18:82, 28:92]).all()
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(50):
        window = native_window(crop, 64, rng)
        (place,) = [(y, x) for y in range(37) for x in range(57) if (crop.image[y : y + 64, x : x + 64] == window.image).all()]
        starts.add(place)
    assert len(starts) > 40


def test_small_crops_are_padded_on_all_sides():
    crop = crop_of(40, 40)
    window = native_window(crop, 64, None)
    assert (window.image[12:52, 12:52] == crop.image).all() and (window.image[:12, 12:52] == crop.image[0]).all()


def test_resizing_keeps_all_of_a_square_crop():
    crop = crop_of(200, 200)
    window = resized_window(crop, 100, np.random.default_rng(0))
    assert window.mask.mean() == pytest.approx(crop.mask.mean(), rel=0.05)
    assert resized_window(crop_of(64, 64), 64, None).image.tobytes() == crop_of(64, 64).image.tobytes()


# ----------------------------------------------------------------------------------------------------------------- store


def test_crops_for_evaluation_come_in_order_and_whole_or_as_windows(store):
    whole = list(store.crops("test"))
    assert Counter(crop.subset for crop in whole) == {"pristine": 4, "DF": 4, "NT": 4}
    assert all(crop.image.shape == (60, 60, 3) and crop.group in ("001", "002") for crop in whole)
    windows = list(store.crops("test", policy="native", window=32, methods=["DF"]))
    own = [crop for crop in whole if crop.subset == "DF"]
    assert [(w.image == c.image[14:46, 14:46]).all() for w, c in zip(windows, own, strict=True)] == [True] * 4
    assert len(list(store.crops(None))) == len(store)


def test_people_who_swap_faces_are_pairs_unless_they_swap_with_several(store):
    assert store.pairs("test") == {"001": "001 and 002", "002": "001 and 002"}
    travelled = pickle.loads(pickle.dumps(store))
    where = travelled.table.schema.get_field_index("persons")
    persons = travelled.table["persons"].to_pylist()
    persons[int(travelled.rows("test", "DF")[0])] = ["001", "009"]
    travelled.table = travelled.table.set_column(where, "persons", pa.array(persons))
    assert travelled.pairs("test") == {} and travelled.pairs("train") == store.pairs("train")
    persons[int(travelled.rows("train")[0])] = ["007"]  # alone
    travelled.table = travelled.table.set_column(where, "persons", pa.array(persons))
    assert travelled.pairs("train")["007"] == "007"


def test_a_split_without_crops_names_what_there_is(store):
    with pytest.raises(DataError, match=r"no crops of .* in split 'val'; it has test: DF 4, NT 4, P 4; train: DF 12, NT 6"):
        next(store.crops("val"))


def test_a_store_travels_to_other_processes(store):
    other = pickle.loads(pickle.dumps(store))
    assert len(other) == len(store) and (other.crop(3).image == store.crop(3).image).all()
    assert len(pickle.dumps(store)) < 1000


def test_a_contact_sheet_shows_every_method(store):
    sheet = draw_contact_sheet(store.examples(3), columns=3, cell=60)
    assert sheet.shape == (3 * 62 - 2, 3 * 62 - 2, 3) and sheet.dtype == np.uint8
    assert (sheet[62 : 62 + 60, :60] == (213, 94, 0)).all(axis=2).any()  # the outline of a DF mask
    assert not (sheet[:60, :60] == (213, 94, 0)).all(axis=2).any()  # none in a pristine crop
    with pytest.raises(ValueError, match="at least one crop"):
        draw_contact_sheet([])


def damaged(store, tmp_path, how) -> Path:
    copy = Path(shutil.copytree(store.path, tmp_path / "copy"))
    how(copy)
    return copy


def first_shard(copy: Path) -> Path:
    return min((copy / SHARDS).iterdir())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda copy: (copy / INFO).unlink(), "is no prepared store"),
        (lambda copy: (copy / INFO).write_text("{"), "store.json cannot be read"),
        (lambda copy: (copy / INFO).write_text('{"version": 1}'), "store.json is damaged .*complete: Field required"),
        (lambda copy: (copy / INFO).write_text("[]"), "of version None"),
        (lambda copy: (copy / MANIFEST).unlink(), "manifest.parquet cannot be read"),
        (lambda copy: (copy / MANIFEST).write_bytes(b"x"), "manifest.parquet cannot be read"),
        (lambda copy: first_shard(copy).unlink(), r"000-.*\.tar is missing; copy the store again"),
        (lambda copy: first_shard(copy).write_bytes(b"x"), r"000-.*\.tar has 1 bytes and should have \d+"),
    ],
)
def test_a_damaged_store_is_refused_and_the_file_named(store, tmp_path, how, message):
    with pytest.raises(DataError, match=message):
        Store(damaged(store, tmp_path, how))


def test_damaged_bytes_are_found_when_they_are_read(store, tmp_path):
    copy = Store(damaged(store, tmp_path, lambda copy: first_shard(copy).write_bytes(bytes(first_shard(copy).stat().st_size))))
    with pytest.raises(DataError, match=r"000-.*\.tar: crop 0 cannot be read"):
        copy.crop(0)
