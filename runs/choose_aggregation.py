"""How a face's frames become one score in videos, chosen on clips of validation people and measured on clips of test people.

    python runs/choose_aggregation.py PHOTOS... [--model contrast-seg] [--people 100] [--test-people 100] [--write CARD]

Each person, filmed by a moving camera, gives a pristine clip, and the first --forged-people one forged by each of two stand-in
methods too, with another person of the same split as donor; clips are H.264 at a crf drawn from 18 to 23. Every clip goes
through `inspect_video` as a user's would; "in part" takes the scores of its last 40 % of frames from a forged clip. Printed
are, for each way to aggregate, the AUC, and at thresholds set for 1 % false alarms on one half of the validation people, false
alarms and detections on the other half. The way of the best AUC, with thresholds from all of these, then judges the clips of
test people. --write puts it, and what it gave on test people, into the model's card.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos
from tamperlens.data.synthesize import Footage, footage_of
from tamperlens.errors import DataError
from tamperlens.faces import VIDEO_SCALES, YuNet
from tamperlens.forge.standins import STANDINS
from tamperlens.inspection.verdict import AGGREGATIONS
from tamperlens.inspection.video import inspect_video
from tamperlens.media import write_video
from tamperlens.metrics import area_under_roc, false_positive_rate_threshold, wilson
from tamperlens.metrics.outcomes import PRISTINE, share_row
from tamperlens.models.card import CALLED_MANIPULATED, CardRow, ModelCard
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import FloatArray, Predictor, UInt8Array, VideoRule

FPS, CRF = 25, (18, 23)
MIN_FRAMES = 3
FALSE_ALARMS, DOUBT = 0.01, 0.05  # as for photos
IN_PART = "in part"


def main() -> None:
    """Read the arguments, make clips, judge, choose, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model's name or the path of an .onnx file")
    parser.add_argument("--people", type=int, default=100, help="of the validation split")
    parser.add_argument("--test-people", type=int, default=100, help="of the test split")
    parser.add_argument("--forged-people", type=int, default=20, help="of each split's, who give forged clips too")
    parser.add_argument("--frames", type=int, default=25, help="of each clip")
    parser.add_argument("--longest", type=int, default=720, help="pixels: longer side of the clips")
    parser.add_argument("--cache", type=Path, help="where the found faces and the scores of judged clips are kept")
    parser.add_argument("--write", type=Path, metavar="CARD", help="the model card (.json) that gets the choice")
    arguments = parser.parse_args()

    predictor = load(arguments.model, threads=1)
    found = find_face_photos(arguments.photos, YuNet(scales=(480,)), arguments.cache and arguments.cache / "faces.json")
    kept = arguments.cache and arguments.cache / f"clips.{predictor.name.replace(' ', '.')}.jsonl"
    clips = {}
    for split, count in (("val", arguments.people), ("test", arguments.test_people)):
        people = by_split(found)[split]
        people = [people[place] for place in np.random.default_rng(0).permutation(len(people))[:count]]
        judged = judged_clips(people, predictor, arguments, kept)
        clips[split] = [clip for clip in judged if len(clip[2]) >= MIN_FRAMES]
        clips[split] += _forged_in_part(clips[split])
    rule = choose(clips["val"], predictor)
    rows = measured(clips["test"], rule, predictor.name)
    if arguments.write:
        card = ModelCard.load(arguments.write)
        card.with_results(rows, video=rule).save(arguments.write)


