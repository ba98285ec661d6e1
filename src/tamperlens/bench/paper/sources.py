"""Where the paper's experiments get their crops: a prepared store, a tree in FaceForensics++'s layout, or photos for stand-ins.

A tree becomes several stores under ``OUT/stores``: one to train and test on, and of the test split alone one for each other
compression and mask recipe. What is there already is not made again.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tamperlens.bench.paper.experiment import Experiment, Standins
from tamperlens.bench.paper.stores import Masks, Stores, same_crops
from tamperlens.data.footage import files_of
from tamperlens.data.prepare.forecast import Forecast, forecast_store
from tamperlens.data.prepare.masks import RECIPES
from tamperlens.data.prepare.plan import plan_units
from tamperlens.data.prepare.run import Execution, PrepareSettings, Progress, checked_clips, prepare
from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.store import Store
from tamperlens.data.store.manifest import INFO
from tamperlens.data.synthesize import split_sizes, synthesize
from tamperlens.errors import DataError
from tamperlens.faces import detector_for
from tamperlens.files import replace_text

__all__ = ["Source", "StoreJob", "forecast_source", "make_stores", "open_stores", "store_jobs"]


@dataclass(frozen=True)
class Source:
    """What the user gave."""

    paths: tuple[Path, ...]  # a store or a tree alone, or photos and folders of them
    splits: Path | None = None
    allow_custom_split: bool = False
    workers: int = 1
    keep_going: bool = False
    detector: str = ""

    def is_store(self) -> bool:
        """Whether a prepared store was given."""
        return (self.paths[0] / INFO).exists()

    def tree(self, experiment: Experiment, out: Path) -> Path:
        """The tree in FaceForensics++'s layout: the user's, or that of the stand-ins."""
        return out / "tree" if experiment.standins else self.paths[0]


@dataclass(frozen=True)
class StoreJob:
    """A store to be made of a tree."""

    name: str
    compression: str
    recipe: str  # "" for the compression's own
    settings: PrepareSettings


def store_jobs(experiment: Experiment) -> list[StoreJob]:
    """The stores to be made, the one trained on first."""
    jobs = []
    for number, compression in enumerate(experiment.compressions):
        row = COMPRESSIONS[compression]
        for recipe in ("", *(name for name in experiment.recipes if name != row.recipe)):
            if recipe and RECIPES[recipe].max_noise == 0 and row.crf:  # of lossless video alone
                continue
            settings = PrepareSettings(
                methods=experiment.manipulations,
                compression=compression,
                recipe=recipe or None,
                every_train=experiment.every_train,
                every_eval=experiment.every_eval,
                accept=tuple(sorted(experiment.accept)),
                only=("test",) if recipe or number else (),
            )
            jobs.append(StoreJob(f"{compression}{f'-{recipe}' if recipe else ''}", compression, recipe, settings))
    return jobs


def make_stores(source: Source, experiment: Experiment, out: Path, log: Callable[[str], None]) -> Stores:
    """The stores, made where they are not there yet; photos become a tree of stand-ins first.

    Raises ``DataError`` where the store to train on cannot be made; what else cannot be had is a note.
    """
    if source.is_store():
        return _given(source)
    tree, custom = source.tree(experiment, out), source.allow_custom_split
    if experiment.standins:
        _make_tree(source, experiment, experiment.standins, tree, log)
        custom = True
    told: list[str] = []

    def made(job: StoreJob, folder: Path) -> Store:
        log(f"store {job.name}")
        report = prepare(
            tree,
            folder,
            job.settings,
            detector_for("dataset", source.detector),
            splits=source.splits,
            allow_custom_split=custom,
            execution=Execution(workers=source.workers, keep_going=source.keep_going, progress=_of_clips(job.name, log)),
        )
        told.extend(f"{job.name}: {note}" for note in report.notes)
        return Store(folder)

    stores = _gathered(experiment, out, made)
    return replace(stores, notes=(*told, *stores.notes))


def open_stores(source: Source, experiment: Experiment, out: Path) -> Stores:
    """The stores as far as they have been made; see `make_stores`. Raises ``DataError`` where there is none to train on."""

    def found(job: StoreJob, folder: Path) -> Store:
        store = Store(folder)
        if store.info.settings != job.settings:
            raise DataError(f"{folder} was prepared with other settings; give those of the experiment that made it")
        return store

    return _given(source) if source.is_store() else _gathered(experiment, out, found)


def _given(source: Source) -> Stores:
    store = Store(source.paths[0])
    notes = ("a store was given, not its tree: no other masks and compressions",)
    return Stores({store.info.settings.compression or "as it is": store}, notes=notes)


def _gathered(experiment: Experiment, out: Path, store_of: Callable[[StoreJob, Path], Store]) -> Stores:
    """All stores of the experiment that can be had, and notes on the others."""
    stores: dict[str, Store] = {}
    masks: dict[str, dict[str, Masks]] = {}
    notes = []
    for job in store_jobs(experiment):
        try:
            store = store_of(job, out / "stores" / job.name)
        except DataError as error:
            if not stores:
                raise
            notes.append(f"without {job.name}: {error}")
            continue
        if not job.recipe:
            stores[job.compression] = store
        elif rows := same_crops(stores[job.compression], store, "test") if job.compression in stores else None:
            masks.setdefault(job.compression, {})[job.recipe] = Masks(store, rows)
        else:
            notes.append(f"without {job.name}: its crops are not those of {job.compression}")
    return Stores(stores, masks, tuple(notes))


def _every_tenth(log: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """Tells of every tenth of each thing that is done."""
    told: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        if total and (tenths := 10 * done // total) > told.get(what, 0):
            told[what] = tenths
            log(f"{what}: {done} of {total}")

    return progress


def _of_clips(name: str, log: Callable[[str], None]) -> Callable[[Progress], None]:
    """Tells of every tenth of a store's clips, and of each that failed."""
    tenth = _every_tenth(log)

    def progress(now: Progress) -> None:
        for failure in now.failed:
            log(f"{name}: {failure.clip} failed: {failure.reason}")
        tenth(f"clips of {name}", now.done, now.total)

    return progress


