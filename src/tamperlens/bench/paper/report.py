"""The report on an experiment, computed from its results files alone: tables, claims, curves and figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tamperlens.bench.corruptions import parse_corruptions
from tamperlens.bench.curves import CurvePoint, draw_curves
from tamperlens.bench.paper.claims import claims_to_markdown, put_to_the_test
from tamperlens.bench.paper.costs import Cost, device_name
from tamperlens.bench.paper.evidence import MIN_AUC, Evidence
from tamperlens.bench.paper.experiment import Experiment, Run, variant_name
from tamperlens.bench.paper.judging import OTHER_POLICY, OWN, Question, judged_conditions, questions_of
from tamperlens.bench.paper.page import page_of
from tamperlens.bench.paper.progress import left_to_judge
from tamperlens.bench.paper.stores import Stores
from tamperlens.bench.paper.tables import FROM_IMAGENET, TABLES, Sheet, lay_out, to_csv, to_latex, to_markdown
from tamperlens.data.readers.methods import METHODS
from tamperlens.data.store import Store
from tamperlens.files import replace_text
from tamperlens.media import write_png
from tamperlens.metrics.paired import Estimate, Sums, check_paired, combined, draws, estimate_of, mean_of
from tamperlens.metrics.results import rows_of
from tamperlens.models.model import parse_name
from tamperlens.models.networks.imagenet import ANCESTORS
from tamperlens.types import ResultRow

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What a report is of."""

    experiment: Experiment
    runs: Sequence[Run]
    stores: Stores
    costs: Mapping[str, Cost]
    description: Sheet  # of the data
    out: Path

    def judged(self) -> list[Run]:
        """The runs whose results count: judged to the end, under the conditions of this report."""
        return [run for run in self.runs if self.is_judged(run)]

    def questions(self, run: Run) -> list[Question]:
        """The conditions that a run is judged under."""
        return questions_of(self.experiment, run, list(self.stores.by_compression))

    def is_judged(self, run: Run) -> bool:
        """Whether a run's weights were judged under all of them; the weights themselves need not be there."""
        return not left_to_judge(self.experiment, run, self.questions(run), self.stores, self.out)

    @property
    def units(self) -> str:
        """What is drawn again for intervals, in words."""
        return "pairs of people who swap faces" if self.stores.trained.pairs("test") else "videos"


def write_report(report: Report, figures: Callable[[Sequence[Run]], Mapping[str, Path]]) -> Path:
    """Write what has been judged so far; returns the path of ``report.html``.

    ``figures``: draws the pictures of the runs that were judged, and returns captions and paths.
    """
    judged, out = report.judged(), report.out
    evidence = Evidence(report.runs, out / "results", judged, report.stores.trained.pairs("test"))
    notes = _notes(report, judged)
    variants = evidence.variants
    own = {name: evidence.rows(name) for name in variants}
    methods = [method for method in report.stores.trained.methods if method != "P"]
    of_tables = {name: rows for name, rows in own.items() if name.removesuffix(FROM_IMAGENET) in report.experiment.models}
    sheets = [lay_out(table, of_tables, methods, notes) for table in TABLES]
    sheets += [
        _degraded(report, evidence, variants),
        crossed := _crossed(report, evidence),
        _recipes(evidence, variants, report.experiment.compressions),
        _costs(report, evidence, variants),
        report.description,
    ]
    found = put_to_the_test(evidence)
    pictures = {**_curves(report, evidence, variants), **figures(judged)}
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for number, sheet in enumerate(sheets, 1):
        for suffix, text in ((".csv", to_csv(sheet)), (".tex", to_latex(sheet))):
            replace_text(out / "tables" / f"table{number}{suffix}", text, durable=True)
    title = f"Zooming into Face Forensics: the paper's experiments on {_data_name(report.stores.trained)}"
    claims = (
        f"{len(judged)} of {len(report.runs)} runs have been judged.\n\n{claims_to_markdown(found)}\n{to_markdown(crossed)}"
    )
    replace_text(out / "claims.md", claims, durable=True)
    sheets = [replace(sheet, notes=() if sheet.notes == tuple(notes) else sheet.notes) for sheet in sheets]  # told once for all
    tables = "\n".join(to_markdown(sheet) for sheet in sheets)
    replace_text(out / "tables.md", "\n".join([*(f"- {note}" for note in notes), "", tables]), durable=True)
    markdown = [f"# {title}", "", *(f"- {note}" for note in notes), "", "## Claims", "", claims, "## Tables", "", tables]
    markdown += [f"### {caption}\n\n![{caption}](figures/{path.name})\n" for caption, path in pictures.items()]
    replace_text(out / "report.md", "\n".join(markdown), durable=True)
    replace_text(out / "report.html", page_of(title, notes, found, sheets, pictures), durable=True)
    return out / "report.html"


def _data_name(store: Store) -> str:
    stand_ins = [method for method in store.methods if METHODS[method].stands_for]
    if stand_ins:
        return f"stand-ins ({', '.join(stand_ins)}), which are not FaceForensics++"
    return f"a store read as {store.info.settings.reader}"


