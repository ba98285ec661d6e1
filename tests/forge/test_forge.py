import json

import cv2
import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper, hopper_face, hopper_portrait, mirrored
from tamperlens.forge import FAMILIES
from tamperlens.forge.degrade import STEPS, apply_pipeline
from tamperlens.forge.portrait import face_frame
from tamperlens.forge.provenance import MANIFEST, TAG, tagged, write_forgery
from tamperlens.forge.regions import REGIONS, draw_region
from tamperlens.forge.sampler import make_sample
from tamperlens.forge.whole import forge_face
from tamperlens.media import h264, jpeg, webp

SEEDS = range(6)


def forged(family: str, seed: int):
    target = hopper_portrait()
    return target, FAMILIES[family](target, mirrored(target), np.random.default_rng(seed))


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_outside_the_mask_are_the_targets_bytes(family: str) -> None:
    for seed in SEEDS:
        target, forgery = forged(family, seed)
        assert np.array_equal(forgery.image[~forgery.mask], target.image[~forgery.mask])


@pytest.mark.parametrize("family", FAMILIES)
def test_most_of_the_mask_changed(family: str) -> None:
    for seed in SEEDS:
        target, forgery = forged(family, seed)
        assert forgery.mask.any() and not forgery.mask.all()
        changed = (forgery.image != target.image).any(axis=2)
        assert changed[forgery.mask].mean() > 0.5, forgery.parameters


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(family: str) -> None:
    first, again, other = (forged(family, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert first.parameters == again.parameters
    assert not np.array_equal(first.image, other.image)
    json.dumps(dict(first.parameters))  # parameters can be written down
    assert first.parameters["family"] == family


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_feathered_inwards_and_ends(name: str) -> None:
    landmarks = hopper_portrait().landmarks
    for seed in SEEDS:
        alpha, _ = draw_region(landmarks, (192, 192), np.random.default_rng(seed), name)
        assert alpha.dtype == np.float32 and alpha.min() == 0 and 0 < alpha.max() <= 1
    center_x, center_y, *_ = REGIONS[name]
    x, y = face_frame(landmarks) @ np.array([center_x, center_y, 1.0])
    alpha, _ = draw_region(landmarks, (192, 192), np.random.default_rng(0), name)
    assert alpha[round(y), round(x)] > 0.5


@pytest.mark.parametrize("name", STEPS)
def test_every_step_keeps_shape_and_depth_and_changes_the_picture(name: str) -> None:
    image = hopper_portrait().image
    changed, _ = STEPS[name][1](image, np.random.default_rng(0))
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    assert abs(float(changed.mean()) - float(image.mean())) < 40  # still the same picture


def test_odd_sizes_survive_the_codecs() -> None:
    image = np.ascontiguousarray(hopper_portrait().image[:97, :131])
    for encoded in (h264(image, 20), jpeg(image, 90), webp(image, 90)):
        assert encoded.shape == image.shape
        assert np.abs(encoded.astype(int) - image).mean() < 6


def test_an_untouched_pipeline_returns_the_picture_itself() -> None:
    image = hopper_portrait().image
    same, steps = apply_pipeline(image, np.random.default_rng(0), untouched=1.0)
    assert same is image and steps == []


def test_pristine_and_forged_samples_share_their_history() -> None:
    """With the same draws, everything but the forged region is the same picture: only the forging step tells the class."""
    target = hopper_portrait(256)
    for seed in range(8):
        pristine, fake = (
            make_sample(target, lambda: target, family, 160, np.random.default_rng(seed), after=1.0)
            for family in ("pristine", "inpaint")
        )
        assert not pristine.mask.any() and fake.mask.any()
        near = cv2.dilate(fake.mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0  # shrinking spreads the seam
        assert not near.all() and np.array_equal(pristine.image[~near], fake.image[~near])


def test_forging_a_whole_picture_touches_only_the_mask() -> None:
    image, face = hopper(), hopper_face()
    forgery = forge_face(image, face, "resynthesis", seed=1)
    assert forgery.image.shape == image.shape and forgery.mask.shape == image.shape[:2]
    assert np.array_equal(forgery.image[~forgery.mask], image[~forgery.mask])
    assert 0.005 < forgery.mask.mean() < 0.5


def test_forgeries_that_leave_memory_are_tagged_and_listed(tmp_path) -> None:
    forgery = forge_face(hopper(), hopper_face(), "self_blend", seed=2)
    picture, mask = write_forgery(tmp_path, "face", forgery, "hopper.jpg", 2)
    written = np.asarray(Image.open(picture))
    assert np.array_equal(written, tagged(forgery.image))
    assert not np.array_equal(written, forgery.image)  # the tag can be seen
    with Image.open(picture) as opened:
        assert opened.info["Comment"] == TAG
    assert np.array_equal(np.asarray(Image.open(mask)) > 0, forgery.mask)
    line = json.loads((tmp_path / MANIFEST).read_text())
    assert line["source"] == "hopper.jpg" and line["seed"] == 2 and line["family"] == "self_blend"
