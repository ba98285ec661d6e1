"""Faces followed between detections lie where detecting in every frame would put them."""

import numpy as np
import pytest

from tamperlens.data.prepare.pairing import follow_faces
from tamperlens.types import FaceBox, Frame

SIDE, COUNT = 100.0, 98


class Head:
    """A clip whose every picture is its own index, and the detector that knows where the face is in it."""

    def __init__(self, place):
        self.place, self.looked = place, []

    def frames(self, every=1):
        return (Frame(np.full((1, 1, 3), index, np.uint8), index, index / 25) for index in range(0, COUNT, every))

    def box(self, index):
        x = 300 + SIDE * self.place(index)
        return FaceBox(x, 50, x + SIDE, 50 + SIDE, 0.9, np.zeros((5, 2), np.float32))

    def __call__(self, image):
        self.looked.append(int(image[0, 0, 0]))
        return [self.box(self.looked[-1])]


@pytest.mark.parametrize("step", [1, 2, 10])
@pytest.mark.parametrize(
    "place",
    [
        lambda index: 0.2 * np.sin(2 * np.pi * index / 12),  # a head shaken twice a second
        lambda index: 0.05 * index,
        lambda index: 0.3 * (index >= 48),  # a cut
    ],
)
def test_a_box_lies_near_what_detection_in_every_frame_finds(place, step):
    head = Head(place)
    followed = list(follow_faces(head.frames(), head, step, 5))
    assert [frame.index for frame, _ in followed] == list(range(0, COUNT, step))
    assert len(head.looked) == len(set(head.looked))
    for frame, faces in followed:
        (face,) = faces.values()
        assert abs(face.x0 - head.box(frame.index).x0) <= 0.031 * SIDE


def test_a_calm_face_is_looked_for_in_every_fifth_frame_and_the_last():
    head = Head(lambda index: 0.01 * np.sin(2 * np.pi * index / 50))
    assert len(list(follow_faces(head.frames(), head, 1, 5))) == COUNT
    assert head.looked == [*range(0, COUNT, 5), COUNT - 1]
