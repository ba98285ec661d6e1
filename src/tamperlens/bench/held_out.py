"""How good a model is on people it was not trained on: on forged crops, however delivered, and on real photos."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, forged_crops
from tamperlens.forge import FAMILIES, effects
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import h264, jpeg, read_photo
from tamperlens.metrics.baseline import MeanMask
from tamperlens.metrics.outcomes import PRISTINE, judge
from tamperlens.metrics.results import rate_row, rows_of
from tamperlens.models.card import (
    AS_PHOTOGRAPHED,
    CALLED_MANIPULATED,
    FACES_CALLED_MANIPULATED,
    CardRow,
    ModelCard,
)
from tamperlens.types import FaceDetector, Frame, LabelledCrop, Predictor, ResultRow, UInt8Array, Verdict

__all__ = ["CONTROLS", "DELIVERIES", "delivered", "false_alarm_rows", "forgery_rows", "mean_mask_of", "unseen_families"]

Change = Callable[[UInt8Array], UInt8Array]


def _as_is(image: UInt8Array) -> UInt8Array:
    return image


def _noisy(image: UInt8Array) -> UInt8Array:
    return effects.noise(image, 4.0, np.random.default_rng(0))


# How a forged crop reaches the user, and what may have happened to a whole real photo.
DELIVERIES: dict[str, Change] = {
    "uncompressed": _as_is,
    **{f"JPEG {quality}": partial(jpeg, quality=quality) for quality in (90, 75, 50)},
    **{f"H.264 {crf}": partial(h264, crf=crf) for crf in (23, 40)},
}
CONTROLS: dict[str, Change] = {
    AS_PHOTOGRAPHED: _as_is,
    "blurred 1.0": partial(effects.blur, sigma=1.0),
    "denoised": partial(effects.bilateral, spread=25),
    "upscaled 2x": partial(effects.enlarged, factor=2),
    "sharpened": partial(effects.sharpen, amount=0.8, sigma=1.0),
    "noise 4": _noisy,
    **{f"JPEG {quality}": partial(jpeg, quality=quality) for quality in (95, 75, 50)},
}


def unseen_families(cards: Sequence[ModelCard]) -> tuple[str, ...]:
    """Families that none of these models learned from, as their cards say: the figures show what is new to them."""
    return tuple(family for family in FAMILIES if not any(family in card.families.trained for card in cards))


def mean_mask_of(photos: Sequence[FacePhoto], families: Sequence[str], per_family: int = 100) -> MeanMask:
    """The baseline: the mean mask of small crops forged from the photos of people who are trained on."""
    crops = forged_crops(photos, families, per_family, sides=(64, 65), seed=seeds.BASELINE, before=1.0, after=1.0)
    return MeanMask(crops)


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
    seed: int = seeds.FROZEN_BENCH,
    deliveries: Sequence[str] = tuple(DELIVERIES),
) -> Iterator[tuple[str, list[ResultRow]]]:
    """For each delivery, its name and every predictor's rows per family.

    for delivery, rows in forgery_rows([load("contrast-seg")], people["test"], list(FAMILIES), per_family=40):
        print(delivery, rows_to_markdown(rows))
    """
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
) -> Iterator[CardRow]:
    """For each control, the shares of real photos called manipulated and inconclusive, and of faces called manipulated.

    Photos are inspected whole, as a user would, less ``border`` pixels on each side; the control is applied to the whole
    photo. Shares are of the photos in which a face was judged, or of these faces; their number is the rows' count.
    """
    for control in controls:
        verdicts: list[Verdict] = []
        faces: list[Verdict] = []
        for path in paths:
            image = read_photo(path).image
            image = np.ascontiguousarray(image[border : image.shape[0] - border, border : image.shape[1] - border])
            frame = Frame(CONTROLS[control](image))
            inspection = inspect_frame(frame, detector(frame.image), predictor, path=str(path), stability=True)
            if inspection.score is not None:
                verdicts.append(inspection.verdict)
                faces += [finding.verdict for finding in inspection.faces if finding.score is not None]
        for metric, verdict, found in (
            (CALLED_MANIPULATED, Verdict.MANIPULATED, verdicts),
            ("inconclusive", Verdict.INCONCLUSIVE, verdicts),
            (FACES_CALLED_MANIPULATED, Verdict.MANIPULATED, faces),
        ):
            row = rate_row(predictor.name, PRISTINE, metric, sum(one is verdict for one in found), len(found))
            yield CardRow.of(row, "photos", source=label, control=control)
