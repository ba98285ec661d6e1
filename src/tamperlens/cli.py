"""The command line: each command composes what the rooms offer and computes nothing itself."""

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from tamperlens import __version__
from tamperlens.errors import DataError, MissingExtra, TamperlensError

if TYPE_CHECKING:
    from tamperlens.data.prepare import Progress
    from tamperlens.data.store import Store
    from tamperlens.types import FaceBox, Inspection, UInt8Array


class _Guarded(TyperGroup):
    """Errors made for people end in one line and exit code 2, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        for stream in (sys.stdout, sys.stderr):  # a file name may hold what a terminal cannot show
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (TamperlensError, OSError) as error:
            _complain(" ".join(str(error).split()))
            raise typer.Exit(UNUSABLE) from error


app = typer.Typer(
    cls=_Guarded,
    help="Finds manipulated faces in photos and shows which pixels were manipulated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
out = Console(highlight=False, soft_wrap=True, emoji=False)

NOT_INSPECTED = 1  # exit code: some file could not be inspected
UNUSABLE = 2  # exit code: the call itself cannot be carried out

STYLES = {"manipulated": "bold red", "no_evidence": "blue", "inconclusive": "yellow"}
SEVERITIES = {"error": "bold red", "warning": "yellow", "note": "dim"}

Reader = Annotated[str, typer.Option(help="How the dataset is laid out: faceforensics, celebdf, pairs or photos.")]
Methods = Annotated[str, typer.Option(help="Codes of manipulation methods, as DF,F2F,FS,NT; all by default.")]
Compression = Annotated[str, typer.Option(help="raw, c23 or c40; all by default.")]
Splits = Annotated[Path | None, typer.Option(help="Folder of train.json, val.json and test.json.")]


def _complain(message: str) -> None:
    errors.print(f"error: {message}", style="red", markup=False)


def _complain_of(path: Path, error: BaseException) -> str:
    """One line about one file; returns the reason without the file's name in front."""
    reason = " ".join(str(error).split()) or type(error).__name__
    _complain(reason if str(path) in reason else f"{path}: {reason}")
    return reason


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="Photos: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC.")],
    model: Annotated[str, typer.Option(help="A shipped model's name, or an .onnx or .safetensors file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, one per line.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Write overlay, pixel map and mask of each photo here.")] = None,
) -> None:
    """Say for each photo, and each face in it, whether it was manipulated, and where.

    Exit code 0: every file was inspected, whatever the verdicts. 1: some file could not be inspected (the others were).
    2: the call itself could not be carried out.
    """
    from tamperlens.faces import DETECTORS
    from tamperlens.inspection import inspect_photo
    from tamperlens.report import failure_record, inspection_record, write_pictures
    from tamperlens.runtime import DEFAULT_MODEL, load

    predictor, detector = load(model or DEFAULT_MODEL), DETECTORS["yunet"]()
    _make_folder(folder)
    stems = _stems(paths)
    failed = False
    for path in paths:
        try:
            inspection = inspect_photo(path, detector, predictor)
        except (TamperlensError, OSError, MemoryError) as error:
            failed = True
            reason = _complain_of(path, error)
            if as_json:
                print(json.dumps(failure_record(str(path), reason)), flush=True)
            continue
        if as_json:
            print(json.dumps(inspection_record(inspection)), flush=True)
        else:
            _print_inspection(inspection)
        if folder is not None:
            try:
                write_pictures(inspection, folder, stems[path])
            except OSError as error:
                failed = True
                _complain_of(path, error)
    if not as_json:
        kind = "calibrated" if predictor.calibrated else "uncalibrated"
        out.print(f"\nModel {predictor.name}; scores are {kind}. A verdict is evidence, not proof. Known limits:", style="dim")
        for limit in predictor.limits:
            out.print(f"  - {limit}", style="dim", markup=False)
    if failed:
        raise typer.Exit(NOT_INSPECTED)


def _make_folder(folder: Path | None) -> None:
    """Make the folder that results go to before any work is done for it."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be used as a folder ({error.strerror}); give another --out") from error


def _stems(paths: list[Path]) -> dict[Path, str]:
    """The stem of each file's pictures; files of one name keep their suffix, and their number if need be."""
    stems: dict[Path, str] = {}
    for path in dict.fromkeys(paths):
        stem, taken = path.stem, set(stems.values())
        if stem in taken:
            stem = path.name
        number = 2
        while stem in taken:
            stem, number = f"{path.name}.{number}", number + 1
        stems[path] = stem
    return stems


