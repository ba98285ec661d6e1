from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper, hopper_face
from predictor_at_hand import FakePredictor
from tamperlens.errors import MediaError
from tamperlens.faces import YuNet, crop_face
from tamperlens.figures import draw_overlay
from tamperlens.inspection.casefile.record import Face
from tamperlens.inspection.face import MIN_FACE, MIN_QUALITY, SMALL_FACE, sharpness
from tamperlens.inspection.photo import MAX_FACES, inspect_frame, inspect_photo
from tamperlens.media import read_photo
from tamperlens.types import FaceBox, Frame, Predictor, Verdict


def box(x: float, y: float, size: float) -> FaceBox:
    return FaceBox(x, y, x + size, y + size, 0.9, np.zeros((5, 2), np.float32))


def picture(height: int = 200, width: int = 300) -> Frame:
    return Frame(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8))


def inspected(faces: list[FaceBox], *scores: float, frame: Frame | None = None):
    return inspect_frame(frame or picture(), faces, FakePredictor(*scores), path="x.png")


def test_the_fake_is_a_predictor() -> None:
    assert isinstance(FakePredictor(), Predictor)


@pytest.mark.parametrize(
    ("score", "verdict"), [(0.6, "manipulated"), (0.59, "inconclusive"), (0.4, "inconclusive"), (0.39, "no_evidence")]
)
def test_the_score_decides_at_the_models_thresholds(score: float, verdict: str) -> None:
    inspection = inspected([box(100, 60, 70)], score)
    assert inspection.verdict == verdict == inspection.faces[0].verdict
    assert inspection.score == score and f"{score:.2f}" in inspection.reasons[0]


def test_a_reason_tells_the_score_that_the_casefile_has() -> None:
    for score in np.linspace(0.0, 0.9, 301) + 0.00046:  # near the middle between two numbers of three digits
        (finding,) = inspected([box(100, 60, 70)], float(score)).faces
        assert f"score {Face.of(finding).score:.3f} " in finding.reasons[0]


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((0.9, 0.7, 0.45), "manipulated"),  # weakened, but nowhere without a trace
        ((0.9, 0.3, 0.9), "inconclusive"),
        ((0.3, 0.35, 0.59), "no_evidence"),
        ((0.3, 0.6, 0.1), "inconclusive"),
    ],
)
def test_a_verdict_that_mild_encoding_turns_round_is_inconclusive(scores, verdict) -> None:
    faces = [box(100, 60, 70)]
    inspection = inspect_frame(picture(), faces, FakePredictor(*scores), stability=True)
    assert inspection.verdict == verdict and inspection.score == scores[0]
    assert inspection.faces[0].score_range == (min(scores), max(scores))
    if verdict == "inconclusive":
        assert f"score {min(scores):.3f} " in inspection.reasons[0] and f"{max(scores):.3f} " in inspection.reasons[0]


def test_a_score_far_below_the_thresholds_is_not_asked_for_again() -> None:
    faces, predictor = [box(100, 60, 70), box(30, 60, 70)], FakePredictor(0.1, 0.39, 0.5, 0.2)
    far, near = inspect_frame(picture(), faces, predictor, stability=True).faces
    assert (far.score, far.score_range) == (0.1, None)  # more than a logit below 0.4
    assert (near.score, near.score_range) == (0.39, (0.2, 0.5))


def test_a_picture_too_bad_to_find_anything_in_is_inconclusive(monkeypatch) -> None:
    faces = [box(100, 60, 70)]
    poor = replace(picture(), jpeg_quality=MIN_QUALITY - 1)
    assert inspected(faces, 0.1, frame=poor).verdict == "inconclusive"
    assert "JPEG quality is about" in inspected(faces, 0.1, frame=poor).reasons[0]
    assert inspected(faces, 0.9, frame=poor).verdict == "manipulated"  # what was found stays found
    assert inspected(faces, 0.1, frame=replace(picture(), jpeg_quality=MIN_QUALITY)).verdict == "no_evidence"
    monkeypatch.setattr("tamperlens.inspection.face.MIN_SHARPNESS", 30)
    blurred = Frame(cv2.GaussianBlur(np.tile(hopper(), (3, 3, 1)), (0, 0), 6))
    assert "blurred" in inspected(faces, 0.1, frame=blurred).reasons[0]


