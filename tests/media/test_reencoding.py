"""Pictures at other sizes."""

import numpy as np
import pytest

from tamperlens.media import fit_within


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
