"""Small videos for tests: a real face under a slow camera move."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from faces_at_hand import hopper, somebody_else
from tamperlens.types import UInt8Array

WIDTH, HEIGHT = 320, 240


def face_picture(
    shift: float = 0.0, width: int = WIDTH, height: int = HEIGHT, photo: Callable[[], UInt8Array] = hopper
) -> UInt8Array:
    """The photograph of one person on grey, ``shift`` pixels to the right; its face is about a third of the height."""
    scale = height / 620
    move = np.array([[scale, 0, width / 2 - 256 * scale + shift], [0, scale, 4]])
    picture = cv2.warpAffine(photo(), move, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(np.where(picture.any(axis=2, keepdims=True), picture, 96), np.uint8)


def face_clip(count: int, width: int = WIDTH, height: int = HEIGHT) -> Iterator[UInt8Array]:
    return (face_picture(0.5 * number, width, height) for number in range(count))


def other_clip(count: int) -> Iterator[UInt8Array]:
    """The same camera on somebody else."""
    return (face_picture(0.5 * number, photo=somebody_else) for number in range(count))


def with_flashes(images: Iterable[UInt8Array], length: int, every: int = 13) -> Iterator[UInt8Array]:
    """``length`` frames of every ``every`` much too bright, the first after six."""
    for number, image in enumerate(images):
        lit = number >= 6 and (number - 6) % every < length
        yield np.asarray(np.clip(image.astype(np.int16) + 90, 0, 255), np.uint8) if lit else image


def empty_clip(count: int) -> Iterator[UInt8Array]:
    return (np.full((HEIGHT, WIDTH, 3), 200 + number % 8, np.uint8) for number in range(count))


def write_clip(path: Path, images: Iterator[UInt8Array], times: Sequence[float], *, sound: bool = False) -> Path:
    """An H.264 video (`WIDTH` x `HEIGHT`) with the given seconds for its frames, on request with a tone of the same length."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        audio = container.add_stream("aac", rate=44100) if sound else None
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"crf": "18", "bf": "0"}
        for image, seconds in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(1000 * seconds)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            samples = int(44100 * (times[-1] + times[1] - times[0]))
            for first in range(0, samples, 1024):
                tone = np.sin(np.arange(first, first + 1024) / 20).astype(np.float32)[None] / 8
                block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                block.sample_rate, block.pts = 44100, first
                container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path
