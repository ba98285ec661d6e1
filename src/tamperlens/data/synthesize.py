"""Real clips or photos -> a tree in FaceForensics++'s layout with stand-in methods, so that everything runs without its data.

What is made is no FaceForensics++: the methods' folders are named `standin_...`, their codes start with "s", and every file
carries a provenance tag in its metadata.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.readers.methods import METHODS
from tamperlens.errors import DataError, MediaError
from tamperlens.faces import largest_face
from tamperlens.files import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from tamperlens.forge.effects import noise
from tamperlens.forge.portrait import Portrait
from tamperlens.forge.standins import STANDINS
from tamperlens.forge.whole import portrait_of
from tamperlens.media import fit_within, frames, kind_of, read_photo, write_video
from tamperlens.types import BoolArray, FaceBox, FaceDetector, FloatArray, UInt8Array

__all__ = ["COMPRESSIONS", "SENSOR_NOISE", "TAG", "Footage", "files_of", "footage_of", "split_sizes", "synthesize"]

TAG = "stand-in made by tamperlens from real footage; not FaceForensics++"
FPS = 25
SPLIT_SHARES = {"train": 0.72, "val": 0.14, "test": 0.14}  # of the pairs, as 720 / 140 / 140 videos
SMOOTHING = 5  # frames over which a clip's landmarks are averaged
SENSOR_NOISE = 4.0  # grey levels at most, of the camera that films a photo; without it no frame would have a camera's traces


@dataclass(frozen=True)
class Footage:
    """One person's clip: frames that can be streamed again and again, and where the face lies in each."""

    name: str
    stream: Callable[[], Iterator[UInt8Array]]  # RGB uint8 (H, W, 3), even sides
    landmarks: FloatArray  # (N, 5, 2)
    boxes: tuple[FaceBox, ...]  # N

    @property
    def donor(self) -> Portrait:
        """The first frame's face."""
        return portrait_of(next(self.stream()), self.boxes[0])


def footage_of(
    path: Path,
    detector: FaceDetector,
    *,
    count: int,
    longest: int,
    rng: np.random.Generator,
    sensor_noise: float = SENSOR_NOISE,
) -> Footage:
    """The first ``count`` frames of a clip, or a photo under a small camera move, its longer side at most ``longest`` pixels.

    The camera that films a photo has a noise of its own, from half of ``sensor_noise`` grey levels to all of it.
    Raises `DataError` where no face is found, `MediaError` where the file cannot be read.
    """
    if kind_of(path) == "photo":
        return _camera_move(path, detector, count, longest, rng, sensor_noise)

    def stream() -> Iterator[UInt8Array]:
        for frame in frames(path):
            if frame.index >= count:
                return
            yield _even(fit_within(frame.image, longest))

    boxes: list[FaceBox] = []
    for image in stream():
        found = detector(image)
        if found:
            boxes.append(found[0])
        elif boxes:
            boxes.append(boxes[-1])
        else:
            raise DataError(f"no face was found in the first frame of {path}; give clips that begin with a face")
    points = np.stack([box.landmarks for box in boxes])
    reach = SMOOTHING // 2
    padded = np.concatenate([points[:1].repeat(reach, 0), points, points[-1:].repeat(reach, 0)])
    smooth = np.stack([padded[i : i + SMOOTHING].mean(axis=0) for i in range(len(points))]).astype(np.float32)
    return Footage(path.stem, stream, smooth, tuple(boxes))


def files_of(sources: Sequence[Path]) -> list[Path]:
    """The photos and clips among ``sources``, folders taken apart, in name order within each folder."""
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += sorted(p for p in source.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES)
        else:
            files.append(source)
    return files


def _even(image: UInt8Array) -> UInt8Array:
    return np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])


