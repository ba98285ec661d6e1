"""What is to be done before it is done: each step with its state, the time it will take here and the room it needs."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from tamperlens.bench.corruptions import parse_corruptions
from tamperlens.bench.paper.costs import Cost
from tamperlens.bench.paper.experiment import Experiment, Run
from tamperlens.bench.paper.judging import OTHER_POLICY, OWN
from tamperlens.data.prepare.forecast import Forecast
from tamperlens.metrics.rows import to_table

__all__ = ["Plan", "Step", "conditions_named", "duration", "plan_of", "progress_of", "trained_seconds"]

KEPT = 4 * 4  # bytes a parameter: the checkpoint's weights and two moments, and the best model's weights
OUTCOME = 60  # bytes, about, of a crop in a results file


@dataclass(frozen=True)
class Step:
    """A store to be made or a run to be trained and judged."""

    name: str
    state: str  # "done", "to do", "step 300 of 3000, judged 2 of 9"
    seconds: float  # still to be spent
    size: int  # bytes on disk once it is done


@dataclass(frozen=True)
class Plan:
    """All steps, and the cost of each network."""

    steps: Sequence[Step]
    costs: Mapping[str, Cost]

    @property
    def seconds(self) -> float:
        """Time that is left where nothing else runs; of stores in one process."""
        return sum(step.seconds for step in self.steps)

    @property
    def size(self) -> int:
        """Bytes that everything takes once it is done."""
        return sum(step.size for step in self.steps)

    def to_markdown(self) -> str:
        """A table of networks' costs and one of steps, and the sums."""
        costs = [
            (name, f"{one.parameters:,}", f"{one.gmac:.3f}", f"{one.trained:.2f}", f"{one.judged:.2f}")
            for name, one in self.costs.items()
        ]
        steps = [(one.name, one.state, duration(one.seconds), f"{one.size / 1e6:.1f} MB") for one in self.steps]
        done = sum(one.state == "done" for one in self.steps)
        header = ("network", "parameters", "GMAC a training window", "crops/s trained", "crops/s judged")
        return "\n".join(
            (
                to_table(header, costs),
                to_table(("step", "state", "time left", "disk"), steps),
                f"{done} of {len(self.steps)} steps are done; about {duration(self.seconds)} ({self.seconds / 3600:.1f} hours) "
                f"are left on this machine where nothing else runs, and {self.size / 1e9:.2f} GB of disk in all",
            )
        )


def duration(seconds: float) -> str:
    """Whole seconds, as 1:02:03."""
    return str(timedelta(seconds=round(seconds)))


def conditions_named(experiment: Experiment, run: Run, compressions: Sequence[str]) -> dict[str, str]:
    """The conditions a run is judged under, and of each whether it is of all test crops or "few"."""
    found = dict.fromkeys((OWN, OTHER_POLICY, *compressions[1:]), "all")
    found |= dict.fromkeys((one.name for one in parse_corruptions(experiment.degraded)), "all")
    if run.is_drawn:
        found |= dict.fromkeys((f"curve {one.name}" for one in parse_corruptions(experiment.curves)), "few")
    return found


def progress_of(folder: Path) -> int:
    """Steps that a run folder holds a checkpoint of."""
    rows = _log_of(folder)
    return int(rows[-1]["step"]) if rows else 0


def trained_seconds(folder: Path, batch_size: int) -> float:
    """Seconds that a run's steps take at the median speed of its log: pauses, and what else the machine did, do not count."""
    speeds = [float(row["crops_per_second"]) for row in _log_of(folder)]
    return progress_of(folder) * batch_size / float(np.median(speeds)) if speeds else 0.0


def _log_of(folder: Path) -> list[dict[str, str]]:
    """The lines of a run's log; where a killed run repeats some, the later ones."""
    file = folder / "log.csv"
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        rows = {int(row["step"]): row for row in csv.DictReader(lines)}
    return [rows[step] for step in sorted(rows)]


def plan_of(
    experiment: Experiment,
    runs: Sequence[Run],
    costs: Mapping[str, Cost],
    forecasts: Mapping[str, Forecast],
    test_crops: int,
    out: Path,
) -> Plan:
    """The plan. ``forecasts``: of stores still to be made; ``test_crops``: that each run is judged on."""
    steps = [Step(name, "to do", one.seconds, one.size) for name, one in forecasts.items()]
    stores = out / "stores"
    for folder in sorted(stores.iterdir()) if stores.is_dir() else ():
        if folder.name not in forecasts:
            steps.append(Step(folder.name, "done", 0, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())))
    for run in runs:
        steps.append(_step_of(experiment, run, costs[run.network], test_crops, out))
    return Plan(steps, costs)


def _step_of(experiment: Experiment, run: Run, cost: Cost, test_crops: int, out: Path) -> Step:
    config, folder = experiment.training, out / "models" / run.name
    learned, conditions = progress_of(folder), conditions_named(experiment, run, experiment.compressions)
    results = out / "results" / run.name
    judged = {name for name in conditions if (results / f"{name.replace(' ', '-')}.npz").exists()}
    judged = judged if learned == config.steps else set()  # of a run that goes on they are another's
    few = min(experiment.curve_crops, test_crops)
    to_judge = sum(few if how == "few" else test_crops for name, how in conditions.items() if name not in judged)
    seconds = (config.steps - learned) * config.batch_size / cost.trained + to_judge / cost.judged
    if learned < config.steps:
        validations = -(-config.steps // config.validate_every) - learned // config.validate_every
        seconds += (validations + 2) * config.validation_crops / cost.judged  # thresholds are chosen by two more looks
    state = "to do"
    if learned == config.steps and len(judged) == len(conditions):
        state = "done"
    elif learned:
        state = f"step {learned} of {config.steps}, judged {len(judged)} of {len(conditions)}"
    crops = sum(few if how == "few" else test_crops for how in conditions.values())
    return Step(run.name, state, seconds if state != "done" else 0.0, KEPT * cost.parameters + OUTCOME * crops)
