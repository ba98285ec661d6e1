"""Mask recipes: exact where nothing was lost, steady under light compression, and refusing what they cannot do."""

import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamperlens.data.prepare.masks import (
    RECIPES,
    NoiseFloor,
    _tidy,
    default_recipe,
    looks_inverted,
    mask_of_picture,
    noise_floor,
    noise_problem,
)
from tamperlens.data.readers.frames import read_frames
from tamperlens.errors import DataError
from tamperlens.types import FaceBox
from trees import CENTER, HEIGHT, RADIUS, WIDTH, changed_area, clip_frames, encode, manipulated_frames, texture

EXACT, SMOOTH, DSSIM = RECIPES["absdiff-exact"], RECIPES["absdiff-smooth"], RECIPES["dssim"]
RELEASED, BOTH = RECIPES["released"], RECIPES["released-and-diff"]
FACE = FaceBox(CENTER[0] - 15, CENTER[1] - 15, CENTER[0] + 15, CENTER[1] + 15, 0.9, np.zeros((5, 2), np.float32))


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def coded_pair(tmp_path, level, **original):
    """A manipulated frame and its original after encoding."""
    encode(tmp_path / "fake.mp4", manipulated_frames("000", "003"), level)
    encode(tmp_path / "real.mp4", clip_frames("000"), level, **original)
    return [next(iter(read_frames(tmp_path / name))).image for name in ("fake.mp4", "real.mp4")]


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    share=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_exact_marks_just_the_changed_pixels(seed, height, width, share):
    rng = np.random.default_rng(seed)
    original = rng.integers(0, 256, (height, width, 3), np.uint8)
    changed = rng.random((height, width)) < share
    manipulated = original.copy()
    # One channel, by any amount: up or down, wrapping around.
    channel = rng.integers(0, 3, (height, width))
    amount = rng.integers(1, 256, (height, width), np.uint8)
    for c in range(3):
        here = changed & (channel == c)
        manipulated[..., c][here] += amount[here]
    assert np.array_equal(EXACT(manipulated, original), changed)


def test_exact_survives_the_lossless_codec(tmp_path):
    assert np.array_equal(EXACT(*coded_pair(tmp_path, "raw")), changed_area())


def test_c23_needs_the_smooth_recipe(tmp_path):
    manipulated, original = coded_pair(tmp_path, "c23")
    assert EXACT(manipulated, original).mean() > 2 * changed_area().mean()
    for recipe, wider in ((SMOOTH, 6), (DSSIM, 9)):  # by how many pixels smoothing widens it at most
        mask = recipe(manipulated, original)
        assert (mask & changed_area()).sum() > 0.98 * changed_area().sum()
        assert not (mask & ~changed_area(radius=RADIUS + wider)).any()


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.needs_released])
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_equal_frames_have_empty_masks_and_order_does_not_matter(name, seed):
    a, b = texture(seed), texture(seed + 1)
    mask = RECIPES[name](a, b)
    assert mask.dtype == np.bool_ and mask.shape == (HEIGHT, WIDTH)
    assert np.array_equal(mask, RECIPES[name](b, a))
    assert not RECIPES[name](a, a).any()


def test_smooth_drops_specks_and_closes_gaps():
    original = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    manipulated = original.copy()
    manipulated[30:90, 40:78] = manipulated[30:90, 82:120] = 200  # two halves, four pixels apart
    manipulated[5:13, 5:13] = 200
    mask = SMOOTH(manipulated, original)
    assert mask[60, 80] and not mask[9, 9]
    everything = SMOOTH.changed(keep=0, smallest=0)(manipulated, original)
    assert everything[9, 9] and not everything[:, 140:].any()


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    share=st.sampled_from([0, 0.003, 0.05, 0.3, 1]),
    place=st.tuples(*[st.integers(0, 90)] * 4),
    use=st.tuples(st.integers(1, 16), st.sampled_from([0, 0.05, 0.5]), st.sampled_from([0, 64])),
)
@settings(max_examples=200, deadline=None)
def test_tidying_around_the_marked_pixels_is_tidying_the_whole_frame(seed, shape, share, place, use):
    marked = np.random.default_rng(seed).random(shape) < share
    (top, bottom), (left, right) = sorted(place[:2]), sorted(place[2:])
    marked[:top] = marked[bottom:] = marked[:, :left] = marked[:, right:] = False
    size, keep, smallest = use
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    largest = max(stats[1:, cv2.CC_STAT_AREA], default=0)
    kept = [n for n in range(1, len(stats)) if stats[n, cv2.CC_STAT_AREA] >= max(smallest, keep * largest)]
    tidied = _tidy(marked, {"close": size, "keep": keep, "smallest": smallest})
    assert tidied.dtype == np.bool_ and np.array_equal(tidied, np.isin(labels, kept))


