"""Tiny trees in FaceForensics++'s layout: a moving texture, and a patch of another texture as "manipulation"."""

import json
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from tamperlens.data.prepare.run import prepare
from tamperlens.data.store import Store
from tamperlens.data.store.manifest import PrepareSettings
from tamperlens.media import write_video
from tamperlens.types import FaceBox

WIDTH, HEIGHT, FRAMES = 160, 120, 12
CENTER, RADIUS = (80, 60), 18
CODEC = {"raw": ("libx264rgb", 0), "c0": ("libx264rgb", 0), "c23": ("libx264", 23), "c40": ("libx264", 40)}


@cache
def texture(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(np.pad(noise, ((16, 16), (16, 16), (0, 0)), "wrap"), (0, 0), 4)[16:-16, 16:-16]
    return np.clip(128 + 40 * soft / soft.std(), 0, 255).astype(np.uint8)


def changed_area(center=CENTER, radius=RADIUS):
    area = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(area, center, radius, 1, -1)
    return area.astype(bool)


def clip_frames(target, count=FRAMES):
    return [np.roll(texture(int(target)), index, axis=1) for index in range(count)]


def manipulated_frames(target, source, method="Deepfakes", count=FRAMES, center=CENTER):
    area = changed_area(center)[..., None]
    patch = texture(10_000 + int(source) + 1_000 * len(method))
    # Every changed pixel differs, and by more than compression does.
    return [
        np.where(area, np.where(np.abs(patch.astype(int) - frame) < 25, frame ^ 64, patch), frame)
        for frame in clip_frames(target, count)
    ]


def encode(path, frames, level, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    codec, crf = CODEC[level]
    write_video(path, frames, 25, **{"codec": codec, "crf": crf, **changes})


def write_mask(path, area=None, count=FRAMES):
    area = changed_area() if area is None else area
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.repeat(area.astype(np.uint8)[..., None] * 255, 3, axis=2)
    write_video(path, [picture] * count, 25, codec="libx264", crf=10)


def write_frames(folder, frames, first=0, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames, start=first):
        assert cv2.imwrite(str(folder / f"{index:04d}{suffix}"), frame[..., ::-1])


def video(root, name, level="raw", method=None):
    base = root / "manipulated_sequences" / method if method else root / "original_sequences" / "youtube"
    return base / level / "videos" / f"{name}.mp4"


def mask_video(root, name, method="Deepfakes"):
    return root / "manipulated_sequences" / method / "masks" / "videos" / f"{name}.mp4"


def build_tree(root, pairs=(("000", "003"),), methods=("Deepfakes", "NeuralTextures"), levels=("raw",), count=FRAMES):
    """Both directions of each pair, with masks, as FaceForensics++ has them."""
    for level in levels:
        for a, b in pairs:
            for target, source in ((a, b), (b, a)):
                encode(video(root, target, level), clip_frames(target, count), level)
                for method in methods:
                    name = f"{target}_{source}"
                    frames = manipulated_frames(target, source, method, count)
                    encode(video(root, name, level, method), frames, level)
                    write_mask(mask_video(root, name, method), count=count)
    return root


class FakeDetector:
    """Finds the same faces in every picture."""

    def __init__(self, *centers, size=30.0):
        self.centers, self.size, self.calls = centers or (CENTER,), size, 0

    def __call__(self, image) -> Sequence[FaceBox]:
        self.calls += 1
        half = self.size / 2
        return [FaceBox(x - half, y - half, x + half, y + half, 0.9, np.zeros((5, 2), np.float32)) for x, y in self.centers]


def small_store(base) -> Store:
    """12 training crops of P, 12 of DF and 6 of NT, 60 pixels wide; 4 of each for testing."""
    root = build_tree(base / "root", (("000", "003"), ("001", "002")), count=6)
    (root / "manipulated_sequences/NeuralTextures/raw/videos/000_003.mp4").unlink()
    (root / "splits").mkdir()
    for name, pairs in (("train", [["000", "003"]]), ("val", []), ("test", [["001", "002"]])):
        (root / "splits" / f"{name}.json").write_text(json.dumps(pairs))
    settings = PrepareSettings(methods=("DF", "NT"), compression="raw", every_eval=3)
    prepare(root, base / "store", settings, FakeDetector(), allow_custom_split=True)
    return Store(base / "store")
