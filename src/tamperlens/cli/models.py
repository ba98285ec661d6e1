"""Commands that make models and what they learn from: forge, train, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tamperlens.cli.console import NOT_INSPECTED, Detector, app, complain_of, make_folder, out
from tamperlens.errors import DataError, MissingExtra, TamperlensError
from tamperlens.files import stems_of

if TYPE_CHECKING:
    from tamperlens.types import FaceBox, UInt8Array


@app.command()
def forge(
    photos: Annotated[list[Path], typer.Argument(help="Real photos to forge; the largest face of each is used.")],
    folder: Annotated[Path, typer.Option("--out", help="Where pictures, masks and manifest.jsonl go.")],
    family: Annotated[
        str, typer.Option(help="Forgery family, such as swap or resynthesis; forge/__init__.py lists them.")
    ] = "self_blend",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    donor: Annotated[Path | None, typer.Option(help="Photo of the face that a swap or an autoencoder puts on.")] = None,
    detector: Detector = "",
) -> None:
    """Make labelled forgeries with exact masks, for training and testing; each is visibly tagged and listed in a manifest.

    Exit code 1: some photo could not be used (the others were).
    """
    from tamperlens.faces import detector_for, largest_face
    from tamperlens.forge import FAMILIES, WITH_DONOR
    from tamperlens.forge.provenance import write_forgery
    from tamperlens.forge.whole import forge_face, portrait_of
    from tamperlens.media import read_photo

    if family not in FAMILIES:
        raise DataError(f"no forgery family is called {family!r}; expected one of {', '.join(FAMILIES)}")
    if family in WITH_DONOR and donor is None:
        raise DataError(f"{family} needs the photo of another face; give one with --donor")
    find = detector_for("photo", detector)

    def face_of(path: Path) -> tuple["UInt8Array", "FaceBox"]:
        image = read_photo(path).image
        return image, largest_face(image, find, path)

    make_folder(folder)
    donor_portrait = portrait_of(*face_of(donor)) if donor else None
    stems, failed = stems_of(photos), False
    for path in photos:
        try:
            image, face = face_of(path)
        except TamperlensError as error:
            failed = True
            complain_of(path, error)
            continue
        forgery = forge_face(image, face, family, seed, donor_portrait)
        picture, truth = write_forgery(folder, f"{stems[path]}.{family}.{seed}", forgery, path.name, seed)
        out.print(f"{picture} {truth}", markup=False)
    if failed:
        raise typer.Exit(NOT_INSPECTED)


@app.command()
def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="A prepared store, or folders of real photos: a folder per person, or files named person_number."),
    ],
    folder: Annotated[Path, typer.Option("--out", help="The run's folder; a run that is there is continued.")],
    settings: Annotated[
        Path | None, typer.Option("--config", help="TOML file of settings, as in runs/; training/config.py has them all.")
    ] = None,
    network: Annotated[str, typer.Option(help="Network, such as vgg5; by default that of the settings.")] = "",
    task: Annotated[str, typer.Option(help="cls, seg or joint; goes with --network.")] = "seg",
    steps: Annotated[int, typer.Option(help="Steps in all; 0: as the settings say.")] = 0,
    init: Annotated[str, typer.Option(help="Start from a saved model, or from ImageNet weights (.safetensors).")] = "",
) -> None:
    """Train a model on a prepared store, or on real photos forged on the fly; the paper's settings are the defaults.

    Needs the extra 'train'. More GPUs or machines: start it by torchrun, whose arguments say how many.
    """
    try:
        from tamperlens.data.store import Store
        from tamperlens.training.config import read_config
        from tamperlens.training.machine import keep_memory
        from tamperlens.training.runs import train_on_photos, train_on_store
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error

    make_folder(folder)
    keep_memory()
    config = read_config(settings, model=f"{network}-{task}" if network else "", steps=steps, init=init)
    if any((path / "store.json").exists() for path in data):
        if len(data) > 1:
            raise DataError(f"one store can be trained on at a time; got {len(data)} folders, of which one is a store")
        stem = train_on_store(Store(data[0]), folder, config, out)
    else:
        stem = train_on_photos(data, folder, config, out)
    out.print(f"best model: {stem}.safetensors with its card {stem}.json", markup=False)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file with its card beside it.")],
    to: Annotated[Literal["onnx", "openvino"], typer.Option(help="For ONNX Runtime, or OpenVINO's own format.")] = "onnx",
    folder: Annotated[Path, typer.Option("--out", help="Where the file and its card go.")] = Path("."),
    int8: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PHOTOS",
            help="Quantise to int8: a folder of real photos. Its train people calibrate, its test people show what it costs.",
        ),
    ] = None,
    per_family: Annotated[int, typer.Option(min=1, help="With --int8: crops of each forgery family that are judged.")] = 40,
) -> None:
    """Write a model for another engine, its card inside, after its numbers on real crops were compared with PyTorch's.

    Exit code 1: int8 costs the model more than may be shipped (AUC 0.005, mIoU half a point); it was written all the same, and
    its card says so. Needs the extra 'train'.
    """
    try:
        from tamperlens.bench.exporting import export_model
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error

    make_folder(folder)
    done = export_model(model, to, folder, int8 or (), per_family, say=lambda text: out.print(text, markup=False))
    out.print(f"{done.path} with its card inside and in {done.path.with_suffix('.json')}", markup=False)
    if done.card.quantised and not done.card.quantised.fit:
        raise typer.Exit(NOT_INSPECTED)