def test_dssim_sees_structure_not_brightness():
    original = texture(1)
    brighter = np.clip(original.astype(int) + 4, 0, 255).astype(np.uint8)
    assert not DSSIM(brighter, original).any()
    shuffled = original.copy()
    shuffled[40:80, 60:100] = texture(2)[40:80, 60:100]
    mask = DSSIM(shuffled, original)
    assert mask[40:80, 60:100].mean() > 0.98 and not (mask & ~box(30, 90, 50, 110)).any()


def box(top, bottom, left, right):
    area = np.zeros((HEIGHT, WIDTH), bool)
    area[top:bottom, left:right] = True
    return area


def test_released_masks_are_thresholded_and_cut_to_the_difference():
    frames = manipulated_frames("000", "003")[0], clip_frames("000")[0]
    wide = changed_area(radius=RADIUS + 20)
    lossy = np.where(wide, 230, 9).astype(np.uint8)  # ripples of lossy coding on the black
    assert np.array_equal(RELEASED(*frames, lossy), wide)
    assert np.array_equal(RELEASED(*frames, wide), wide)
    both = BOTH(*frames, lossy)
    assert iou(both, changed_area()) > 0.75 and not (both & ~wide).any()
    assert not RELEASED(*frames, np.zeros((HEIGHT, WIDTH), np.uint8)).any()  # nothing manipulated in this frame


def test_inverted_masks_are_detected():
    frames = manipulated_frames("000", "003")[0], clip_frames("000")[0]
    for recipe in (RELEASED, BOTH):
        with pytest.raises(DataError, match="inverted"):
            recipe(*frames, (~changed_area()).astype(np.uint8) * 255)
    assert looks_inverted(~changed_area()) and not looks_inverted(changed_area())
    # A face that leaves the picture on one side is not inverted.
    assert not looks_inverted(changed_area((80, 0), 60))
    # In a close-up the manipulated square may fill the frame, or nearly.
    assert not looks_inverted(box(0, HEIGHT, 0, WIDTH)) and not looks_inverted(box(0, HEIGHT, 10, WIDTH))


def test_masks_of_pictures_take_any_colour():
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0, 2] = 200
    assert np.array_equal(mask_of_picture(picture), [[200, 0], [0, 0]])


def test_wrong_input_is_named():
    a = texture(1)
    with pytest.raises(DataError, match="160x120 and its original 160x119"):
        EXACT(a, a[:-1])
    with pytest.raises(DataError, match=r"RGB uint8 .*float64"):
        EXACT(a / 255, a)
    with pytest.raises(DataError, match="released mask is 160x100 and the frame 160x120"):
        RELEASED(a, a, np.zeros((100, 160), np.uint8))
    with pytest.raises(DataError, match=r"needs the dataset's own mask.*absdiff-exact, absdiff-smooth, dssim"):
        RELEASED(a, a)


# ----------------------------------------------------------------------------------------------------recipes as values


def test_recipes_are_known_by_name_version_parameters_and_hash():
    assert list(RECIPES) == ["absdiff-exact", "absdiff-smooth", "dssim", "released", "released-and-diff"]
    assert len({recipe.hash for recipe in RECIPES.values()}) == len(RECIPES)
    other = SMOOTH.changed(threshold=10)
    assert other != SMOOTH and other.hash != SMOOTH.hash and "threshold 10" in str(other)
    assert other.changed(threshold=15) == SMOOTH
    assert SMOOTH.hash in str(SMOOTH) and "v1" in str(SMOOTH)
    with pytest.raises(DataError, match="no parameter radius; it has sigma, threshold"):
        SMOOTH.changed(radius=3)
    assert pickle.loads(pickle.dumps(SMOOTH)) == SMOOTH