def _print_inspection(inspection: "Inspection") -> None:
    verdict = inspection.verdict.value
    out.print(f"{inspection.path}: ", end="", markup=False)
    out.print(verdict.replace("_", " "), style=STYLES[verdict])
    for reason in inspection.reasons:
        out.print(f"  {reason}", markup=False)
    if not inspection.faces:
        return
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("face", "box x0 y0 x1 y1", "score", "marked", "verdict"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for number, face in enumerate(inspection.faces, 1):
        box = " ".join(f"{value:.0f}" for value in (face.box.x0, face.box.y0, face.box.x1, face.box.y1))
        score = "-" if face.score is None else f"{face.score:.3f}"
        area = "-" if face.mask_area is None else f"{face.mask_area:.1%}"
        style = STYLES[face.verdict.value]
        table.add_row(str(number), box, score, area, f"[{style}]{face.verdict.value.replace('_', ' ')}[/]")
    out.print(table)


@app.command()
def forge(
    photos: Annotated[list[Path], typer.Argument(help="Real photos to forge; the largest face of each is used.")],
    folder: Annotated[Path, typer.Option("--out", help="Where pictures, masks and manifest.jsonl go.")],
    family: Annotated[str, typer.Option(help="Forgery family.")] = "self_blend",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    donor: Annotated[Path | None, typer.Option(help="Photo of the face a swap puts on.")] = None,
) -> None:
    """Make labelled forgeries with exact masks, for training and testing; each is visibly tagged and listed in a manifest."""
    from tamperlens.faces import DETECTORS
    from tamperlens.forge import FAMILIES
    from tamperlens.forge.provenance import write_forgery
    from tamperlens.forge.whole import forge_face, portrait_of
    from tamperlens.media import read_photo

    if family not in FAMILIES:
        raise DataError(f"no forgery family is called {family!r}; expected one of {', '.join(FAMILIES)}")
    if family == "swap" and donor is None:
        raise DataError("a swap needs the photo of another face; give one with --donor")
    detector = DETECTORS["yunet"]()

    def largest_face(path: Path) -> tuple["UInt8Array", "FaceBox"]:
        image = read_photo(path).image
        faces = detector(image)
        if not faces:
            raise DataError(f"no face was found in {path}; give photos that show a face")
        return image, faces[0]

    _make_folder(folder)
    donor_portrait = portrait_of(*largest_face(donor)) if donor else None
    stems, failed = _stems(photos), False
    for path in photos:
        try:
            image, face = largest_face(path)
        except TamperlensError as error:
            failed = True
            _complain_of(path, error)
            continue
        forgery = forge_face(image, face, family, seed, donor_portrait)
        picture, truth = write_forgery(folder, f"{stems[path]}.{family}.{seed}", forgery, path.name, seed)
        out.print(f"{picture} {truth}", markup=False)
    if failed:
        raise typer.Exit(NOT_INSPECTED)


@app.command()
def train(
    photos: Annotated[
        list[Path], typer.Argument(help="Folders of real photos: a folder per person, or files named person_number.")
    ],
    folder: Annotated[Path, typer.Option("--out", help="The run's folder; a run that is there is continued.")],
    settings: Annotated[Path | None, typer.Option("--config", help="TOML file of settings; see TrainConfig.")] = None,
    model: Annotated[str, typer.Option(help="<network>-<task>, such as vgg5-seg.")] = "",
    steps: Annotated[int, typer.Option(help="Steps in all.")] = 0,
) -> None:
    """Train a model on real photos, forged on the fly; the paper's settings are the defaults. Needs the extra 'train'."""
    try:
        from tamperlens.photo_training import read_config, train_on_photos
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error

    _make_folder(folder)
    config = read_config(settings, model=model, steps=steps)
    stem = train_on_photos(photos, folder, config, out)
    out.print(f"best model: {stem}.safetensors with its card {stem}.json", markup=False)


@app.command()
def synthesize(
    sources: Annotated[list[Path], typer.Argument(help="Real photos or clips, one person each, or folders of them.")],
    root: Annotated[Path, typer.Option("--out", help="Where the tree is built; one that is there is continued.")],
    methods: Annotated[str, typer.Option(help="Stand-ins: sDF,sF2F,sFS,sNT.")] = "",
    compressions: Annotated[str, typer.Option(help="Levels: raw,c23,c40.")] = "",
    people: Annotated[int, typer.Option(min=6, help="Use at most so many people.")] = 1000,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip.")] = 25,
    side: Annotated[int, typer.Option(min=64, help="Longer side of the pictures, in pixels.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same tree.")] = 0,
) -> None:
    """Build a tree in FaceForensics++'s layout from real footage, with stand-ins for its four methods and their masks."""
    from tamperlens.data import synthesize as room
    from tamperlens.faces import YuNet
    from tamperlens.forge.standins import STANDINS

    _make_folder(root)
    with _bar() as bar:
        left_out = room.synthesize(
            room.files_of(sources)[:people],
            root,
            YuNet(scales=(480,)),
            methods=_codes(methods) or tuple(STANDINS),
            compressions=_codes(compressions) or tuple(room.COMPRESSIONS),
            count=frames,
            longest=side,
            seed=seed,
            progress=lambda items: bar.track(list(items), description="clips"),
        )
    for reason in left_out:
        _complain(f"left out: {reason}")
    out.print(f"{root}: a tree of stand-ins, not FaceForensics++; splits in {root / 'splits'}", markup=False)


@app.command()
def doctor(
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    reader: Reader = "faceforensics",
    methods: Methods = "",
    compression: Compression = "",
    splits: Splits = None,
    full: Annotated[bool, typer.Option("--full", help="Read every video to its end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is wrong with a dataset before days are spent on it. Nothing is changed.

    Exit code 0: nothing that matters. 1: warnings. 2: errors, or the dataset cannot be examined at all.
    """
    from tamperlens.data.doctor import examine, exit_code
    from tamperlens.faces import VIDEO_SCALES, YuNet

    with _bar() as bar:
        task = bar.add_task("examining", total=None)
        findings = examine(
            root,
            reader=reader,
            methods=_codes(methods),
            compression=compression or None,
            splits=splits,
            detector=YuNet(scales=VIDEO_SCALES),
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
            table.add_row(name, finding.code, where.append(f"{finding.message}: {finding.fix}", "not bold"))
        out.print(table if findings else f"{root}: nothing is wrong", soft_wrap=False)
    raise typer.Exit(exit_code(findings))


@app.command()
def prepare(
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    store: Annotated[Path, typer.Option("--out", help="The store's folder; one that was begun is continued.")],
    reader: Reader = "faceforensics",
    methods: Methods = "",
    compression: Compression = "",
    recipe: Annotated[str, typer.Option(help="Mask recipe; by default the one that fits the compression.")] = "",
    splits: Splits = None,
    allow_custom_split: Annotated[bool, typer.Option("--allow-custom-split", help="Take other than official splits.")] = False,
    every_train: Annotated[int, typer.Option(min=1, help="Of training clips, crop every n-th frame.")] = 1,
    every_eval: Annotated[int, typer.Option(min=1, help="Of all other clips, crop every n-th frame.")] = 10,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or 'local'. Needs the extra 'cluster'.")] = "",
    share: Annotated[str, typer.Option("--shard", help="Do only the i-th of n shares of the work, as 1/4.")] = "1/1",
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Complete the store without clips that failed.")] = False,
    attempts: Annotated[int, typer.Option(min=1, help="How often a clip that fails is tried, over all runs.")] = 3,
) -> None:
    """Cut a dataset's faces and masks into a store to train and test on. Stopped at any moment, it goes on where it was.

    The original videos of the methods always come along, as pristine crops.
    """
    try:
        from tamperlens.data.prepare import PrepareSettings
        from tamperlens.data.prepare import prepare as prepare_store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "pyarrow", "data") from error
    from tamperlens.faces import VIDEO_SCALES, YuNet

    settings = PrepareSettings(
        reader=reader,
        methods=_codes(methods),
        compression=compression or None,
        recipe=recipe or None,
        every_train=every_train,
        every_eval=every_eval,
    )
    with _bar() as bar:
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
            YuNet(scales=VIDEO_SCALES),
            splits=splits,
            allow_custom_split=allow_custom_split,
            workers=workers,
            ray=ray or None,
            shard=_share(share),
            keep_going=keep_going,
            attempts=attempts,
            progress=show_progress,
        )
    for note in report.notes:
        out.print(f"note: {note}", markup=False)
    what = "complete" if report.complete else "share done, the store waits for the other shares"
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
    settings = {name: value for name, value in info.settings.model_dump().items() if value is not None}
    for name, value in (
        ("clips", f"{info.clips}, {len(info.failed)} failed"),
        ("size", f"{size:.1f} MB in {len(info.shards)} shards"),
        ("splits", info.split_set or "none"),
        ("masks", "; ".join(info.recipes) or "none"),
        ("empty masks", f"{store.count_empty_masks()} crops of manipulated clips"),
        ("faces", info.detector),
        ("settings", f"{info.settings_hash}: " + ", ".join(f"{name} {value}" for name, value in settings.items())),
    ):
        out.print(f"{name}: {value}", markup=False)
    for failure in info.failed:
        out.print(f"failed: {failure.clip}: {failure.reason}", style="red", markup=False)


def _bar() -> Bar:
    """A progress bar with the time that is left, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(*columns, console=errors, transient=True)


def _codes(methods: str) -> tuple[str, ...] | None:
    return tuple(code.strip() for code in methods.split(",") if code.strip()) or None


def _share(text: str) -> tuple[int, int]:
    number, _, total = text.partition("/")
    if not (number.isdigit() and total.isdigit()):
        raise typer.BadParameter(f"a share is i/n, as 1/4; got {text!r}", param_hint="--shard")
    return int(number), int(total)
