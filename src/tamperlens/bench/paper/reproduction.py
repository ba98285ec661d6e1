"""The paper's experiments from a tree, a store or photos to the report, in one go that may be stopped anywhere.

A report folder holds ``tree/`` (of stand-ins), ``stores/``, ``models/<run>/`` (run folders), ``results/<run>/`` (what came of
test crops), ``costs.json``, ``plan.md``, ``figures/``, and the report: ``report.html``, ``report.md``, ``tables.md``,
``claims.md``, ``tables/*.csv`` and ``tables/*.tex``. Started again, it goes on where it stopped: stores and runs resume, and
what was judged is judged again only where its weights or the conditions changed. Of a run that was judged to the end its
results, ``log.csv`` and ``best.json`` are enough for tables, claims and curves: so much can be kept where checkpoints are too
large. Figures 1, 5 and 6 take the weights.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tamperlens.bench.paper.costs import Cost, costs_of, measured_costs
from tamperlens.bench.paper.experiment import Experiment, Run
from tamperlens.bench.paper.figures import draw_figures
from tamperlens.bench.paper.judging import judge_run
from tamperlens.bench.paper.plan import Plan, duration, plan_of
from tamperlens.bench.paper.progress import card_of
from tamperlens.bench.paper.report import Report, write_report
from tamperlens.bench.paper.sources import Source, forecast_source, make_stores, open_stores, store_jobs
from tamperlens.bench.paper.statistics import describe
from tamperlens.bench.paper.stores import Stores
from tamperlens.data.prepare.forecast import Forecast
from tamperlens.data.prepare.run import checked_clips
from tamperlens.data.readers.clips import Clip
from tamperlens.data.store import Store
from tamperlens.errors import DataError
from tamperlens.files import replace_text
from tamperlens.models.model import load
from tamperlens.models.networks.imagenet import ANCESTORS
from tamperlens.models.runtime import TorchPredictor
from tamperlens.training.config import TrainConfig, changed_settings, kept_config, settings_of
from tamperlens.training.run_folder import LearnedFrom

__all__ = ["Train", "make_plan", "report_so_far", "reproduce"]

#: A store, a run's folder and its settings -> path stem of the trained model; it resumes.
Train = Callable[[Store, Path, TrainConfig], Path]


def make_plan(
    source: Source,
    out: Path,
    experiment: Experiment,
    imagenet: Path | None,
    log: Callable[[str], None],
    only: Sequence[str] = (),
) -> tuple[Plan, list[Run]]:
    """What is to be done, what of it is done, and what the rest will take; also written as ``plan.md``.

    ``only``: names of models; then runs of others are listed where they have been judged, and are left out where not. Raises
    ``DataError`` where a run was trained with other settings.
    """
    runs = [
        run
        for run in experiment.runs(experiment.imagenet)
        if _can_be_trained(run, imagenet, only) or (out / "results" / run.name).is_dir()
    ]
    _check_settings(out, runs, experiment)
    log("a few clips of each store are prepared, to see what all will take")
    forecasts = forecast_source(source, experiment, out)  # first: a source that cannot be used is refused at once
    networks = sorted({run.network for run in runs}, key=[run.network for run in runs].index)
    costs = costs_of(networks, experiment.training, out / "costs.json", log)
    for reason in dict.fromkeys(reason for one in forecasts.values() for reason in one.failed):
        log(f"a sampled clip fails: {reason}")
    stores = None if forecasts else open_stores(source, experiment, out)
    plan = plan_of(experiment, runs, costs, forecasts, _test_crops(source, out, experiment, forecasts), out, stores)
    replace_text(out / "plan.md", plan.to_markdown() + "\n", durable=True)
    return plan, runs


def _test_crops(source: Source, out: Path, experiment: Experiment, forecasts: Mapping[str, Forecast]) -> int:
    """How many crops a run is judged on."""
    first = experiment.compressions[0]
    if first in forecasts:
        count = forecasts[first].crops.get("test", 0)
    else:
        store = Store(source.paths[0] if source.is_store() else out / "stores" / first)
        count = sum(store.info.counts.get("test", {}).values())
    return min(count, experiment.test_crops) if experiment.test_crops else count


def _can_be_trained(run: Run, imagenet: Path | None, only: Sequence[str]) -> bool:
    return (not only or run.model in only) and (not run.imagenet or _weights(imagenet, run.network) is not None)


def _weights(folder: Path | None, network: str) -> Path | None:
    """The ImageNet classifier's weights that a network begins with, where the folder has them."""
    file = folder / ANCESTORS[network].file if folder and network in ANCESTORS else None
    return file if file and file.exists() else None


