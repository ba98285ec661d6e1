"""Real clips or photos -> a tree in FaceForensics++'s layout with stand-in methods, so that everything runs without its data.

What is made is no FaceForensics++: the methods' folders are named `standin_...`, their codes start with "s", and every file
carries a provenance tag in its metadata.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data.footage import SENSOR_NOISE, Footage, footage_of
from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.readers.faceforensics import SYNTHESIZED
from tamperlens.data.readers.methods import METHODS
from tamperlens.errors import DataError, MediaError
from tamperlens.forge.standins import STANDINS
from tamperlens.media import frames, write_video
from tamperlens.processes import run_processes
from tamperlens.types import BoolArray, FaceDetector, UInt8Array

__all__ = ["COMPRESSIONS", "TAG", "split_sizes", "synthesize"]

TAG = "stand-in made by tamperlens from real footage; not FaceForensics++"
FPS = 25
SPLIT_SHARES = {"train": 0.72, "val": 0.14, "test": 0.14}  # of the pairs, as 720 / 140 / 140 videos


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two neighbours, each of whom is target and source once: what one process writes at a time."""

    out: Path
    numbers: tuple[int, int]
    clips: tuple[Footage, Footage]
    methods: tuple[str, ...]
    compressions: tuple[str, ...]
    seed: int


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
    workers: int = 1,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[str]:
    """Write the tree under ``out`` from files of one person each; returns what was left out and why.

    Files become clips 000, 001, ... in the order given; neighbours are pairs, and each of a pair is target and source once.
    Split files hold whole pairs, so no person is in two splits. Files that are there already are kept: a run that was cut off
    continues. ``sensor_noise``: see `footage_of`. ``workers`` processes write the same bytes as one; ``progress`` is told what
    is being done, how much of it is done, and of how much. Raises `DataError` for unknown methods or compressions, for fewer
    than six usable files, and where ``out`` holds a tree of other files or settings.
    """
    unknown = [name for name in methods if name not in STANDINS] + [name for name in compressions if name not in COMPRESSIONS]
    if unknown:
        raise DataError(
            f"unknown {', '.join(unknown)}; methods are {', '.join(STANDINS)}, compressions {', '.join(COMPRESSIONS)}"
        )
    made_from: dict[str, object] = {
        "files": [path.name for path in sources],
        "content": _content(sources),
        "seed": seed,
        "frames": count,
        "longest": longest,
        "noise": sensor_noise,
    }
    _check_made_from(out / SYNTHESIZED, made_from)
    clips: list[Footage] = []
    left_out = []
    for number, path in enumerate(sources):
        rng = np.random.default_rng([seed, len(clips)])
        try:
            clips.append(footage_of(path, detector, count=count, longest=longest, rng=rng, sensor_noise=sensor_noise))
        except (DataError, MediaError) as error:
            left_out.append(str(error))
        progress("faces found", number + 1, len(sources))
    if len(clips) < 6:
        why = f" ({len(left_out)} could not be used, the first because {left_out[0]})" if left_out else ""
        raise DataError(f"{len(clips)} usable files are too few for three splits{why}; give at least 6, one person each")
    if len(clips) % 2:
        left_out.append(f"{clips[-1].name} has no partner: clips are paired, and their number is odd")
    pairs = [
        _Pair(out, (first, first + 1), (clips[first], clips[first + 1]), tuple(methods), tuple(compressions), seed)
        for first in range(0, len(clips) - 1, 2)
    ]
    _write_splits(out / "splits", [pair.numbers for pair in pairs])
    for done, (pair, crash) in enumerate(_write_all(pairs, workers), 1):
        if crash:
            raise DataError(f"{pair.clips[0].name} and {pair.clips[1].name}: {crash}")
        progress("pairs forged", done, len(pairs))
    return left_out


def _write_all(pairs: Sequence[_Pair], workers: int) -> Iterator[tuple[_Pair, str | None]]:
    if workers > 1:
        yield from run_processes(_write_alone, pairs, workers)
        return
    for pair in pairs:
        _write_pair(pair)
        yield pair, None


def _write_alone(pair: _Pair) -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    _write_pair(pair)


def _write_pair(pair: _Pair) -> None:
    for number, clip in zip(pair.numbers, pair.clips, strict=True):
        _write_levels(pair.out / "original_sequences" / "youtube", f"{number:03d}", clip.stream, pair.compressions)
    (first, second), (one, other) = pair.numbers, pair.clips
    for code in pair.methods:
        folder = pair.out / "manipulated_sequences" / METHODS[code].folder
        _write_manipulated(folder, code, one, other, (first, second), pair.compressions, pair.seed)
        _write_manipulated(folder, code, other, one, (second, first), pair.compressions, pair.seed)


def _content(sources: Sequence[Path]) -> str:
    """What tells files from others of the same names; sixteen hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sources:
        with suppress(OSError), path.open("rb") as stream:  # what cannot be read is left out, and said
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _check_made_from(path: Path, made_from: dict[str, object]) -> None:
    """A tree continues only from the same files and settings: masks of other footage would belong to nothing."""
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name, value in made_from.items() if kept.get(name, value if name == "content" else None) != value]
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
    name = f"{numbers[0]:03d}_{numbers[1]:03d}"

    def forged() -> Iterator[tuple[UInt8Array, BoolArray]]:
        standin = STANDINS[code](source.donor, np.random.default_rng([seed, *numbers, *code.encode()]))
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