def test_hashes_stay_as_they_are():
    """A changed hash orphans every stored mask: raise the recipe's version when its masks change, and only then."""
    assert {name: recipe.hash for name, recipe in RECIPES.items()} == {
        "absdiff-exact": "0d3b3891ae39",
        "absdiff-smooth": "735547e99540",
        "dssim": "922e089bc9ee",
        "released": "9f2327c4722f",
        "released-and-diff": "ca65b483b5f6",
    }


def test_defaults_by_compression():
    assert [default_recipe(level).name for level in ("raw", "c23", "c40", None)] == [
        "absdiff-exact",
        "absdiff-smooth",
        "released",
        "absdiff-smooth",
    ]


# ---------------------------------------------------------------------------------------------------------- noise floor


@pytest.mark.parametrize("face", [FACE, None])
def test_noise_is_measured_outside_the_changed_area(tmp_path, face):
    assert noise_floor(*coded_pair(tmp_path, "raw"), face_box=face) == NoiseFloor(0, 0)
    clean = noise_floor(*coded_pair(tmp_path, "c23"), face_box=face)
    assert 0 < clean.p99 < SMOOTH.max_noise
    assert noise_problem(clean, SMOOTH) == ""


def test_a_changed_area_may_touch_the_border():
    frame = clip_frames("000")[0]
    for center in ((0, 60), (80, 0), (10, 10)):
        manipulated = np.where(changed_area(center, 30)[..., None], frame ^ 64, frame)
        assert noise_floor(manipulated, frame) == NoiseFloor(0, 0)
    # In a close-up on all sides: only who knows the face's place can measure beside it.
    manipulated = np.where(box(0, 112, 10, 150)[..., None], frame ^ 64, frame)
    face = FaceBox(42.5, 17.5, 117.5, 92.5, 0.9, np.zeros((5, 2), np.float32))
    assert noise_floor(manipulated, frame).p99 > 0
    assert noise_floor(manipulated, frame, face) == NoiseFloor(0, 0)


def test_noise_is_measured_outside_the_released_mask_as_well():
    frame, area = clip_frames("000")[0], box(0, HEIGHT, 9, WIDTH)
    manipulated = np.where(area[..., None], frame ^ 64, frame)
    assert noise_floor(manipulated, frame, FACE).p99 > 0
    assert noise_floor(manipulated, frame, FACE, area) == NoiseFloor(0, 0)


def test_where_the_face_fills_the_frame_there_is_nothing_to_measure():
    a, b = texture(1), texture(2)
    everything = FaceBox(-200, -200, 400, 400, 0.9, np.zeros((5, 2), np.float32))
    assert noise_floor(a, b, everything) is None
    assert noise_floor(a, b, None, box(0, HEIGHT, 0, WIDTH)) is None


def test_pairs_of_different_encodes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    grain = [np.clip(f + rng.normal(0, 8, f.shape), 0, 255).astype(np.uint8) for f in clip_frames("000")]
    encode(tmp_path / "c23.mp4", grain, "c23")
    encode(tmp_path / "c40.mp4", grain, "c40")
    pictures = [next(iter(read_frames(tmp_path / f"{level}.mp4"))).image for level in ("c23", "c40")]
    floor = noise_floor(*pictures)
    problem = noise_problem(floor, SMOOTH)
    assert f"{floor.p99:.0f} (99th percentile)" in problem and problem.endswith("use released")
    assert noise_problem(floor, RELEASED) == ""


def test_exact_is_refused_where_anything_was_compressed(tmp_path):
    floor = noise_floor(*coded_pair(tmp_path, "c23"))
    assert "use absdiff-smooth or dssim or released" in noise_problem(floor, EXACT)
