import numpy as np
import pytest

from tamperlens.inspection.marks import SPECK, marked_pixels
from tamperlens.types import Verdict


def mask(*squares: tuple[int, int, int]) -> np.ndarray:
    """True in squares of the given left, top and side."""
    found = np.zeros((100, 100), np.bool_)
    for left, top, side in squares:
        found[top : top + side, left : left + side] = True
    return found


@pytest.mark.parametrize("verdict", [Verdict.NO_EVIDENCE, Verdict.INCONCLUSIVE])
def test_nothing_is_marked_on_a_face_that_is_not_called_manipulated(verdict: Verdict) -> None:
    assert not marked_pixels(np.ones((100, 100), np.float32), mask((0, 0, 90)), verdict).any()


def test_specks_go_and_regions_stay() -> None:
    model = mask((5, 5, 2), (20, 20, 30), (70, 70, 6), (95, 95, 1))
    assert SPECK * model.size == 20
    assert np.array_equal(
        marked_pixels(np.ones((100, 100), np.float32), model, Verdict.MANIPULATED), mask((20, 20, 30), (70, 70, 6))
    )


def test_the_largest_speck_stays_where_there_is_nothing_else() -> None:
    found = marked_pixels(np.ones((100, 100), np.float32), mask((5, 5, 3), (50, 50, 4)), Verdict.MANIPULATED)
    assert np.array_equal(found, mask((50, 50, 4)))


def test_a_manipulated_face_is_never_without_a_place() -> None:
    pixel_map = np.full((100, 100), 0.1, np.float32)
    pixel_map[30:40, 30:40] = 0.4
    assert np.array_equal(marked_pixels(pixel_map, mask(), Verdict.MANIPULATED), mask((30, 30, 10)))


def test_a_square_without_pixels() -> None:
    empty = np.zeros((0, 5), np.bool_)
    assert marked_pixels(np.zeros((0, 5), np.float32), empty, Verdict.MANIPULATED).shape == (0, 5)
