import pickle

import numpy as np
import pytest

from faces_at_hand import hopper, hopper_face, somebody_else
from tamperlens.faces import FaceTracks, appearance, box_at, detector_for
from tamperlens.types import FaceBox


def box(x, y=100.0, size=50.0) -> FaceBox:
    return FaceBox(x, y, x + size, y + size, 0.9, np.full((5, 2), x, np.float32))


def filled(detections, stride=5) -> FaceTracks:
    tracks = FaceTracks(stride)
    for index, found in detections.items():
        tracks.add(index, found)
    return tracks


def test_a_moving_face_is_interpolated_without_lag():
    tracks = filled({index: [box(100 + 2 * index)] for index in range(0, 51, 5)})
    for index in range(51):
        (found,) = tracks.boxes(index).values()
        assert found.x0 == pytest.approx(100 + 2 * index, abs=0.01)
        assert found.landmarks[0, 0] == pytest.approx(100 + 2 * index, abs=0.01)
        assert found.size == pytest.approx(50, abs=0.01) and found.confidence == pytest.approx(0.9)


def test_jitter_is_evened_out():
    noise = np.random.default_rng(0).normal(0, 2, 41)
    tracks = filled({5 * n: [box(100 + jump)] for n, jump in enumerate(noise)})
    smooth = np.array([tracks.boxes(index)[0].x0 for index in range(201)])
    assert np.abs(smooth - 100).mean() < 0.85 * np.abs(noise).mean()
    assert np.abs(np.diff(smooth)).max() < 0.5 * np.abs(np.diff(noise)).max()


def test_boxes_are_settled_once_detections_up_to_the_reach_are_in():
    detections = {index: [box(100 + index % 7)] for index in range(0, 100, 5)}
    whole, streamed = filled(detections), FaceTracks(5)
    settled = {}
    for index in range(100):
        if index in detections:
            streamed.add(index, detections[index])
        settled[index - streamed.reach] = streamed.boxes(index - streamed.reach)
    assert all(settled[index] == whole.boxes(index) for index in range(90))


def test_a_face_missed_now_and_then_is_still_followed():
    tracks = filled({index: [] if index in (20, 50) else [box(100 + index)] for index in range(0, 101, 5)})
    assert all(list(tracks.boxes(index)) == [0] for index in range(101))
    assert tracks.boxes(20)[0].x0 == pytest.approx(120, abs=0.01)


def test_a_face_that_left_is_gone_and_nobody_stands_in_between():
    tracks = filled({index: [box(100)] if index < 20 or index > 60 else [] for index in range(0, 101, 5)})
    assert [bool(tracks.boxes(index)) for index in (0, 15, 19, 20, 40, 60, 61, 65, 100)] == [1, 1, 1, 0, 0, 0, 1, 1, 1]


def test_two_faces_keep_their_numbers_when_detections_swap_order():
    tracks = filled({index: [box(100), box(300)][:: 1 if index % 2 else -1] for index in range(0, 51, 5)})
    for index in range(51):
        found = tracks.boxes(index)
        assert sorted(found) == [0, 1] and {round(found[0].x0), round(found[1].x0)} == {100, 300}
        assert round(found[0].x0) == round(tracks.boxes(0)[0].x0)


def test_a_single_picture():
    (found,) = filled({0: [box(10)]}).boxes(0).values()
    assert (found.x0, found.y0, found.x1, found.y1) == (10, 100, 60, 150)
    assert filled({0: []}).boxes(0) == {}


def test_stride_must_be_a_number_of_frames():
    with pytest.raises(ValueError, match="at least 1"):
        FaceTracks(0)


# ----------------------------------------------------------------------------------------------------- with appearances


def look(*parts: float) -> np.ndarray:
    """An appearance of unit length; the similarity of two is their common part."""
    vector = np.zeros(8, np.float32)
    vector[: len(parts)] = parts
    return vector / np.linalg.norm(vector)


# Their similarity to the first: 1, 0.96, 0.82, 0.51, 0.37.
ONE, SAME, ALIKE_ONLY, LIT_ONE, OTHER_ONE = look(1), look(1, 0.3), look(1, 0.7), look(0.6, 1), look(0.4, 1)


def numbers(*steps, stride: int = 1) -> list[int]:
    """The face of each step: an x (None where nothing is found) and an appearance, or "cut"."""
    tracks, found, index = FaceTracks(stride), [], 0
    for step in steps:
        if step == "cut":
            tracks.cut()
            continue
        x, appearance = step
        boxes, looks = ([], []) if x is None else ([box(x)], [appearance])
        found += tracks.add(index, boxes, looks)
        index += stride
    return found


