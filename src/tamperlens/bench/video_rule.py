"""How a face's frames become one score in videos: chosen on clips of validation people, measured on clips of test people.

Each person, filmed by a moving camera, gives a pristine clip, and the first of them one forged by each of two stand-in methods
too, with another person of the same split as donor; clips are H.264 at a crf drawn from 18 to 23. Every clip goes through
`inspect_video` as a user's would; "in part" takes the scores of its last 40 % of frames from a forged clip.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tamperlens.data import seeds
from tamperlens.data.footage import Footage, footage_of
from tamperlens.data.portraits import FacePhoto
from tamperlens.errors import DataError
from tamperlens.faces import detector_for
from tamperlens.forge.standins import STANDINS
from tamperlens.inspection.verdict import AGGREGATIONS
from tamperlens.inspection.video import inspect_video
from tamperlens.media import write_video
from tamperlens.metrics import area_under_roc, false_positive_rate_threshold, wilson
from tamperlens.metrics.outcomes import PRISTINE
from tamperlens.metrics.results import rate_row
from tamperlens.metrics.rows import to_table
from tamperlens.models.card import CALLED_MANIPULATED, CardRow
from tamperlens.types import FloatArray, Predictor, UInt8Array, VideoRule

__all__ = ["Clips", "choose_video_rule", "judged_clips", "measure_video_rule"]

FPS, CRF = 25, (18, 23)
MIN_FRAMES = 3
FALSE_ALARMS, DOUBT = 0.01, 0.05  # as for photos
IN_PART = "in part"

JudgedClip = tuple[str, str, FloatArray]  # person, method ("pristine" for none), scores of the largest face's frames


@dataclass(frozen=True)
class Clips:
    """Which clips are made of a split's people."""

    people: int = 100
    forged_people: int = 20  # who give forged clips too
    frames: int = 25
    longest: int = 720  # pixels: longer side


def judged_clips(photos: Sequence[FacePhoto], predictor: Predictor, clips: Clips, kept: Path | None) -> list[JudgedClip]:
    """The clips of a split's people, of one photo each, that have enough judged frames.

    Scores are kept in the file ``kept`` (JSON lines). Raises `DataError` where ``photos`` are of fewer than two people.
    """
    own: dict[str, FacePhoto] = {}  # person -> the first photo drawn
    for place in np.random.default_rng(seeds.CHOSEN_PHOTOS).permutation(len(photos)):
        own.setdefault(photos[place].person, photos[place])
    chosen = list(own.values())[: clips.people]
    if len(chosen) < 2:
        raise DataError(
            f"{len(photos)} photos of {len(own)} people of a split are too few for clips, which put one person's face on "
            "another's; give photos of more people, or leave the step video out"
        )
    judged = [clip for clip in _judged(chosen, predictor, clips, kept) if len(clip[2]) >= MIN_FRAMES]
    return judged + _forged_in_part(judged)


def _judged(people: Sequence[FacePhoto], predictor: Predictor, clips: Clips, kept: Path | None) -> Iterator[JudgedClip]:
    known: dict[tuple[object, ...], list[float]] = {}
    if kept and kept.exists():
        rows = [json.loads(line) for line in kept.read_text().splitlines()]
        known = {
            tuple(row["clip"]): row["scores"] for row in rows if isinstance(row, dict)
        }  # earlier versions wrote lists, by person
    detector, methods = detector_for("video"), list(STANDINS)
    for number, photo in enumerate(people):
        rng = np.random.default_rng([seeds.CLIPS, number])
        kinds = [PRISTINE]
        if number < clips.forged_people:
            kinds += [methods[number % len(methods)], methods[(number + 1) % len(methods)]]
        other = people[(number + 1) % len(people)]
        # All that a clip depends on: the same person's may be made of other photos, settings or draws another time.
        keys = {kind: (photo.path, other.path, number, clips.frames, clips.longest, kind) for kind in kinds}
        if all(key in known for key in keys.values()):
            yield from ((photo.person, kind, np.array(known[key])) for kind, key in keys.items())
            continue
        try:
            target, donor = (
                footage_of(Path(one.path), detector_for("portrait"), count=clips.frames, longest=clips.longest, rng=rng)
                for one in (photo, other)
            )
        except DataError:
            continue
        crf = int(rng.integers(CRF[0], CRF[1] + 1))
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "clip.mp4"
                write_video(path, _images(target, donor, kind, number), FPS, codec="libx264", crf=crf)
                tracks = inspect_video(path, detector, predictor).tracks
            scores = (
                [seen.finding.score for seen in max(tracks, key=lambda track: len(track.sightings)).sightings] if tracks else []
            )
            row = {"clip": keys[kind], "scores": [score for score in scores if score is not None]}
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            yield photo.person, kind, np.array(row["scores"])


