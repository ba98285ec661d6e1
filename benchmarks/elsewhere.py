"""Manipulations that nobody here made, and pristine pictures of many sources, judged by any models: what recipes are chosen on.

    python benchmarks/elsewhere.py --foreign DIR --ghost DIR --pristine DIR... [--models NAME_OR_PATH...] [--mean]
        [--limit 100 lfw=150] [--border lfw=35] [--json FILE]

--foreign holds SET_..._fake and SET_..._original pairs; --ghost the examples of the GHOST face swapper: orig.webp and three
swapped copies of it, beckham.jpg and its swap result.png. --pristine folders hold photos or clips. Never train on any of this.

Faces are found as in use, the largest of a picture is judged once, without re-encodes; pictures without one are left out. A
clip's score is the mean of its frames' logits. AUC is over files. "Rank" is the share of fakes that score above their original,
ties half; "by frame", the mean share of a fake's frames that do. Intervals are 95 %, by bootstrap over originals.
Fg-IoU is over the whole picture, a mean over fakes, against what visibly differs between fake and original. That leaves out
skin that stayed alike: the convex hull of such a truth, a perfect outline, itself had but 0.56. Fakes that were generated anew
from border to border (`ROUGH`) differ everywhere: theirs is rough, and left out of "all".
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data import seeds
from tamperlens.faces import detector_for
from tamperlens.inspection.photo import inspect_faces
from tamperlens.media import VideoSampler, moves, moving_length, read_photo
from tamperlens.metrics import area_under_roc, bootstrap, count_pixels, mean_defined
from tamperlens.metrics.rows import to_table
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import BoolArray, FaceInspection, FloatArray, Frame, Predictor, UInt8Array

Clips = dict[tuple[str, str, str], np.ndarray]  # source, original and file -> its frames' logits, NaN where none was judged
MEDIA = {".jpg", ".jpeg", ".png", ".webp", ".mp4", ".mpg"}
ROUGH = ("infoswap",)
THRESHOLD = 20  # grey levels: what WebP leaves of a difference outside the face stays below it
PHOTOS, CLIPS = detector_for("photo"), detector_for("video")  # searched as in use
EVERY = 6  # frames from one to the next of the GHOST clips
MEAN = "mean of logits"
PAIRS_HEAD = ("model", "set", "fakes", "AUC", "AUC against all pristine", "rank", "rank by frame", "Fg-IoU")
PRISTINE_HEAD = ("model", "source", "files", "pictures", "judged", "manipulated", "inconclusive", "median", "95 %", "99 %")


@dataclass
class Judged:
    """A picture and what each model says of its largest face."""

    source: str  # set of manipulations, or folder of pristine pictures
    file: str
    original: str  # of a fake the file it was made from, of any other the file itself
    frame: int
    scores: dict[str, float] = field(default_factory=dict)  # by model; empty where no face can be judged
    fg_iou: dict[str, float] = field(default_factory=dict)  # of fakes, by model


def pictures(path: Path, every: int = 0) -> list[UInt8Array]:
    """A photo; of a clip each ``every``-th frame, or three frames spread over it."""
    if not moves(path):
        return [read_photo(path).image]
    sampler = VideoSampler(path, every=0 if every else moving_length(path) / 3)
    return [frame.image for frame in islice(sampler, 0, None if every else 3, every or 1)]


def difference(fake: UInt8Array, original: UInt8Array) -> BoolArray:
    """What was visibly manipulated: largest difference of the channels over the threshold, closed, filled, large regions."""
    base = cv2.resize(original, fake.shape[1::-1], interpolation=cv2.INTER_AREA)  # as it is, where sizes are equal
    differs = (cv2.absdiff(fake, base).max(axis=2) > THRESHOLD).astype(np.uint8)
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    _, regions, about, _ = cv2.connectedComponentsWithStats(cv2.drawContours(closed, outlines, -1, 1, cv2.FILLED))
    areas = about[1:, cv2.CC_STAT_AREA]
    return np.isin(regions, 1 + np.flatnonzero(areas >= 0.1 * areas.max(initial=1)))


def logits(probabilities: object) -> np.ndarray:
    return -np.log(1 / np.clip(np.asarray(probabilities, np.float64), 1e-6, 1 - 1e-6) - 1)


def on_picture(face: FaceInspection, image: UInt8Array) -> tuple[FloatArray, BoolArray]:
    """The model's own map and mask of a face, whatever the verdict, in the picture."""
    pixel_map, mask = np.zeros(image.shape[:2], np.float32), np.zeros(image.shape[:2], np.bool_)
    if face.picture is not None and face.square is not None:
        pixel_map[face.square], mask[face.square] = face.picture.pixel_map, face.picture.mask
    return pixel_map, mask


