"""What came of a run's test crops under each condition, kept as arrays: every table and test is computed from these files.

``results/<run>/<condition>.npz``, written whole or not at all. A file is taken as it is where it is of the same weights,
thresholds, crops and conditions; so a run that was killed while it judged goes on with the condition it was at.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tamperlens.bench.corruptions import Corruption
from tamperlens.bench.store import Conditions
from tamperlens.data.store import POLICIES, Store
from tamperlens.errors import DataError
from tamperlens.files import replacing
from tamperlens.metrics.outcomes import Outcome, Outcomes, outcome_of
from tamperlens.models.runtime import TorchPredictor
from tamperlens.types import LabelledCrop

__all__ = [
    "OTHER_POLICY",
    "OWN",
    "Judged",
    "Masks",
    "Question",
    "is_judged",
    "judge_run",
    "questions_of",
    "read_outcomes",
    "same_crops",
]

OWN, OTHER_POLICY = "own", "other policy"  # conditions: as trained on, and with the other of the paper's crop policies


@dataclass(frozen=True)
class Masks:
    """The masks of another store for the same crops."""

    store: Store
    rows: Mapping[int, int]  # ours -> theirs

    def of(self, row: int) -> LabelledCrop:
        """Their crop for our row."""
        return self.store.crop(self.rows[row])


@dataclass(frozen=True)
class Question:
    """A condition to judge a run under."""

    name: str
    store: Store
    conditions: Conditions
    corruption: Corruption | None = None
    #: Stores of the same crops whose masks were made by other recipes, by recipe, and their rows by those of `store`: the same
    #: predictions are counted against their masks.
    other_masks: Mapping[str, "Masks"] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """What decides the answer, beside the model."""
        stores = {"": self.store, **{name: masks.store for name, masks in self.other_masks.items()}}
        return {
            "stores": {name: [one.info.settings_hash, one.info.inputs_hash] for name, one in stores.items()},
            "conditions": asdict(self.conditions),
            "corruption": self.corruption.name if self.corruption else None,
        }


@dataclass(frozen=True, eq=False)
class Judged:
    """The outcomes of one condition; ``of_masks``: against other recipes' masks."""

    outcomes: Outcomes
    of_masks: Mapping[str, Outcomes]


def judge_run(
    predictor: TorchPredictor, questions: Iterable[Question], folder: Path, log: Callable[[str], None] = lambda text: None
) -> None:
    """Answer each question that has no file yet, or one of another model or conditions."""
    for question in questions:
        file, about = _file(folder, question.name), _about(predictor, question)
        if file.exists() and _kept(file) == about:
            continue
        log(f"judging under {question.name}")
        own: list[Outcome] = []
        others: dict[str, list[Outcome]] = {name: [] for name in question.other_masks}
        for row, crop in question.conditions.crops_of(question.store):
            image = question.corruption.apply(crop.image) if question.corruption else crop.image
            prediction = predictor(image)
            own.append(outcome_of(prediction, crop))
            for name, masks in question.other_masks.items():
                own_mask = _as_asked(masks.of(row), question.conditions)
                # What is manipulated is known; a recipe that finds nothing there only empties the mask.
                against = LabelledCrop(crop.image, own_mask.mask, crop.subset, crop.group)
                others[name].append(replace(outcome_of(prediction, against), label=crop.manipulated))
        _write(file, about, {"": Outcomes.of(own), **{name: Outcomes.of(rows) for name, rows in others.items()}})


def is_judged(folder: Path, weights: str, questions: Iterable[Question]) -> bool:
    """Whether all is answered by the model whose weights have this hash; the weights themselves need not be there."""

    def is_answered(question: Question) -> bool:
        kept = _kept(_file(folder, question.name)) or {}
        asked = json.loads(json.dumps({"weights": weights} | question.about()))
        return bool({name: value for name, value in kept.items() if name != "thresholds"} == asked)

    return all(is_answered(question) for question in questions)


def _as_asked(crop: LabelledCrop, conditions: Conditions) -> LabelledCrop:
    return POLICIES[conditions.policy](crop, conditions.window, None) if conditions.policy else crop


def same_crops(store: Store, other: Store, split: str) -> dict[int, int] | None:
    """The rows of ``other`` that are the same crops as those of a split of ``store``; None where some are not there."""
    columns = ["clip", "frame", "left", "top", "side"]
    theirs = {tuple(row.values()): number for number, row in enumerate(other.table.select(columns).to_pylist())}
    own = store.table.select(columns).to_pylist()
    found = {int(row): theirs.get(tuple(own[row].values())) for row in store.rows(split)}
    return None if None in found.values() else {row: twin for row, twin in found.items() if twin is not None}


def _about(predictor: TorchPredictor, question: Question) -> dict[str, Any]:
    card = predictor.card
    model = {"weights": card.weights_sha256, "thresholds": [card.map_threshold, card.score_threshold]}
    return json.loads(json.dumps(model | question.about()))  # type: ignore[no-any-return]


def _file(folder: Path, condition: str) -> Path:
    return folder / f"{condition.replace(' ', '-')}.npz"


_COLUMNS = tuple(field.name for field in fields(Outcomes) if field.name not in ("values", "score_threshold"))


def _write(file: Path, about: dict[str, Any], tables: Mapping[str, Outcomes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}/{column}": getattr(table, column) for name, table in tables.items() for column in _COLUMNS}
    with replacing(file) as temporary:  # a name that ends in .npz, or NumPy adds it
        np.savez_compressed(temporary, about=np.array(json.dumps(about)), **arrays)


def _kept(file: Path) -> dict[str, Any] | None:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError):
        return None


def read_outcomes(folder: Path, condition: str) -> Judged | None:
    """A run's outcomes under a condition, at its own score threshold; None where it has not been judged under it."""
    file = _file(folder, condition)
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            threshold = json.loads(str(arrays["about"]))["thresholds"][1]
            names = {key.rpartition("/")[0] for key in arrays.files if "/" in key}
            tables = {name: _table({column: arrays[f"{name}/{column}"] for column in _COLUMNS}, threshold) for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} cannot be read ({error}); remove it, and the run judges anew") from error
    return Judged(tables.pop(""), tables)


def _table(columns: Mapping[str, Any], threshold: float) -> Outcomes:
    values = np.zeros((len(columns["scores"]), 2, 0), np.int64)  # not kept: a hundred numbers a crop that no table asks for
    return Outcomes(**columns, values=values, score_threshold=float(threshold))


def questions_of(
    conditions: Conditions,
    stores: Mapping[str, Store],
    masks: Mapping[str, Mapping[str, Masks]],
    degraded: Sequence[Corruption],
    curves: Sequence[Corruption],
    curve_crops: int,
) -> list[Question]:
    """Every condition of a run, the ones that tables need first.

    ``stores``: by compression, the one trained on first. ``masks``: by compression and recipe, the same crops. ``curves``: of
    at most ``curve_crops`` crops, evenly spread over methods; none where it is empty.
    """
    (trained, own), *others = stores.items()
    other = "resized" if conditions.policy == "native" else "native"
    few = replace(conditions, max_crops=min(curve_crops, conditions.max_crops or curve_crops))
    return [
        Question(OWN, own, conditions, other_masks=masks.get(trained, {})),
        Question(OTHER_POLICY, own, replace(conditions, policy=other)),
        *(Question(name, store, conditions, other_masks=masks.get(name, {})) for name, store in others),
        *(Question(corruption.name, own, conditions, corruption) for corruption in degraded),
        *(Question(f"curve {corruption.name}", own, few, corruption) for corruption in curves),
    ]