@pytest.mark.parametrize("stride", [1, 5])
def test_a_face_goes_on_over_a_cut_where_it_is_in_its_place_and_looks_the_same(stride: int) -> None:
    assert numbers((10, ONE), (10, ONE), "cut", (12, ALIKE_ONLY), (12, ONE), stride=stride) == [0, 0, 0, 0]
    assert numbers((10, ONE), (10, ONE), "cut", (10, OTHER_ONE), (10, OTHER_ONE), stride=stride) == [0, 0, 1, 1]
    assert numbers((10, ONE), "cut", (10, OTHER_ONE), "cut", (10, SAME), stride=stride) == [0, 1, 0]  # shot, reverse shot


def test_a_face_goes_on_after_a_gap_where_it_still_looks_the_same() -> None:
    gap = [(None, None)] * 10
    assert numbers((10, ONE), *gap, (10, SAME)) == [0, 0]
    assert numbers((10, ONE), *gap, (10, OTHER_ONE)) == [0, 1]
    assert numbers((10, ONE), *gap * 5, (10, ONE)) == [0, 1]  # too long ago


def test_a_jerk_of_the_camera_ends_no_face_but_a_leap_does() -> None:
    assert numbers((10, ONE), (70, SAME), (10, ONE)) == [0, 0, 0]  # boxes of 50 pixels do not meet
    assert numbers((10, ONE), (70, ALIKE_ONLY)) == [0, 1]
    assert numbers((10, ONE), (300, ONE)) == [0, 1]


def test_somebody_else_in_the_same_place_is_another_face_though_no_cut_was_seen() -> None:
    assert numbers((10, ONE), (10, ONE), (10, OTHER_ONE), (10, OTHER_ONE)) == [0, 0, 1, 1]
    calm = [(10, ONE)] * 5
    assert numbers(*calm, (10, look(1, 0.9))) == [0] * 5 + [1]  # 0.74: too much for one who hardly moved
    lively = [(10, ONE), (10, look(1, 0.5)), (10, look(1, 0, 0.5)), (10, look(1, 0, 0, 0.5)), (10, look(1, 0, 0, 0, 0.5))]
    assert numbers(*lively, (10, look(1, 0, 0, 0, 0, 0.8))) == [0] * 6


def test_in_a_flash_a_face_looks_the_same_but_roughly_and_may_have_moved() -> None:
    def followed(*steps: tuple[float, np.ndarray, bool]) -> list[int]:
        tracks = FaceTracks(1)
        return [tracks.add(index, [box(x)], [seen], flash=flash)[0] for index, (x, seen, flash) in enumerate(steps)]

    assert followed((10, ONE, False), (10, LIT_ONE, True), (10, ONE, False)) == [0, 0, 0]
    assert followed((10, ONE, False), (10, LIT_ONE, True), (10, LIT_ONE, False)) == [0, 0, 1]  # not learned in the flash
    assert followed((10, ONE, False), (70, SAME, True), (10, ONE, False)) == [0, 0, 0]


def test_somebody_else_is_no_flash() -> None:
    """Pictures of another person between a face's own are told as flashes; they made one face, and theirs were drowned."""
    tracks, stranger = FaceTracks(1), look(0.2, 1)
    steps = [(ONE, False), (stranger, True), (ONE, False), (stranger, True), (ONE, False)]
    found = [tracks.add(index, [box(10)], [seen], flash=flash) for index, (seen, flash) in enumerate(steps)]
    assert found == [[0], [1], [0], [1], [0]]


def test_no_line_leads_over_a_cut() -> None:
    tracks = FaceTracks(10)
    for index, x in ((0, 10), (10, 10)):
        tracks.add(index, [box(x)], [ONE])
    tracks.cut()
    for index in (20, 30):
        tracks.add(index, [box(30)], [ONE])
    assert [round(tracks.boxes(index)[0].x0) for index in (0, 10, 14, 16, 20, 30)] == [10, 10, 10, 30, 30, 30]


def test_a_path_gives_the_boxes_that_tracks_give() -> None:
    detections = {index: [box(10 + 3 * index % 7 + index)] for index in range(0, 100, 4) if index not in (40, 44, 48)}
    tracks = filled(detections, stride=4)
    path = pickle.loads(pickle.dumps(tracks.path(0)))
    for index in range(0, 96):
        before, now = tracks.boxes(index).get(0), box_at(path, index / 4)
        assert (before is None) == (now is None)
        if before is not None and now is not None:
            assert (now.x0, now.y1) == (pytest.approx(before.x0, abs=0.02), pytest.approx(before.y1, abs=0.02))


def test_a_face_that_fades_into_another_ends() -> None:
    (theirs,) = detector_for("photo")(somebody_else())

    def fading(weight: float) -> np.ndarray:
        one, other = appearance(hopper(), hopper_face()), appearance(somebody_else(), theirs)
        mixed = (1 - weight) * one + weight * other
        return (mixed / np.linalg.norm(mixed)).astype(np.float32)

    steps = [(10, fading(weight)) for weight in (*[0.0] * 8, *np.linspace(0, 1, 14), *[1.0] * 8)]
    found = numbers(*steps)
    assert set(found) == {0, 1} and found[:10] == [0] * 10 and found[-8:] == [1] * 8
