"""The second generation of forgeries: what differs within a pair, and what does not."""

import numpy as np
import pytest

from faces_at_hand import hopper_portrait, mirrored
from tamperlens.forge import pairs
from tamperlens.forge.lives import CODECS, GRAPHICS, RETOUCHES, SCENES, live
from tamperlens.forge.outlines import HULLS, draw_hull, feathered, points_of
from tamperlens.forge.pairs import make_pair
from tamperlens.forge.recipes import RECIPES, paint
from tamperlens.forge.visible import visible_difference
from tamperlens.media import h264_moving

SEEDS = range(2)
CHANGES = {**GRAPHICS, **SCENES, **RETOUCHES}


def painted(recipe: str, seed: int):
    target = hopper_portrait()
    return paint(target, lambda: mirrored(target), np.random.default_rng(seed), recipe)


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_the_support_is_touched_and_the_label_lies_in_it(recipe: str) -> None:
    for seed in SEEDS:
        work = painted(recipe, seed)
        assert np.array_equal(work.image[~work.support], work.base[~work.support])
        label = visible_difference(work.image, work.base, work.support)
        assert not (label & ~work.support).any()
        assert work.recipe == recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_forgery(recipe: str) -> None:
    first, again, other = painted(recipe, 3), painted(recipe, 3), painted(recipe, 4)
    assert np.array_equal(first.image, again.image) and np.array_equal(first.support, again.support)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("name", HULLS)
def test_a_hull_lies_on_the_face(name: str) -> None:
    landmarks = hopper_portrait().landmarks
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    for seed in SEEDS:
        hull = draw_hull(landmarks, (192, 192), np.random.default_rng(seed), name)
        y, x = np.nonzero(hull)
        assert len(y) > 0.05 * eyes**2
        assert np.hypot(x.mean() - landmarks[2, 0], y.mean() - landmarks[2, 1]) < eyes  # near the tip of the nose


def test_outlines_follow_a_face_that_turns() -> None:
    """Where the nose points to the left, both cheeks move to the right in face coordinates; its mirror image alike."""
    front = np.array([[-0.5, 0], [0.5, 0], [0, 0.59], [-0.45, 1], [0.45, 1]], np.float32) * 60 + 100
    turned = front + np.array([[0, 0], [0, 0], [9, 0], [0, 0], [0, 0]], np.float32)
    count = len(points_of(front, ["cheek"])) // 2
    straight, points = points_of(front, ["cheek"]), points_of(turned, ["cheek"])
    assert np.allclose(straight[:count] * [-1, 1], straight[count:], atol=1e-5)
    assert (points[:count, 0] < straight[:count, 0]).all() and (points[count:, 0] < straight[count:, 0]).all()
    mirrored = points_of(front - np.array([[0, 0], [0, 0], [9, 0], [0, 0], [0, 0]], np.float32), ["cheek"])
    assert np.allclose(mirrored[count:] * [-1, 1], points[:count], atol=1e-5)


def test_edges_are_hard_or_soft_and_end() -> None:
    hull = draw_hull(hopper_portrait().landmarks, (192, 192), np.random.default_rng(0), "face")
    assert np.array_equal(feathered(hull, 0, np.random.default_rng(0)), hull.astype(np.float32))
    soft = feathered(hull, 12, np.random.default_rng(1))
    assert soft.min() == 0 and soft.max() == pytest.approx(1) and ((soft > 0) & (soft < 1)).mean() > 0.05


def test_the_visible_difference_is_closed_and_filled_and_ignores_what_nobody_sees() -> None:
    base = np.full((100, 100, 3), 90, np.uint8)
    forged, support = base.copy(), np.zeros((100, 100), np.bool_)
    support[20:80, 20:80] = True
    forged[20:80, 20:80] += 1
    assert not visible_difference(forged, base, support).any()
    forged[22:78, 22:78] += 30
    forged[45:55, 45:55] = base[45:55, 45:55]  # a hole in the middle: filled
    seen = visible_difference(forged, base, support)
    assert seen[50, 50] and seen[30, 30] and not seen[~support].any()


@pytest.mark.parametrize("name", CHANGES)
def test_a_life_changes_the_picture_and_never_adds_to_the_mask(name: str) -> None:
    image = hopper_portrait().image
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[60:140, 60:140] = True
    for seed in SEEDS:
        changed, kept = CHANGES[name](image, mask, np.random.default_rng(seed))
        assert changed.shape == image.shape and changed.dtype == np.uint8 and not np.array_equal(changed, image)
        assert kept.dtype == np.bool_ and kept.sum() <= 1.1 * mask.sum()
        assert not CHANGES[name](image, np.zeros_like(mask), np.random.default_rng(seed))[1].any()


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_keeps_the_picture_in_its_place(name: str) -> None:
    image = hopper_portrait().image
    coded = CODECS[name][1](image, np.random.default_rng(1))
    assert coded.shape == image.shape
    assert np.abs(coded.astype(float) - image).mean() < 12


def test_a_life_is_the_same_for_pictures_of_one_size() -> None:
    image = hopper_portrait().image
    mask = np.zeros(image.shape[:2], np.bool_)
    brighter = np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8)
    for seed in range(12):
        first, second = live(image, mask, seed)[0], live(brighter, mask, seed)[0]
        assert np.abs(first.astype(int) - second).mean() < 8


def test_a_predicted_frame_is_not_a_still() -> None:
    image = hopper_portrait().image
    moves = [np.array([[1, 0, 2 * step], [0, 1, 0]], np.float32) for step in (-2, -1, 0, 1)]
    still = h264_moving(image, moves[2:3], 0, crf=28)
    moving = h264_moving(image, moves, 2, crf=28, b_frames=2)
    assert still.shape == moving.shape == image.shape
    assert np.abs(moving.astype(float) - image).mean() < 8 and not np.array_equal(still, moving)


def test_a_pair_differs_where_its_mask_says() -> None:
    target = hopper_portrait()
    seen = 0
    for seed in range(10):
        pair = make_pair(target, lambda: mirrored(target), 128, np.random.default_rng(seed), "swap")
        assert pair.pristine.shape == pair.forged.shape == (128, 128, 3) and pair.mask.shape == (128, 128)
        assert not pair.pristine_mask.any()
        difference = np.abs(pair.pristine.astype(int) - pair.forged).max(axis=2)
        if pair.mask.any():
            seen += difference[pair.mask].mean() > 2 * difference[~pair.mask].mean()
    assert seen >= 8


def test_where_the_picture_ends_both_of_a_pair_repeat_its_last_pixels_and_nothing_is_marked(monkeypatch) -> None:
    monkeypatch.setattr(pairs, "FRAMED", 1.0)
    target, ended = hopper_portrait(), 0
    for seed in range(6):
        pair = make_pair(target, lambda: mirrored(target), 128, np.random.default_rng(seed), "swap")
        for image in (pair.pristine, pair.forged):
            same = [bool((image[:, 0] == image[:, 4]).all()), bool((image[0] == image[4]).all())]
            ended += any(same)
            if same[0]:
                assert not pair.mask[:, :4].any()
    assert ended >= 4  # of twelve: two pictures a pair, each ending or not at four sides
