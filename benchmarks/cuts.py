"""How faces are followed through flashes, shake, whip pans and cuts, on real clips that are treated here.

    python benchmarks/cuts.py CLIPS... [--count 6] [--seconds 2] [--only WORDS...]

CLIPS are videos of one person each, or folders of them. Every clip is shrunk, treated and encoded anew (H.264), then inspected
with a predictor that always says the same, so that what is measured is the tracking alone. A line per treatment: the faces that
were found per clip (1 is right, of two people 2), the frames that were scored, those that count for a verdict of some face,
and the wrong joins (two people in one face) and splits (one person in several faces). Run it with PYTHONPATH set to another
version's src/ for that version's table.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tamperlens.faces import detector_for
from tamperlens.inspection.video import inspect_video
from tamperlens.media import VideoSampler, write_video
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.types import FaceBox, FaceDetector, Prediction, UInt8Array

SIDE = 320  # pixels: longest side of the treated clips
RATE = 25.0
Clip = list[UInt8Array]


class Calm:
    """A predictor that finds nothing."""

    name, calibrated, score_threshold, doubt_threshold = "calm", False, 0.9, 0.8
    limits: tuple[str, ...] = ()

    def __call__(self, image: UInt8Array) -> Prediction:
        return Prediction(np.zeros(image.shape[:2], np.float32), np.zeros(image.shape[:2], np.bool_), 0.1)


@dataclass(frozen=True)
class Treated:
    """A clip and, of each of its frames, whose face it shows; -1 where nobody's is to be expected."""

    frames: Clip
    people: Sequence[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=6, help="clips of each folder at most")
    parser.add_argument("--only", nargs="*", default=[""], help="treatments with one of these words in their name")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each clip")
    arguments = parser.parse_args()
    detector = detector_for("video")
    groups = [read_group(path, arguments.count, arguments.seconds) for path in arguments.clips]
    columns = ("clips", "faces per clip", "right", "scored frames", "that count", "wrong joins", "wrong splits")
    print(table_head("treatment", *columns), end="")
    with tempfile.TemporaryDirectory() as name:
        for what, treat in ONE_PERSON.items():
            if not any(words in what for words in arguments.only):
                continue
            treated = [treat(clip) for group in groups for clip in group]
            print(line(what, treated, detector, Path(name)), end="", flush=True)
        for what, join in TWO_PEOPLE.items():
            if not any(words in what for words in arguments.only):
                continue
            pairs = [(group[k], group[(k + 1) % len(group)]) for group in groups for k in range(len(group)) if len(group) > 1]
            treated = [join(one, put_in_place(other, one, detector)) for one, other in pairs]
            print(line(what, treated, detector, Path(name)), end="", flush=True)
        for number, group in enumerate(groups, 1):
            if not any(words in "slides" for words in arguments.only):
                continue
            treated = [slides(group, fade) for fade in (0, 10)]
            print(line(f"slides of 2.5 s, some fading in, folder {number}", treated, detector, Path(name)), end="", flush=True)


def read_group(path: Path, count: int, seconds: float) -> list[Clip]:
    files = sorted(file for file in path.iterdir() if file.suffix in (".mp4", ".mpg")) if path.is_dir() else [path]
    return [list(read(file, seconds)) for file in files[:count]]


def read(path: Path, seconds: float) -> Iterator[UInt8Array]:
    for frame in VideoSampler(path, every=1 / RATE, end=seconds):
        scale = min(1.0, SIDE / max(frame.image.shape[:2]))
        size = (round(frame.image.shape[1] * scale) // 2 * 2, round(frame.image.shape[0] * scale) // 2 * 2)
        yield np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)


def line(what: str, treated: Sequence[Treated], detector: FaceDetector, folder: Path) -> str:
    faces, right, scored, counting, joins, splits = [], 0, 0, 0, 0, 0
    for clip in treated:
        path = folder / "clip.mp4"
        write_video(path, clip.frames, RATE, codec="libx264", crf=20)
        inspection = inspect_video(path, detector, Calm())
        largest_in: dict[int, tuple[float, int]] = {}  # frame -> size of its largest face, track: smaller ones may be no faces
        for track in inspection.tracks:
            frames = sum(sighting.finding.score is not None for sighting in track.sightings)
            scored, counting = scored + frames, counting + frames * (track.score is not None)
            for sighting in track.sightings:
                found = sighting.finding.box.size, track.number
                largest_in[sighting.index] = max(found, largest_in.get(sighting.index, found))
        met = {(clip.people[min(index, len(clip.people) - 1)], track) for index, (_, track) in largest_in.items()}
        met = {(person, track) for person, track in met if person >= 0}
        people, tracks = {person for person, _ in met}, {track for _, track in met}
        splits, joins = splits + len(met) - len(people), joins + len(met) - len(tracks)
        right += len(met) == len(people) == len(tracks) == len({*clip.people} - {-1})
        faces.append(len(tracks))
    return table_line(what, len(treated), f"{np.mean(faces):.2f}", right, scored, counting, joins, splits)


def of_one(change: Callable[[Clip], Clip]) -> Callable[[Clip], Treated]:
    return lambda clip: Treated(change(clip), [0] * len(clip))


