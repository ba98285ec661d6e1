"""Train or reuse the paper's models on a store, measure them on its test split, and write the report.

A report folder holds ``models/<name>/`` (run folders), ``results/<name>.json`` (figures, with the weights and the conditions
they were measured on), ``figures/``, and the report as ``report.md``, ``report.html``, ``tables/*.csv`` and ``tables/*.tex``.
Started again, it goes on where it stopped: runs resume, and what was measured is measured again only if its weights or the
conditions changed.
"""

import base64
import html
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tamperlens.bench.paper.figures import draw_figures
from tamperlens.bench.paper.tables import (
    FROM_IMAGENET,
    TABLES,
    Sheet,
    lay_out,
    published,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
)
from tamperlens.bench.store import Conditions, benchmark_rows, judge_store
from tamperlens.data.readers.methods import METHODS
from tamperlens.data.store import Store
from tamperlens.errors import DataError
from tamperlens.files import replace_text
from tamperlens.metrics.rows import rows_of_record, rows_record
from tamperlens.models.card import paper_policy
from tamperlens.models.model import load, model_names, parse_name
from tamperlens.models.networks.imagenet import ANCESTORS
from tamperlens.models.runtime import TorchPredictor
from tamperlens.training.config import TrainConfig
from tamperlens.types import ResultRow

__all__ = ["PAPER_MODELS", "reproduce"]

#: The paper's sixteen, the cheapest networks first, so that a report cut short has something to show.
PAPER_MODELS = tuple(
    f"{network}-{task}"
    for network in ("fn3", "mesoinception4", "vgg3", "vgg5", "vgg8", "xception", "unet4x", "unet8x")
    for task in ("seg", "cls")
)


def reproduce(
    store: Store,
    out: Path,
    config: TrainConfig,
    train: Callable[[Path, TrainConfig], Path],
    *,
    models: Sequence[str] = PAPER_MODELS,
    imagenet: Path | None = None,
    max_crops: int | None = None,
    log: Callable[[str], None] = print,
) -> Path:
    """The report on ``models``; returns the path of ``report.html``.

    ``config``: the settings of every run but the model. ``train``: run folder and settings -> path stem of the trained model;
    it resumes. ``imagenet``: a folder with ``vgg16.safetensors`` and ``xception.safetensors`` for Table 4; without it, every
    model starts from random weights. ``max_crops``: test crops at most.
    """
    if unknown := sorted(set(models) - set(model_names())):
        raise DataError(f"no model is called {', '.join(unknown)}; expected some of {', '.join(model_names())}")
    store.require_masks("the paper's tables")
    runs = [(name, config.model_copy(update={"model": name, "init": ""})) for name in models]
    runs += [
        (f"{name}{FROM_IMAGENET}", config.model_copy(update={"model": name, "init": str(file)}))
        for name, file in _imagenet_weights(models, imagenet)
    ]
    results: dict[str, list[ResultRow]] = {}
    started = time.monotonic()
    for number, (name, settings) in enumerate(runs, 1):
        stem = train(out / "models" / name, settings)
        results[name] = _measured(store, stem, out / "results" / f"{name}.json", settings, max_crops)
        left = timedelta(seconds=round((time.monotonic() - started) / number * (len(runs) - number)))
        log(f"{number} of {len(runs)}: {name} trained and measured; about {left} left")
        _write(store, out, results, config, max_crops, figures=number == len(runs))
    return out / "report.html"


def _imagenet_weights(models: Sequence[str], folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Those of the models that the paper also began from ImageNet weights, each with its file where the folder has it."""
    begun = {name for _, name, start, _, _ in published() if start}
    for name in models:
        if folder and name in begun and (file := folder / ANCESTORS[parse_name(name)[0]].file).exists():
            yield name, file


def conditions_of(task: str, config: TrainConfig, max_crops: int | None) -> Conditions:
    """The paper's: segmentation on native crops, classification on resized ones, of the size judged on."""
    policy = paper_policy(task) if config.policy == "auto" else config.policy
    return Conditions("test", policy, config.judged_window, config.methods, max_crops)


def _measured(store: Store, stem: Path, file: Path, config: TrainConfig, max_crops: int | None) -> list[ResultRow]:
    """A model's rows on the test split, from ``file`` where they are of these weights, store and conditions."""
    model, card = load(stem)
    conditions = conditions_of(parse_name(config.model)[1], config, max_crops)
    of = {
        "weights": card.weights_sha256,
        "thresholds": [card.map_threshold, card.score_threshold],
        "store": store.info.settings_hash,
        "crops": store.info.counts,
        "conditions": _record_of(conditions),
    }
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["of"] == of:
            return rows_of_record(kept["rows"])
    predictor = TorchPredictor(model, card)
    rows = benchmark_rows(config.model, judge_store(predictor, store, conditions), predictor.score_threshold)
    other = replace(conditions, policy="resized" if conditions.policy == "native" else "native")
    control = benchmark_rows(config.model, judge_store(predictor, store, other), predictor.score_threshold)
    file.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"of": of, "rows": rows_record(rows), "other_policy": rows_record(control)}
    record |= {"about": conditions.describe(store), "training": card.training.model_dump(mode="json")}
    replace_text(file, json.dumps(record, indent=1) + "\n", durable=True)
    return rows


