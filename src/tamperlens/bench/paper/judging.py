"""What came of a run's test crops under each condition, kept as arrays: every table and test is computed from these files.

``results/<run>/<condition>.npz``, written whole or not at all. A file is taken as it is where it is of the same weights,
thresholds, crops and conditions; so a run that was killed while it judged goes on with the condition it was at.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tamperlens.bench.corruptions import Corruption, parse_corruptions
from tamperlens.bench.paper.experiment import Experiment, Run
from tamperlens.bench.paper.stores import Masks, Stores
from tamperlens.bench.store import Conditions
from tamperlens.data.store import POLICIES
from tamperlens.errors import DataError
from tamperlens.files import replacing
from tamperlens.metrics.outcomes import Outcome, Outcomes, outcome_of
from tamperlens.models.runtime import TorchPredictor
from tamperlens.types import LabelledCrop

__all__ = [
    "OTHER_POLICY",
    "OWN",
    "Judged",
    "Question",
    "answered",
    "judge_run",
    "judged_conditions",
    "questions_of",
    "read_outcomes",
]

OWN, OTHER_POLICY = "own", "other policy"  # conditions: as trained on, and with the other of the paper's crop policies


@dataclass(frozen=True)
class Question:
    """A condition to judge a run under."""

    name: str
    compression: str  # of the store whose crops are judged
    conditions: Conditions
    corruption: Corruption | None = None
    with_recipes: bool = False  # whether the same predictions are counted against other recipes' masks, too

    def other_masks(self, stores: Stores) -> Mapping[str, Masks]:
        """The masks that other recipes made of the same crops, by recipe."""
        return stores.masks.get(self.compression, {}) if self.with_recipes else {}

    def about(self, stores: Stores | None) -> dict[str, Any]:
        """What decides the answer, beside the model; without ``stores`` all but these."""
        decides = {"conditions": asdict(self.conditions), "corruption": self.corruption.name if self.corruption else None}
        if stores:
            others = {name: masks.store for name, masks in self.other_masks(stores).items()}
            of = {"": stores.by_compression[self.compression], **others}
            decides["stores"] = {name: [one.info.settings_hash, one.info.clips_hash] for name, one in of.items()}
        return decides


@dataclass(frozen=True, eq=False)
class Judged:
    """The outcomes of one condition; ``of_masks``: against other recipes' masks."""

    outcomes: Outcomes
    of_masks: Mapping[str, Outcomes]


def judge_run(
    predictor: TorchPredictor,
    questions: Iterable[Question],
    stores: Stores,
    folder: Path,
    log: Callable[[str], None] = lambda text: None,
) -> None:
    """Answer each question that has no file yet, or one of another model or conditions."""
    for question in questions:
        file, about = _file(folder, question.name), _about(predictor, question, stores)
        if file.exists() and _kept(file) == about:
            continue
        log(f"judging under {question.name}")
        other_masks = question.other_masks(stores)
        own: list[Outcome] = []
        others: dict[str, list[Outcome]] = {name: [] for name in other_masks}
        for row, crop in question.conditions.crops_of(stores.by_compression[question.compression]):
            image = question.corruption.apply(crop.image) if question.corruption else crop.image
            prediction = predictor(image)
            own.append(outcome_of(prediction, crop))
            for name, masks in other_masks.items():
                own_mask = _as_asked(masks.of(row), question.conditions)
                # What is manipulated is known; a recipe that finds nothing there only empties the mask.
                against = LabelledCrop(crop.image, own_mask.mask, crop.subset, crop.group)
                others[name].append(replace(outcome_of(prediction, against), label=crop.manipulated))
        _write(file, about, {"": Outcomes.of(own), **{name: Outcomes.of(rows) for name, rows in others.items()}})


