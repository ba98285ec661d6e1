"""Pictures are varied before they are forged, within the face as well, and landmarks go with them."""

import cv2
import numpy as np
import pytest

from tamperlens.forge.portrait import Portrait
from tamperlens.forge.scenes import dressed, relit, retouched, skin_of, turned

LANDMARKS = np.array([[60, 70], [100, 70], [80, 90], [65, 110], [95, 110]], np.float32)


def _portrait(level: int | tuple[int, int, int]) -> Portrait:
    return Portrait(np.full((160, 160, 3), level, np.uint8), LANDMARKS)


def test_light_changes_the_whole_picture() -> None:
    lit = [relit(_portrait(128), np.random.default_rng(seed)).astype(np.float32) for seed in range(40)]
    assert all(picture.shape == (160, 160, 3) for picture in lit)
    assert np.median([np.abs(picture - 128).mean() for picture in lit]) > 5


def test_shadows_have_edges_and_skin_is_not_of_one_colour() -> None:
    lit = [relit(_portrait((205, 150, 125)), np.random.default_rng(seed)).astype(np.float32) for seed in range(60)]
    face = [picture[60:120, 50:110].mean(axis=2) for picture in lit]
    steps = np.array([max(np.abs(np.diff(part, axis=axis)).max() for axis in (0, 1)) for part in face])
    assert 4 <= (steps > 12).sum() <= 30  # most light is smooth, some shadows end within a few pixels
    assert np.median([np.ptp(part) for part in face]) > 15


def test_light_depends_on_the_seed_alone() -> None:
    portrait = Portrait(np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8), LANDMARKS)
    first, again, other = (relit(portrait, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_hats_lie_above_the_eyes_and_glasses_on_them() -> None:
    covered = [
        np.abs(dressed(_portrait(128), np.random.default_rng(seed)).astype(int) - 128).max(axis=2) > 25 for seed in range(60)
    ]
    shares = np.array([[where[:58].mean(), where[60:82, 45:115].mean()] for where in covered])
    hats, glasses = shares[:, 0] > 0.08, (shares[:, 1] > 0.05) & (shares[:, 0] < 0.02)
    assert hats.sum() > 12 and glasses.sum() > 12
    assert all(not where[115:].any() for where in covered)  # neither reaches the mouth


@pytest.mark.parametrize("seed", range(6))
def test_a_retouched_face_is_smoother_and_nothing_else_is_changed(seed: int) -> None:
    rng = np.random.default_rng(0)
    image = np.clip(np.rint(np.array([205, 150, 125]) + rng.normal(0, 5, (160, 160, 3))), 0, 255).astype(np.uint8)
    found = retouched(Portrait(image, LANDMARKS), np.random.default_rng(seed)).astype(np.float32)
    cheeks, corner = (slice(88, 100), slice(50, 72)), (slice(0, 20), slice(140, 160))
    grain = [float(np.std(picture[cheeks] - cv2.GaussianBlur(picture[cheeks], (0, 0), 2))) for picture in (found, image / 1.0)]
    assert grain[0] < 0.85 * grain[1]
    assert np.abs(found - image)[corner].max() <= 1


def test_skin_is_told_from_other_colours() -> None:
    image = np.full((80, 160, 3), (40, 90, 200), np.uint8)
    image[:, 80:] = (205, 150, 125)
    skin = skin_of(image)
    assert skin[:, :70].max() < 0.1 and skin[:, 90:].min() > 0.6


@pytest.mark.parametrize("seed", range(6))
def test_landmarks_turn_with_the_portrait(seed: int) -> None:
    points = np.array([[70, 80], [130, 82], [100, 112], [80, 140], [122, 141]], np.float32)
    image = np.zeros((200, 200, 3), np.uint8)
    for number, (x, y) in enumerate(points.round().astype(int)):
        cv2.circle(image, (int(x), int(y)), 3, (50 * (number + 1), 0, 0), -1)
    portrait = turned(Portrait(image, points), np.random.default_rng(seed))
    assert portrait.image.shape == image.shape
    assert np.abs(portrait.landmarks - points).max() > 1
    for number, (x, y) in enumerate(portrait.landmarks.round().astype(int)):
        assert abs(int(portrait.image[y, x, 0]) - 50 * (number + 1)) <= 25