def _write(
    store: Store, out: Path, results: dict[str, list[ResultRow]], config: TrainConfig, max_crops: int | None, *, figures: bool
) -> None:
    notes = _notes(store, config, max_crops)
    methods = [method for method in store.methods if method != "P"]
    sheets = [lay_out(table, results, methods, notes) for table in TABLES]
    sheets = [sheet for sheet in sheets if sheet.lines] + [_resolution_control(out, list(results), methods, notes)]
    pictures = {}
    if figures:
        stems = {name: out / "models" / name / "best" for name in results}
        policies = {name: conditions_of(_task_of(name), config, max_crops).policy or "native" for name in results}
        pictures = draw_figures(store, stems, policies, config.judged_window, out / "figures")
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for number, sheet in enumerate(sheets, 1):
        for suffix, text in ((".csv", to_csv(sheet)), (".tex", to_latex(sheet))):
            replace_text(out / "tables" / f"table{number}{suffix}", text, durable=True)
    title = f"Zooming into Face Forensics: the paper's experiments on {_data_name(store)}"
    markdown = [f"# {title}", "", *(f"- {note}" for note in notes), "", *(to_markdown(sheet) for sheet in sheets)]
    markdown += [f"### {caption}\n\n![{caption}](figures/{path.name})\n" for caption, path in pictures.items()]
    replace_text(out / "report.md", "\n".join(markdown), durable=True)
    replace_text(out / "report.html", _page(title, notes, sheets, pictures), durable=True)


def _record_of(conditions: Conditions) -> dict[str, Any]:
    """Conditions as result files have held them since the first report."""
    values = asdict(conditions)
    return values | {"methods": list(conditions.methods), "most": values.pop("max_crops")}


def _task_of(name: str) -> str:
    return parse_name(name.removesuffix(FROM_IMAGENET))[1]


def _data_name(store: Store) -> str:
    stand_ins = [method for method in store.methods if METHODS[method].stands_for]
    if stand_ins:
        return f"stand-ins ({', '.join(stand_ins)}), which are not FaceForensics++"
    return f"a store read as {store.info.settings.reader}"


def _notes(store: Store, config: TrainConfig, max_crops: int | None) -> list[str]:
    """What must be said beside every table."""
    about = conditions_of("seg", config, max_crops).describe(store)
    crops = f"{config.steps * config.batch_size:,} crops in {config.steps:,} steps of {config.batch_size}"
    tested = store.info.counts.get("test", {})
    return [
        f"Ours: measured on {_data_name(store)}; test crops {', '.join(f'{m} {n}' for m, n in tested.items())}"
        + (f", of which at most {max_crops} in all were judged." if max_crops else "."),
        f"Conditions: {about}; classification models on {conditions_of('cls', config, max_crops).policy} windows.",
        f"Every model was trained on {crops}, {' or '.join(map(str, config.windows))} pixels wide, with Adam at "
        f"{config.learning_rate:g}; thresholds were chosen on the validation split.",
        "In brackets: the paper's numbers, on FaceForensics++ raw and its whole training set. They are not comparable where "
        "data, crops or steps differ, and stand beside ours for orientation.",
    ]


def _resolution_control(out: Path, names: Sequence[str], methods: Sequence[str], notes: Sequence[str]) -> Sheet:
    """What the paper leaves in: its tasks differ in crop policy too. Each model under the policy it was not trained with."""
    lines = []
    for name in names:
        record = json.loads((out / "results" / f"{name}.json").read_text(encoding="utf-8"))
        for policy, rows in (("own", record["rows"]), ("other", record["other_policy"])):
            of = {row.metric: row for row in rows_of_record(rows) if row.subset == "average"}
            shown = [f"{100 * of[m].value:.1f} [{100 * of[m].low:.1f}, {100 * of[m].high:.1f}]" for m in ("accuracy", "miou")]
            lines.append((name, policy, *shown))
    title = "Resolution control: averages under the crop policy trained with, and under the other"
    return Sheet(title, ("model", "policy", "accuracy", "mIoU"), tuple(lines), tuple(notes[:2]))


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
.scroll{overflow-x:auto} img{max-width:100%;height:auto} h2{margin-top:2.5rem}
section p{color:#444;font-size:14px;margin:.4rem 0}
"""


def _page(title: str, notes: Sequence[str], sheets: Sequence[Sheet], pictures: dict[str, Path]) -> str:
    """One file that needs no other."""
    figures = "".join(
        f'<section><h2>{html.escape(caption)}</h2><img alt="{html.escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"></section>\n'
        for caption, path in pictures.items()
    )
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    tables = "".join(to_html(replace(sheet, notes=())) for sheet in sheets)
    return (
        f'<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1><ul>{items}</ul>\n"
        f"{tables}{figures}</html>\n"
    )