def _camera_move(
    path: Path, detector: FaceDetector, count: int, longest: int, rng: np.random.Generator, sensor_noise: float
) -> Footage:
    """A photo as a hand-held camera would film it: a slow zoom, pan and turn, a slight shake, and noise new in every frame."""
    image = _even(fit_within(read_photo(path).image, longest))
    face = largest_face(image, detector, path)
    height, width = image.shape[:2]
    start, end = rng.uniform(1.05, 1.12, size=2)
    pan, turn, phase = rng.normal(0, 0.006, size=2), float(rng.normal(0, 0.6)), rng.uniform(0, 2 * np.pi, size=2)
    moves = []
    for place in np.linspace(0, 1, count):
        shake = 0.001 * np.sin(2 * np.pi * (2 + 3 * place) + phase)
        move = cv2.getRotationMatrix2D((width / 2, height / 2), turn * place, float(start + (end - start) * place))
        move[:, 2] += (pan * place + shake) * (width, height)
        moves.append(move)

    sigma, seed = float(rng.uniform(0.5, 1)) * sensor_noise, int(rng.integers(2**32))

    def stream() -> Iterator[UInt8Array]:
        sensor = np.random.default_rng(seed)  # the same noise whenever the clip is streamed
        for move in moves:
            moved = cv2.warpAffine(image, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            yield noise(np.asarray(moved, np.uint8), sigma, sensor)

    def moved_points(points: FloatArray, move: FloatArray) -> FloatArray:
        return np.asarray(points @ move[:, :2].T + move[:, 2], np.float32)

    landmarks = np.stack([moved_points(face.landmarks, move) for move in moves])
    boxes = []
    for move, points in zip(moves, landmarks, strict=True):
        (x0, y0), (x1, y1) = moved_points(np.array([[face.x0, face.y0], [face.x1, face.y1]], np.float32), move)
        boxes.append(FaceBox(float(x0), float(y0), float(x1), float(y1), face.confidence, points))
    return Footage(path.stem, stream, landmarks, tuple(boxes))


def synthesize(
    sources: Sequence[Path],
    out: Path,
    detector: FaceDetector,
    *,
    methods: Sequence[str] = tuple(STANDINS),
    compressions: Sequence[str] = tuple(COMPRESSIONS),
    count: int = 25,
    longest: int = 480,
    seed: int = 0,
    sensor_noise: float = SENSOR_NOISE,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = lambda paths: paths,
) -> list[str]:
    """Write the tree under ``out`` from files of one person each; returns what was left out and why.

    Files become clips 000, 001, ... in the order given; neighbours are pairs, and each of a pair is target and source once.
    Split files hold whole pairs, so no person is in two splits. Files that are there already are kept: a run that was cut off
    continues. ``sensor_noise``: see `footage_of`. Raises `DataError` for unknown methods or compressions, for fewer than six
    usable files, and where ``out`` holds a tree of other files or settings.
    """
    unknown = [name for name in methods if name not in STANDINS] + [name for name in compressions if name not in COMPRESSIONS]
    if unknown:
        raise DataError(
            f"unknown {', '.join(unknown)}; methods are {', '.join(STANDINS)}, compressions {', '.join(COMPRESSIONS)}"
        )
    made_from: dict[str, object] = {
        "files": [path.name for path in sources],
        "seed": seed,
        "frames": count,
        "longest": longest,
        "noise": sensor_noise,
    }
    _check_made_from(out / "synthesized.json", made_from)
    clips: list[Footage] = []
    left_out = []
    for path in progress(sources):
        rng = np.random.default_rng([seed, len(clips)])
        try:
            clip = footage_of(path, detector, count=count, longest=longest, rng=rng, sensor_noise=sensor_noise)
            _write_levels(out / "original_sequences" / "youtube", f"{len(clips):03d}", clip.stream, compressions)
        except (DataError, MediaError) as error:
            left_out.append(str(error))
            continue
        clips.append(clip)
    if len(clips) < 6:
        raise DataError(f"{len(clips)} usable files are too few for three splits; give at least 6, one person each")
    if len(clips) % 2:
        left_out.append(f"{clips[-1].name} has no partner: clips are paired, and their number is odd")
    pairs = [(first, first + 1) for first in range(0, len(clips) - 1, 2)]
    _write_splits(out / "splits", pairs)
    for code in methods:
        folder = out / "manipulated_sequences" / METHODS[code].folder
        for target, source in [*pairs, *((second, first) for first, second in pairs)]:
            _write_manipulated(folder, code, clips[target], clips[source], (target, source), compressions, seed)
    return left_out


def _check_made_from(path: Path, made_from: dict[str, object]) -> None:
    """A tree continues only from the same files and settings: masks of other footage would belong to nothing."""
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name, value in made_from.items() if kept.get(name) != value]
        if other:
            raise DataError(f"{path.parent} holds a tree made with other {', '.join(other)}; give another folder, or the same")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")


