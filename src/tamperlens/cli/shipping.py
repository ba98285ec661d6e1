"""The command that makes a trained model one that can be shipped: thresholds, video rule, figures and card."""

from pathlib import Path
from typing import Annotated

import typer

from tamperlens.cli.console import app, make_folder, out
from tamperlens.errors import DataError, MissingExtra

STEPS = ("thresholds", "video", "forgeries", "photos", "groups")


@app.command()
def ship(
    run: Annotated[Path, typer.Argument(help="The folder of a finished training run.")],
    photos: Annotated[list[Path], typer.Argument(help="The folders of real photos that it learned from, in the same order.")],
    folder: Annotated[Path, typer.Option("--out", help="Where weights, ONNX file and card go.")],
    about: Annotated[Path, typer.Option(help="TOML file: origin and terms of data and first weights, known limits.")],
    controls: Annotated[
        list[str] | None,
        typer.Option("--control", help="Folder of photos of other people, or FOLDER=BORDER: pixels to cut off; repeatable."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV table of people in groups; without it groups are left out.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"A step: {', '.join(STEPS)}; repeatable, all by default.")] = None,
    per_family: Annotated[int, typer.Option(min=1, help="Crops of each forgery family.")] = 40,
    per_source: Annotated[int, typer.Option(min=1, help="Photos inspected of each source.")] = 150,
    clips: Annotated[int, typer.Option(min=2, help="People of each split of whom clips are made.")] = 60,
    delivery: Annotated[
        list[str] | None, typer.Option(help="A delivery of forged crops, such as 'JPEG 75'; repeatable, all by default.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option("--change", help="A change of pristine photos, such as denoised; repeatable, all by default."),
    ] = None,
) -> None:
    """Choose a model's thresholds on validation people, measure it on test people, and write both into its card.

    A step that was cut is begun again, but photos and clips that were scored are not scored again. Needs the extra 'train'.
    """
    try:
        from tamperlens.bench import groups, measure, video_rule
        from tamperlens.bench.held_out import CONTROLS, DELIVERIES
        from tamperlens.data.portraits import sources_of
        from tamperlens.models.card import CardRow
        from tamperlens.models.model import load as load_model
        from tamperlens.models.runtime import OnnxPredictor
        from tamperlens.training import ship as shipping
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error

    if unknown := sorted({*(only or ())} - {*STEPS}):
        raise DataError(f"--only: {', '.join(unknown)} unknown; expected some of {', '.join(STEPS)}")
    for option, given, known in (("--delivery", delivery, DELIVERIES), ("--change", control, CONTROLS)):
        if unknown := sorted({*(given or ())} - {*known}):
            raise DataError(f"{option}: {', '.join(unknown)} unknown; expected some of {', '.join(known)}")
    others = [_folder_and_border(text) for text in controls or ()]
    control_folders = sources_of(path for path, _ in others)
    make_folder(folder)
    steps = only or STEPS

    def say(text: str) -> None:
        out.print(text, markup=False, highlight=False, soft_wrap=True)

    changes = control or list(CONTROLS)
    if "thresholds" in steps:
        chosen = {name: CONTROLS[name] for name in changes}
        stem = shipping.ship(
            run, photos, folder, shipping.read_about(about), chosen,
            crops_per_family=per_family, photos_per_source=per_source, say=say,
        )  # fmt: skip
    else:
        stem = folder / load_model(run / "best")[1].name
    people = shipping.people_of(photos, run)
    predictor = OnnxPredictor(stem.with_suffix(".onnx"), threads=1)
    card, rows = predictor.card, list[CardRow]()

    def keep() -> None:
        card.with_results(rows).save(stem.with_suffix(".json"))  # after each step: a later one may fail

    if "video" in steps:
        kept = run / "shipping" / shipping.kept_as("clips", predictor)
        made = video_rule.Clips(people=clips, forged_people=max(2, clips // 4))
        rule = video_rule.choose_video_rule(video_rule.judged_clips(people["val"], predictor, made, kept), predictor, say)
        tested = video_rule.judged_clips(people["test"], predictor, made, kept)
        rows += video_rule.measure_video_rule(tested, rule, predictor.name, say)
        card = card.model_copy(update={"video": rule})
        keep()
    if "forgeries" in steps:
        rows += measure.measure_forgeries(predictor, people, per_family, delivery or list(DELIVERIES), say)
        if recipes := shipping.recipes_of(card):
            rows += measure.measure_recipes(predictor, people["test"], recipes, per_family, say)
        keep()
    if "photos" in steps:
        own = {
            name: [Path(p.path) for p in people["test"] if Path(p.path).is_relative_to(path)][:per_source]
            for name, path in sources_of(photos).items()
        }
        rows += measure.measure_photos(
            predictor, {f"{name}, test people": held for name, held in own.items() if held}, changes, say=say
        )
        held = {name: measure.photos_in(path, per_source) for name, path in control_folders.items()}
        borders = {name: border for name, (_, border) in zip(control_folders, others, strict=True)}
        rows += measure.measure_photos(predictor, held, measure.OTHER_CONTROLS, borders, say=say)
        keep()
    if "groups" in steps and labels:
        rows += groups.measure_groups(predictor, people["test"], groups.read_labels(labels), say=say)
        keep()
    say(f"{stem}.onnx with its card {stem}.json")


def _folder_and_border(text: str) -> tuple[Path, int]:
    """The two of FOLDER=BORDER; a folder alone has no border."""
    name, _, border = text.rpartition("=") if "=" in text else (text, "", "0")
    if not border.isdecimal():
        raise DataError(f"--control {text}: expected FOLDER or FOLDER=BORDER, a border in whole pixels")
    return Path(name), int(border)
