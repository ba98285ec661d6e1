"""A predictor, or anybody's pixel maps, on a prepared store: every figure with its masks, its split and its interval."""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from tamperlens.bench.corruptions import Corruption
from tamperlens.bench.curves import CurvePoint
from tamperlens.data.store import Store
from tamperlens.errors import DataError
from tamperlens.metrics.outcomes import Outcome, Outcomes, judge, outcome_of
from tamperlens.metrics.results import METRICS, rows_of
from tamperlens.metrics.thresholds import best_map_threshold, best_score_threshold
from tamperlens.types import FloatArray, LabelledCrop, Prediction, Predictor, ResultRow

__all__ = ["Conditions", "MapFolder", "benchmark_rows", "judge_maps", "judge_store", "robustness"]


ROBUSTNESS = ("auc", "fg_iou", "false_area")  # what is measured after a corruption, keys of METRICS


@dataclass(frozen=True)
class Conditions:
    """On what a figure was measured. ``policy`` is None for whole crops.

    >>> Conditions(split="val", policy=None, methods=("DF", "P"))
    Conditions(split='val', policy=None, window=256, methods=('DF', 'P'), max_crops=None)
    """

    split: str = "test"
    policy: str | None = "native"
    window: int = 256
    methods: tuple[str, ...] = ()  # all by default
    max_crops: int | None = None  # crops, evenly spread over methods

    def rows_of(self, store: Store) -> Sequence[int]:
        """The numbers of the crops' rows in the manifest."""
        return [int(row) for row in store.indices(self.split, methods=self.methods or None, most=self.max_crops)]

    def crops_of(self, store: Store) -> Iterator[tuple[int, LabelledCrop]]:
        """The crops, one at a time, each with the number of its row in the manifest."""
        methods = self.methods or None
        crops = store.crops(self.split, methods=methods, policy=self.policy, window=self.window, most=self.max_crops)
        yield from zip(self.rows_of(store), crops, strict=True)

    def describe(self, store: Store, units: str = "videos") -> str:
        """One line that belongs beside every table; ``units``: what intervals are over."""
        crops = f"{self.policy} {self.window} x {self.window} windows" if self.policy else "whole crops"
        masks = "; ".join(store.info.recipes) or "none"
        split = f"split {self.split} of {store.info.split_set or 'no split set'}"
        labelled = store.count_label_only(self.split, self.methods or None)
        lacking = f"; {labelled} crops have a label and no mask, so their pixels are not counted" if labelled else ""
        accepted = f"; used in spite of {', '.join(store.info.settings.accept)}" if store.info.settings.accept else ""
        return f"masks {masks}{lacking}{accepted}; {split}; {crops}; 95 % intervals over {units}"


def judge_store(predictor: Predictor, store: Store, conditions: Conditions) -> Outcomes:
    """A predictor on a store's crops."""
    return judge(predictor, (crop for _, crop in conditions.crops_of(store)))


def benchmark_rows(model: str, outcomes: Outcomes, score_threshold: float, *, calibrated: bool = False) -> list[ResultRow]:
    """Every figure of `METRICS`; those of probabilities only where scores are calibrated."""
    metrics = [name for name, metric in METRICS.items() if calibrated or not metric.of_probabilities]
    return rows_of(model, outcomes, score_threshold, metrics)


def robustness(
    predictor: Predictor, store: Store, conditions: Conditions, corruptions: Sequence[Corruption]
) -> list[CurvePoint]:
    """The figures of `ROBUSTNESS` after each corruption."""
    outcomes: list[list[Outcome]] = [[] for _ in corruptions]
    for _, crop in conditions.crops_of(store):
        for corruption, own in zip(corruptions, outcomes, strict=True):
            own.append(outcome_of(predictor(corruption.apply(crop.image)), crop))
    points = []
    for corruption, own in zip(corruptions, outcomes, strict=True):
        rows = rows_of(f"{predictor.name}, {corruption.name}", Outcomes.of(own), predictor.score_threshold, ROBUSTNESS)
        points.append(CurvePoint(corruption.kind, corruption.severity, rows))
    return points