@dataclass
class Judge:
    """Several models, and the mean of their logits as one more."""

    models: Sequence[Predictor]
    mean: bool

    def __call__(self, row: Judged, image: UInt8Array, moving: bool, base: UInt8Array | None = None) -> Judged:
        """The row with what is said of the image; ``base`` is a fake's original."""
        faces = (CLIPS if moving else PHOTOS)(image)[:1]
        found = {model.name: face for model in self.models for face in inspect_faces(Frame(image), faces, model)}
        if any(face.finding.score is None for face in found.values()) or not found:
            return row
        row.scores = {name: float(face.finding.score or 0) for name, face in found.items()}
        maps = {name: on_picture(face, image) for name, face in found.items()}
        masks = {name: mask for name, (_, mask) in maps.items()}
        if self.mean:
            row.scores[MEAN] = float(1 / (1 + np.exp(-logits(list(row.scores.values())).mean())))
            masks[MEAN] = np.mean([logits(pixel_map) for pixel_map, _ in maps.values()], axis=0) >= 0
        if base is not None:
            row.fg_iou = {name: count_pixels(mask, difference(image, base)).fg_iou for name, mask in masks.items()}
        return row

    def pairs(self, foreign: Path | None, ghost: Path | None) -> Iterator[Judged]:
        """Originals, frame by frame, and the fakes made from them."""
        fakes = sorted(foreign.glob("*_fake.*")) if foreign else []
        pairs = [(fake.name.split("_")[0], fake.with_name(fake.name.replace("_fake.", "_original.")), [fake]) for fake in fakes]
        if ghost:
            pairs.append(("ghost photo", ghost / "beckham.jpg", [ghost / "result.png"]))
            pairs.append(
                ("ghost clips", ghost / "orig.webp", [ghost / f"{who}.webp" for who in ("elon", "khabenskii", "mark")])
            )
        for source, original, fakes in pairs:
            moving, frames = moves(original), zip(*(pictures(path, EVERY) for path in (original, *fakes)), strict=True)
            for number, (base, *images) in enumerate(frames):
                yield self(Judged(source, original.name, original.name, number), base, moving)
                for fake, image in zip(fakes, images, strict=True):
                    yield self(Judged(source, fake.name, original.name, number), image, moving, base)

    def pristine(self, folder: Path, limit: int, border: int) -> Iterator[Judged]:
        """At most ``limit`` files, chosen by a seed, less ``border`` pixels at each side."""
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in MEDIA)
        chosen = np.random.default_rng(seeds.CHOSEN_PHOTOS).permutation(len(files))[:limit]
        for path in (files[index] for index in sorted(chosen)):
            for number, image in enumerate(pictures(path)):
                inner = image[border : image.shape[0] - border, border : image.shape[1] - border]
                yield self(Judged(folder.name, path.name, path.name, number), np.ascontiguousarray(inner), moves(path))


def clips_of(rows: Sequence[Judged], name: str) -> Clips:
    clips: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        clips.setdefault((row.source, row.original, row.file), []).append(row.scores.get(name, np.nan))
    return {key: logits(scores) for key, scores in clips.items()}


def interval(statistic: Callable[[np.ndarray], float], groups: Sequence[object]) -> str:
    value, (low, high) = statistic(np.arange(len(groups))), bootstrap(statistic, groups)
    return "-" if np.isnan(value) else f"{value:.3f}" if np.isnan(low) else f"{value:.3f} [{low:.2f}, {high:.2f}]"