def split_sizes(pairs: int) -> dict[str, int]:
    """How many of so many pairs go to each split.

    >>> split_sizes(120)
    {'train': 86, 'val': 17, 'test': 17}
    """
    held = {name: max(1, round(SPLIT_SHARES[name] * pairs)) for name in ("val", "test")}
    return {"train": pairs - sum(held.values()), **held}


def _write_splits(folder: Path, pairs: Sequence[tuple[int, int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    left = iter(pairs)
    for name, size in split_sizes(len(pairs)).items():
        named = [[f"{first:03d}", f"{second:03d}"] for first, second in islice(left, size)]
        (folder / f"{name}.json").write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")


def _write_levels(
    folder: Path, name: str, stream: Callable[[], Iterator[UInt8Array]], compressions: Sequence[str], tag: str = TAG
) -> None:
    paths = {level: folder / level / "videos" / f"{name}.mp4" for level in COMPRESSIONS}
    for level, row in COMPRESSIONS.items():
        path = paths[level]
        if level in compressions and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # The raw file holds the very same pictures, and decoding takes less time than forging.
            pictures = (frame.image for frame in frames(paths["raw"])) if paths["raw"].exists() else stream()
            write_video(path, pictures, FPS, codec=row.codec, crf=row.crf, metadata={"comment": tag})


def _write_manipulated(
    folder: Path,
    code: str,
    target: Footage,
    source: Footage,
    numbers: tuple[int, int],
    compressions: Sequence[str],
    seed: int,
) -> None:
    """One manipulated clip at every level, and its mask video (lossless, 0 and 255)."""
    name, donor = f"{numbers[0]:03d}_{numbers[1]:03d}", source.donor

    def forged() -> Iterator[tuple[UInt8Array, BoolArray]]:
        standin = STANDINS[code](donor, np.random.default_rng([seed, *numbers, *code.encode()]))
        for number, image in enumerate(target.stream()):
            yield standin(image, target.landmarks[number], target.boxes[number], number / FPS)

    drawn: list[tuple[UInt8Array, int]] = []  # masks of the pictures written, eight pixels in a byte, and their widths

    def images() -> Iterator[UInt8Array]:
        drawn.clear()
        for image, mask in forged():
            drawn.append((np.packbits(mask, axis=1), mask.shape[1]))
            yield image

    def masks() -> Iterator[UInt8Array]:
        kept = (np.unpackbits(bits, axis=1, count=width) for bits, width in drawn)
        # Where the pictures were there already, they are forged again.
        own = kept if drawn else (mask.astype(np.uint8) for _, mask in forged())
        return (np.repeat(mask[..., None] * np.uint8(255), 3, axis=2) for mask in own)

    tag = f"{TAG}; {METHODS[code].name} ({code}), target {numbers[0]:03d}, source {numbers[1]:03d}"
    _write_levels(folder, name, images, compressions, tag)
    mask_path = folder / "masks" / "videos" / f"{name}.mp4"
    if not mask_path.exists():
        mask_path.parent.mkdir(parents=True, exist_ok=True)
        write_video(mask_path, masks(), FPS, metadata={"comment": tag})
