"""From a training run to a model that can be shipped: calibration and thresholds, chosen on people of the validation split.

Thresholds are set where at most so many pristine photos raise an alarm, as they are or changed in any of several ways, for each
source of photos by itself; the worst source decides. A pool of sources would let a large one, whose pictures the model knows
well, speak for a small one.
"""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, fingerprint, forged_crops, sources_of
from tamperlens.errors import DataError
from tamperlens.faces import detector_for
from tamperlens.forge import FAMILIES
from tamperlens.forge.recipes import RECIPES
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import read_photo
from tamperlens.metrics import area_under_roc, expected_calibration_error, peak
from tamperlens.metrics.calibration import NEAREST
from tamperlens.metrics.outcomes import PRISTINE, Outcome, Outcomes
from tamperlens.metrics.thresholds import best_map_threshold, fit_calibration, operating_point
from tamperlens.models.card import Families, ModelCard, Origin
from tamperlens.models.export import to_onnx
from tamperlens.models.model import Model, load, save
from tamperlens.models.runtime import CardPredictor, OnnxPredictor
from tamperlens.training.config import TrainConfig, settings_of
from tamperlens.training.pair_batches import forged_pairs
from tamperlens.training.run_folder import FACES, splits_learned
from tamperlens.types import Frame, LabelledCrop, UInt8Array

__all__ = ["DOUBT", "FALSE_ALARMS", "About", "kept_as", "people_of", "read_about", "recipes_of", "ship", "worst_source"]

Control = Callable[[UInt8Array], UInt8Array]
Say = Callable[[str], None]

PEAK_SHARES = (
    None,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
)  # ways to score a crop: the task's, or the mean of so many of its surest pixels
CLEARLY = 0.01  # of AUC, by which another way must be better than the task's
FALSE_ALARMS, DOUBT = 0.01, 0.05  # shares of a source's pristine photos above the two thresholds
SIDES = (128, 512)  # pixels, of validation crops


