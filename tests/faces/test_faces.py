"""Face detection on real pixels, and the geometry from picture to crop and back."""

import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tamperlens.errors import ModelError
from tamperlens.faces import DETECTORS, YuNet, crop_face, detector, detector_for, inside_slices, paste_map
from tamperlens.types import FaceBox, FaceDetector, UInt8Array

LANDMARKS = np.zeros((5, 2), np.float32)


@pytest.fixture(scope="module")
def hopper() -> UInt8Array:
    """A portrait, 512x600, one face."""
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet()


def resized(image: UInt8Array, scale: float) -> UInt8Array:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def overlap(a: FaceBox, b: FaceBox) -> float:
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    common = max(width, 0) * max(height, 0)
    return common / (a.width * a.height + b.width * b.height - common)


def moved(face: FaceBox, x: float, y: float, scale: float = 1.0) -> FaceBox:
    x0, y0, x1, y1 = face.x0 * scale + x, face.y0 * scale + y, face.x1 * scale + x, face.y1 * scale + y
    return FaceBox(x0, y0, x1, y1, face.confidence, face.landmarks)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_finds_one_face_where_there_is_one(name: str, hopper: UInt8Array) -> None:
    detector = detector_for("photo", name)
    assert isinstance(detector, FaceDetector)
    before = hopper.copy()
    (face,) = detector(hopper)
    assert np.array_equal(hopper, before)
    assert overlap(face, FaceBox(180, 120, 355, 335, 1.0, LANDMARKS)) > 0.6  # read off the picture by eye
    assert 0.5 < face.confidence <= 1
    assert face.landmarks.shape == (5, 2) and face.landmarks.dtype == np.float32
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_no_face_in_noise_and_plain_pictures(yunet: YuNet) -> None:
    rng = np.random.default_rng(0)
    assert yunet(rng.integers(0, 256, (700, 900, 3), dtype=np.uint8)) == []
    for size in ((1, 1), (3, 2000), (480, 640)):
        assert yunet(np.full((*size, 3), 200, np.uint8)) == []


def test_narrow_strips_are_read_within_their_bounds(yunet: YuNet, hopper: UInt8Array) -> None:
    """OpenCV's network reads past the end of pictures with a side of 32 pixels or less: other faces at every call."""
    strips = [np.full((3, 2000, 3), 200, np.uint8), hopper[200:220], hopper[:, 250:270]]
    first = [yunet(strip) for strip in strips]
    for _ in range(10):
        yunet(hopper)
        assert [yunet(strip) for strip in strips] == first
    assert first[0] == []


def test_two_faces_largest_first(yunet: YuNet, hopper: UInt8Array) -> None:
    canvas = np.full((620, 900, 3), 128, np.uint8)
    small = resized(hopper, 0.5)
    canvas[:300, : small.shape[1]] = small
    canvas[:600, 350:862] = hopper
    (alone,) = yunet(hopper)
    first, second = yunet(canvas)
    assert first.size > second.size
    assert overlap(first, moved(alone, 350, 0)) > 0.7
    assert overlap(second, moved(alone, 0, 0, 0.5)) > 0.7


