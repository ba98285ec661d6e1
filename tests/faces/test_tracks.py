import numpy as np
import pytest

from tamperlens.faces import FaceTracks
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