def flash(length: int, every: int = 13, gain: float = 1.0, offset: float = 90.0) -> Callable[[Clip], Clip]:
    """``length`` bright frames of every ``every``, the first after six."""

    def change(clip: Clip) -> Clip:
        lit = [np.asarray(np.clip(image * gain + offset, 0, 255), np.uint8) for image in clip]
        return [lit[k] if k >= 6 and (k - 6) % every < length else image for k, image in enumerate(clip)]

    return change


def shake(pixels: int) -> Callable[[Clip], Clip]:
    def change(clip: Clip) -> Clip:
        rng = np.random.default_rng(pixels)
        return [moved(image, *rng.integers(-pixels, pixels + 1, 2)) for image in clip]

    return change


def whip_pan(clip: Clip) -> Clip:
    """The camera is torn aside, out of the scene and back, in half a second, once a second; with the blur of that."""
    width, changed = clip[0].shape[1], []
    for k, image in enumerate(clip):
        phase = (k % 25 - 8) / 12
        swing = np.sin(np.pi * phase) if 0 <= phase <= 1 else 0.0
        speed = abs(np.cos(np.pi * phase)) * np.pi / 12 * width if 0 <= phase <= 1 else 0.0
        picture = moved(image, round(swing * width), 0, cv2.BORDER_REPLICATE)  # no mirrored faces beside it
        changed.append(np.asarray(cv2.blur(picture, (max(1, round(speed / 2)), 1)), np.uint8) if speed else picture)
    return changed


def moved(image: UInt8Array, right: int, down: int, border: int = cv2.BORDER_REFLECT_101) -> UInt8Array:
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.warpAffine(image, shift, size, borderMode=border), np.uint8)


def jump_cut(clip: Clip) -> Treated:
    """Ten frames are left out in the middle, as editors cut pauses."""
    middle = len(clip) // 2
    frames = clip[: middle - 5] + clip[middle + 5 :]
    return Treated(frames, [0] * len(frames))


def put_in_place(other: Clip, one: Clip, detector: FaceDetector) -> Clip:
    """Another person's clip, its first face where the face in the middle of ``one`` is, in pictures of that size."""
    place, face = (largest(detector, clip[at]) for clip, at in ((one, len(one) // 2), (other, 0)))
    scale = place.size / face.size
    (x, y), (to_x, to_y) = face.center, place.center
    warp = np.array([[scale, 0, to_x - scale * x], [0, scale, to_y - scale * y]])
    size = one[0].shape[1], one[0].shape[0]
    return [np.asarray(cv2.warpAffine(image, warp, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8) for image in other]


def largest(detector: FaceDetector, image: UInt8Array) -> FaceBox:
    return detector(image)[0]


def cut(one: Clip, other: Clip) -> Treated:
    middle = len(one) // 2
    rest = other[: len(one) - middle]
    return Treated(one[:middle] + rest, [0] * middle + [1] * len(rest))


def there_and_back(one: Clip, other: Clip) -> Treated:
    third = len(one) // 3
    frames = one[:third] + other[:third] + one[2 * third :]
    return Treated(frames, [0] * third + [1] * third + [0] * (len(frames) - 2 * third))


def dissolve(one: Clip, other: Clip) -> Treated:
    """Twelve frames in which one person fades into the other."""
    middle, length = len(one) // 2, 12
    rest = other[: len(one) - middle]
    mixed = []
    for k in range(length):
        weight = (k + 1) / (length + 1)
        mixed.append(np.asarray(np.rint((1 - weight) * one[middle + k] + weight * rest[k]), np.uint8))
    frames = one[:middle] + mixed + rest[length:]
    return Treated(frames, [0] * middle + [-1] * length + [1] * (len(rest) - length))


def slides(clips: Sequence[Clip], fade: int) -> Treated:
    """The first picture of each clip for 2.5 seconds, on one canvas, fading in for some frames."""
    height, width = clips[0][0].shape[:2]
    stills = [np.asarray(cv2.resize(clip[0], (width, height), interpolation=cv2.INTER_AREA), np.uint8) for clip in clips]
    frames: Clip = []
    people: list[int] = []
    for number, still in enumerate(stills):
        for k in range(round(2.5 * RATE)):
            fading = number > 0 and k < fade
            weight = (k + 1) / (fade + 1) if fading else 1.0
            before = stills[number - 1] if fading else still
            frames.append(np.asarray(np.rint((1 - weight) * before + weight * still), np.uint8))
            people.append(-1 if fading else number)
    return Treated(frames, people)


ONE_PERSON: dict[str, Callable[[Clip], Treated]] = {
    "as it is": of_one(list),
    **{f"flash of {n} frame{'s' if n > 1 else ''}": of_one(flash(n)) for n in (1, 2, 3)},
    "flash of 2 frames, nearly white": of_one(flash(2, gain=2.0, offset=120)),
    "strobe, every 2nd frame": of_one(flash(1, 2)),
    "strobe, every 4th frame": of_one(flash(1, 4)),
    "strobe, 3 of 6 frames": of_one(flash(3, 6)),
    "lights off for 8 of 25 frames": of_one(flash(8, 25, gain=0.25, offset=0)),
    **{f"shake of {n} pixels": of_one(shake(n)) for n in (4, 8, 16, 32)},
    "whip pans": of_one(whip_pan),
    "jump cut": jump_cut,
}
TWO_PEOPLE: dict[str, Callable[[Clip, Clip], Treated]] = {
    "cut between two people, boxes coincide": cut,
    "one, the other, the first again": there_and_back,
    "dissolve between two people": dissolve,
}

if __name__ == "__main__":
    main()
