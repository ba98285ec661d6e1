"""Commands that show how a model comes to its answer: explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamperlens.cli.console import app, make_folder, out
from tamperlens.errors import DataError, MissingExtra, ModelError

if TYPE_CHECKING:
    from tamperlens.models.card import ModelCard
    from tamperlens.models.explain import Layer
    from tamperlens.models.model import Model
    from tamperlens.types import UInt8Array

ROWS = 4  # of a sheet, unless channels are asked for


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    photo: Annotated[Path | None, typer.Argument(help="A photo; its largest face is looked at. None: list the layers.")] = None,
    file: Annotated[Path | None, typer.Option("--out", help="The PNG to write.")] = None,
    layer: Annotated[str, typer.Option(help="A layer; by default four, spread from the first to the last.")] = "",
    channels: Annotated[str, typer.Option(help="Channels of the layer, as in 3,17; by default its strongest.")] = "",
    whole: Annotated[bool, typer.Option("--whole", help="Look at the whole picture instead of the face.")] = False,
) -> None:
    """Draw what layers of a model see in a photo: activation map, guided backpropagation, and that with random weights.

    Where the last two look alike, guided backpropagation shows the picture's edges and nothing that was learned.
    """
    try:
        from tamperlens.models.explain import activations, as_seen, guided_backprop, layers, randomised, strongest
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    from tamperlens.media import write_png
    from tamperlens.models.explain_sheet import Explanation, draw_explanations

    network, card = _load(model)
    known = layers(network)
    if photo is None:
        for each in known:
            out.print(f"{each.name} {each.channels}", markup=False)
        return
    if file is None:
        raise DataError("an explanation is a picture; say where it goes with --out FILE.png")
    if channels and not layer:
        raise DataError("--channels are those of one layer; name it with --layer")
    make_folder(file.parent)
    image = as_seen(_crop(photo, whole), card)
    fresh = randomised(network)
    rows = []
    chosen = [layer] if layer else [each.name for each in _spread(known, ROWS)]
    for name in chosen:
        maps = activations(network, image, name)
        wanted = _numbers(channels) or strongest(maps, ROWS if layer else 1)
        gradients = guided_backprop(network, image, name, wanted)
        random = guided_backprop(fresh, image, name, wanted)
        for place, channel in enumerate(wanted):
            rows.append(Explanation(f"{name} / {channel}", maps[channel], gradients[place], random[place]))
    what = "whole picture" if whole else "largest face"
    write_png(file, draw_explanations(image, rows, title=f"{card.name}: {photo.name}, {what}"))
    out.print(str(file), markup=False)


def _load(name: str) -> tuple["Model", "ModelCard"]:
    """The PyTorch weights of a shipped model or a file, and their card."""
    import tamperlens.models.runtime
    from tamperlens.models.model import load

    if name in tamperlens.models.runtime.shipped_models():
        return load(Path(tamperlens.models.runtime.__file__).parent / "weights" / name)
    if Path(name).suffix != ".safetensors":
        shipped = ", ".join(tamperlens.models.runtime.shipped_models())
        raise ModelError(
            f"{name!r} cannot be explained: expected a shipped model ({shipped}) or a .safetensors file, "
            f"since gradients need PyTorch's weights"
        )
    return load(name)


def _crop(photo: Path, whole: bool) -> "UInt8Array":
    from tamperlens.faces import DETECTORS, crop_face
    from tamperlens.media import read_photo

    image = read_photo(photo).image
    if whole:
        return image
    faces = DETECTORS["yunet"]()(image)
    if not faces:
        raise DataError(f"no face was found in {photo}; give a photo that shows a face, or --whole to look at all of it")
    return crop_face(image, faces[0]).image


def _spread(layers: "list[Layer]", count: int) -> "list[Layer]":
    """``count`` layers from the first to the last, evenly apart; all where there are fewer."""
    steps = min(count, len(layers)) - 1
    return [layers[round(step * (len(layers) - 1) / steps)] for step in range(steps + 1)] if steps else layers


def _numbers(channels: str) -> list[int]:
    """The numbers of "3,17"."""
    try:
        return [int(channel) for channel in channels.split(",") if channel.strip()]
    except ValueError:
        raise DataError(f"--channels {channels} is no list of channels; expected numbers, as in 3,17") from None
