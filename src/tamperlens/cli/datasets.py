"""Commands on datasets: synthesize, doctor, prepare, show."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from tamperlens.cli.console import Detector, app, codes, complain, make_folder, out, progress_bar
from tamperlens.data.readers import READERS
from tamperlens.errors import MissingExtra

if TYPE_CHECKING:
    from tamperlens.data.prepare.run import Progress
    from tamperlens.data.store import Store

SEVERITIES = {"error": "bold red", "warning": "yellow", "note": "dim"}

Reader = Annotated[
    str,
    typer.Option(help="How the dataset is laid out. " + ". ".join(f"{row.name}: {row.help}" for row in READERS.values()) + "."),
]
Methods = Annotated[str, typer.Option(help="Codes of manipulation methods, as DF,F2F,FS,NT; all by default.")]
Compression = Annotated[str, typer.Option(help="raw, c23 or c40; all by default.")]
Recipe = Annotated[str, typer.Option(help="Mask recipe; by default the one that fits the compression.")]
Splits = Annotated[Path | None, typer.Option(help="Folder of train.json, val.json and test.json.")]


@app.command()
def synthesize(
    sources: Annotated[list[Path], typer.Argument(help="Real photos or clips, one person each, or folders of them.")],
    root: Annotated[Path, typer.Option("--out", help="Where the tree is built; one that is there is continued.")],
    methods: Annotated[str, typer.Option(help="Stand-ins, of sDF,sF2F,sFS,sNT; all by default.")] = "",
    compressions: Annotated[str, typer.Option(help="Levels, of raw,c23,c40; all by default.")] = "",
    people: Annotated[int, typer.Option(min=6, help="Use at most so many people.")] = 1000,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip.")] = 25,
    side: Annotated[int, typer.Option(min=64, help="Longer side of the pictures, in pixels.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same tree.")] = 0,
    noise: Annotated[float, typer.Option(min=0, help="Noise of the camera that films a photo, in grey levels at most.")] = 4.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; any number of them makes the same tree.")] = 1,
    detector: Detector = "",
) -> None:
    """Build a tree in FaceForensics++'s layout from real footage, with stand-ins for its four methods and their masks."""
    from tamperlens.data.footage import files_of
    from tamperlens.data.synthesize import COMPRESSIONS
    from tamperlens.data.synthesize import synthesize as make_tree
    from tamperlens.faces import detector_for
    from tamperlens.forge.standins import STANDINS

    make_folder(root)
    with progress_bar() as bar:
        task = bar.add_task("looking for faces", total=None)
        left_out = make_tree(
            files_of(sources)[:people],
            root,
            detector_for("portrait", detector),
            methods=codes(methods) or tuple(STANDINS),
            compressions=codes(compressions) or tuple(COMPRESSIONS),
            count=frames,
            longest=side,
            seed=seed,
            sensor_noise=noise,
            workers=workers,
            progress=lambda what, done, total: bar.update(task, completed=done, total=total, description=what),
        )
    for reason in left_out:
        complain(f"left out: {reason}")
    out.print(f"{root}: a tree of stand-ins, not FaceForensics++; splits in {root / 'splits'}", markup=False)


