"""From data to a trained model: a prepared store, or folders of real photos on which crops are forged on the fly."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn, track
from rich.progress import Progress as Bar
from torch.utils.data import Dataset

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, forged_crops, sources_of
from tamperlens.data.store import Store
from tamperlens.errors import DataError
from tamperlens.faces import detector_for
from tamperlens.forge.recipes import RECIPES
from tamperlens.metrics import area_under_roc
from tamperlens.metrics.outcomes import judge
from tamperlens.metrics.thresholds import best_map_threshold, best_score_threshold, fit_calibration, operating_point
from tamperlens.models.card import Families, ModelCard, StoreUsed
from tamperlens.models.model import Model, load, parse_name, save
from tamperlens.models.runtime import TorchPredictor
from tamperlens.training.batch import Batch
from tamperlens.training.config import TrainConfig
from tamperlens.training.loop import Progress, card_of, train
from tamperlens.training.machine import leads
from tamperlens.training.pair_batches import LivePairs, forged_pairs
from tamperlens.training.photo_batches import LiveCrops
from tamperlens.training.run_folder import LearnedFrom, alone_in
from tamperlens.training.store_batches import StoreCrops
from tamperlens.types import LabelledCrop

__all__ = ["choose_thresholds", "train_on_people", "train_on_photos", "train_on_store", "validation_figures"]

VALIDATION_PER_FAMILY = 24
VALIDATION_SIDES = (128, 384)
CALIBRATED_FROM = 20  # validation crops of either class: fewer say nothing on probabilities


def train_on_photos(folders: list[Path], out: Path, config: TrainConfig, console: Console) -> Path:
    """Train on the photos of ``folders`` in the run folder ``out``; returns the path stem of the best model.

    Raises `DataError` as `sources_of`, and where the photos are too few to hold people apart.
    """
    sources_of(folders)
    parse_name(config.model)

    def scan(paths: Iterable[Path]) -> Iterable[Path]:
        return track(list(paths), description="finding faces", console=console)

    photos = find_face_photos(folders, detector_for("portrait"), out / "faces.json", scan)
    return train_on_people(by_split(photos), out, config, console)


def train_on_people(people: Mapping[str, Sequence[FacePhoto]], out: Path, config: TrainConfig, console: Console) -> Path:
    """Train on photos of ``train`` people, judged by those of ``val`` people; returns the path stem of the best model.

    Raises `DataError` where there are none of either, and where ``out`` holds a run of other photos.
    """
    console.print(", ".join(f"{split} {len(own)} photos" for split, own in people.items()), markup=False)
    if not people["train"] or not people["val"]:
        count = sum(len(own) for own in people.values())
        raise DataError(f"{count} photos are too few to hold people apart for validation; give more people")
    source = LearnedFrom.people(people)
    if config.pairs:
        pairs = _pairs(config, people["train"])
        return _train(config, pairs, out, list(_validation_pairs(config, people["val"])), console, source)
    data = LiveCrops(
        people["train"],
        config.families,
        batches=_micro_batches(config),
        batch_size=min(config.batch_size, config.micro_batch),
        windows=config.windows,
        max_side=config.max_side,
        pristine=config.pristine,
        untouched=config.untouched,
        compressed=config.compressed,
        seed=config.seed,
    )
    crops = forged_crops(
        people["val"],
        config.families,
        VALIDATION_PER_FAMILY,
        sides=VALIDATION_SIDES,
        seed=seeds.VALIDATION,
        compressed=config.compressed,
    )
    return _train(config, data, out, list(crops), console, source)


def _pairs(config: TrainConfig, photos: Sequence[FacePhoto]) -> LivePairs:
    return LivePairs(
        photos,
        batches=_micro_batches(config),
        batch_size=min(config.batch_size, config.micro_batch),
        sides=config.windows,
        recipes=config.families,
        seed=config.seed,
    )


def _validation_pairs(config: TrainConfig, photos: Sequence[FacePhoto]) -> Iterable[LabelledCrop]:
    return forged_pairs(
        photos, config.families or list(RECIPES), VALIDATION_PER_FAMILY, sides=VALIDATION_SIDES, seed=seeds.VALIDATION
    )


def train_on_store(store: Store, out: Path, config: TrainConfig, console: Console) -> Path:
    """Train on a prepared store in the run folder ``out``, then choose thresholds on its validation split.

    Returns the path stem of the best model. The paper's setting (section 4): all methods mixed. Raises `DataError` where
    ``out`` holds a run on another store.
    """
    methods = list(config.methods) or None
    if parse_name(config.model)[1] == "seg":
        store.require_masks(f"training {config.model}", methods)
    data = StoreCrops(
        store,
        batches=_micro_batches(config),
        batch_size=min(config.batch_size, config.micro_batch),
        methods=methods,
        policy=config.crop_policy,
        windows=config.windows,
        resized_to=config.judged_window,
        mirror=config.mirror,
        seed=config.seed,
    )
    crops = list(
        store.crops(
            "val", methods=methods, policy=config.crop_policy, window=config.judged_window, most=config.validation_crops
        )
    )
    stem = _train(config, data, out, crops, console, LearnedFrom.store(store))
    if not leads():
        return stem
    model, card = load(stem)
    if not card.training.thresholds:
        used = StoreUsed(
            settings=store.info.settings_hash,
            inputs=store.info.clips_hash,
            masks=tuple(store.info.recipes),
            splits=store.info.split_set,
            crops={split: dict(counts) for split, counts in store.info.counts.items()},
        )
        side = config.judged_window if config.crop_policy == "resized" else card.max_side  # whole crops of the size it knows
        training = card.training.model_copy(update={"store": used})
        families = card.families if card.training.before else Families()  # a store's methods are none of them
        card = card.model_copy(update={"training": training, "max_side": side, "families": families})
        choose_thresholds(model, card, crops, stem)
    return stem


def choose_thresholds(model: Model, card: ModelCard, crops: Sequence[LabelledCrop], stem: Path) -> ModelCard:
    """Choose tau 1, tau 2, operating points and the calibration on validation crops, and save the model with them.

    tau 1: the best pooled mIoU; tau 2: the best balanced accuracy; operating points: raw scores that at most 1 % and
    5 % of the pristine crops reach; the calibration is temperature scaling, kept in the card's results, not applied.
    """
    card = card.model_copy(update={"calibration": None, "doubt_threshold": None})
    predictor = TorchPredictor(model, card)
    model.map_threshold = best_map_threshold([predictor(crop.image).pixel_map for crop in crops], crops)
    outcomes = judge(TorchPredictor(model, card.model_copy(update={"map_threshold": model.map_threshold})), crops)
    model.score_threshold = best_score_threshold(outcomes)
    found = {f"score_at_{rate:.0%}_false_alarms": operating_point(outcomes, rate) for rate in (0.01, 0.05)}
    if min(outcomes.labels.sum(), (~outcomes.labels).sum()) >= CALIBRATED_FROM:
        with suppress(DataError):  # scores that tell nothing have no temperature
            found["temperature"] = 1 / fit_calibration(outcomes, temperature=True).slope
    how = f"map threshold of the best mIoU and score threshold of the best balanced accuracy on {len(crops)} validation crops"
    training = card.training.model_copy(update={"thresholds": how, "operating_points": found})
    return save(model, stem, card.model_copy(update={"training": training}))


def _micro_batches(config: TrainConfig) -> int:
    return config.steps * max(1, config.batch_size // config.micro_batch)


def _train(
    config: TrainConfig, data: Dataset[Batch], out: Path, crops: list[LabelledCrop], console: Console, source: LearnedFrom
) -> Path:
    """Train with a progress bar and figures on validation crops."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with alone_in(out) if leads() else nullcontext(), Bar(*columns, console=console) as bar:
        task = bar.add_task("training", total=config.steps)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, description=f"loss {progress.loss:.3f}")
            if progress.validation:
                figures = " ".join(f"{name} {value:.3f}" for name, value in progress.validation.items())
                bar.console.print(f"step {progress.step}: {figures}", markup=False)

        def validate(model: Model) -> dict[str, float]:
            return validation_figures(model, config, crops)

        return train(config, data, out, validate=validate, report=report, source=source)


def validation_figures(model: Model, config: TrainConfig, crops: Sequence[LabelledCrop]) -> dict[str, float]:
    """Pooled IoUs, false area on pristine crops and score AUC of a model on labelled crops."""
    outcomes = judge(TorchPredictor(model, card_of(model, config)), crops)
    auc = area_under_roc(outcomes.scores, outcomes.labels)
    if any(crop.truth is None for crop in crops):  # without masks pixel figures would be those of pristine crops alone
        return {"auc": auc}
    counts, pristine = outcomes.pooled(), outcomes.pooled(~outcomes.labels)
    return {
        "miou": counts.miou,
        "auc": auc,
        "fg_iou": counts.fg_iou,
        "bg_iou": counts.bg_iou,
        "false_area": pristine.false_area,
    }