def _images(target: Footage, donor: Footage, method: str, number: int) -> Iterator[UInt8Array]:
    if method == PRISTINE:
        yield from target.stream()
        return
    standin = STANDINS[method](donor.donor, np.random.default_rng([seeds.STANDINS, number]))
    for index, image in enumerate(target.stream()):
        yield standin(image, target.landmarks[index], target.boxes[index], index / FPS)[0]


def choose_video_rule(clips: Sequence[JudgedClip], predictor: Predictor, say: Callable[[str], None] = print) -> VideoRule:
    """The way to aggregate with the best AUC, and its thresholds for 1 % and 5 % false alarms; says each way's figures.

    False alarms and detections are said of one half of the people at thresholds of the other half.
    """
    people = sorted({person for person, _, _ in clips})
    pristine = np.array([method == PRISTINE for _, method, _ in clips])
    kinds = {method: np.array([own == method for _, own, _ in clips]) for method in (*STANDINS, IN_PART)}
    half = np.array([people.index(person) % 2 == 0 for person, _, _ in clips])
    say(f"{predictor.name}: {pristine.sum()} pristine, {(~pristine).sum()} forged clips of {len(people)} validation people\n")
    lines = []
    figures = {}
    for name, aggregate in AGGREGATIONS.items():
        scores = np.array([aggregate(scores) for _, _, scores in clips])
        auc = area_under_roc(scores, ~pristine)
        cells = [f"{area_under_roc(scores[own | pristine], ~pristine[own | pristine]):.3f}" for own in kinds.values()]
        alarms = np.zeros(len(clips), bool)
        for side in (half, ~half):  # each half is judged at the threshold of the other
            alarms[side] = scores[side] >= false_positive_rate_threshold(scores[~side & pristine], FALSE_ALARMS)
        figures[name] = auc, scores
        lines.append((name, f"{auc:.3f}", *cells, _share(alarms[pristine]), _share(alarms[~pristine])))
    say(to_table(("aggregation", "AUC", *(f"AUC {kind}" for kind in kinds), "false alarms", "detected"), lines))
    # Never the maximum, however well it does on clips of a second: it rises with every frame that a long video adds.
    chosen = max((name for name in figures if name != "max"), key=lambda name: figures[name][0])
    scores = figures[chosen][1]
    thresholds = [false_positive_rate_threshold(scores[pristine], rate) for rate in (FALSE_ALARMS, DOUBT)]
    # Where no pristine clip may raise an alarm, midway between the highest of them and 1: a score cannot reach more.
    thresholds = [min(threshold, (1 + float(scores[pristine].max())) / 2) for threshold in thresholds]
    # Never below those of photos: real clips score higher than these, whose every frame is one still photo (docs/log.md).
    thresholds = list(np.maximum(thresholds, [predictor.score_threshold, predictor.doubt_threshold]))
    rule = VideoRule(chosen, round(float(thresholds[0]), 6), round(float(min(thresholds)), 6), MIN_FRAMES)
    say(f"\nchosen: {rule}")
    return rule


def measure_video_rule(
    clips: Sequence[JudgedClip], rule: VideoRule, model: str, say: Callable[[str], None] = print
) -> list[CardRow]:
    """How many clips of each kind the rule calls manipulated."""
    rows = []
    for kind in (PRISTINE, *STANDINS, IN_PART):
        scores = np.array([AGGREGATIONS[rule.aggregation](scores) for _, method, scores in clips if method == kind])
        if len(scores):
            alarms = scores >= rule.score_threshold
            row = rate_row(model, kind, CALLED_MANIPULATED, int(alarms.sum()), len(alarms))
            delivery = f"H.264 {CRF[0]} to {CRF[1]}"
            rows.append(CardRow.of(row, "clips", source="clips of test people", delivery=delivery))
            doubtful = ((scores >= rule.doubt_threshold) & ~alarms).sum()
            say(f"{rows[-1].label}: {_share(alarms)} of {len(alarms)}, {doubtful} inconclusive")
    return rows


def _forged_in_part(clips: Sequence[JudgedClip]) -> list[JudgedClip]:
    """Of each forged clip the last 40 % of its frames' scores, after those of the same person's pristine clip."""
    pristine = {person: scores for person, method, scores in clips if method == PRISTINE}
    mixed = []
    for person, method, scores in clips:
        count = round(0.4 * len(scores))
        if method != PRISTINE and len(scores) == len(pristine.get(person, ())):
            mixed.append((person, IN_PART, np.concatenate([pristine[person][:-count], scores[-count:]])))
    return mixed


def _share(alarms: np.ndarray) -> str:
    low, high = wilson(int(alarms.sum()), len(alarms))
    return f"{alarms.mean():.3f} [{low:.3f}, {high:.3f}]" if len(alarms) else "-"