@app.command()
def doctor(
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    reader: Reader = "faceforensics",
    methods: Methods = "",
    compression: Compression = "",
    recipe: Recipe = "",
    splits: Splits = None,
    full: Annotated[bool, typer.Option("--full", help="Read every video to its end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    detector: Detector = "",
) -> None:
    """Say what is wrong with a dataset before days are spent on it. Nothing is changed.

    Exit code 0: nothing that matters. 1: warnings. 2: errors, which prepare refuses, or the dataset cannot be examined at all.
    """
    from tamperlens.data.doctor import examine, exit_code
    from tamperlens.faces import detector_for

    with progress_bar() as bar:
        task = bar.add_task("examining", total=None)
        findings = examine(
            root,
            reader=reader,
            methods=codes(methods),
            compression=compression or None,
            recipe=recipe or None,
            splits=splits,
            detector=detector_for("dataset", detector),
            quick=not full,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print(json.dumps({"root": str(root), "exit_code": exit_code(findings), "findings": [vars(f) for f in findings]}))
    else:
        table = Table("", "finding", "where, what, and what to do", box=None, padding=(0, 2, 0, 0), header_style="dim")
        for finding in findings:
            name = Text(finding.severity.value, SEVERITIES[finding.severity.value])
            where = Text(f"{finding.path}\n", "bold", overflow="fold")
            table.add_row(name, finding.code, where.append(f"{finding.message}: {finding.advice}", "not bold"))
        out.print(table if findings else f"{root}: nothing is wrong", soft_wrap=False)
    raise typer.Exit(exit_code(findings))


@app.command()
def prepare(
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    store: Annotated[Path, typer.Option("--out", help="The store's folder; one that was begun is continued.")],
    reader: Reader = "faceforensics",
    methods: Methods = "",
    compression: Compression = "",
    recipe: Recipe = "",
    splits: Splits = None,
    allow_custom_split: Annotated[bool, typer.Option("--allow-custom-split", help="Take other than official splits.")] = False,
    every_train: Annotated[int, typer.Option(min=1, help="Of training clips, crop every n-th frame.")] = 1,
    every_eval: Annotated[int, typer.Option(min=1, help="Of all other clips, crop every n-th frame.")] = 10,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or 'local'. Needs the extra 'cluster'.")] = "",
    part: Annotated[str, typer.Option("--part", "--shard", help="Do only the i-th of n parts of the work, as 1/4.")] = "1/1",
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Complete the store without clips that failed.")] = False,
    attempts: Annotated[int, typer.Option(min=1, help="How often a clip that fails is tried, over all runs.")] = 3,
    accept: Annotated[
        str, typer.Option(help="Use clips in spite of these errors of the doctor, as noise-unknown,codec; their rows say so.")
    ] = "",
    detector: Detector = "",
) -> None:
    """Cut a dataset's faces and masks into a store to train and test on. Stopped at any moment, it goes on where it was.

    What the doctor calls an error is refused. Clips of data without originals get a label and no mask. The original videos of
    the methods always come along, as pristine crops.
    """
    try:
        from tamperlens.data.prepare.run import Execution, PrepareSettings
        from tamperlens.data.prepare.run import prepare as prepare_store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "pyarrow", "data") from error
    from tamperlens.faces import detector_for

    settings = PrepareSettings(
        reader=reader,
        methods=codes(methods),
        compression=compression or None,
        recipe=recipe or None,
        every_train=every_train,
        every_eval=every_eval,
        accept=tuple(sorted(codes(accept) or ())),
    )
    with progress_bar() as bar:
        task = bar.add_task("preparing", total=None)

        def show_progress(now: "Progress") -> None:
            if bar.tasks[task].total is None:
                bar.reset(task, total=now.total, completed=now.done)  # earlier runs' work says nothing on this one's speed
            bar.update(task, completed=now.done, description=f"{now.crops} crops")
            for failure in now.failed:
                bar.console.print(f"failed: {failure.clip}: {failure.reason}", style="red", markup=False)

        report = prepare_store(
            root,
            store,
            settings,
            detector_for("dataset", detector),
            splits=splits,
            allow_custom_split=allow_custom_split,
            execution=Execution(workers, ray or None, _part_of_work(part), keep_going, attempts, show_progress),
        )
    for note in report.notes:
        out.print(f"note: {note}", markup=False)
    what = "complete" if report.complete else "part done, the store waits for the other parts"
    out.print(f"{store}: {report.crops} crops of {report.clips} clips, {len(report.failed)} clips failed; {what}", markup=False)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A prepared store's folder.", metavar="STORE")],
    picture: Annotated[Path | None, typer.Option("--out", help="The contact sheet; by default STORE.png.")] = None,
) -> None:
    """Summarise a prepared store and write a contact sheet of its crops with the outlines of their masks."""
    try:
        from tamperlens.data.store import Store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "pyarrow", "data") from error
    from tamperlens.figures import draw_contact_sheet
    from tamperlens.media import write_png

    store, file = Store(path), picture or Path(f"{path.resolve()}.png")
    _print_store(store)
    write_png(file, draw_contact_sheet(store.examples()))
    out.print(f"contact sheet: {file}", markup=False)


def _print_store(store: "Store") -> None:
    info = store.info
    table = Table("crops", *store.methods, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for split, counts in info.counts.items():
        table.add_row(split, *(str(counts.get(method, 0)) for method in store.methods))
    out.print(table)
    size = sum(shard.size for shard in info.shards) / 1e6
    settings = {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name, value in info.settings.model_dump().items()
        if value is not None
    }
    for name, value in (
        ("clips", f"{info.clips}, {len(info.failed)} failed"),
        ("size", f"{size:.1f} MB in {len(info.shards)} shards"),
        ("splits", info.split_set or "none"),
        ("masks", "; ".join(info.recipes) or "none"),
        ("empty masks", f"{store.count_empty_masks()} crops of manipulated clips"),
        ("without masks", f"{store.count_label_only()} crops of manipulated clips, which have a label only"),
        ("faces", info.detector),
        ("settings", f"{info.settings_hash}: " + ", ".join(f"{name} {value}" for name, value in settings.items())),
    ):
        out.print(f"{name}: {value}", markup=False)
    for failure in info.failed:
        out.print(f"failed: {failure.clip}: {failure.reason}", style="red", markup=False)


def _part_of_work(text: str) -> tuple[int, int]:
    number, _, total = text.partition("/")
    if not (number.isdigit() and total.isdigit()):
        raise typer.BadParameter(f"a part of the work is i/n, as 1/4; got {text!r}", param_hint="--part")
    return int(number), int(total)
