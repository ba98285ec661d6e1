import numpy as np
import pytest

from faces_at_hand import hopper, hopper_face
from tamperlens.faces import crop_face, detector_for, find_turned, quarter_turns
from tamperlens.types import FaceBox


@pytest.mark.parametrize("turns", [1, 3])
def test_a_person_who_lies_is_found_where_they_lie(turns: int) -> None:
    detector = detector_for("photo")
    lying = np.ascontiguousarray(np.rot90(hopper(), turns))
    assert detector(lying) == []
    (face,) = find_turned(lying, detector)
    assert quarter_turns(face) == 4 - turns
    found, true = crop_face(lying, face), crop_face(hopper(), hopper_face())
    upright = np.rot90(found.image, quarter_turns(face))
    assert abs(found.side - true.side) <= 2
    side = min(found.side, true.side)
    apart = np.abs(upright[:side, :side].astype(int) - true.image[:side, :side]).mean()
    assert apart < 6  # the same square of the same person, by a pixel or so


def test_nobody_is_found_where_nobody_is() -> None:
    assert list(find_turned(np.full((120, 160, 3), 128, np.uint8), detector_for("photo"))) == []


def test_boxes_come_back_from_each_turn_to_where_they_were() -> None:
    """A detector that marks the brightest pixel: its box must lie on it, whatever the turn."""

    def detector(turn_wanted: int):
        turn = iter((1, 3, 2))

        def find(image):
            if next(turn) != turn_wanted:
                return []
            y, x = np.unravel_index(int(image[..., 0].argmax()), image.shape[:2])
            corners = np.array([[x, y], [x + 1, y], [x, y], [x, y + 1], [x + 1, y + 1]], np.float32)
            return [FaceBox(float(x), float(y), float(x + 1), float(y + 1), 0.9, corners)]

        return find

    image = np.zeros((40, 70, 3), np.uint8)
    image[11, 52] = 255
    for turns in (1, 2, 3):
        (face,) = find_turned(image, detector(turns))
        assert (face.x0, face.y0, face.x1, face.y1) == (52, 11, 53, 12)
        assert face.landmarks.min(axis=0).tolist() == [52, 11] and face.landmarks.max(axis=0).tolist() == [53, 12]
        assert quarter_turns(face) == turns


def test_a_face_without_landmarks_is_upright() -> None:
    assert quarter_turns(FaceBox(0, 0, 9, 9, 0.9, np.zeros((5, 2), np.float32))) == 0
