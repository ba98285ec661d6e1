"""One person's clip, or a photo as a hand-held camera would film it, as frames that can be streamed again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tamperlens.errors import DataError
from tamperlens.faces import largest_face
from tamperlens.files import MEDIA_SUFFIXES
from tamperlens.forge.effects import noise
from tamperlens.forge.portrait import Portrait
from tamperlens.forge.whole import portrait_of
from tamperlens.media import fit_within, frames, kind_of, read_photo
from tamperlens.types import FaceBox, FaceDetector, FloatArray, UInt8Array

__all__ = ["SENSOR_NOISE", "Camera", "Footage", "files_of", "footage_of"]

SMOOTHING = 5  # frames over which a clip's landmarks are averaged
SENSOR_NOISE = 4.0  # grey levels at most, of the camera that films a photo; without it no frame would have a camera's traces


@dataclass(frozen=True, eq=False)
class Camera:
    """The hand-held camera that films a photo: a slow zoom, pan and turn, a slight shake, and noise new in every frame."""

    moves: tuple[FloatArray, ...]  # (2, 3) each, one for each frame
    noise: float  # grey levels
    seed: int  # of the noise, the same whenever the clip is streamed

    def film(self, photo: UInt8Array) -> Iterator[UInt8Array]:
        """The frames."""
        height, width = photo.shape[:2]
        sensor = np.random.default_rng(self.seed)
        for move in self.moves:
            moved = cv2.warpAffine(photo, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            yield noise(np.asarray(moved, np.uint8), self.noise, sensor)


@dataclass(frozen=True, eq=False)
class Footage:
    """One person's clip: frames that are read from its file whenever they are streamed, and where the face lies in each."""

    path: Path
    longest: int  # of the frames' sides, in pixels, at most
    landmarks: FloatArray  # (N, 5, 2)
    boxes: tuple[FaceBox, ...]  # N
    camera: Camera | None  # None: the file is a clip itself

    @property
    def name(self) -> str:
        """The file's, without its suffix."""
        return self.path.stem

    @property
    def donor(self) -> Portrait:
        """The first frame's face."""
        return portrait_of(next(self.stream()), self.boxes[0])

    def stream(self) -> Iterator[UInt8Array]:
        """N frames, RGB uint8 (H, W, 3), both sides even."""
        if self.camera:
            return self.camera.film(_fitted(read_photo(self.path).image, self.longest))
        return islice(_frames_of(self.path, self.longest), len(self.boxes))


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
        return _filmed(path, detector, count, longest, rng, sensor_noise)
    boxes: list[FaceBox] = []
    for image in islice(_frames_of(path, longest), count):
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
    return Footage(path, longest, smooth, tuple(boxes), None)


def files_of(sources: Sequence[Path]) -> list[Path]:
    """The photos and clips among ``sources``, folders taken apart, in name order within each folder."""
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += sorted(p for p in source.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES)
        else:
            files.append(source)
    return files


def _frames_of(path: Path, longest: int) -> Iterator[UInt8Array]:
    return (_fitted(frame.image, longest) for frame in frames(path))


def _fitted(image: UInt8Array, longest: int) -> UInt8Array:
    fitted = fit_within(image, longest)
    return np.ascontiguousarray(fitted[: fitted.shape[0] // 2 * 2, : fitted.shape[1] // 2 * 2])


def _filmed(
    path: Path, detector: FaceDetector, count: int, longest: int, rng: np.random.Generator, sensor_noise: float
) -> Footage:
    image = _fitted(read_photo(path).image, longest)
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
    camera = Camera(tuple(moves), float(rng.uniform(0.5, 1)) * sensor_noise, int(rng.integers(2**32)))

    def moved_points(points: FloatArray, move: FloatArray) -> FloatArray:
        return np.asarray(points @ move[:, :2].T + move[:, 2], np.float32)

    landmarks = np.stack([moved_points(face.landmarks, move) for move in moves])
    boxes = []
    for move, points in zip(moves, landmarks, strict=True):
        (x0, y0), (x1, y1) = moved_points(np.array([[face.x0, face.y0], [face.x1, face.y1]], np.float32), move)
        boxes.append(FaceBox(float(x0), float(y0), float(x1), float(y1), face.confidence, points))
    return Footage(path, longest, landmarks, tuple(boxes), camera)
