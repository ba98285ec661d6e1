"""A model for another engine, compared with PyTorch on real crops; in int8 only with what that costs on the frozen bench."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tamperlens.bench.held_out import delivered
from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, forged_crops, sources_of
from tamperlens.errors import DataError, ModelError
from tamperlens.faces import crop_face, detector_for, largest_face
from tamperlens.forge import FAMILIES
from tamperlens.media import fit_within, read_photo
from tamperlens.metrics.outcomes import Outcome, Outcomes, outcome_of
from tamperlens.metrics.results import auc, miou
from tamperlens.models.agreement import reference_of
from tamperlens.models.card import ModelCard, Quantised
from tamperlens.models.engines import OnnxEngine, OpenVinoEngine
from tamperlens.models.export import compare, embed_card, to_onnx, to_openvino
from tamperlens.models.model import load, reference
from tamperlens.models.quantise import quantise
from tamperlens.models.runtime import WEIGHTS, CardPredictor, TorchPredictor, shipped_models
from tamperlens.types import Predictor, UInt8Array

__all__ = ["Exported", "cost_of_int8", "export_model", "sample_crops"]

MAP_APART, SCORE_APART = 1e-3, 5e-3  # of float32 engines, on real crops: the second is what a record is allowed
SIDES = (96, 160, 256, 400)  # pixels: of the sample photograph's crops
CALIBRATION = 8  # crops of each family; as many pristine ones as of all families
JUDGED = ("uncompressed", "JPEG 75")  # deliveries

Say = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    card: ModelCard
    map_apart: float  # largest difference from PyTorch on real crops
    score_apart: float


def export_model(
    model: str | Path,
    to: Literal["onnx", "openvino"],
    folder: Path,
    int8: Sequence[Path] = (),
    per_family: int = 40,
    say: Say = print,
) -> Exported:
    """Write a shipped model, or a .safetensors file's, into ``folder`` as .onnx, or .xml and .bin, with its card.

    ``int8``: folders of real photos; the model is quantised, calibrated on their train people, and judged before and after on
    ``per_family`` crops a family of their test people. Raises `ModelError`, and leaves nothing, where a float32 file differs
    from PyTorch on crops of a real photo; `DataError` where a folder of ``int8`` is missing, or two have one name.
    """
    sources_of(int8)
    stem = WEIGHTS / str(model) if str(model) in shipped_models() else Path(model)
    network, card = load(stem)
    original = TorchPredictor(network, card)
    people = by_split(find_face_photos(int8, detector_for("portrait"))) if int8 else None
    card = card.model_copy(update={"reference": reference(network)})
    name = f"{card.name}-int8" if people else card.name
    with tempfile.TemporaryDirectory(dir=folder) as work:
        plain, last = Path(work) / "float32.onnx", Path(work) / f"{name}.onnx"
        to_onnx(network, plain)
        before = _predictor(plain, card, "onnx")
        if people:
            crops = _calibration_crops(people["train"], card)
            count = quantise(plain, last, card, crops)
            card = card.model_copy(update={"name": name, "precision": "int8", "reference": None})
        else:
            last = plain
        path = last
        if to == "openvino":
            path = last.with_suffix(".xml")
            to_openvino(last, path, card)
        after = _predictor(path, card, to)
        maps, scores = compare(after, original, sample_crops())
        say(f"{after.how}: on {len(SIDES)} crops of a real face maps are within {maps:.2g} of PyTorch's, scores {scores:.2g}")
        if people:
            card = card.model_copy(update={"reference": reference_of(after.engine)})
            cost = cost_of_int8(before, after, people["test"], count, per_family)
            limits = card.limits if cost.fit else [*card.limits, cost.in_words()]
            card = card.model_copy(update={"quantised": cost, "limits": limits})
            say(cost.in_words())
        elif not (maps <= MAP_APART and scores <= SCORE_APART):
            raise ModelError(
                f"{after.how} and PyTorch differ by {maps:.3g} in pixel maps and {scores:.3g} in scores of real crops; at most "
                f"{MAP_APART:g} and {SCORE_APART:g} were expected; nothing was written: use the other format"
            )
        if to == "openvino":
            to_openvino(last, path, card)
        else:
            embed_card(path, card)
        target = folder / f"{name}{path.suffix}"
        for made in (path, path.with_suffix(".bin")):
            if made.exists():
                made.replace(target.with_suffix(made.suffix))
        card.save(target.with_suffix(".json"))
    return Exported(target, card, maps, scores)


def cost_of_int8(
    before: Predictor, after: Predictor, photos: Sequence[FacePhoto], calibrated_on: int, per_family: int = 40
) -> Quantised:
    """What two forms of a model make of the frozen bench's crops of ``photos``' people."""
    found: list[tuple[Outcome, Outcome]] = []
    for delivery in JUDGED:
        for crop in delivered(photos, list(FAMILIES), per_family, delivery, seeds.FROZEN_BENCH):
            found.append((outcome_of(before(crop.image), crop), outcome_of(after(crop.image), crop)))
    tables, every = [Outcomes.of(own) for own in zip(*found, strict=True)], np.arange(len(found))
    aucs, mious = ([figure(table, every) for table in tables] for figure in (auc, miou))
    return Quantised(
        auc_before=round(aucs[0], 5),
        auc=round(aucs[1], 5),
        miou_before=round(mious[0], 5),
        miou=round(mious[1], 5),
        crops=len(found),
        calibrated_on=calibrated_on,
    )


def sample_crops() -> list[UInt8Array]:
    """Crops of several sizes of the face in matplotlib's sample photograph."""
    from matplotlib.cbook import get_sample_data

    path = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))
    image = read_photo(path).image
    crop = crop_face(image, largest_face(image, detector_for("portrait"), path)).image
    return [fit_within(crop, side) for side in SIDES]


def _predictor(path: Path, card: ModelCard, to: Literal["onnx", "openvino"]) -> CardPredictor:
    return CardPredictor(card, OnnxEngine(path) if to == "onnx" else OpenVinoEngine(path))


def _calibration_crops(photos: Sequence[FacePhoto], card: ModelCard) -> list[UInt8Array]:
    if not photos:
        raise DataError("--int8: no photo of the folder shows one of its train people; give a folder of more people")
    families = [family for family in FAMILIES if family in card.families.trained] or list(FAMILIES)
    crops = forged_crops(photos, families, CALIBRATION, sides=(128, 320), seed=seeds.QUANTISATION)
    return [crop.image for crop in crops]
