from dataclasses import replace

import cv2
import numpy as np
import pytest

from faces_at_hand import hopper, hopper_face, somebody_else
from tamperlens.faces import appearance, detector_for, similarity
from tamperlens.faces.tracks import ALIKE, OTHER
from tamperlens.types import FaceBox, UInt8Array


def scaled(image: UInt8Array, face: FaceBox, factor: float) -> tuple[UInt8Array, FaceBox]:
    smaller = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    corners = {name: getattr(face, name) * factor for name in ("x0", "y0", "x1", "y1")}
    return np.asarray(smaller, np.uint8), replace(face, **corners, landmarks=face.landmarks * factor)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 0.0), (1.25, 0.0), (0.8, 30.0)])
@pytest.mark.parametrize("factor", [1.0, 0.4, 2.5])
def test_a_face_looks_like_itself_in_other_light_and_another_size(gain: float, offset: float, factor: float) -> None:
    image, face = scaled(hopper(), hopper_face(), factor)
    lit = np.asarray(np.clip(image * gain + offset, 0, 255), np.uint8)
    looks = appearance(hopper(), hopper_face())
    assert looks.dtype == np.float32 and similarity(looks, looks) == pytest.approx(1, abs=1e-5)
    assert similarity(appearance(lit, face), looks) > 0.95


def test_somebody_else_looks_otherwise() -> None:
    (other,) = detector_for("photo")(somebody_else())
    assert similarity(appearance(somebody_else(), other), appearance(hopper(), hopper_face())) < OTHER[0] - 0.1


def test_a_face_that_the_border_cuts_off_still_looks_like_itself() -> None:
    face = hopper_face()
    left, top = int(face.x0 - 0.1 * face.width), int(face.y0 - 0.1 * face.height)
    part = np.ascontiguousarray(hopper()[top:, left:])
    moved = replace(
        face, x0=face.x0 - left, x1=face.x1 - left, y0=face.y0 - top, y1=face.y1 - top,
        landmarks=face.landmarks - np.array([left, top], np.float32),
    )  # fmt: skip
    assert similarity(appearance(part, moved), appearance(hopper(), face)) > 0.5


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 200), (640, 2)])
def test_flat_and_tiny_pictures_are_alike_and_unlike_a_face(width: int, height: int) -> None:
    box = FaceBox(-200, -200, 500, 500, 0.9, np.zeros((5, 2), np.float32))
    flat = appearance(np.full((height, width, 3), 90, np.uint8), box)
    assert np.isfinite(flat).all() and similarity(flat, appearance(np.full((50, 50, 3), 200, np.uint8), box)) > ALIKE
    assert similarity(flat, appearance(hopper(), hopper_face())) < OTHER[0]
