"""One picture, its faces and a predictor in; what was found out, in words for people.

The verdict never says "real". A face is ``manipulated`` where its score reaches the model's threshold, ``inconclusive``
where the score falls short of it but not clearly, or where the picture does not let the model judge, and ``no_evidence``
otherwise.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from tamperlens.faces import crop_face, face_square, find_faces, inside_slices, quarter_turns
from tamperlens.inspection.marks import marked_pixels
from tamperlens.media import jpeg, read_photo, shrunk
from tamperlens.types import (
    BatchPredictor,
    FaceBox,
    FaceCrop,
    FaceDetector,
    FaceFinding,
    FaceInspection,
    FacePicture,
    Frame,
    Inspection,
    Prediction,
    Predictor,
    UInt8Array,
    Verdict,
)

__all__ = [
    "MAX_FACES",
    "MIN_FACE",
    "MIN_INSIDE",
    "NEAR",
    "REENCODES",
    "SMALL_FACE",
    "check_stability",
    "cut_out",
    "inspect_faces",
    "inspect_frame",
    "inspect_frames",
    "inspect_photo",
    "logit",
    "sharpness",
]

LARGEST_JUDGED = 512  # pixels: sharpness is measured of crops of this size at most
MAX_FACES = 50  # the largest faces of a picture that are judged: a crowd must not take hours

# What a picture may go through without anybody calling it changed.
REENCODES: dict[str, Callable[[UInt8Array], UInt8Array]] = {
    "after JPEG 95": partial(jpeg, quality=95),
    "at 95 % of its size": partial(shrunk, factor=0.95),
}

NEAR = 1.0  # logits below the doubt threshold within which re-encodes can matter; benchmarks/reencodes.py measures it

MIN_FACE = 48  # pixels: smaller faces are not judged; benchmarks/scales.py measures what is left, docs/log.md has the table
SMALL_FACE = 64  # pixels: below it recall is low and masks are nearly empty
MIN_QUALITY = 20  # of a JPEG's tables; benchmarks/gates.py measures what is lost below, docs/log.md has the table
MIN_SHARPNESS = 8  # see `sharpness`; of the same table
MIN_INSIDE = 0.25  # share of the x2 crop that must lie inside the picture: less is a face cut off by the border


def inspect_photo(path: str | os.PathLike[str], detector: FaceDetector, predictor: Predictor) -> Inspection:
    """Everything found in one photo. Raises `MediaError` where it cannot be read.

    Where no upright face is found, people who lie or stand on their head are looked for.
    """
    frame = read_photo(path)
    inspection = inspect_frame(frame, find_faces(frame.image, detector), predictor, path=str(path), stability=True)
    if inspection.faces:
        return inspection
    _, *notes = inspection.reasons
    return replace(inspection, reasons=("no face was found, neither upright nor turned, and only faces are inspected", *notes))


def inspect_frame(
    frame: Frame, faces: Sequence[FaceBox], predictor: Predictor, *, path: str = "", stability: bool = False
) -> Inspection:
    """Everything found in one upright picture whose ``faces`` are known; ``path`` only names it. See `inspect_faces`."""
    pixel_map = np.zeros(frame.image.shape[:2], np.float32)
    mask = np.zeros(frame.image.shape[:2], np.bool_)
    inspected = inspect_faces(frame, faces, predictor, stability=stability)
    for face in inspected:
        if face.picture is not None and face.square is not None:
            pixel_map[face.square] = np.maximum(pixel_map[face.square], face.picture.pixel_map)
            mask[face.square] |= marked_pixels(face.picture.pixel_map, face.picture.mask, face.finding.verdict)
    findings = tuple(face.finding for face in inspected)
    verdict, reasons = _file_verdict(findings, frame)
    return Inspection(
        path=path,
        verdict=verdict,
        score=max((finding.score for finding in findings if finding.score is not None), default=None),
        reasons=reasons,
        faces=findings,
        model=predictor.name,
        calibrated=predictor.calibrated,
        limits=predictor.limits,
        image=frame.image,
        pixel_map=pixel_map,
        mask=mask,
    )


def inspect_faces(
    frame: Frame, faces: Sequence[FaceBox], predictor: Predictor, *, stability: bool = False
) -> tuple[FaceInspection, ...]:
    """What is found about each of a picture's ``faces``, in their order; draws nothing and looks for no others.

        detector, predictor = detector_for("photo"), load("contrast-seg")
        for face in inspect_faces(frame, detector(frame.image), predictor):
            print(face.finding.verdict, face.finding.score)

    With ``stability`` each face is also scored after each of `REENCODES`, unless its score is far below the thresholds: where
    one of them turns manipulated into no evidence, or the other way round, the verdict is inconclusive. Faces that lie on their
    side are turned upright for the model.
    """
    return inspect_frames([(frame, faces)], predictor, stability=stability)[0]


def inspect_frames(
    frames: Sequence[tuple[Frame, Sequence[FaceBox]]], predictor: Predictor, *, stability: bool = False
) -> list[tuple[FaceInspection, ...]]:
    """`inspect_faces` of several pictures: their crops, and the re-encodes of these, go to a `BatchPredictor` together.

    No more at once than it takes at once, so memory does not grow with a crowd.
    """
    most = predictor.batch_pixels if isinstance(predictor, BatchPredictor) else 1
    inspected: list[list[FaceInspection]] = [[] for _ in frames]
    waiting: list[_Waiting] = []
    too_many = f"only the {MAX_FACES} largest faces of a picture are judged"

    def judge_waiting() -> None:
        fit = [(each, each.view) for each in waiting if each.view is not None]
        for (each, _), prediction in zip(fit, _predict([view for _, view in fit], predictor), strict=True):
            each.prediction = prediction
        near = [(each, view) for each, view in fit if stability and each.is_near(predictor)]
        again = iter(_predict([changed for _, view in near for changed in _reencoded(view)], predictor))
        for each, _ in near:
            each.reencoded = [next(again).score for _ in REENCODES]
        for each in waiting:
            inspected[each.frame].append(each.judged(frames[each.frame][0], predictor))
        waiting.clear()

    for number, (frame, faces) in enumerate(frames):
        for place, face in enumerate(faces):
            crop = _fit_crop(face, frame) if place < MAX_FACES else too_many
            waiting.append(_Waiting(number, face, crop))
            if sum(each.view.shape[0] * each.view.shape[1] for each in waiting if each.view is not None) >= most:
                judge_waiting()
    judge_waiting()
    return [tuple(found) for found in inspected]


class _Waiting:
    """A face whose crop is about to be judged, or that cannot be: then ``crop`` says why."""

    def __init__(self, frame: int, face: FaceBox, crop: FaceCrop | str) -> None:
        self.frame, self.face, self.crop = frame, face, crop
        self.view = None if isinstance(crop, str) else _upright(crop, face)
        self.prediction: Prediction | None = None
        self.reencoded: Sequence[float] = ()  # scores after `REENCODES`, where these can matter

    def is_near(self, predictor: Predictor) -> bool:
        """Whether a re-encode could turn the verdict round: not where the score lies far below the thresholds."""
        score = 0.0 if self.prediction is None else self.prediction.score
        return logit(score) >= logit(predictor.doubt_threshold) - NEAR

    def judged(self, frame: Frame, predictor: Predictor) -> FaceInspection:
        """What is found about it, from what was predicted."""
        face, crop, view, prediction = self.face, self.crop, self.view, self.prediction
        if isinstance(crop, str) or view is None or prediction is None:
            return FaceInspection(FaceFinding(face, Verdict.INCONCLUSIVE, None, None, (str(crop),)))
        on_picture, on_crop = inside_slices(crop, *frame.image.shape[:2])
        turns = -quarter_turns(face)
        pixel_map, mask = np.rot90(prediction.pixel_map, turns)[on_crop], np.rot90(prediction.mask, turns)[on_crop]
        area = float(marked_pixels(pixel_map, mask, Verdict.MANIPULATED).mean())
        finding = _judge(face, prediction.score, area, predictor)
        finding = _check_stability(finding, self.reencoded, predictor) if self.reencoded else finding
        finding = _without_marks_unless_manipulated(_apply_quality_gate(finding, view, frame))
        return FaceInspection(finding, FacePicture(frame.image[on_picture], pixel_map, mask), on_picture)


def check_stability(face: FaceInspection, predictor: Predictor) -> FaceFinding:
    """The finding about a face that was inspected without ``stability``, as it would be with it; needs its picture alone."""
    if face.picture is None or face.square is None:
        return face.finding
    box, (rows, columns) = face.finding.box, face.square
    origin = np.array([columns.start, rows.start], np.float32)
    moved = replace(
        box,
        x0=box.x0 - columns.start,
        y0=box.y0 - rows.start,
        x1=box.x1 - columns.start,
        y1=box.y1 - rows.start,
        landmarks=box.landmarks - origin,
    )
    views = _reencoded(_upright(crop_face(face.picture.image, moved), box))
    scores = [prediction.score for prediction in _predict(views, predictor)]
    return _without_marks_unless_manipulated(_check_stability(face.finding, scores, predictor))


def cut_out(inspection: Inspection, face: FaceBox) -> FacePicture:
    """The square around one face of an inspected picture, as views, less what lies outside the picture."""
    square = face_square(face, *inspection.mask.shape)
    return FacePicture(inspection.image[square], inspection.pixel_map[square], inspection.mask[square])


def sharpness(crop: UInt8Array) -> float:
    """How much of a crop's contrast is fine detail, in percent: its strongest Laplacians over the spread of its grey values.

    Of the tenth of pixels where the Laplacian is strongest, so that a smooth background does not count. Crops larger than
    models look at are shrunk to that first.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if max(grey.shape) > LARGEST_JUDGED:
        grey = np.asarray(cv2.resize(grey, (LARGEST_JUDGED, LARGEST_JUDGED), interpolation=cv2.INTER_AREA), np.uint8)
    grey = grey.astype(np.float32)
    fine = np.abs(cv2.Laplacian(grey, cv2.CV_32F)).ravel()
    strongest = np.partition(fine, -max(1, len(fine) // 10))[-max(1, len(fine) // 10) :]
    return float(100 * strongest.mean() / (grey.std() + 1.0))


def _fit_crop(face: FaceBox, frame: Frame) -> FaceCrop | str:
    """The crop around a face, or why it cannot be judged."""
    if face.size < MIN_FACE:
        return f"the face is {int(face.size)} pixels large; below {MIN_FACE} the model finds nothing"
    try:
        crop = crop_face(frame.image, face)
    except ValueError:
        return "the face lies outside the picture"
    if crop.inside < MIN_INSIDE:
        return f"only {crop.inside:.0%} of the face's surroundings lie inside the picture"
    return crop


def _judge(face: FaceBox, score: float, mask_area: float, predictor: Predictor) -> FaceFinding:
    """The finding by the score alone."""
    threshold, doubt = predictor.score_threshold, predictor.doubt_threshold
    if score >= threshold:
        verdict = Verdict.MANIPULATED
        reason = f"score {score:.3f} reaches the threshold {threshold:.3f}; {mask_area:.0%} of the face's crop is marked"
    elif score >= doubt:
        verdict = Verdict.INCONCLUSIVE
        reason = f"score {score:.3f} is raised, but below the threshold {threshold:.3f} (doubt begins at {doubt:.3f})"
    else:
        verdict = Verdict.NO_EVIDENCE
        reason = f"score {score:.3f} is below {doubt:.3f}; this does not show that the face is authentic"
    return FaceFinding(face, verdict, score, mask_area, (reason,))


def logit(score: float) -> float:
    """The logarithm of a score's odds, finite for 0 and 1 as well: there probabilities hardly move."""
    score = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(score / (1 - score))


def _upright(crop: FaceCrop, face: FaceBox) -> UInt8Array:
    return np.ascontiguousarray(np.rot90(crop.image, quarter_turns(face)))


def _reencoded(crop: UInt8Array) -> list[UInt8Array]:
    return [change(crop) for change in REENCODES.values()]


def _predict(crops: Sequence[UInt8Array], predictor: Predictor) -> Sequence[Prediction]:
    return predictor.many(crops) if isinstance(predictor, BatchPredictor) else [predictor(crop) for crop in crops]


def _check_stability(finding: FaceFinding, reencoded: Sequence[float], predictor: Predictor) -> FaceFinding:
    """The finding with the range of its score over `REENCODES`; inconclusive where the verdict does not survive them."""
    scores = {"as it is": finding.score or 0.0} | dict(zip(REENCODES, reencoded, strict=True))
    lowest, highest = min(scores, key=scores.__getitem__), max(scores, key=scores.__getitem__)
    found = replace(finding, score_range=(scores[lowest], scores[highest]))
    if scores[lowest] >= predictor.doubt_threshold or scores[highest] < predictor.score_threshold:
        return found
    reason = (
        f"the verdict depends on how the file is encoded: score {scores[lowest]:.3f} {lowest}, {scores[highest]:.3f} {highest}"
    )
    return replace(found, verdict=Verdict.INCONCLUSIVE, reasons=(reason,))


def _apply_quality_gate(finding: FaceFinding, crop: UInt8Array, frame: Frame) -> FaceFinding:
    """The finding, inconclusive where nothing was found in a picture too bad for the model to find much."""
    if finding.verdict is not Verdict.NO_EVIDENCE:
        return finding
    if finding.box.size < SMALL_FACE:
        reason = f"the face is {int(finding.box.size)} pixels large; below {SMALL_FACE} the model finds few forgeries"
    elif frame.jpeg_quality is not None and frame.jpeg_quality < MIN_QUALITY:
        reason = f"the JPEG quality is about {frame.jpeg_quality}; below {MIN_QUALITY} the model finds few forgeries"
    elif (found := sharpness(crop)) < MIN_SHARPNESS:
        reason = f"the face is blurred (sharpness {found:.0f}); below {MIN_SHARPNESS} the model finds few forgeries"
    else:
        return finding
    return replace(finding, verdict=Verdict.INCONCLUSIVE, reasons=(reason,), too_poor=True)


def _without_marks_unless_manipulated(finding: FaceFinding) -> FaceFinding:
    return finding if finding.verdict is Verdict.MANIPULATED else replace(finding, mask_area=0.0)


def _file_verdict(findings: Sequence[FaceFinding], frame: Frame) -> tuple[Verdict, tuple[str, ...]]:
    notes = frame.notes
    if not findings:
        return Verdict.INCONCLUSIVE, ("no face was found, and only faces are inspected", *notes)
    judged = [finding for finding in findings if finding.score is not None]
    unjudged = len(findings) - len(judged)
    of_all = f"of {len(findings)} faces" if len(findings) > 1 else "of 1 face"
    left_out = (f"{unjudged} {of_all} could not be judged: {_first_unfit(findings)}",) if unjudged else ()
    for verdict in (Verdict.MANIPULATED, Verdict.INCONCLUSIVE, Verdict.NO_EVIDENCE):
        own = [finding for finding in judged if finding.verdict is verdict]
        if own:
            strongest = max(own, key=lambda finding: finding.score or 0.0)
            reasons = (f"{len(own)} {of_all}: {strongest.reasons[0]}", *left_out, *notes)
            if verdict is Verdict.NO_EVIDENCE and not frame.complete:
                return Verdict.INCONCLUSIVE, reasons
            return verdict, reasons
    return Verdict.INCONCLUSIVE, (*left_out, *notes)


def _first_unfit(findings: Sequence[FaceFinding]) -> str:
    return next(finding.reasons[0] for finding in findings if finding.score is None)
