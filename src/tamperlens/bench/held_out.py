"""How good a model is on people it was not trained on: on forged crops, however delivered, and on real photos."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data.portraits import FacePhoto, forged_crops
from tamperlens.forge.degrade import noise
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import h264, jpeg, read_photo
from tamperlens.metrics.outcomes import PRISTINE, judge, rows_of, share_row
from tamperlens.types import FaceDetector, Frame, LabelledCrop, Predictor, ResultRow, UInt8Array, Verdict

__all__ = ["CONTROLS", "DELIVERIES", "UNSEEN", "delivered", "false_alarm_rows", "forgery_rows"]

#: Families that no shipped model was trained on, so that the figures show what is new to it.
UNSEEN = ("reenact", "autoencode")

Change = Callable[[UInt8Array], UInt8Array]


def _as_is(image: UInt8Array) -> UInt8Array:
    return image


def _blurred(image: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)


def _upscaled(image: UInt8Array) -> UInt8Array:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC), np.uint8)


def _denoised(image: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.bilateralFilter(image, 5, 25, 3), np.uint8)


def _sharpened(image: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (0, 0), 1.0), -0.8, 0), np.uint8)


def _noisy(image: UInt8Array) -> UInt8Array:
    return noise(image, 4.0, np.random.default_rng(0))


# How a forged crop reaches the user, and what may have happened to a whole real photo.
DELIVERIES: dict[str, Change] = {
    "uncompressed": _as_is,
    **{f"JPEG {quality}": partial(jpeg, quality=quality) for quality in (90, 75, 50)},
    **{f"H.264 {crf}": partial(h264, crf=crf) for crf in (23, 40)},
}
CONTROLS: dict[str, Change] = {
    "as photographed": _as_is,
    "blurred 1.0": _blurred,
    "denoised": _denoised,
    "upscaled 2x": _upscaled,
    "sharpened": _sharpened,
    "noise 4": _noisy,
    **{f"JPEG {quality}": partial(jpeg, quality=quality) for quality in (95, 75, 50)},
}


def delivered(
    photos: Sequence[FacePhoto], families: Sequence[str], per_family: int, delivery: str, seed: int
) -> Iterator[LabelledCrop]:
    """Crops forged from photos as photographed, then delivered: the same forgeries under every delivery."""
    change = DELIVERIES[delivery]
    for crop in forged_crops(photos, families, per_family, sides=(160, 512), seed=seed, before=1.0, after=1.0):
        yield replace(crop, image=change(crop.image))


def forgery_rows(
    predictors: Sequence[Predictor],
    photos: Sequence[FacePhoto],
    families: Sequence[str],
    per_family: int,
    *,
    seed: int = 7,
    deliveries: Sequence[str] = tuple(DELIVERIES),
) -> Iterator[tuple[str, list[ResultRow]]]:
    """For each delivery, its name and every predictor's rows per family."""
    for delivery in deliveries:
        crops = list(delivered(photos, families, per_family, delivery, seed))
        rows: list[ResultRow] = []
        for predictor in predictors:
            rows += rows_of(predictor.name, judge(predictor, crops), predictor.score_threshold)
        yield delivery, rows


def false_alarm_rows(
    predictor: Predictor,
    detector: FaceDetector,
    paths: Sequence[Path],
    label: str,
    *,
    controls: Sequence[str] = tuple(CONTROLS),
    border: int = 0,
) -> Iterator[ResultRow]:
    """For each control, the share of real photos that are called manipulated, and the share that is inconclusive.

    Photos are inspected whole, as a user would, less ``border`` pixels on each side; the control is applied to the whole
    photo. Shares are of the photos in which a face was judged; their number is the rows' count.
    """
    for control in controls:
        verdicts = []
        for path in paths:
            image = read_photo(path).image
            image = np.ascontiguousarray(image[border : image.shape[0] - border, border : image.shape[1] - border])
            frame = Frame(CONTROLS[control](image))
            inspection = inspect_frame(frame, detector(frame.image), predictor, path=str(path), stability=True)
            if inspection.score is not None:
                verdicts.append(inspection.verdict)
        for metric, verdict in (("called manipulated", Verdict.MANIPULATED), ("inconclusive", Verdict.INCONCLUSIVE)):
            hits = sum(found is verdict for found in verdicts)
            yield share_row(predictor.name, f"{PRISTINE}: {label}, {control}", metric, hits, len(verdicts))
