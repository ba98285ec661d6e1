"""Sheets of labelled pictures: what stands where, and what is refused."""

import numpy as np
import pytest

from tamperlens.bench.paper.figure_sheets import Example, KernelColumn, MethodRow, figure1, figure5, figure6
from tamperlens.figures import heat
from tamperlens.models.explain_sheet import Explanation, draw_explanations, gradient_picture, sheet

CELL = 48
IMAGE = np.random.default_rng(0).integers(60, 200, (CELL, CELL, 3)).astype(np.uint8)
TRUTH = np.zeros((CELL, CELL), np.bool_)
TRUTH[8:24, 8:40] = True
MAP = TRUTH.astype(np.float32) * 0.75


def places(drawn: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    """Row and column of each place where a picture stands unchanged on a sheet."""
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3
    view = np.lib.stride_tricks.sliding_window_view(drawn, picture.shape)[:, :, 0]
    near = (view[:, :, 5, 5] == picture[5, 5]).all(axis=-1)  # all of it is compared only where one pixel agrees
    return [(int(y), int(x)) for y, x in np.argwhere(near) if np.array_equal(view[y, x], picture)]


def test_figure1_shows_crop_both_maps_and_truth_side_by_side():
    weak = MAP / 3
    drawn = figure1([Example(IMAGE, weak, MAP, TRUTH, "Deepfakes")] * 2, cell=CELL, title="Figure 1")
    truth = np.repeat(TRUTH[..., None] * np.uint8(255), 3, axis=2)
    columns = [places(drawn, picture) for picture in (IMAGE, heat(IMAGE, weak), heat(IMAGE, MAP), truth)]
    assert all(len(found) == 2 for found in columns)
    assert len({found[0][0] for found in columns}) == 1  # in one line
    assert [found[0][1] for found in columns] == sorted(found[0][1] for found in columns)


def test_figure5_has_a_column_for_each_network_and_blanks_where_one_is_missing():
    rows = [MethodRow("DF", IMAGE, TRUTH, {"vgg5": MAP, "fn3": MAP}), MethodRow("P", IMAGE, ~TRUTH, {"fn3": MAP})]
    found = places(figure5(rows, cell=CELL), heat(IMAGE, MAP))
    assert len(found) == 3 and found[1][1] == found[2][1]


def test_figure6_has_a_column_for_each_layer_and_needs_not_as_many_kernels_in_each():
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(3, CELL, CELL, 3)).astype(np.float32)
    columns = [KernelColumn("conv1", [(3, gradients[0]), (7, gradients[1])]), KernelColumn("conv2", [(0, gradients[2])])]
    drawn = figure6(columns, IMAGE, cell=CELL)
    (crop,), *kernels = (places(drawn, picture) for picture in (IMAGE, *(gradient_picture(g, CELL) for g in gradients)))
    (first,), (below,), (second,) = kernels
    assert crop[0] == first[0] == second[0] < below[0]
    assert crop[1] < first[1] == below[1] < second[1]


def test_an_explanation_has_the_random_weights_beside_it():
    gradient = np.random.default_rng(2).normal(size=(CELL, CELL, 3)).astype(np.float32)
    row = Explanation("features.0 / 3", np.full((4, 4), -1, np.float32), gradient, -gradient)
    drawn = draw_explanations(IMAGE, [row], cell=CELL)
    (guided,), (random,) = places(drawn, gradient_picture(gradient, CELL)), places(drawn, gradient_picture(-gradient, CELL))
    grey = np.repeat(np.rint(IMAGE.mean(axis=2, keepdims=True)).astype(np.uint8), 3, axis=2)
    (activation,) = places(drawn, grey)  # nothing is marked where the channel never answers positively
    assert activation[1] < guided[1] < random[1]


def test_gradients_are_grey_at_zero_and_keep_their_signs():
    gradient = np.zeros((8, 8, 3), np.float32)
    assert np.unique(gradient_picture(gradient, 8)).tolist() == [128]
    gradient[2, 2], gradient[5, 5], gradient[6, 6] = 1e-6, -1e-6, 2.5e-7
    drawn = gradient_picture(gradient, 8)
    assert drawn[2, 2, 0] == 255 and drawn[5, 5, 0] == 0 and drawn[0, 0, 0] == 128
    assert drawn[6, 6, 0] == pytest.approx(191, abs=1)  # a quarter of the largest, drawn by its root


def test_long_names_stay_in_their_column_and_pictures_keep_their_shape():
    tall = np.zeros((2 * CELL, CELL, 3), np.uint8)
    drawn = sheet([[tall, tall]], ["a very long name of some network or other"] * 2, cell=CELL)
    dark = (drawn[-CELL:] == 0).all(axis=2)
    assert dark.any(axis=0).sum() == CELL  # two pictures of half the width
    assert drawn.shape[1] < 4 * CELL


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a sheet needs at least one picture"):
        figure1([])
    with pytest.raises(ValueError, match="a sheet needs at least one picture"):
        figure6([])
    with pytest.raises(ValueError, match=r"the map of vgg5, DF has the shape \(4, 4\), but its crop \(48, 48\); resize it"):
        figure5([MethodRow("DF", IMAGE, TRUTH, {"vgg5": np.zeros((4, 4), np.float32)})])
    with pytest.raises(ValueError, match=r"the seg map of P reaches from 0\.0 to 1\.5; expected values in \[0, 1\]"):
        figure1([Example(IMAGE, MAP, MAP * 2, TRUTH, "P")])
    with pytest.raises(ValueError, match=r"reaches from nan"):
        figure1([Example(IMAGE, MAP * np.nan, MAP, TRUTH, "P")])