def _notes(report: Report, judged: Sequence[Run]) -> list[str]:
    """What must be said beside every table."""
    store, training = report.stores.trained, report.experiment.training
    crops = f"{training.steps * training.batch_size:,} crops in {training.steps:,} steps of {training.batch_size}"
    tested, most = store.info.counts.get("test", {}), report.experiment.test_crops
    seeds = ", ".join(f"{count} of {network}" for network, count in report.experiment.seeds.items())
    cooldown = f"falling to zero over the last {100 * training.cooldown:g} %"
    small = min(training.windows) < training.judged_window
    conditions = judged_conditions(report.experiment, "native").describe(store, report.units)
    notes = [
        f"Ours: measured on {_data_name(store)}; test crops {', '.join(f'{m} {n}' for m, n in tested.items())}"
        + (f", of which at most {most} in all were judged." if most else "."),
        f"Conditions: {conditions}; classification models on resized windows.",
        f"Every model was trained on {crops}, {' or '.join(map(str, training.windows))} pixels wide, with Adam at "
        f"{training.learning_rate:g}{f', {cooldown}' if training.cooldown else ''}, "
        f"{'mirrored at random' if training.mirror else 'not mirrored'}; "
        + ("resized ones are cut from crops of the judged size; " if small else "")
        + f"thresholds were chosen on {training.validation_crops} crops of the validation split.",
        f"Figures are means over seeds{f', {seeds}' if seeds else ''}, one of all others; intervals cover "
        f"{report.units} and, where there are several, seeds: Welch's t of so few is wide.",
        "In brackets: the paper's numbers, on FaceForensics++ raw and its whole training set. They are not comparable where "
        "data, crops or steps differ, and stand beside ours for orientation. Its segmentation models of Tables 1 to 3 that are "
        "in Table 4, too, began from ImageNet weights; ours of those tables began from random ones.",
    ]
    return notes + [f"Not as asked for: {note}" for note in (*report.stores.notes, *_left_out(report, judged))]


def _left_out(report: Report, judged: Sequence[Run]) -> list[str]:
    """What is not in the tables and figures, beside runs that have not been begun."""
    models, done = report.out / "models", set(judged)
    begun = [run.name for run in report.runs if run not in done and (report.out / "results" / run.name).is_dir()]
    gone = [run.model for run in judged if run.is_drawn and not (models / run.name / "best.safetensors").exists()]
    waiting = {run.variant: ANCESTORS[run.network].file for run in report.runs if run.imagenet and run not in done}
    return [
        *([f"without {', '.join(begun)}: not judged to the end under these conditions"] if begun else []),
        *([f"Figures 1, 5 and 6 are without {', '.join(gone)}, whose weights are not here"] if gone else []),
        *(
            f"{name} has not been run in full: it begins from {file} in the folder of --imagenet"
            for name, file in waiting.items()
        ),
    ]


def _points(value: Estimate) -> str:
    if np.isnan(value.value):
        return "-"
    interval = "" if np.isnan(value.low) else f" [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    return f"{100 * value.value:.1f}{interval}"


def _average(found: Sequence[Sums], metric: str) -> str:
    return _points(mean_of(draws(found, metric))) if found else ""


def _degraded(report: Report, evidence: Evidence, variants: Sequence[str]) -> Sheet:
    """Every run as it was trained, then under what it was not trained on."""
    conditions = [OWN, OTHER_POLICY, *list(report.stores.by_compression)[1:]]
    conditions += [one.name for one in parse_corruptions(report.experiment.degraded)]
    lines = [
        (name, metric, *(_average(evidence.sums(name, condition), key) for condition in conditions))
        for name in variants
        for key, metric in (("accuracy", "accuracy"), ("miou", "mIoU"))
    ]
    first = f"{next(iter(report.stores.by_compression))}, as trained"
    title = "Under what the models were not trained on: averages over methods and pristine"
    return Sheet(title, ("model", "figure", first, *conditions[1:]), tuple(lines), ())


_CELLS = (("seg", "native"), ("seg", "resized"), ("cls", "native"), ("cls", "resized"))
#: Weights of the cells in the paper's gap, in the task's effect on either crops, and in the policy's effect on either task.
_PARTS = {
    "the paper's gap": (1, 0, 0, -1),
    "the task's part": (0.5, 0.5, -0.5, -0.5),
    "the policy's part": (0.5, -0.5, 0.5, -0.5),
}