@pytest.mark.parametrize("pixels", [40, 100, 700])
def test_small_and_large_faces(yunet: YuNet, hopper: UInt8Array, pixels: int) -> None:
    (alone,) = yunet(hopper)
    scale = pixels / alone.size
    picture = np.asarray(cv2.resize(hopper, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((max(720, picture.shape[0]), max(1280, picture.shape[1]), 3), 128, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    (face,) = yunet(canvas)
    assert overlap(face, moved(alone, 0, 0, scale)) > 0.7


def test_face_that_fills_the_picture(yunet: YuNet, hopper: UInt8Array) -> None:
    (face,) = yunet(hopper)
    tight = hopper[int(face.y0) : int(face.y1), int(face.x0) : int(face.x1)]
    assert len(yunet(tight)) == 1
    assert len(yunet(np.repeat(np.repeat(tight, 5, 0), 5, 1))) == 1


def test_picture_12000_pixels_wide(yunet: YuNet, hopper: UInt8Array) -> None:
    canvas = np.full((3000, 12000, 3), 90, np.uint8)
    canvas[1000:1600, 11000:11512] = hopper
    (alone,) = yunet(hopper)
    (face,) = yunet(canvas)
    assert overlap(face, moved(alone, 11000, 1000)) > 0.7


def test_views_pickling_and_threads(hopper: UInt8Array) -> None:
    detector = YuNet(scales=(480,), confidence=0.8)
    (face,) = detector(hopper)
    assert detector(np.asfortranarray(hopper)) == [face]
    assert len(detector(hopper[:, ::-1])) == 1
    twin = pickle.loads(pickle.dumps(detector))
    assert repr(twin) == repr(detector) and twin(hopper) == [face]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector, [hopper] * 8)) == [[face]] * 8


def test_wrong_input_and_missing_network(monkeypatch: pytest.MonkeyPatch, hopper: UInt8Array, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"RGB uint8 .*float32"):
        YuNet()(np.asarray(hopper, np.float32))
    with pytest.raises(ValueError, match="RGB uint8"):
        YuNet()(hopper[..., 0])
    with pytest.raises(ValueError, match="scales"):
        YuNet(scales=())
    monkeypatch.setattr(detector, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed; install it with: pip install"):
        YuNet()(hopper)


def test_a_mock_is_a_detector() -> None:
    class Fixed:
        def __call__(self, image: UInt8Array) -> Sequence[FaceBox]:
            return [FaceBox(1, 2, 3, 4, 0.9, LANDMARKS)]

    detector: FaceDetector = Fixed()
    assert isinstance(detector, FaceDetector)
    assert detector(np.zeros((4, 4, 3), np.uint8))[0].size == 2


def test_crop_is_centred_and_keeps_pixels(hopper: UInt8Array) -> None:
    crop = crop_face(hopper, FaceBox(200, 100, 300, 220, 1.0, LANDMARKS))
    assert (crop.side, crop.left, crop.top, crop.inside) == (240, 130, 40, 1.0)
    assert np.array_equal(crop.image, hopper[40:280, 130:370])


def test_padding_repeats_the_border(hopper: UInt8Array) -> None:
    crop = crop_face(hopper, FaceBox(0, 0, 100, 100, 1.0, LANDMARKS))
    assert (crop.left, crop.top, crop.side) == (-50, -50, 200)
    assert crop.inside == pytest.approx(150 * 150 / 200**2)
    assert np.array_equal(crop.image[50:, 50:], hopper[:150, :150])
    assert (crop.image[:51, :51] == hopper[0, 0]).all()
    assert np.array_equal(crop.image[0, 50:], hopper[0, :150])


def test_a_box_outside_the_picture_is_refused(hopper: UInt8Array) -> None:
    with pytest.raises(ValueError, match="outside the 512x600 picture"):
        crop_face(hopper, FaceBox(2000, 0, 2010, 10, 1.0, LANDMARKS))


def test_paste_keeps_the_larger_value_and_refuses_other_sizes(hopper: UInt8Array) -> None:
    canvas = np.full((600, 512), 0.5, np.float32)
    crop = crop_face(hopper, FaceBox(200, 100, 300, 200, 1.0, LANDMARKS))
    crop_map = np.linspace(0, 1, 200 * 200, dtype=np.float32).reshape(200, 200)
    paste_map(canvas, crop, crop_map)
    assert np.array_equal(canvas[50:250, 150:350], np.maximum(crop_map, 0.5))
    assert (np.delete(canvas, np.s_[50:250], 0) == 0.5).all()
    with pytest.raises(ValueError, match="resize it first"):
        paste_map(canvas, crop, crop_map[:100])


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    x=st.floats(-0.5, 1.0),
    y=st.floats(-0.5, 1.0),
    w=st.floats(1, 80),
    h=st.floats(1, 80),
    enlarge=st.floats(1, 3),
)
def test_what_is_cut_out_comes_back_to_its_place(
    height: int, width: int, x: float, y: float, w: float, h: float, enlarge: float
) -> None:
    """Any box whose square meets the picture, also at and beyond its borders."""
    image = np.random.default_rng(0).integers(1, 256, (height, width, 3), dtype=np.uint8)
    x0, y0 = x * width, y * height
    face = FaceBox(x0, y0, x0 + w, y0 + h, 1.0, LANDMARKS)
    try:
        crop = crop_face(image, face, enlarge)
    except ValueError:
        side = max(1, round(enlarge * face.size))
        center_x, center_y = face.center
        far_x = max(-center_x, center_x - width) >= side / 2 - 1
        far_y = max(-center_y, center_y - height) >= side / 2 - 1
        assert far_x or far_y
        return
    assert crop.image.shape == (crop.side, crop.side, 3)
    assert abs(crop.side - enlarge * face.size) <= 0.5 + 1e-9
    assert abs(crop.left + crop.side / 2 - face.center[0]) <= 0.5 + 1e-9
    assert abs(crop.top + crop.side / 2 - face.center[1]) <= 0.5 + 1e-9
    assert 0 < crop.inside <= 1

    canvas = np.zeros((height, width), np.float32)
    paste_map(canvas, crop, crop.image[..., 0].astype(np.float32))
    rows, columns = inside_slices(crop, height, width)[0]
    expected = np.zeros_like(canvas)
    expected[rows, columns] = image[rows, columns, 0]
    assert np.array_equal(canvas, expected)
    assert (canvas > 0).sum() == round(crop.inside * crop.side**2)