class About(BaseModel):
    """What no code can find out: where data and first weights come from, on what terms, and what is known to limit a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: tuple[str, ...] = ()  # of every model
    limits_of: dict[str, tuple[str, ...]] = {}  # by model
    data: dict[str, str] = {}  # data set -> origin and terms
    initialised_from: dict[str, tuple[Origin, ...]] = {}  # by model


def read_about(path: Path) -> About:
    """`About` from a TOML file; `DataError` names the file and what is wrong in it."""
    try:
        return About.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise DataError(f"{path} does not say what the data are ({_plain(error)}); see runs/data.toml") from error


def _plain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return str(error)


def people_of(folders: Sequence[Path], run: Path) -> dict[str, list[FacePhoto]]:
    """The photos of ``train``, ``val`` and ``test`` people in these folders, from which ``run`` learned.

    Raises `DataError` as `sources_of`, and where a photo was in another split as the run learned: thresholds would be chosen,
    and figures measured, on people that it knows.
    """
    sources_of(folders)
    learned, own = run / FACES, run / "shipping" / FACES
    if learned.exists() and not own.exists():  # training's list stays as it is: it tells who was in which split
        own.parent.mkdir(exist_ok=True)
        shutil.copyfile(learned, own)
    people, before = by_split(find_face_photos(folders, detector_for("portrait"), own)), splits_learned(run)
    moved = [
        photo
        for split, photos in people.items()
        for photo in photos
        if before and split not in before.get(fingerprint(photo), (split,))
    ]
    if moved:
        own.unlink(missing_ok=True)  # the next try begins with training's list again
        raise DataError(
            f"{len(moved)} photos, such as {moved[0].path} of {moved[0].person}, are in another split than when {run} learned "
            "from them: people are told by the name of their folder, so give the folders under the names that were trained on"
        )
    return people


def ship(
    run: Path,
    folders: Sequence[Path],
    out: Path,
    about: About,
    controls: Mapping[str, Control],
    *,
    crops_per_family: int = 60,
    photos_per_source: int = 60,
    say: Say = print,
) -> Path:
    """Choose calibration and thresholds for the best model of ``run``; write weights, ONNX file and card into ``out``.

    ``folders`` are the sources of photos: those that were trained on, of whose people the validation split is used, in the same
    order. ``controls`` are changes of whole pristine photos under which false alarms are counted, by name. What photos score is
    kept in the run's folder, so that a cut costs little. Returns the path stem of the model.
    """
    model, card = load(run / "best")
    config = settings_of(card, run / "best.json")
    people = people_of(folders, run)
    crops = list(_validation_crops(config, people["val"], crops_per_family))
    raw = card.model_copy(
        update={"calibration": None, "doubt_threshold": None, "peak_share": None, "max_side": config.max_side}
    )
    work = run / "shipping"
    work.mkdir(exist_ok=True)
    predictor, difference = _exported(model, raw, work / "raw.onnx")
    judged = [predictor(crop.image) for crop in crops]
    tau = best_map_threshold([prediction.pixel_map for prediction in judged], crops)
    if tau != model.map_threshold:  # which is inside the file, and on which seg's scores depend (Eq. 6)
        model.map_threshold = tau
        predictor, difference = _exported(model, raw, work / "raw.onnx")
        judged = [predictor(crop.image) for crop in crops]
    ways = {share: _outcomes(crops, [peak(p.pixel_map, share) if share else p.score for p in judged]) for share in PEAK_SHARES}
    for share, own in ways.items():
        say(f"validation AUC of the score by {f'the surest {share:.1%} of pixels' if share else 'the task'}: {_auc(own):.3f}")
    peak_share = max(ways, key=lambda share: _auc(ways[share]))
    if _auc(ways[peak_share]) < _auc(ways[None]) + CLEARLY:
        peak_share = None  # what the task learned to say
    outcomes, calibration = ways[peak_share], fit_calibration(ways[peak_share])
    ships = CardPredictor(raw.model_copy(update={"peak_share": peak_share}), predictor.engine)
    by_source = photo_outcomes(ships, _by_source(people["val"], folders, photos_per_source), controls, work, say)
    thresholds = []
    for rate in (FALSE_ALARMS, DOUBT):
        threshold, source = worst_source(by_source, rate)
        say(f"raw score at {rate:.0%} false alarms: {threshold:.6f}, decided by {source}")
        thresholds.append(max(2 * NEAREST, threshold))
    model.score_threshold = thresholds[0]
    probabilities = np.array([calibration(score) for score in outcomes.scores])
    way = f"mean of the surest {peak_share:.1%} of pixels" if peak_share else "the task's"
    card = card.model_copy(
        update={
            "calibration": calibration,
            "peak_share": peak_share,
            "doubt_threshold": min(thresholds),
            "max_side": raw.max_side,
            "initialised_from": about.initialised_from.get(config.model, ()),
            "families": Families(trained=_trained(config), unseen=tuple(f for f in FAMILIES if f not in _trained(config))),
            "calibration_error": round(expected_calibration_error(probabilities, outcomes.labels), 4),
            "limits": [*about.limits, *about.limits_of.get(config.model, ())],
            "training": card.training.model_copy(
                update={
                    "data": about.data,
                    "photos": {split: len(own) for split, own in people.items()},
                    "date": date.today().isoformat(),
                    "commit": _commit(),
                    "thresholds": f"score thresholds at {FALSE_ALARMS:.0%} (manipulated) and {DOUBT:.0%} (inconclusive) false "
                    f"alarms of the worst of {len(by_source)} sources ({', '.join(by_source)}), on photos of validation people "
                    f"inspected whole, each counted by its highest score: {', '.join(controls)}; Platt scaling, the map "
                    f"threshold of the best mIoU and the score "
                    f"({way}) chosen by AUC on {len(crops)} crops of theirs",
                }
            ),
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    stem = out / config.model
    save(model, stem, card)
    shutil.copyfile(work / "raw.onnx", stem.with_suffix(".onnx"))
    say(f"map threshold {tau}; ONNX parity with PyTorch: largest difference {difference:.2g}")
    return stem


def worst_source(outcomes: Mapping[str, Outcomes], rate: float) -> tuple[float, str]:
    """The lowest threshold at which no source has more than ``rate`` false alarms, and the source that asks for it.

    ``outcomes`` are of pristine photos, by source. A source of fewer than 1 / ``rate`` photos allows none.
    """
    points = {source: operating_point(own, rate) for source, own in outcomes.items()}
    source = max(points, key=points.__getitem__)
    return points[source], source


def kept_as(what: str, predictor: CardPredictor) -> str:
    """The name of the file that keeps what a model's scores of photos or clips came out as: other scores, another file."""
    return f"{what}.{predictor.name.split()[-1]}.{predictor.card.peak_share or 'task'}.jsonl"


