"""Forms in which real faces reach people: what is shown is square, of the same face, and counted."""

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper
from predictor_at_hand import FakePredictor
from tamperlens.bench.presentations import LARGEST, PRESENTATIONS, present, presentation_rows
from tamperlens.faces import detector_for


@pytest.mark.parametrize("name", PRESENTATIONS)
def test_a_presentation_is_square_and_the_same_for_the_same_seed(name: str) -> None:
    first, again, other = (present(hopper(), name, seed) for seed in (1, 1, 2))
    assert first.shape == (512, 512, 3) and first.dtype == np.uint8 and LARGEST >= 512
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_rows_count_the_photos_in_which_a_face_was_judged(tmp_path) -> None:
    Image.fromarray(hopper()).save(tmp_path / "face.png")
    Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    paths = [tmp_path / "face.png", tmp_path / "wall.png"]
    rows = list(presentation_rows(FakePredictor(0.99), detector_for("photo"), paths, "two pictures"))
    assert {row.control for row in rows} == set(PRESENTATIONS)
    alarms = {row.control: row for row in rows if row.metric == "called manipulated"}
    assert alarms["vivid filter"].n == 1 and alarms["vivid filter"].value == 1.0
    assert all(row.n <= 1 for row in rows)