def answered(folder: Path, weights: str, questions: Iterable[Question], stores: Stores | None) -> set[str]:
    """The questions, by name, that the model whose weights have this hash has answered; the weights need not be there.

    ``stores``: None where they are not all there yet; then answers on any are taken.
    """

    def is_answered(question: Question) -> bool:
        kept = _kept(_file(folder, question.name)) or {}
        asked = json.loads(json.dumps({"weights": weights} | question.about(stores)))
        left_out = {"thresholds"} if stores else {"thresholds", "stores"}
        return bool({name: value for name, value in kept.items() if name not in left_out} == asked)

    return {question.name for question in questions if is_answered(question)}


def _as_asked(crop: LabelledCrop, conditions: Conditions) -> LabelledCrop:
    return POLICIES[conditions.policy](crop, conditions.window, None) if conditions.policy else crop


def _about(predictor: TorchPredictor, question: Question, stores: Stores) -> dict[str, Any]:
    card = predictor.card
    model = {"weights": card.weights_sha256, "thresholds": [card.map_threshold, card.score_threshold]}
    return json.loads(json.dumps(model | question.about(stores)))  # type: ignore[no-any-return]


def _file(folder: Path, condition: str) -> Path:
    return folder / f"{condition.replace(' ', '-')}.npz"


# What NumPy says of a file that is cut, empty or damaged.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
_COLUMNS = tuple(field.name for field in fields(Outcomes) if field.name not in ("values", "score_threshold"))


def _write(file: Path, about: dict[str, Any], tables: Mapping[str, Outcomes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}/{column}": getattr(table, column) for name, table in tables.items() for column in _COLUMNS}
    with replacing(file, durable=True) as temporary, temporary.open("wb") as stream:  # to a name NumPy would add .npz
        np.savez_compressed(stream, about=np.array(json.dumps(about)), **arrays)


def _kept(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))  # type: ignore[no-any-return]
    except _UNREADABLE:
        return None


def read_outcomes(folder: Path, condition: str) -> Judged | None:
    """A run's outcomes under a condition, at its own score threshold; None where it has not been judged under it."""
    file = _file(folder, condition)
    if not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            threshold = json.loads(str(arrays["about"]))["thresholds"][1]
            names = {key.rpartition("/")[0] for key in arrays.files if "/" in key}
            tables = {name: _table({column: arrays[f"{name}/{column}"] for column in _COLUMNS}, threshold) for name in names}
    except _UNREADABLE as error:
        raise DataError(f"{file} cannot be read ({error}); remove it, and the run judges anew") from error
    return Judged(tables.pop(""), tables)


def _table(columns: Mapping[str, Any], threshold: float) -> Outcomes:
    values = np.zeros((len(columns["scores"]), 2, 0), np.int64)  # not kept: a hundred numbers a crop that no table asks for
    return Outcomes(**columns, values=values, score_threshold=float(threshold))


def judged_conditions(experiment: Experiment, policy: str) -> Conditions:
    """Of the test crops, by the crop policy of a run."""
    return Conditions("test", policy, experiment.training.judged_window, max_crops=experiment.test_crops or None)


def questions_of(experiment: Experiment, run: Run, compressions: Sequence[str]) -> list[Question]:
    """Every condition that a run is judged under, the ones that tables need first.

    ``compressions``: those there are stores of, the one trained on first. Robustness curves are of the runs that are drawn, and
    of at most ``experiment.curve_crops`` crops, evenly spread over methods.
    """
    trained, *others = compressions
    conditions, most = judged_conditions(experiment, run.policy), experiment.test_crops or experiment.curve_crops
    other_policy = replace(conditions, policy="resized" if run.policy == "native" else "native")
    few = replace(conditions, max_crops=min(experiment.curve_crops, most))
    curves = parse_corruptions(experiment.curves) if run.is_drawn else []
    return [
        Question(OWN, trained, conditions, with_recipes=True),
        Question(OTHER_POLICY, trained, other_policy),
        *(Question(name, name, conditions, with_recipes=True) for name in others),
        *(Question(one.name, trained, conditions, one) for one in parse_corruptions(experiment.degraded)),
        *(Question(f"curve {one.name}", trained, few, one) for one in curves),
    ]