def _make_tree(source: Source, experiment: Experiment, settings: Standins, tree: Path, log: Callable[[str], None]) -> None:
    """The stand-ins' tree; one that is whole is not looked at again."""
    files = files_of(source.paths)[: settings.people]
    done, made_of = tree / "complete.json", {"settings": settings.model_dump(), "files": [path.name for path in files]}
    made_of |= {"methods": list(experiment.manipulations), "compressions": list(experiment.compressions)}
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == made_of:
        return
    log(f"stand-ins of {len(files)} people")
    for reason in _synthesize(files, tree, experiment, settings, source.workers, _every_tenth(log)):
        log(f"left out: {reason}")
    replace_text(done, json.dumps(made_of) + "\n", durable=True)


def _synthesize(
    files: Sequence[Path],
    tree: Path,
    experiment: Experiment,
    settings: Standins,
    workers: int = 1,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[str]:
    return synthesize(
        files,
        tree,
        detector_for("portrait"),
        methods=experiment.manipulations,
        compressions=experiment.compressions,
        count=settings.frames,
        longest=settings.side,
        seed=settings.seed,
        sensor_noise=settings.noise,
        workers=workers,
        progress=progress,
    )


SAMPLE_PEOPLE, SAMPLE_FRAMES = 7, 2  # of a tree of stand-ins, to see what one costs; one may have no face that is found


def forecast_source(source: Source, experiment: Experiment, out: Path) -> dict[str, Forecast]:
    """What is still to be made before training, by name, with the time and room it will take; the tree of stand-ins is "tree".

    A few units are done in a temporary folder. Raises ``DataError`` where the source cannot be used.
    """
    if source.is_store():
        return {}
    tree, custom, standins = source.tree(experiment, out), source.allow_custom_split, experiment.standins
    found: dict[str, Forecast] = {}
    with tempfile.TemporaryDirectory() as folder:
        if standins and (tree / "complete.json").exists():
            standins, custom = None, True  # estimated as any tree
        elif standins:
            files, tree, custom = files_of(source.paths), Path(folder) / "tree", True
            standins = standins.model_copy(update={"people": min(standins.people, len(files)) // 2 * 2})
            started = time.process_time()
            _synthesize(files[:SAMPLE_PEOPLE], tree, experiment, standins.model_copy(update={"frames": SAMPLE_FRAMES}))
            sampled = len(list((tree / "original_sequences").rglob("*.mp4"))) / len(experiment.compressions)
            scale = standins.people / sampled * standins.frames / SAMPLE_FRAMES
            size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
            clips = standins.people * (1 + len(experiment.manipulations)) * len(experiment.compressions)
            seconds = (time.process_time() - started) * scale
            found["tree"] = Forecast(clips, clips * standins.frames, {}, seconds, round(size * scale), ())
        for job in store_jobs(experiment):
            info = out / "stores" / job.name / INFO
            if info.exists() and json.loads(info.read_text(encoding="utf-8")).get("complete"):
                continue
            try:
                clips_here = checked_clips(tree, job.settings, source.splits, custom)
                units = plan_units(tree, clips_here)
                one = forecast_store(units, job.settings, detector_for("dataset", source.detector))
            except DataError:
                if job == store_jobs(experiment)[0]:
                    raise
                continue  # `make_stores` will say why it goes on without
            found[job.name] = _of_all_people(one, standins, job.settings, experiment) if standins else one
    return found


def _of_all_people(one: Forecast, standins: Standins, settings: PrepareSettings, experiment: Experiment) -> Forecast:
    """The estimate of a sample tree carried over to the whole one."""
    each = 1 + len(experiment.manipulations)
    people = {split: 2 * pairs for split, pairs in split_sizes(standins.people // 2).items()}
    crops, clips = dict[str, int](), 0
    for split in settings.only or people:
        every = settings.every_train if split == "train" else settings.every_eval
        crops[split] = people[split] * each * -(-standins.frames // every)
        clips += people[split] * each
    frames = clips * standins.frames
    size = round(one.size * sum(crops.values()) / max(1, sum(one.crops.values())))
    return Forecast(clips, frames, crops, one.seconds * frames / max(1, one.frames), size, one.failed)
