"""One face of a picture, from its crop and what the model predicts of it to what is said of it.

A face is ``manipulated`` where its score reaches the model's threshold, ``inconclusive`` where the score falls short of it but
not clearly, or where the picture does not let the model judge, and ``no_evidence`` otherwise; never "real".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from tamperlens.faces import crop_face, inside_slices, quarter_turns
from tamperlens.inspection.marks import marked_pixels
from tamperlens.inspection.scores import told
from tamperlens.media import jpeg, shrunk
from tamperlens.types import (
    FaceBox,
    FaceCrop,
    FaceFinding,
    FaceInspection,
    FacePicture,
    Frame,
    Prediction,
    Predictor,
    UInt8Array,
    Verdict,
)

__all__ = [
    "MIN_FACE",
    "MIN_INSIDE",
    "MIN_QUALITY",
    "MIN_SHARPNESS",
    "NEAR",
    "REENCODES",
    "SMALL_FACE",
    "PendingFace",
    "fit_crop",
    "logit",
    "reencoded",
    "sharpness",
    "upright",
    "with_stability",
]

LARGEST_JUDGED = 512  # pixels: sharpness is measured of crops of this size at most

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


class PendingFace:
    """A face whose crop is about to be judged, or that cannot be: then ``crop`` says why."""

    def __init__(self, frame: int, face: FaceBox, crop: FaceCrop | str) -> None:
        self.frame, self.face, self.crop = frame, face, crop
        self.view = None if isinstance(crop, str) else upright(crop, face)
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
        finding = with_stability(finding, self.reencoded, predictor) if self.reencoded else finding
        finding = _without_marks_unless_manipulated(_apply_quality_gate(finding, view, frame))
        return FaceInspection(finding, FacePicture(frame.image[on_picture], pixel_map, mask), on_picture)


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


def fit_crop(face: FaceBox, frame: Frame) -> FaceCrop | str:
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
        reason = f"score {told(score)} reaches the threshold {threshold:.3f}; {mask_area:.0%} of the face's crop is marked"
    elif score >= doubt:
        verdict = Verdict.INCONCLUSIVE
        reason = f"score {told(score)} is raised, but below the threshold {threshold:.3f} (doubt begins at {doubt:.3f})"
    else:
        verdict = Verdict.NO_EVIDENCE
        reason = f"score {told(score)} is below {doubt:.3f}; this does not show that the face is authentic"
    return FaceFinding(face, verdict, score, mask_area, (reason,))


def logit(score: float) -> float:
    """The logarithm of a score's odds, finite for 0 and 1 as well: there probabilities hardly move."""
    score = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(score / (1 - score))


def upright(crop: FaceCrop, face: FaceBox) -> UInt8Array:
    """The crop of a face that may lie on its side, as the model wants it."""
    return np.ascontiguousarray(np.rot90(crop.image, quarter_turns(face)))


def reencoded(crop: UInt8Array) -> list[UInt8Array]:
    """The crop after each of `REENCODES`."""
    return [change(crop) for change in REENCODES.values()]


def with_stability(finding: FaceFinding, reencoded: Sequence[float], predictor: Predictor) -> FaceFinding:
    """The finding with the range of its score over `REENCODES`; inconclusive where the verdict does not survive them."""
    scores = {"as it is": finding.score or 0.0} | dict(zip(REENCODES, reencoded, strict=True))
    lowest, highest = min(scores, key=scores.__getitem__), max(scores, key=scores.__getitem__)
    found = replace(finding, score_range=(scores[lowest], scores[highest]))
    if scores[lowest] >= predictor.doubt_threshold or scores[highest] < predictor.score_threshold:
        return found
    low, high = (f"{told(scores[change])} {change}" for change in (lowest, highest))
    reason = f"the verdict depends on how the file is encoded: score {low}, {high}"
    return replace(found, verdict=Verdict.INCONCLUSIVE, reasons=(reason,), mask_area=0.0)


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
