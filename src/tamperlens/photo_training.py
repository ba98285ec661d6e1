"""From folders of real photos to a trained model: people apart, crops forged on the fly, figures on people not trained on."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn, track
from rich.progress import Progress as Bar

from tamperlens.card import ModelCard
from tamperlens.data.live import LiveCrops
from tamperlens.data.portraits import find_face_photos, forged_crops, split_of
from tamperlens.errors import DataError
from tamperlens.evaluation import judge
from tamperlens.faces import YuNet
from tamperlens.metrics import PixelCounts, area_under_roc
from tamperlens.model import Model, parse_name
from tamperlens.runtime import TorchPredictor
from tamperlens.training import Progress, TrainConfig, train
from tamperlens.types import LabelledCrop

__all__ = ["read_config", "train_on_photos", "validation_figures"]

VALIDATION_PER_FAMILY = 24
VALIDATION_SIDES = (128, 384)


def read_config(path: Path | None, *, model: str = "", steps: int = 0) -> TrainConfig:
    """Settings from a TOML file, with the command line's on top; `DataError` names the file and the entries that are wrong."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        values |= {"model": model} if model else {}
        values |= {"steps": steps} if steps else {}
        return TrainConfig.model_validate(values)
    except OSError as error:
        raise DataError(f"the settings {path} cannot be read ({error.strerror}); give a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"the settings {path} are not TOML ({error}); correct that line") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise DataError(f"the settings {path or 'given'} are not valid ({wrong}); see TrainConfig") from error


def train_on_photos(folders: list[Path], out: Path, config: TrainConfig, console: Console) -> Path:
    """Train on the photos of ``folders`` in the run folder ``out``; returns the path stem of the best model."""
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise DataError(f"{missing[0]} is no folder; give folders of real photos")
    parse_name(config.model)

    def scan(paths: Iterable[Path]) -> Iterable[Path]:
        return track(list(paths), description="finding faces", console=console)

    photos = find_face_photos(folders, YuNet(scales=(480,)), out / "faces.json", scan)
    by_split = {split: [p for p in photos if split_of(p.person) == split] for split in ("train", "val", "test")}
    console.print(", ".join(f"{split} {len(own)} photos" for split, own in by_split.items()), markup=False)
    if not by_split["train"] or not by_split["val"]:
        raise DataError(f"{len(photos)} photos are too few to hold people apart for validation; give more people")
    data = LiveCrops(
        by_split["train"],
        config.families,
        batches=config.steps * max(1, config.batch_size // config.micro_batch),
        batch_size=min(config.batch_size, config.micro_batch),
        windows=config.windows,
        max_side=config.max_side,
        pristine=config.pristine,
        untouched=config.untouched,
        compressed=config.compressed,
        seed=config.seed,
    )
    crops = list(
        forged_crops(
            by_split["val"],
            config.families,
            VALIDATION_PER_FAMILY,
            sides=VALIDATION_SIDES,
            seed=1,
            compressed=config.compressed,
        )
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("training", total=config.steps)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, description=f"loss {progress.loss:.3f}")
            if progress.validation:
                figures = " ".join(f"{name} {value:.3f}" for name, value in progress.validation.items())
                bar.console.print(f"step {progress.step}: {figures}", markup=False)

        return train(config, data, out, validate=lambda model: validation_figures(model, config, crops), report=report)


def validation_figures(model: Model, config: TrainConfig, crops: list[LabelledCrop]) -> dict[str, float]:
    """Pooled IoUs, false area on pristine crops and score AUC of a model on labelled crops."""
    network, task = parse_name(config.model)
    card = ModelCard(
        name=config.model,
        network=network,
        task=task,
        map_threshold=model.map_threshold,
        score_threshold=model.score_threshold,
        max_side=config.max_side,
    )
    outcomes = judge(TorchPredictor(model, card), crops)
    counts = sum((outcome.counts for outcome in outcomes), PixelCounts())
    pristine = sum((outcome.counts for outcome in outcomes if not outcome.label), PixelCounts())
    scores, labels = np.array([o.score for o in outcomes]), np.array([o.label for o in outcomes], np.bool_)
    return {
        "miou": counts.miou,
        "auc": area_under_roc(scores, labels),
        "fg_iou": counts.fg_iou,
        "bg_iou": counts.bg_iou,
        "false_area": pristine.false_area,
    }
