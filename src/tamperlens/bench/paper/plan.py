"""What is to be done before it is done: each step with its state, the time it will take here and the room it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tamperlens.bench.paper.costs import Cost
from tamperlens.bench.paper.experiment import Experiment, Run
from tamperlens.bench.paper.judging import Question, questions_of
from tamperlens.bench.paper.progress import learned_steps, left_to_judge
from tamperlens.bench.paper.stores import Stores
from tamperlens.data.prepare.forecast import Forecast
from tamperlens.metrics.rows import to_table
from tamperlens.training.run_folder import CHECKPOINT

__all__ = ["Plan", "Step", "duration", "plan_of"]

KEPT = 4 * 4  # bytes a parameter: the checkpoint's weights and two moments, and the best model's weights
OUTCOME = 60  # bytes, about, of a crop in a results file


@dataclass(frozen=True)
class Step:
    """A store to be made or a run to be trained and judged."""

    name: str
    state: str  # "done", "to do", "step 300 of 3000, judged 2 of 9", "to do again: ..."
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


def plan_of(
    experiment: Experiment,
    runs: Sequence[Run],
    costs: Mapping[str, Cost],
    forecasts: Mapping[str, Forecast],
    test_crops: int,
    out: Path,
    stores: Stores | None,
) -> Plan:
    """The plan. ``forecasts``: of stores still to be made; ``test_crops``: that each run is judged on.

    ``stores``: None where some are still to be made; then a run that was judged on any counts as done.
    """
    steps = [Step(name, "to do", one.seconds, one.size) for name, one in forecasts.items()]
    made = out / "stores"
    for folder in sorted(made.iterdir()) if made.is_dir() else ():
        if folder.name not in forecasts:
            steps.append(Step(folder.name, "done", 0, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())))
    for run in runs:
        steps.append(_step_of(experiment, run, costs[run.network], test_crops, out, stores))
    return Plan(steps, costs)


def _step_of(experiment: Experiment, run: Run, cost: Cost, test_crops: int, out: Path, stores: Stores | None) -> Step:
    config = experiment.training
    folder = out / "models" / run.name
    learned = learned_steps(folder) if (folder / CHECKPOINT).exists() else 0
    asked = questions_of(experiment, run, list(stores.by_compression) if stores else experiment.compressions)
    left = left_to_judge(experiment, run, asked, stores, out)
    seconds = (config.steps - learned) * config.batch_size / cost.trained + _crops_of(left, test_crops) / cost.judged
    if learned < config.steps:
        validations = -(-config.steps // config.validate_every) - learned // config.validate_every
        seconds += (validations + 2) * config.validation_crops / cost.judged  # thresholds are chosen by two more looks
    state = "to do"
    if not left:
        state = "done"
    elif learned:
        state = f"step {learned} of {config.steps}, judged {len(asked) - len(left)} of {len(asked)}"
    elif learned_steps(folder):
        state = "to do again: judged on other clips or conditions, and its weights are gone"
    size = KEPT * cost.parameters + OUTCOME * _crops_of(asked, test_crops)
    return Step(run.name, state, seconds if left else 0.0, size)


def _crops_of(questions: Sequence[Question], test_crops: int) -> int:
    return sum(min(question.conditions.max_crops or test_crops, test_crops) for question in questions)
