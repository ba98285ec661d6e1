"""Pictures are varied as wholes and smoothly before they are forged, and landmarks go with them."""

import cv2
import numpy as np
import pytest

from tamperlens.forge.portrait import Portrait
from tamperlens.forge.scenes import relit, skin_of, turned


def test_light_changes_levels_but_draws_no_edge() -> None:
    grey = np.full((160, 160, 3), 128, np.uint8)
    lit = [relit(grey, np.random.default_rng(seed)).astype(np.float32) for seed in range(40)]
    assert all(picture.shape == grey.shape for picture in lit)
    changed = [np.abs(picture - 128).mean() for picture in lit]
    assert np.median(changed) > 5
    steepest = max(float(np.abs(np.diff(picture, axis=axis)).max()) for picture in lit for axis in (0, 1))
    assert steepest <= 30  # grey levels from pixel to pixel: a shadow's edge, not a seam


def test_light_depends_on_the_seed_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    first, again, other = (relit(image, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


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
