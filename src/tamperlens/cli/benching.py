"""Commands of the bench: evaluate, paper."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamperlens.cli.console import Detector, app, codes, make_folder, out
from tamperlens.errors import DataError, MissingExtra
from tamperlens.files import stems_of

if TYPE_CHECKING:
    from tamperlens.data.store import Store
    from tamperlens.training.config import TrainConfig


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(help="A shipped model's name, an .onnx, .xml or .safetensors file; or a name for --maps.")
    ],
    stores: Annotated[list[Path], typer.Argument(help="Prepared stores; several of other mask recipes show what they change.")],
    maps: Annotated[
        Path | None,
        typer.Option(help="Judge these pixel maps instead: a folder of <row>.png or .npz, and scores.csv (row, score) if any."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    policy: Annotated[str, typer.Option(help="native or resized windows, or whole crops; auto: as it was trained.")] = "auto",
    window: Annotated[int, typer.Option(min=32, help="Side of the windows in pixels.")] = 256,
    methods: Annotated[str, typer.Option(help="Codes of methods, as DF,P; all by default.")] = "",
    corruptions: Annotated[
        str, typer.Option(help="Also after these: jpeg:90..30,h264:23,webp,resize,blur,noise,gamma,screenshot.")
    ] = "",
    most: Annotated[int, typer.Option(help="At most so many crops, evenly spread over methods; 0: all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Write tables, and curves of --corruptions, here.")] = None,
) -> None:
    """Measure a model on a prepared store: accuracy, IoUs, AUC and the rest, per method, with 95 % intervals over videos."""
    try:
        from tamperlens.bench.evaluate import conditions_for, evaluate_maps, evaluate_model
        from tamperlens.bench.store import MapFolder
        from tamperlens.data.store import Store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "pyarrow", "data") from error
    from tamperlens.bench.corruptions import parse_corruptions
    from tamperlens.bench.curves import draw_curves
    from tamperlens.media import write_png
    from tamperlens.models.runtime import load

    make_folder(folder)
    changes = parse_corruptions(corruptions)
    if maps and changes:
        raise DataError("corruptions need a model to run; --maps are of the crops as they are")
    predictor, map_folder = (None, MapFolder(maps)) if maps else (load(model), None)
    conditions = conditions_for(
        predictor.card if predictor else None,
        split=split,
        policy=policy,
        window=window,
        methods=codes(methods) or (),
        max_crops=most or None,
    )
    found, names = [], stems_of(stores)
    for path in stores:
        if predictor:
            found.append(evaluate_model(predictor, Store(path), conditions, changes))
        elif map_folder:
            found.append(evaluate_maps(model, map_folder, Store(path), conditions))
        if folder and found[-1].curves:
            write_png(folder / f"{names[path]}.curves.png", draw_curves(found[-1].curves, unchanged=found[-1].rows))
    text = "\n".join(one.to_markdown() for one in found)
    record = {"model": model, "results": [one.to_record() for one in found]}
    if as_json:
        print(json.dumps(record))
    else:
        out.print(text, markup=False)
    if folder:
        (folder / "tables.md").write_text(text, encoding="utf-8")
        (folder / "results.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


@app.command()
def paper(
    sources: Annotated[list[Path], typer.Argument(help="A prepared store, a tree in FaceForensics++'s layout, or photos.")],
    folder: Annotated[Path, typer.Option("--out", help="The report's folder; one that was begun is continued.")],
    settings: Annotated[
        Path | None, typer.Option("--config", help="TOML file of the experiment, as in runs/paper-*.toml.")
    ] = None,
    models: Annotated[
        str, typer.Option(help="Train these alone, such as fn3-seg,fn3-cls; all of the experiment by default.")
    ] = "",
    imagenet: Annotated[Path | None, typer.Option(help="Folder of vgg16.safetensors, xception.safetensors: Table 4.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what is done, what is left, and the time and room it takes.")
    ] = False,
    only_report: Annotated[
        bool, typer.Option("--report", help="Make, train and measure nothing: write the report of what has been judged so far.")
    ] = False,
    splits: Annotated[Path | None, typer.Option(help="A tree's train.json, val.json and test.json.")] = None,
    allow_custom_split: Annotated[bool, typer.Option("--allow-custom-split", help="Take other than official splits.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make stand-ins and prepare a tree; training is one.")] = 1,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Complete stores without clips that failed.")] = False,
    detector: Detector = "",
) -> None:
    """From a dataset to the paper's Tables 1 to 4 and Figures 1, 5, 6, with ours beside theirs, and each claim put to the test.

    A tree is prepared, models are trained and judged; a plan comes first. Stopped at any moment, it goes on where it was. With
    a table standins in the settings, photos become stand-ins first; those are never called FaceForensics++.

    Needs the extra 'train'.
    """
    try:
        from tamperlens.bench.paper.experiment import read_experiment
        from tamperlens.bench.paper.reproduction import make_plan, report_so_far, reproduce
        from tamperlens.bench.paper.sources import Source
        from tamperlens.training.machine import keep_memory
        from tamperlens.training.runs import train_on_store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error

    experiment, only = read_experiment(settings), codes(models) or ()
    if unknown := [name for name in only if name not in experiment.models]:
        raise DataError(f"--models: {', '.join(unknown)} unknown; expected some of {', '.join(experiment.models)}")
    if len(sources) > 1 and not experiment.standins:
        raise DataError(
            f"expected one store or tree, got {len(sources)}; several folders of photos need [standins] in --config"
        )
    if plan and only_report:
        raise DataError("--plan says what is left to do, --report writes what has been judged: give one of them")
    make_folder(folder)
    keep_memory()

    def log(text: str) -> None:
        out.print(text, markup=False)

    source = Source(tuple(sources), splits, allow_custom_split, workers, keep_going, detector)
    if plan:
        log(make_plan(source, folder, experiment, imagenet, log, only)[0].to_markdown())
        return
    if only_report:
        log(f"report: {report_so_far(source, folder, experiment)}")
        return

    def train(store: "Store", run: Path, config: "TrainConfig") -> Path:
        return train_on_store(store, run, config, out)

    log(f"report: {reproduce(source, folder, experiment, train, imagenet=imagenet, only=only, log=log)}")