def reproduce(
    source: Source,
    out: Path,
    experiment: Experiment,
    train: Train,
    *,
    imagenet: Path | None = None,
    only: Sequence[str] = (),
    log: Callable[[str], None] = print,
) -> Path:
    """Everything that is left of the experiment; returns the path of ``report.html``.

    ``train``: how a run is trained. ``imagenet``: a folder with ``vgg16.safetensors`` and ``xception.safetensors`` for Table 4;
    models whose weights it lacks begin with random ones only. ``only``: names of models to train; the report is of all that
    has been judged, whoever trained it. The plan is told first. Raises ``DataError`` where a run was trained with other
    settings.
    """
    plan, runs = make_plan(source, out, experiment, imagenet, log, only)
    log(plan.to_markdown())
    stores = make_stores(source, experiment, out, log)
    stores.trained.require_masks("the paper's tables")
    _check_store(out, runs, stores.trained)
    report = _report(source, out, experiment, stores, plan.costs)
    left = {step.name: step.seconds for step in plan.steps}
    chosen = [run for run in runs if _can_be_trained(run, imagenet, only)]
    for number, run in enumerate(chosen, 1):
        log(
            f"{number} of {len(chosen)}: {run.name}; about {duration(sum(left[one.name] for one in chosen[number - 1 :]))} left"
        )
        if report.is_judged(run):
            continue
        config = experiment.settings(run, _weights(imagenet, run.network))
        predictor = TorchPredictor(*load(train(stores.trained, out / "models" / run.name, config)))
        judge_run(predictor, report.questions(run), stores, out / "results" / run.name, log)
    return write_report(report, lambda judged: _figures(report, judged))


def report_so_far(source: Source, out: Path, experiment: Experiment) -> Path:
    """The report of all that has been judged; nothing is prepared, trained, judged or measured for it.

    Returns the path of ``report.html``. Raises ``DataError`` as `reproduce`, and where there is no store yet.
    """
    _check_settings(out, experiment.runs(experiment.imagenet), experiment)
    costs = measured_costs(experiment.training, out / "costs.json")
    stores = open_stores(source, experiment, out)
    _check_store(out, experiment.runs(experiment.imagenet), stores.trained)
    report = _report(source, out, experiment, stores, costs)
    return write_report(report, lambda judged: _figures(report, judged))


def _report(source: Source, out: Path, experiment: Experiment, stores: Stores, costs: Mapping[str, Cost]) -> Report:
    clips = () if source.is_store() else _clips(source, experiment, out)
    return Report(experiment, experiment.runs(experiment.imagenet), stores, costs, describe(stores, clips), out)


def _check_settings(out: Path, runs: Sequence[Run], experiment: Experiment) -> None:
    """Refuse runs that were begun with other settings: their figures would stand under a wrong description.

    The number of steps counts, too: a run that is made longer after its learning rate fell is no longer run.
    """
    for run in runs:
        folder = out / "models" / run.name
        weights = Path(ANCESTORS[run.network].file) if run.imagenet else None
        kept, wanted = _settings_of(folder), experiment.settings(run, weights)
        kept = kept and kept.model_copy(update={"init": Path(kept.init).name})  # where the weights lie does not matter
        changed = changed_settings(kept, wanted) if kept else []
        changed += [name for name in ("steps", "cooldown") if kept and getattr(kept, name) != getattr(wanted, name)]
        if changed:
            raise DataError(
                f"{folder} holds a run with another {', '.join(changed)}: give another --out, or in --config the settings "
                "that its config.json or best.json has"
            )


def _check_store(out: Path, runs: Sequence[Run], store: Store) -> None:
    """Refuse runs that were trained on a store of other settings or clips than the one at hand."""
    at_hand = LearnedFrom.store(store)
    for run in runs:
        card = card_of(out / "models" / run.name)
        used = card.training.store if card else None
        if used and (other := at_hand.other_than(LearnedFrom(settings=used.settings, inputs=used.inputs))):
            raise DataError(
                f"{out / 'models' / run.name} was trained on {other}: give another --out, or the source that it was trained on"
            )


def _settings_of(folder: Path) -> TrainConfig | None:
    """Those a run was begun with; None where it has not been. Raises ``DataError`` where they are damaged."""
    if (folder / "config.json").exists():
        return kept_config(folder / "config.json")
    card = card_of(folder)
    return settings_of(card, folder / "best.json") if card else None


def _clips(source: Source, experiment: Experiment, out: Path) -> list[Clip]:
    """The test clips of the tree, whose files tell bit rates."""
    custom = source.allow_custom_split or experiment.standins is not None
    jobs = [job for job in store_jobs(experiment) if not job.recipe]
    found: list[Clip] = []
    for job in jobs:
        with suppress(DataError):  # a level that the tree has not; the report says so
            settings = job.settings.model_copy(update={"only": ("test",)})
            found += checked_clips(source.tree(experiment, out), settings, source.splits, custom)
    return found


def _figures(report: Report, judged: Sequence[Run]) -> dict[str, Path]:
    """Of the first seed of every model that was trained as the paper has it."""
    drawn = {run: report.out / "models" / run.name / "best" for run in judged if run.is_drawn}
    stems = {run.model: stem for run, stem in drawn.items() if stem.with_suffix(".safetensors").exists()}
    policies = {run.model: run.policy for run in drawn}
    window = report.experiment.training.judged_window
    return draw_figures(report.stores.trained, stems, policies, window, report.out / "figures")
