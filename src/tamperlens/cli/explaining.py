"""Commands that show how a model comes to its answer: explain."""

from pathlib import Path
from typing import Annotated

import typer

from tamperlens.cli.console import Detector, app, make_folder, out
from tamperlens.errors import DataError, MissingExtra


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    photo: Annotated[
        Path | None, typer.Argument(help="A photo; its largest face is looked at. Without one the layers are listed.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--out", help="The PNG to write.")] = None,
    layer: Annotated[str, typer.Option(help="A layer; by default four, spread from the first to the last.")] = "",
    channels: Annotated[str, typer.Option(help="Channels of the layer, as in 3,17; by default its strongest.")] = "",
    whole: Annotated[bool, typer.Option("--whole", help="Look at the whole picture instead of the face.")] = False,
    detector: Detector = "",
) -> None:
    """Draw what layers of a model see in a photo: activation map, guided backpropagation, and that with random weights.

    Where the last two look alike, guided backpropagation shows the picture's edges and nothing that was learned.
    """
    try:
        from tamperlens.models.explain import explain as explained
        from tamperlens.models.explain import layers, weights_of
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    from tamperlens.faces import crop_face, detector_for, largest_face
    from tamperlens.media import read_photo, write_png
    from tamperlens.models.explain_sheet import draw_explanations
    from tamperlens.models.runtime import as_seen

    network, card = weights_of(model)
    if photo is None:
        for each in layers(network):
            out.print(f"{each.name} {each.channels}", markup=False)
        return
    if file is None:
        raise DataError("an explanation is a picture; say where it goes with --out FILE.png")
    if channels and not layer:
        raise DataError("--channels are those of one layer; name it with --layer")
    make_folder(file.parent)
    image, what = read_photo(photo).image, "whole picture"
    if not whole:
        advice = "give a photo that shows a face, or --whole to look at all of it"
        image = crop_face(image, largest_face(image, detector_for("photo", detector), photo, advice=advice)).image
        what = "largest face"
    image = as_seen(image, card)
    rows = explained(network, image, layer, _numbers(channels))
    write_png(file, draw_explanations(image, rows, title=f"{card.name}: {photo.name}, {what}"))
    out.print(str(file), markup=False)


def _numbers(channels: str) -> list[int]:
    """The numbers of "3,17"."""
    try:
        return [int(channel) for channel in channels.split(",") if channel.strip()]
    except ValueError:
        raise DataError(f"--channels {channels} is no list of channels; expected numbers, as in 3,17") from None
