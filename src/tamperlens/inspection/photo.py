"""One file, a face detector and a predictor in; what was found out, in words for people.

The verdict never says "real". A face is ``manipulated`` where its score reaches the model's threshold, ``inconclusive``
where the score falls short of it but not clearly, or where the picture does not let the model judge, and ``no_evidence``
otherwise.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from tamperlens.faces import crop_face, face_square, inside_slices, paste_map
from tamperlens.media import jpeg, read_photo, shrunk
from tamperlens.types import (
    FaceBox,
    FaceCrop,
    FaceDetector,
    FaceFinding,
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
    "REENCODES",
    "SMALL_FACE",
    "cut_out",
    "inspect_frame",
    "inspect_photo",
    "sharpness",
]

LARGEST_JUDGED = 512  # pixels: the default model shrinks larger crops to this
MAX_FACES = 50  # the largest faces of a picture that are judged: a crowd must not take hours

# What a picture may go through without anybody calling it changed.
REENCODES: dict[str, Callable[[UInt8Array], UInt8Array]] = {
    "after JPEG 95": partial(jpeg, quality=95),
    "at 95 % of its size": partial(shrunk, factor=0.95),
}

MIN_FACE = 48  # pixels: smaller faces are not judged; benchmarks/scales.py measures what is left, docs/log.md has the table
SMALL_FACE = 64  # pixels: below it forgeries are found, but seldom, and hardly a pixel of them
MIN_QUALITY = 20  # of a JPEG's tables; benchmarks/gates.py measures what is lost below, docs/log.md has the table
MIN_SHARPNESS = 8  # see `sharpness`; of the same table
MIN_INSIDE = 0.25  # share of the x2 crop that must lie inside the picture: less is a face cut off by the border


def inspect_photo(path: str | os.PathLike[str], detector: FaceDetector, predictor: Predictor) -> Inspection:
    """Everything found in one photo. Raises `MediaError` where it cannot be read."""
    return inspect_frame(str(path), read_photo(path), detector, predictor, stability=True)


def inspect_frame(
    path: str, frame: Frame, detector: FaceDetector, predictor: Predictor, *, stability: bool = False
) -> Inspection:
    """Everything found in one upright picture; ``path`` only names it.

    With ``stability`` each face is also judged after each of `REENCODES`: where one of them turns manipulated into no evidence,
    or the other way round, the verdict is inconclusive.
    """
    height, width = frame.image.shape[:2]
    pixel_map = np.zeros((height, width), np.float32)
    mask = np.zeros((height, width), np.bool_)
    findings = []
    for place, face in enumerate(detector(frame.image)):
        crop = _fit_crop(face, frame) if place < MAX_FACES else f"only the {MAX_FACES} largest faces of a picture are judged"
        if isinstance(crop, str):
            findings.append(FaceFinding(face, Verdict.INCONCLUSIVE, None, None, (crop,)))
            continue
        prediction = predictor(crop.image)
        paste_map(pixel_map, crop, prediction.pixel_map)
        on_picture, on_crop = inside_slices(crop, height, width)
        mask[on_picture] |= prediction.mask[on_crop]
        finding = _judge(face, prediction, float(prediction.mask[on_crop].mean()), predictor)
        finding = _steadied(finding, crop.image, predictor) if stability else finding
        findings.append(_gated(finding, crop.image, frame))
    verdict, reasons = _file_verdict(findings, frame)
    scores = [finding.score for finding in findings if finding.score is not None]
    return Inspection(
        path=path,
        verdict=verdict,
        score=max(scores, default=None),
        reasons=reasons,
        faces=tuple(findings),
        model=predictor.name,
        calibrated=predictor.calibrated,
        limits=predictor.limits,
        image=frame.image,
        pixel_map=pixel_map,
        mask=mask,
    )


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


def _judge(face: FaceBox, prediction: Prediction, mask_area: float, predictor: Predictor) -> FaceFinding:
    score, threshold, doubt = prediction.score, predictor.score_threshold, predictor.doubt_threshold
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


def _steadied(finding: FaceFinding, crop: UInt8Array, predictor: Predictor) -> FaceFinding:
    """The finding with the range of its score over `REENCODES`; inconclusive where the verdict does not survive them."""
    scores = {"as it is": finding.score or 0.0} | {name: predictor(change(crop)).score for name, change in REENCODES.items()}
    lowest, highest = min(scores, key=scores.__getitem__), max(scores, key=scores.__getitem__)
    found = replace(finding, score_range=(scores[lowest], scores[highest]))
    if scores[lowest] >= predictor.doubt_threshold or scores[highest] < predictor.score_threshold:
        return found
    reason = (
        f"the verdict depends on how the file is encoded: score {scores[lowest]:.3f} {lowest}, {scores[highest]:.3f} {highest}"
    )
    return replace(found, verdict=Verdict.INCONCLUSIVE, reasons=(reason,))


def _gated(finding: FaceFinding, crop: UInt8Array, frame: Frame) -> FaceFinding:
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
