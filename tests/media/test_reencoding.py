"""Pictures at other sizes, and saved again."""

import cv2
import numpy as np
import pytest

from tamperlens.media import fit_within, h264_moving


@pytest.mark.parametrize(
    ("shape", "side", "fitted"),
    [((600, 900, 3), 300, (200, 300, 3)), ((600, 900), 450, (300, 450)), ((5, 2000, 4), 100, (1, 100, 4))],
)
def test_a_picture_is_shrunk_to_its_longest_side(shape, side, fitted):
    picture = np.full(shape, 77, np.uint8)
    found = fit_within(picture, side)
    assert found.shape == fitted and found.dtype == np.uint8 and (found == 77).all()


def test_a_picture_that_fits_is_the_same_array():
    picture = np.zeros((40, 30, 3), np.uint8)
    assert fit_within(picture, 40) is picture and fit_within(picture, 4000) is picture


def test_the_same_pictures_are_coded_alike_each_time():
    """x264 by itself is not the same from run to run where the processor has AVX-512, once memory has been used."""
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 255, (20, 20, 3), np.uint8), (320, 320), interpolation=cv2.INTER_CUBIC)
    moves = [np.float32([[1, 0, 3 * step], [0, 1, 2 * step]]) for step in range(7)]
    coded = set()
    for _ in range(6):
        used = [random.integers(0, 255, random.integers(1000, 300_000), np.uint8) for _ in range(10)]
        coded.add(h264_moving(image, moves, 2, crf=23, preset="fast", b_frames=3).tobytes())
        del used
    assert len(coded) == 1
