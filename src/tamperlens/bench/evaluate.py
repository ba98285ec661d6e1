"""A model, or anybody's pixel maps, evaluated on a prepared store: its rows, their conditions, and curves by corruption.

from tamperlens.bench.evaluate import conditions_for, evaluate_model
from tamperlens.data.store import Store
from tamperlens.models.runtime import load

predictor = load("contrast-seg")
found = evaluate_model(predictor, Store("STORE"), conditions_for(predictor.card, policy="whole"))
print(found.to_markdown())
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamperlens.bench.corruptions import Corruption
from tamperlens.bench.curves import CurvePoint
from tamperlens.bench.store import Conditions, MapFolder, benchmark_rows, judge_maps, judge_store, robustness
from tamperlens.data.store import POLICIES, Store
from tamperlens.errors import DataError
from tamperlens.metrics.rows import rows_record, rows_to_markdown
from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import CardPredictor
from tamperlens.types import ResultRow

__all__ = ["Evaluation", "conditions_for", "evaluate_maps", "evaluate_model"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one store."""

    store: Path
    conditions: str  # one line that belongs beside every table
    rows: list[ResultRow]
    curves: list[CurvePoint]  # a point for each corruption

    def to_markdown(self) -> str:
        """The conditions and a table, then a table for each corruption."""
        tables = [rows_to_markdown(rows) for rows in (self.rows, *(point.rows for point in self.curves))]
        return "\n".join([f"{self.store}: {self.conditions}\n", *tables])

    def to_record(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        rows = [*self.rows, *(row for point in self.curves for row in point.rows)]
        return {"store": str(self.store), "conditions": self.conditions, "rows": rows_record(rows)}


def conditions_for(
    card: ModelCard | None,
    *,
    split: str = "test",
    policy: str = "auto",
    window: int = 256,
    methods: Sequence[str] = (),
    max_crops: int | None = None,
) -> Conditions:
    """Conditions of a card's model, or of pixel maps, which are of whole crops (``card`` is None).

    ``policy``: a key of `POLICIES`, "whole", or "auto" for what the model was trained on. Raises `DataError` for any other.
    """
    if policy == "auto":
        policy = card.crop_policy if card else "whole"
    if policy not in (*POLICIES, "whole"):
        raise DataError(f"no crop policy is called {policy!r}; expected auto, whole, {', '.join(POLICIES)}")
    whole = card is None or policy == "whole"
    return Conditions(split, None if whole else policy, window, tuple(methods), max_crops)


def evaluate_model(
    predictor: CardPredictor, store: Store, conditions: Conditions, corruptions: Sequence[Corruption] = ()
) -> Evaluation:
    """A loaded model on a store's crops, as they are and after each corruption."""
    outcomes = judge_store(predictor, store, conditions)
    rows = benchmark_rows(predictor.name, outcomes, predictor.score_threshold, calibrated=predictor.calibrated)
    curves = robustness(predictor, store, conditions, corruptions)
    return Evaluation(store.path, conditions.describe(store), rows, curves)


def evaluate_maps(name: str, maps: MapFolder, store: Store, conditions: Conditions) -> Evaluation:
    """Another tool's pixel maps of a store's crops, under the name they shall have in the table."""
    outcomes, threshold, how = judge_maps(maps, store, conditions)
    return Evaluation(store.path, f"{conditions.describe(store)}; {how}", benchmark_rows(name, outcomes, threshold), curves=[])