def auc(clips: Clips) -> str:
    judged = {key: mean_defined(scores) for key, scores in clips.items() if not np.isnan(scores).all()}
    scores, fakes = np.array(list(judged.values())), np.array([key[1] != key[2] for key in judged], np.bool_)
    return interval(lambda drawn: area_under_roc(scores[drawn], fakes[drawn]), [key[:2] for key in judged])


def ranks(clips: Clips) -> list[str]:
    gaps = {key: scores - clips[*key[:2], key[1]] for key, scores in clips.items() if key[1] != key[2]}
    signs = np.array([(np.sign(mean_defined(gap)), mean_defined(np.sign(gap))) for gap in gaps.values()])  # of clips, of frames
    return [interval(partial(_mean_of, own / 2 + 0.5), [key[:2] for key in gaps]) for own in signs.T]


def _mean_of(values: np.ndarray, drawn: np.ndarray) -> float:
    return mean_defined(values[drawn])


def pair_cells(rows: Sequence[Judged], pristine: Sequence[Judged], source: str, name: str) -> list[str]:
    clips = {key: scores for key, scores in clips_of(rows, name).items() if source in (key[0], "all")}
    fakes = {key: scores for key, scores in clips.items() if key[1] != key[2]}
    compared = [key[::2] for key in fakes if source in ROUGH or key[0] not in ROUGH]
    by_fake = [[row.fg_iou[name] for row in rows if (row.source, row.file) == own and row.fg_iou] for own in compared]
    iou = f"{mean_defined([mean_defined(own) for own in by_fake]):.2f}{' (rough)' if source in ROUGH else ''}"
    return [name, source, str(len(fakes)), auc(clips), auc(fakes | clips_of(pristine, name)), *ranks(clips), iou]


def pristine_cells(rows: Sequence[Judged], source: str, name: str, thresholds: tuple[float, float]) -> list[str]:
    own = [row for row in rows if row.source == source]
    scores = np.array([row.scores[name] for row in own if row.scores])
    hits = (scores >= thresholds[0]).sum(), ((scores >= thresholds[1]) & (scores < thresholds[0])).sum()
    called = ["-" if np.isnan(thresholds[0]) else f"{hit} ({hit / len(scores):.1%})" for hit in hits]
    spread = [f"{value:.3f}" for value in np.percentile(scores, (50, 95, 99))]
    return [name, source, str(len({row.file for row in own})), str(len(own)), str(len(scores)), *called, *spread]


def number_for(folder: Path, given: Sequence[str], default: int) -> int:
    numbers = {text.rpartition("=")[0]: int(text.rpartition("=")[2]) for text in given}
    return numbers.get(folder.name, numbers.get("", default))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--foreign", "--ghost", "--json"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--pristine", type=Path, nargs="+", default=[])
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL], help="names or paths")
    parser.add_argument("--mean", action="store_true", help="judge the mean of the models' logits, too")
    parser.add_argument("--limit", nargs="+", default=[], help="most files of a folder: N or FOLDER=N; 100")
    parser.add_argument("--border", nargs="+", default=[], help="pixels to cut off: N or FOLDER=N; 0")
    options = parser.parse_args()
    judge = Judge([load(model, threads=1) for model in options.models], options.mean)
    pristine: list[Judged] = []
    rows = list(judge.pairs(options.foreign, options.ghost))
    for folder in options.pristine:
        pristine += judge.pristine(folder, number_for(folder, options.limit, 100), number_for(folder, options.border, 0))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in (*rows, *pristine)], indent=1), encoding="utf-8")
    thresholds = {model.name: (model.score_threshold, model.doubt_threshold) for model in judge.models}
    thresholds |= {MEAN: (np.nan, np.nan)} if options.mean else {}
    sets, folders = (list(dict.fromkeys(row.source for row in own if row.scores)) for own in (rows, pristine))
    pairs = [pair_cells(rows, pristine, source, name) for name in thresholds for source in (*sets, "all") if sets]
    reals = [pristine_cells(pristine, source, name, own) for name, own in thresholds.items() for source in folders]
    for head, lines in ((PAIRS_HEAD, pairs), (PRISTINE_HEAD, reals)):
        print(to_table(head, lines))


if __name__ == "__main__":
    main()