class MapFolder:
    """Pixel maps that another tool made of a store's crops, so that it stands in the same table.

    ``<row>.png`` (grey, 8 or 16 bits, full white is 1) or ``<row>.npz`` (one array, float, in [0, 1]) for each row of the
    manifest, counted from 0; each of the crop's size. ``scores.csv`` with the columns row and score is optional: without it a
    crop's score is the fraction of its pixels that are called manipulated (paper, Eq. 6).

    Raises ``DataError`` for scores that are missing, doubled or outside [0, 1]: some rows judged by a score and others by their
    area would be two tools in one figure.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; give the folder of pixel maps")
        self.files: dict[int, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix in (".png", ".npz") and path.stem.isdecimal():
                if str(int(path.stem)) != path.stem:
                    raise DataError(f"{path}: maps are called by their row alone, as {int(path.stem)}{path.suffix}; rename it")
                if (other := self.files.get(int(path.stem))) is not None:
                    raise DataError(f"{other} and {path.name} are maps of one row; keep one of them")
                self.files[int(path.stem)] = path
        self.scores = _read_scores(folder / "scores.csv") if (folder / "scores.csv").exists() else {}
        self._widest: dict[str, int] = {}  # type of whole numbers -> the largest one seen in any map

    def __contains__(self, row: int) -> bool:
        return row in self.files

    def require(self, rows: Sequence[int], store: Store) -> None:
        """Raises ``DataError`` unless there are maps, and scores where there are any, of all these rows and of none beyond."""
        for what, found in (("pixel maps", self.files.keys()), ("scores", self.scores.keys() if self.scores else set())):
            if beyond := [row for row in found if row >= len(store)]:
                raise DataError(
                    f"{self.folder}: there are {what} of row {beyond[0]}, and {store.path} has rows 0 to {len(store) - 1}; "
                    "count rows from 0, as the manifest does, or give the store that they were made of"
                )
            lacking = [row for row in rows if row not in found]
            if lacking and (what == "pixel maps" or self.scores):
                instead = "" if what == "pixel maps" else ", or remove scores.csv: then masks are judged by their area"
                raise DataError(
                    f"{self.folder}: {len(lacking)} of {len(rows)} crops have no {what}, the first is row {lacking[0]}; "
                    f"every crop of the split needs one{instead}"
                )

    def pixel_map(self, row: int, shape: tuple[int, ...]) -> FloatArray:
        """The map of a manifest row; `DataError` names the file where it is missing, unreadable or of another size."""
        path = self.files.get(row)
        if path is None:
            raise DataError(f"{self.folder} has no {row}.png or {row}.npz; every crop of the split needs one")
        try:
            if path.suffix == ".png":
                grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                if grey is None or grey.ndim != 2:
                    raise ValueError("it is no grey PNG")
                kind = grey.dtype.name
                self._widest[kind] = max(self._widest.get(kind, 0), int(grey.max()))
                values: FloatArray = grey.astype(np.float32) / np.iinfo(grey.dtype).max
            else:
                with np.load(path, allow_pickle=False) as arrays:
                    if len(arrays.files) != 1:
                        raise ValueError(f"it holds {len(arrays.files)} arrays, expected one")
                    values = np.asarray(arrays[arrays.files[0]], np.float32)
            if values.shape != shape or not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(
                    f"it is {values.shape} from {values.min():.3g} to {values.max():.3g}; expected {shape}, 0 to 1"
                )
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"the pixel map {path} cannot be used: {error}") from error
        return values

    def require_scale(self) -> None:
        """Raises ``DataError`` where all maps that were read use next to nothing of their range: 0 and 1 written as 8 bits."""
        for kind, full, widest in (("uint8", 255, 1), ("uint16", 65535, 255)):
            if 0 < self._widest.get(kind, 0) <= widest:
                raise DataError(
                    f"{self.folder}: no {kind} map has a value above {self._widest[kind]}, and full white, {full}, is 1; "
                    f"multiply masks of 0 and {self._widest[kind]} by {full // self._widest[kind]} before writing them"
                )


def _read_scores(path: Path) -> dict[int, float]:
    scores: dict[int, float] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            for line in csv.DictReader(file):
                row, score = int(line["row"]), float(line["score"])
                if not 0 <= score <= 1:
                    raise ValueError(f"row {row} has the score {score}; scores lie from 0 to 1")
                if row < 0 or scores.setdefault(row, score) != score:
                    raise ValueError(f"row {row} has two scores" if row >= 0 else f"there is no row {row}")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} needs the columns row and score, numbers both, each row once ({error!r})") from error
    if not scores:
        raise DataError(f"{path} holds no scores; write one for each row, or remove it: then masks are judged by their area")
    return scores


def judge_maps(maps: MapFolder, store: Store, conditions: Conditions) -> tuple[Outcomes, float, str]:
    """Another tool's maps of whole crops: outcomes, the score threshold, and how thresholds were chosen.

    They are chosen on the validation split where the folder has its maps too, and are the tasks' usual ones otherwise.
    """
    conditions = replace(conditions, policy=None)
    on_validation = replace(conditions, split="val")
    judged = conditions.rows_of(store)
    validated = on_validation.rows_of(store) if "val" in store.info.counts else []
    if not any(row in maps for row in validated):
        validated = []
    maps.require(sorted({*judged, *validated}), store)
    tau, how = 0.5, "thresholds not chosen on validation, whose maps are missing: map 0.5"
    validation = list(on_validation.crops_of(store)) if validated else []
    if validation:
        tau = best_map_threshold(
            [maps.pixel_map(i, crop.image.shape[:2]) for i, crop in validation], [c for _, c in validation]
        )
        how = f"thresholds chosen on {len(validation)} validation crops"

    def outcome(row: int, crop: LabelledCrop) -> Outcome:
        pixel_map = maps.pixel_map(row, crop.image.shape[:2])
        mask = pixel_map >= tau
        return outcome_of(Prediction(pixel_map, mask, maps.scores[row] if maps.scores else float(mask.mean())), crop)

    score_threshold = 0.5 if maps.scores else 0.05
    if validation:
        score_threshold = best_score_threshold(Outcomes.of(outcome(row, crop) for row, crop in validation))
    outcomes = Outcomes.of(outcome(row, crop) for row, crop in conditions.crops_of(store))
    maps.require_scale()
    return outcomes, score_threshold, how