def _crossed(report: Report, evidence: Evidence) -> Sheet:
    """Task and crop policy apart: four cells of each network, and how much of the paper's gap is the policy's."""
    lines = []
    for network in report.experiment.crossed:
        names = [variant_name(f"{network}-{task}", policy) for task, policy in _CELLS]
        cells = [evidence.sums(name) for name in names]
        guessing = [name for name, found in zip(names, cells, strict=True) if found and not evidence.tells_apart(name)]
        for key, metric in (("accuracy", "accuracy"), ("miou", "mIoU")):
            parts = ["" for _ in _PARTS]
            if all(cells) and guessing:
                parts = [f"AUC of {' and '.join(guessing)} under {100 * MIN_AUC:g}" for _ in _PARTS]
            elif all(cells):
                check_paired(*cells)
                of = [draws(found, key) for found in cells]
                parts = [_points(estimate_of(combined(*zip(w, of, strict=True)))) for w in _PARTS.values()]
            lines.append((network, metric, *(_average(found, key) for found in cells), *parts))
    header = ("network", "figure", *(f"{task}, {policy}" for task, policy in _CELLS), *_PARTS)
    title = "Task and crop policy apart; the paper compares seg on native with cls on resized crops"
    notes = (
        "The task's part is the mean of its effect on native and on resized crops, the policy's that of its effect on either "
        "task; together they are the gap. There is none to part where a model hardly tells pristine crops from others.",
    )
    return Sheet(title, header, tuple(lines), notes)


def _recipes(evidence: Evidence, variants: Sequence[str], compressions: Sequence[str]) -> Sheet:
    """The same predictions counted against masks of other recipes."""
    lines: list[tuple[str, ...]] = []
    conditions = {compressions[0]: OWN} | {name: name for name in compressions[1:]}
    columns = list(
        dict.fromkeys(
            (level, recipe)
            for level, condition in conditions.items()
            for name in variants
            for recipe in ("", *evidence.masks_of(name, condition))
            if evidence.sums(name, condition)
        )
    )
    for name in variants:
        for metric, shown in (("miou", "mIoU"), ("fg_iou", "Fg-IoU"), ("bg_iou", "Bg-IoU")):
            cells = [_average(evidence.sums(name, conditions[level], recipe), metric) for level, recipe in columns]
            lines.append((name, shown, *cells))
    header = ("model", "figure", *(f"{level}, {recipe or 'its own recipe'}" for level, recipe in columns))
    return Sheet("The same predictions against masks of other recipes: averages", header, tuple(lines), ())


def _costs(report: Report, evidence: Evidence, variants: Sequence[str]) -> Sheet:
    """What each variant costs, beside what it reaches."""
    lines, training = [], report.experiment.training
    for name in variants:
        runs = evidence.runs_of(name)
        costs, cost = ("-",) * 5, report.costs.get(runs[0].network)  # none where it was not trained on this machine
        if cost:
            minutes = training.steps * training.batch_size / cost.trained / 60
            costs = f"{cost.parameters:,}", f"{cost.gmac:.3f}", f"{cost.trained:.1f}", f"{cost.judged:.1f}", f"{minutes:.1f}"
        found = _points(evidence.auc(name)), *(_average(evidence.sums(name), key) for key in ("accuracy", "miou"))
        lines.append((name, str(len(runs)), *costs, *found))
    header = ("model", "seeds", "parameters", "GMAC a training window", "crops/s trained", "crops/s judged")
    threads = "one core" if training.threads == 1 else f"{training.threads or 'all'} cores"
    notes = (
        "AUC is of the scores of all methods against pristine crops of other people, averaged over seeds, its interval over "
        f"{report.units}: under {100 * MIN_AUC:g} a model hardly tells them apart, and its other figures are little more than "
        "a guess.",
        f"Speeds are of {threads} of {device_name()}, measured where the report was made, whatever the runs were trained on; "
        "minutes are those that a run's steps take at that speed.",
    )
    return Sheet("Cost of each model", (*header, "minutes to train", "AUC", "accuracy", "mIoU"), tuple(lines), notes)


def _curves(report: Report, evidence: Evidence, variants: Sequence[str]) -> dict[str, Path]:
    """Robustness curves of all segmentation models in one picture, and of all classifiers in another."""
    corruptions, pictures = parse_corruptions(report.experiment.curves), {}
    for task in ("seg", "cls"):
        models = [name for name in variants if name in report.experiment.models and parse_name(name)[1] == task]
        measured = [(one, _of_one_seed(evidence, models, f"curve {one.name}")) for one in corruptions]
        path = report.out / "figures" / f"curves-{task}.png"
        path.unlink(missing_ok=True)  # it may be of other conditions
        if points := [CurvePoint(one.kind, one.severity, rows) for one, rows in measured if rows]:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, draw_curves(points, subset="all", unchanged=_of_one_seed(evidence, models, OWN)))
            caption = f"Robustness of the {task} models, one seed, all methods together, against all pristine crops"
            pictures[f"{caption}; dotted: all test crops as they are"] = path
    return pictures


def _of_one_seed(evidence: Evidence, models: Sequence[str], condition: str) -> list[ResultRow]:
    """What curves show, of each model's first seed that was judged under a condition."""
    metrics = ("auc", "fg_iou", "false_area")
    of = [(name, table) for name in models for table in evidence.outcomes(name, condition)[:1]]
    return [row for name, table in of for row in rows_of(name, table, table.score_threshold, metrics, rounds=100)]