def judged_clips(
    people: Sequence[FacePhoto], predictor: Predictor, arguments: argparse.Namespace, kept: Path | None
) -> Iterator[tuple[str, str, FloatArray]]:
    """Person, method ("pristine" for none) and the scores of the largest face's frames, of every clip."""
    known = {}
    if kept and kept.exists():
        known = {(row[0], row[1]): row[2] for row in map(json.loads, kept.read_text().splitlines())}
    detector, methods = YuNet(scales=VIDEO_SCALES), list(STANDINS)
    for number, photo in enumerate(people):
        rng = np.random.default_rng([11, number])
        kinds = [PRISTINE]
        if number < arguments.forged_people:
            kinds += [methods[number % len(methods)], methods[(number + 1) % len(methods)]]
        if all((photo.person, kind) in known for kind in kinds):
            yield from ((photo.person, kind, np.array(known[photo.person, kind])) for kind in kinds)
            continue
        try:
            target, donor = (
                footage_of(Path(one.path), YuNet(scales=(480,)), count=arguments.frames, longest=arguments.longest, rng=rng)
                for one in (photo, people[(number + 1) % len(people)])
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
            row = (photo.person, kind, [score for score in scores if score is not None])
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            yield photo.person, kind, np.array(row[2])


def _images(target: Footage, donor: Footage, method: str, number: int) -> Iterator[UInt8Array]:
    if method == PRISTINE:
        yield from target.stream()
        return
    standin = STANDINS[method](donor.donor, np.random.default_rng([12, number]))
    for index, image in enumerate(target.stream()):
        yield standin(image, target.landmarks[index], target.boxes[index], index / FPS)[0]


def choose(clips: Sequence[tuple[str, str, FloatArray]], predictor: Predictor) -> VideoRule:
    """The way to aggregate with the best AUC, and its thresholds; prints each way's figures."""
    people = sorted({person for person, _, _ in clips})
    pristine = np.array([method == PRISTINE for _, method, _ in clips])
    kinds = {method: np.array([own == method for _, own, _ in clips]) for method in (*STANDINS, IN_PART)}
    half = np.array([people.index(person) % 2 == 0 for person, _, _ in clips])
    print(f"{predictor.name}: {pristine.sum()} pristine, {(~pristine).sum()} forged clips of {len(people)} validation people\n")
    print("| aggregation | AUC | " + " | ".join(f"AUC {kind}" for kind in kinds) + " | false alarms | detected |")
    print("|---|---|" + "---|" * len(kinds) + "---|---|")
    figures = {}
    for name, aggregate in AGGREGATIONS.items():
        scores = np.array([aggregate(scores) for _, _, scores in clips])
        auc = area_under_roc(scores, ~pristine)
        cells = [f"{area_under_roc(scores[own | pristine], ~pristine[own | pristine]):.3f}" for own in kinds.values()]
        alarms = np.zeros(len(clips), bool)
        for side in (half, ~half):  # each half is judged at the threshold of the other
            alarms[side] = scores[side] >= false_positive_rate_threshold(scores[~side & pristine], FALSE_ALARMS)
        figures[name] = auc, scores
        print(f"| {name} | {auc:.3f} | {' | '.join(cells)} | {_share(alarms[pristine])} | {_share(alarms[~pristine])} |")
    # Never the maximum, however well it does on clips of a second: it rises with every frame that a long video adds.
    chosen = max((name for name in figures if name != "max"), key=lambda name: figures[name][0])
    scores = figures[chosen][1]
    thresholds = [false_positive_rate_threshold(scores[pristine], rate) for rate in (FALSE_ALARMS, DOUBT)]
    # Where no pristine clip may raise an alarm, midway between the highest of them and 1: a score cannot reach more.
    thresholds = [min(threshold, (1 + float(scores[pristine].max())) / 2) for threshold in thresholds]
    # Never below those of photos: real clips score higher than these, whose every frame is one still photo (docs/log.md).
    thresholds = list(np.maximum(thresholds, [predictor.score_threshold, predictor.doubt_threshold]))
    rule = VideoRule(chosen, round(float(thresholds[0]), 6), round(float(min(thresholds)), 6), MIN_FRAMES)
    print(f"\nchosen: {rule}")
    return rule


def measured(clips: Sequence[tuple[str, str, FloatArray]], rule: VideoRule, model: str) -> list[CardRow]:
    """How many clips of each kind the rule calls manipulated."""
    rows = []
    for kind in (PRISTINE, *STANDINS, IN_PART):
        scores = np.array([AGGREGATIONS[rule.aggregation](scores) for _, method, scores in clips if method == kind])
        if len(scores):
            alarms = scores >= rule.score_threshold
            row = share_row(model, kind, CALLED_MANIPULATED, int(alarms.sum()), len(alarms))
            delivery = f"H.264 {CRF[0]} to {CRF[1]}"
            rows.append(CardRow.of(row, "clips", source="clips of test people", delivery=delivery))
            doubtful = ((scores >= rule.doubt_threshold) & ~alarms).sum()
            print(f"{rows[-1].label}: {_share(alarms)} of {len(alarms)}, {doubtful} inconclusive")
    return rows


def _forged_in_part(clips: Sequence[tuple[str, str, FloatArray]]) -> list[tuple[str, str, FloatArray]]:
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


if __name__ == "__main__":
    main()
