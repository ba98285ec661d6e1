"""One picture, its faces and a predictor in; what was found out, in words for people.

Here crops go to the model, of several pictures together; inspection/face.py says what is made of one face's prediction.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tamperlens.faces import crop_face, face_square, find_faces
from tamperlens.inspection.face import REENCODES, PendingFace, fit_crop, reencoded, upright, with_stability
from tamperlens.inspection.marks import marked_pixels
from tamperlens.media import read_photo
from tamperlens.types import (
    BatchPredictor,
    FaceBox,
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
    "check_stability",
    "cut_out",
    "inspect_faces",
    "inspect_frame",
    "inspect_frames",
    "inspect_photo",
]

MAX_FACES = 50  # the largest faces of a picture that are judged: a crowd must not take hours


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
    waiting: list[PendingFace] = []
    too_many = f"only the {MAX_FACES} largest faces of a picture are judged"

    def judge_waiting() -> None:
        fit = [(each, each.view) for each in waiting if each.view is not None]
        for (each, _), prediction in zip(fit, _predict([view for _, view in fit], predictor), strict=True):
            each.prediction = prediction
        near = [(each, view) for each, view in fit if stability and each.is_near(predictor)]
        again = iter(_predict([changed for _, view in near for changed in reencoded(view)], predictor))
        for each, _ in near:
            each.reencoded = [next(again).score for _ in REENCODES]
        for each in waiting:
            inspected[each.frame].append(each.judged(frames[each.frame][0], predictor))
        waiting.clear()

    for number, (frame, faces) in enumerate(frames):
        for place, face in enumerate(faces):
            crop = fit_crop(face, frame) if place < MAX_FACES else too_many
            waiting.append(PendingFace(number, face, crop))
            if sum(each.view.shape[0] * each.view.shape[1] for each in waiting if each.view is not None) >= most:
                judge_waiting()
    judge_waiting()
    return [tuple(found) for found in inspected]


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
    views = reencoded(upright(crop_face(face.picture.image, moved), box))
    scores = [prediction.score for prediction in _predict(views, predictor)]
    return with_stability(face.finding, scores, predictor)


def cut_out(inspection: Inspection, face: FaceBox) -> FacePicture:
    """The square around one face of an inspected picture, as views, less what lies outside the picture."""
    square = face_square(face, *inspection.mask.shape)
    return FacePicture(inspection.image[square], inspection.pixel_map[square], inspection.mask[square])


def _predict(crops: Sequence[UInt8Array], predictor: Predictor) -> Sequence[Prediction]:
    return predictor.many(crops) if isinstance(predictor, BatchPredictor) else [predictor(crop) for crop in crops]


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
