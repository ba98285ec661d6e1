"""The command line: each command composes what the rooms offer and computes nothing itself."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from tamperlens import __version__
from tamperlens.errors import MissingExtra, TamperlensError

if TYPE_CHECKING:
    from tamperlens.types import FaceBox, Inspection, UInt8Array



class _Guarded(TyperGroup):
    """Errors made for people end in one line and exit code 2, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TamperlensError as error:
            _complain(str(error))
            raise typer.Exit(UNUSABLE) from error


app = typer.Typer(
    cls=_Guarded,
    help="Finds manipulated faces in photos and shows which pixels were manipulated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)

NOT_INSPECTED = 1  # exit code: some file could not be inspected
UNUSABLE = 2  # exit code: the call itself cannot be carried out

STYLES = {"manipulated": "bold red", "no_evidence": "blue", "inconclusive": "yellow"}


def _complain(message: str) -> None:
    errors.print(f"error: {message}", style="red", markup=False)


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
    stems = _stems(paths)
    failed = False
    for path in paths:
        try:
            inspection = inspect_photo(path, detector, predictor)
            if folder is not None:
                write_pictures(inspection, folder, stems[path])
        except (TamperlensError, OSError, MemoryError) as error:
            failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            _complain(reason if str(path) in reason else f"{path}: {reason}")
            if as_json:
                print(json.dumps(failure_record(str(path), reason)), flush=True)
            continue
        if as_json:
            print(json.dumps(inspection_record(inspection)), flush=True)
        else:
            _print_inspection(inspection)
    if not as_json:
        out.print(f"\nModel {predictor.name}; scores are {'calibrated' if predictor.calibrated else 'uncalibrated'}. "
                  "A verdict is evidence, not proof; see docs/model-card.md for what the model misses.", style="dim")
    if failed:
        raise typer.Exit(NOT_INSPECTED)


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
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    donor: Annotated[Path | None, typer.Option(help="Photo of the face a swap puts on.")] = None,
) -> None:
    """Make labelled forgeries with exact masks, for training and testing; each is visibly tagged and listed in a manifest."""
    from tamperlens.errors import DataError
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

    donor_portrait = portrait_of(*largest_face(donor)) if donor else None
    for path in photos:
        image, face = largest_face(path)
        forgery = forge_face(image, face, family, seed, donor_portrait)
        picture, mask = write_forgery(folder, f"{path.stem}.{family}.{seed}", forgery, path.name, seed)
        out.print(f"{picture} {mask}", markup=False)


@app.command()
def train(
    photos: Annotated[list[Path], typer.Argument(help="Folders of real photos; people are told apart by file name.")],
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

    config = read_config(settings, model=model, steps=steps)
    stem = train_on_photos(photos, folder, config, out)
    out.print(f"best model: {stem}.safetensors with its card {stem}.json", markup=False)