def photo_outcomes(
    predictor: CardPredictor,
    sources: Mapping[str, Sequence[FacePhoto]],
    controls: Mapping[str, Control],
    work: Path,
    say: Say = print,
) -> dict[str, Outcomes]:
    """The highest raw score of each pristine photo, inspected whole, as it is and changed, by source; all are kept in ``work``.

    One outcome a photo: nine pictures made of one photo are no nine photos.
    """
    kept = work / kept_as("photos", predictor)
    known: dict[tuple[str, str], float | None] = {}
    if kept.exists():
        known = {(row[0], row[1]): row[2] for row in map(json.loads, kept.read_text().splitlines())}
    detector, found = detector_for("photo"), {source: list[Outcome]() for source in sources}
    with kept.open("a") as file:
        for source, photos in sources.items():
            for photo in photos:
                scores: list[float] = []
                image = None if all((photo.path, name) in known for name in controls) else read_photo(photo.path).image
                for name, change in controls.items():
                    if image is not None and (photo.path, name) not in known:
                        changed = change(image)
                        score = inspect_frame(Frame(changed), detector(changed), predictor).score
                        known[photo.path, name] = score
                        file.write(json.dumps([photo.path, name, score]) + "\n")
                        file.flush()
                    score = known[photo.path, name]
                    if score is not None:
                        scores.append(score)
                if scores:
                    found[source].append(Outcome(PRISTINE, photo.person, False, max(scores)))
            say(f"{source}: {len(photos)} photos, {len(found[source])} judged")
    return {source: Outcomes.of(own) for source, own in found.items() if own}


def _by_source(photos: Iterable[FacePhoto], folders: Sequence[Path], most: int) -> dict[str, list[FacePhoto]]:
    """At most so many photos of each folder, drawn by a fixed seed."""
    own = {
        name: [photo for photo in photos if Path(photo.path).is_relative_to(folder)]
        for name, folder in sources_of(folders).items()
    }
    rng = np.random.default_rng(seeds.CHOSEN_PHOTOS)
    return {name: [held[i] for i in sorted(rng.permutation(len(held))[:most])] for name, held in own.items() if held}


def _trained(config: TrainConfig) -> tuple[str, ...]:
    return config.families or (tuple(RECIPES) if config.pairs else ())


def recipes_of(card: ModelCard) -> tuple[str, ...]:
    """The recipes of the pairs that a model learned from; none where it learned from families of single crops."""
    config = card.training.config
    pairs = isinstance(config, dict) and config.get("pairs")
    return tuple(name for name in card.families.trained if name in RECIPES) if pairs else ()


def _validation_crops(config: TrainConfig, photos: Sequence[FacePhoto], count: int) -> Iterable[LabelledCrop]:
    if config.pairs:
        return forged_pairs(photos, _trained(config), count, sides=SIDES, seed=seeds.THRESHOLDS)
    return forged_crops(photos, config.families, count, sides=SIDES, seed=seeds.THRESHOLDS, compressed=config.compressed)


def _commit() -> str:
    """The commit that this package's source is at; empty where it is no checkout of the project, or git is not installed."""
    package = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=package, capture_output=True, text=True).stdout.strip()

    try:
        top = git("rev-parse", "--show-toplevel")  # a virtual environment may lie in somebody else's repository
        return git("rev-parse", "HEAD") if top and Path(top, "src", package.name).resolve() == package else ""
    except OSError:
        return ""


def _exported(model: Model, card: ModelCard, path: Path) -> tuple[OnnxPredictor, float]:
    """What runs the model as it is now, and by how much it differs from PyTorch."""
    difference = to_onnx(model, path)
    card.save(path.with_suffix(".json"))
    return OnnxPredictor(path), difference


def _outcomes(crops: Sequence[LabelledCrop], scores: Sequence[float]) -> Outcomes:
    return Outcomes.of(
        Outcome(crop.subset, crop.group, crop.manipulated, score) for crop, score in zip(crops, scores, strict=True)
    )


def _auc(outcomes: Outcomes) -> float:
    return area_under_roc(outcomes.scores, outcomes.labels)
