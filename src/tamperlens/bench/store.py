"""A predictor, or anybody's pixel maps, on a prepared store: every figure with its masks, its split and its interval."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from tamperlens.bench.corruptions import Corruption
from tamperlens.bench.curves import CURVES, CurvePoint
from tamperlens.data.store import POLICIES, Store
from tamperlens.errors import DataError
from tamperlens.metrics.outcomes import METRICS, Outcome, outcome_of, rows_of
from tamperlens.metrics.thresholds import best_map_threshold, best_score_threshold
from tamperlens.types import FloatArray, LabelledCrop, Prediction, Predictor, ResultRow

__all__ = ["Conditions", "MapFolder", "benchmark_rows", "judge_maps", "judge_store", "robustness"]


@dataclass(frozen=True)
class Conditions:
    """On what a figure was measured. ``policy`` is None for whole crops."""

    split: str = "test"
    policy: str | None = "native"
    window: int = 256
    methods: tuple[str, ...] = ()  # all by default
    most: int | None = None  # crops, evenly spread over methods

    def crops_of(self, store: Store) -> Iterator[tuple[int, LabelledCrop]]:
        """The crops, one at a time, each with the number of its row in the manifest."""
        for index in store.indices(self.split, methods=self.methods or None, most=self.most):
            crop = store.crop(index)
            yield int(index), POLICIES[self.policy](crop, self.window, None) if self.policy else crop

    def describe(self, store: Store) -> str:
        """One line that belongs beside every table."""
        crops = f"{self.policy} {self.window} x {self.window} windows" if self.policy else "whole crops"
        masks = "; ".join(store.info.recipes) or "none"
        split = f"split {self.split} of {store.info.split_set or 'no split set'}"
        return f"masks {masks}; {split}; {crops}; 95 % intervals over videos"


def judge_store(predictor: Predictor, store: Store, conditions: Conditions) -> list[Outcome]:
    """A predictor on a store's crops."""
    return [outcome_of(predictor(crop.image), crop) for _, crop in conditions.crops_of(store)]


def benchmark_rows(
    model: str, outcomes: Sequence[Outcome], score_threshold: float, *, calibrated: bool = False
) -> list[ResultRow]:
    """Every figure of `METRICS`; the calibration error only of calibrated scores."""
    metrics = [metric for metric in METRICS if calibrated or metric != "ece"]
    return rows_of(model, outcomes, score_threshold, metrics)


def robustness(
    predictor: Predictor, store: Store, conditions: Conditions, corruptions: Sequence[Corruption]
) -> list[CurvePoint]:
    """AUC, Fg-IoU and false area after each corruption."""
    outcomes: list[list[Outcome]] = [[] for _ in corruptions]
    for _, crop in conditions.crops_of(store):
        for corruption, own in zip(corruptions, outcomes, strict=True):
            own.append(outcome_of(predictor(corruption.apply(crop.image)), crop))
    points = []
    for corruption, own in zip(corruptions, outcomes, strict=True):
        rows = rows_of(f"{predictor.name}, {corruption.name}", own, predictor.score_threshold, list(CURVES))
        points.append(CurvePoint(corruption.kind, corruption.severity, rows))
    return points


class MapFolder:
    """Pixel maps that another tool made of a store's crops, so that it stands in the same table.

    ``<row>.png`` (grey, 8 or 16 bits, full white is 1) or ``<row>.npz`` (one array, float, in [0, 1]) for each row of the
    manifest, counted from 0; each of the crop's size. ``scores.csv`` with the columns row and score is optional: without it a
    crop's score is the share of its pixels that are called manipulated (paper, Eq. 6).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; give the folder of pixel maps")
        self.scores: dict[int, float] = {}
        if (folder / "scores.csv").exists():
            with open(folder / "scores.csv", newline="") as file:
                try:
                    self.scores = {int(row["row"]): float(row["score"]) for row in csv.DictReader(file)}
                except (KeyError, TypeError, ValueError) as error:
                    raise DataError(
                        f"{folder / 'scores.csv'} needs the columns row and score, numbers both ({error!r})"
                    ) from error

    def __contains__(self, row: int) -> bool:
        return any((self.folder / f"{row}{suffix}").exists() for suffix in (".png", ".npz"))

    def pixel_map(self, row: int, shape: tuple[int, ...]) -> FloatArray:
        """The map of a manifest row; `DataError` names the file where it is missing, unreadable or of another size."""
        path = self.folder / f"{row}.png"
        try:
            if path.exists():
                grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                if grey is None or grey.ndim != 2:
                    raise ValueError("it is no grey PNG")
                values: FloatArray = grey.astype(np.float32) / np.iinfo(grey.dtype).max
            else:
                path = self.folder / f"{row}.npz"
                with np.load(path, allow_pickle=False) as arrays:
                    values = np.asarray(arrays[arrays.files[0]], np.float32)
            if values.shape != shape or not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(
                    f"it is {values.shape} from {values.min():.3g} to {values.max():.3g}; expected {shape}, 0 to 1"
                )
        except FileNotFoundError:
            raise DataError(f"{self.folder} has no {row}.png or {row}.npz; every crop of the split needs a map") from None
        except (OSError, ValueError, IndexError) as error:
            raise DataError(f"the pixel map {path} cannot be used: {error}") from error
        return values


def judge_maps(maps: MapFolder, store: Store, conditions: Conditions) -> tuple[list[Outcome], float, str]:
    """Another tool's maps of whole crops: outcomes, the score threshold, and how thresholds were chosen.

    They are chosen on the validation split where the folder has its maps too, and are the tasks' usual ones otherwise.
    """
    validation = (
        [item for item in replace(conditions, split="val", policy=None).crops_of(store) if item[0] in maps]
        if ("val" in store.info.counts)
        else []
    )
    tau, how = 0.5, "thresholds not chosen on validation, whose maps are missing: map 0.5"
    if validation:
        tau = best_map_threshold([maps.pixel_map(i, crop.mask.shape) for i, crop in validation], [c for _, c in validation])
        how = f"thresholds chosen on {len(validation)} validation crops"

    def outcome(row: int, crop: LabelledCrop) -> Outcome:
        pixel_map = maps.pixel_map(row, crop.mask.shape)
        mask = pixel_map >= tau
        return outcome_of(Prediction(pixel_map, mask, maps.scores.get(row, float(mask.mean()))), crop)

    score_threshold = 0.5 if maps.scores else 0.05
    if validation:
        score_threshold = best_score_threshold([outcome(row, crop) for row, crop in validation])
    found = [outcome(row, crop) for row, crop in replace(conditions, policy=None).crops_of(store)]
    return found, score_threshold, how
