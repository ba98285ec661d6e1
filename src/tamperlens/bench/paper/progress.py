"""How far a run is, as its folder and its results tell; the weights need not be there."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tamperlens.bench.paper.experiment import Experiment, Run
from tamperlens.bench.paper.judging import Question, answered
from tamperlens.bench.paper.stores import Stores
from tamperlens.models.card import ModelCard

__all__ = ["card_of", "learned_steps", "left_to_judge"]


def card_of(folder: Path) -> ModelCard | None:
    """The card of a run's model; None where there is none yet."""
    return ModelCard.load(folder / "best.json") if (folder / "best.json").exists() else None


def learned_steps(folder: Path) -> int:
    """Steps that a run folder holds a checkpoint of; a killed run may have logged some twice."""
    file = folder / "log.csv"
    if not file.exists():
        return 0
    with file.open(newline="", encoding="utf-8") as lines:
        return max((int(row["step"]) for row in csv.DictReader(lines)), default=0)


def left_to_judge(
    experiment: Experiment, run: Run, asked: Sequence[Question], stores: Stores | None, out: Path
) -> list[Question]:
    """The questions that a run has not answered; all of them where it has not been trained to the end.

    ``stores``: None where they are not all there yet; then answers on any are taken.
    """
    folder = out / "models" / run.name
    card = card_of(folder)
    if card is None or card.weights_sha256 is None or learned_steps(folder) != experiment.training.steps:
        return list(asked)
    found = answered(out / "results" / run.name, card.weights_sha256, asked, stores)
    return [question for question in asked if question.name not in found]