def test_sharpness_falls_with_blur_and_is_asked_at_the_size_of_judging() -> None:
    image = hopper()
    values = [sharpness(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))) for sigma in (0.3, 1, 2, 4)]
    assert values == sorted(values, reverse=True) and values[0] > 4 * values[-1]
    large = cv2.resize(image, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    assert sharpness(large) == pytest.approx(sharpness(cv2.resize(large, (512, 512), interpolation=cv2.INTER_AREA)), rel=0.01)


def test_a_jpegs_quality_is_read_from_its_tables(tmp_path) -> None:
    for quality in (25, 60, 92):
        Image.fromarray(hopper()).save(tmp_path / "x.jpg", quality=quality)
        assert read_photo(tmp_path / "x.jpg").jpeg_quality == quality
    Image.fromarray(hopper()).save(tmp_path / "x.png")
    assert read_photo(tmp_path / "x.png").jpeg_quality is None


def test_nothing_found_in_a_small_face_is_inconclusive_and_what_is_found_stays() -> None:
    small = [box(100, 60, SMALL_FACE - 1)]
    assert inspected(small, 0.1).verdict == "inconclusive" and "63 pixels large" in inspected(small, 0.1).reasons[0]
    assert inspected(small, 0.9).verdict == "manipulated"


def test_no_evidence_is_never_called_authentic() -> None:
    assert "does not show that the face is authentic" in inspected([box(100, 60, 70)], 0.1).reasons[0]


def test_the_map_lies_where_the_face_is_and_is_zero_elsewhere() -> None:
    inspection = inspected([box(100, 60, 60)], 0.9)  # the x2 crop is 70..190 x 30..150
    expected = np.zeros((200, 300), np.float32)
    expected[30:150, 70:130] = 0.9
    assert np.array_equal(inspection.pixel_map, expected)
    assert np.array_equal(inspection.mask, expected > 0)
    assert inspection.faces[0].mask_area == pytest.approx(0.5)


def test_the_largest_value_stays_where_crops_overlap_and_any_manipulated_face_decides() -> None:
    inspection = inspected([box(20, 60, 70), box(120, 60, 70)], 0.1, 0.9)
    assert [face.verdict for face in inspection.faces] == ["no_evidence", "manipulated"]
    assert inspection.verdict is Verdict.MANIPULATED and inspection.score == 0.9
    assert "1 of 2 faces" in inspection.reasons[0] and inspection.limits == ("It looks left only.",)


def test_a_face_too_small_is_said_and_not_scored() -> None:
    inspection = inspected([box(100, 60, MIN_FACE - 1)])
    face = inspection.faces[0]
    assert inspection.verdict is face.verdict is Verdict.INCONCLUSIVE
    assert face.score is None and inspection.score is None
    assert "47 pixels large" in inspection.reasons[0]


def test_a_small_face_beside_a_judged_one_is_mentioned() -> None:
    inspection = inspected([box(100, 60, 70), box(10, 10, 20)], 0.1)
    assert inspection.verdict is Verdict.NO_EVIDENCE
    assert "1 of 2 faces could not be judged" in inspection.reasons[1]


def test_a_face_cut_off_by_the_border_is_inconclusive() -> None:
    inspection = inspected([box(-55, -55, 60)])
    assert inspection.verdict is Verdict.INCONCLUSIVE and "inside the picture" in inspection.reasons[0]
    assert "outside the picture" in inspected([box(-500, -500, 60)]).reasons[0]


def test_no_face_is_inconclusive() -> None:
    inspection = inspected([])
    assert inspection.verdict is Verdict.INCONCLUSIVE and "no face was found" in inspection.reasons[0]


def test_an_incomplete_file_is_never_without_evidence() -> None:
    frame = replace(picture(), notes=("the file is truncated",), complete=False)
    inspection = inspected([box(100, 60, 70)], 0.1, frame=frame)
    assert inspection.verdict is Verdict.INCONCLUSIVE and "the file is truncated" in inspection.reasons
    assert inspected([box(100, 60, 70)], 0.9, frame=frame).verdict is Verdict.MANIPULATED


def test_the_predictor_sees_the_enlarged_square_at_native_resolution() -> None:
    predictor = FakePredictor(0.1)
    inspection = inspect_frame(Frame(hopper()), YuNet()(hopper()), predictor)
    assert len(inspection.faces) == 1
    assert predictor.sides == [crop_face(hopper(), hopper_face()).side]


def test_a_truncated_photo_is_inspected_and_inconclusive(tmp_path) -> None:
    whole = tmp_path / "whole.jpg"
    Image.fromarray(hopper()).save(whole, quality=90)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    inspection = inspect_photo(cut, YuNet(), FakePredictor(0.1, 0.1, 0.1, 0.1))
    assert inspection.verdict is Verdict.INCONCLUSIVE and len(inspection.faces) == 1
    assert any("truncated" in reason for reason in inspection.reasons)


def test_an_unreadable_file_is_a_media_error(tmp_path) -> None:
    with pytest.raises(MediaError):
        inspect_photo(tmp_path / "missing.jpg", YuNet(), FakePredictor())


def test_of_a_crowd_only_the_largest_faces_are_judged_and_it_is_said() -> None:
    crowd = [box(100, 60, 60 - k / 100) for k in range(MAX_FACES + 5)]
    inspection = inspected(crowd, *[0.1] * MAX_FACES)
    assert len(inspection.faces) == MAX_FACES + 5 and sum(face.score is not None for face in inspection.faces) == MAX_FACES
    assert "5 of 55 faces could not be judged: only the 50 largest faces" in inspection.reasons[1]


@pytest.mark.parametrize("turns", [1, 3])
def test_a_person_who_lies_is_judged_upright_and_marked_where_they_lie(turns: int, tmp_path) -> None:
    lying = np.ascontiguousarray(np.rot90(hopper(), turns))
    Image.fromarray(lying).save(tmp_path / "lying.png")
    Image.fromarray(hopper()).save(tmp_path / "upright.png")
    found, expected = (inspect_photo(tmp_path / name, YuNet(), FakePredictor(0.9)) for name in ("lying.png", "upright.png"))
    assert found.verdict == "manipulated" and len(found.faces) == 1
    # The predictor marks the left half of what it sees: of the upright person, so of the turned one another side.
    assert (np.rot90(found.mask, -turns) == expected.mask).mean() > 0.99
    assert found.faces[0].mask_area == pytest.approx(0.5, abs=0.02)


def test_turned_faces_are_looked_for_only_where_none_is_upright(tmp_path) -> None:
    Image.fromarray(hopper()).save(tmp_path / "upright.png")
    shapes = []

    def detector(image):
        shapes.append(image.shape[:2])
        return [box(100, 100, 200)] if len(shapes) == 1 else []

    inspect_photo(tmp_path / "upright.png", detector, FakePredictor(0.1))
    assert shapes == [(600, 512)]
    inspection = inspect_photo(tmp_path / "upright.png", detector, FakePredictor(0.1))
    assert shapes[1:] == [(600, 512), (512, 600), (512, 600), (600, 512)]
    assert "no face was found, neither upright nor turned" in inspection.reasons[0]


def test_no_map_is_shown_of_a_face_that_is_not_called_manipulated() -> None:
    for score in (0.1, 0.5):
        inspection = inspected([box(100, 60, 70)], score)
        assert inspection.pixel_map.max() == pytest.approx(0.9)  # what the model said stays on record
        assert not inspection.mask.any() and inspection.faces[0].mask_area == 0
        labelled = draw_overlay(inspection)
        square = slice(75, 125), slice(105, 165)  # inside the box
        assert np.array_equal(labelled[square], inspection.image[square])
    beside = inspected([box(20, 60, 70), box(200, 60, 70)], 0.1, 0.9)
    assert beside.mask.any() and not beside.mask[:, :150].any()
