"""How fast videos become crops, beside what decoding and face detection alone would allow, per second of one core's work.

    python benchmarks/prepare.py                  clips made from matplotlib's sample photograph, 720p, raw
    python benchmarks/prepare.py ROOT             a tree in FaceForensics++'s layout

Frames are counted in all videos, originals and manipulated ones, and all of them are cropped; detection alone looks at
every frame of the originals. Told is also how far the boxes that are followed through a clip lie from those found in
every frame, and the peak memory of preparing.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from tamperlens.data.prepare.pairing import follow_faces
from tamperlens.data.prepare.run import Execution, Report, prepare
from tamperlens.data.readers import READERS
from tamperlens.data.readers.frames import read_frames
from tamperlens.data.store.manifest import PrepareSettings
from tamperlens.faces import detector_for
from tamperlens.media import frames, write_video
from tamperlens.types import FaceBox, UInt8Array

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def pan(count: int, width: int, height: int) -> Iterator[UInt8Array]:
    """A photograph under a moving camera, with the noise of one."""
    photo = np.asarray(Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB"))
    rng, scale = np.random.default_rng(0), 0.9 * height / photo.shape[0]
    for index in range(count):
        x = width / 2 - scale * photo.shape[1] / 2 + 0.1 * width * np.sin(index / 15)
        y = 0.05 * height + 0.02 * height * np.cos(index / 9)
        move = np.array([[scale, 0, x], [0, scale, y]])
        picture = cv2.warpAffine(photo, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        yield np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def build(root: Path, count: int, width: int, height: int, level: str) -> Path:
    """One original and four manipulated clips, in which an ellipse over the face is another colour."""
    area = np.zeros((height, width), np.uint8)
    cv2.ellipse(area, (width // 2, round(0.35 * height)), (round(0.1 * height), round(0.14 * height)), 0, 0, 360, 1, -1)
    codec, crf = ("libx264rgb", 0) if level == "raw" else ("libx264", 23)
    paths = [root / f"original_sequences/youtube/{level}/videos/000.mp4"]
    paths += [root / f"manipulated_sequences/{method}/{level}/videos/000_003.mp4" for method in METHODS]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        changed = area[..., None] * np.uint8(32 * number)
        write_video(path, (picture ^ changed for picture in pan(count, width, height)), 25, codec=codec, crf=crf)
    return root


def decode_all(paths: list[Path]) -> tuple[int, float]:
    began = time.process_time()
    count = sum(1 for path in paths for _ in frames(path))
    return count, time.process_time() - began


def detect_all(paths: list[Path]) -> tuple[list[list[Sequence[FaceBox]]], float]:
    found: list[list[Sequence[FaceBox]]] = []
    detector, spent = detector_for("dataset"), 0.0
    for path in paths:
        found.append([])
        for frame in frames(path):
            began = time.process_time()
            found[-1].append(detector(frame.image))
            spent += time.process_time() - began
    return found, spent


def moved(path: Path, found: list[Sequence[FaceBox]]) -> list[float]:
    """How far followed boxes lie from detected ones, in shares of their side: the worse of centre and half the side."""
    distances = []
    for frame, boxes in follow_faces(read_frames(path), detector_for("dataset"), step=1, detect_every=5):
        if found[frame.index] and boxes:
            a, b = found[frame.index][0], max(boxes.values(), key=lambda box: box.size)
            apart = (*(abs(p - q) for p, q in zip(a.center, b.center, strict=True)), abs(a.size - b.size) / 2)
            distances.append(max(apart) / a.size)
    return distances


def prepare_all(root: Path, store: Path, compression: str) -> tuple[Report, float, float]:
    """The report, seconds of work and peak memory in MB; in a fresh process, so that only preparing counts."""
    settings = PrepareSettings(compression=compression, every_train=1, every_eval=1)
    began = time.process_time()
    report = prepare(root, store, settings, detector_for("dataset"), execution=Execution(keep_going=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return report, time.process_time() - began, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--compression", default="raw", choices=("raw", "c23"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        width, height = (int(side) for side in options.size.split("x"))
        root = options.root or build(Path(folder) / "root", options.frames, width, height, options.compression)
        clips = READERS["faceforensics"].read(root, compression=options.compression)
        originals = sorted({clip.original or clip.path for clip in clips})
        count, decoding = decode_all([clip.path for clip in clips])
        found, detecting = detect_all(originals)
        seen = sum(map(len, found))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            job = apart.submit(prepare_all, root, Path(folder) / "store", options.compression)
            report, preparing, peak = job.result()
        size = sum(file.stat().st_size for file in (Path(folder) / "store" / "shards").iterdir())
        distances = [distance for path, one in zip(originals, found, strict=True) for distance in moved(path, one)]
    rates = {"decode only": count / decoding, "detect only": seen / detecting, "prepare": count / preparing}
    slower = min(rates["decode only"], rates["detect only"])
    for name, rate in rates.items():
        print(f"{name:12} {rate:8.1f} frames/s {rate / slower:8.0%} of the slower of decoding and detecting")
    kilobytes = size / 1e3 / max(1, report.crops)
    print(f"{report.crops} crops of {report.clips} clips, {kilobytes:.0f} kB each; {len(report.failed)} clips failed")
    far = f"{np.mean(distances):.1%} of their side on average, {np.max(distances):.1%} at most"
    print(f"followed boxes lie {far} from detected ones; peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
