"""What happens to a picture that is saved or sent again, in memory: lossy codecs and other sizes."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from tamperlens.types import FloatArray, UInt8Array

__all__ = ["REPEATABLE", "fit_within", "h264", "h264_moving", "jpeg", "resize", "shrunk", "webp"]

_AVX512 = 13  # OpenCV's number of it
#: Options of x264 by which the same pictures become the same bytes: its AVX-512 code (macroblock tree) differs from run to run.
REPEATABLE: Mapping[str, str] = {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(_AVX512) else {}


def _encoded(image: UInt8Array, suffix: str, flags: list[int]) -> UInt8Array:
    ok, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
    if decoded is None:
        raise RuntimeError(f"OpenCV could not encode a {image.shape} picture as {suffix}")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def jpeg(image: UInt8Array, quality: int, *, subsample: bool = True) -> UInt8Array:
    """``image`` after JPEG at ``quality`` (1 to 100), chroma halved (4:2:0) or kept (4:4:4)."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if subsample else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    return _encoded(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])


def webp(image: UInt8Array, quality: int) -> UInt8Array:
    """``image`` after lossy WebP at ``quality`` (1 to 100)."""
    return _encoded(image, ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def h264(image: UInt8Array, crf: int) -> UInt8Array:
    """``image`` after H.264 (one intra frame, 4:2:0) at constant rate factor ``crf``."""
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = padded.shape[1], padded.shape[0]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24").reformat(format="yuv420p")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [out for packet in packets for out in decoder.decode(packet)] + list(decoder.decode(None))
    return np.ascontiguousarray(decoded[0].to_ndarray(format="rgb24")[:height, :width])


def resize(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """``image`` at a new size: area averaging when it shrinks, bicubic when it grows."""
    if (image.shape[1], image.shape[0]) == (width, height):
        return image
    shrinks = width < image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.uint8)


def fit_within(image: UInt8Array, side: int) -> UInt8Array:
    """``image``, uint8 ``(H, W)`` or ``(H, W, channels)``, with its longest side at most ``side`` pixels, by area averaging.

    A picture that fits already is returned as it is.

    >>> fit_within(np.zeros((600, 900, 3), np.uint8), 300).shape
    (200, 300, 3)
    """
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def shrunk(image: UInt8Array, factor: float) -> UInt8Array:
    """``image`` at ``factor`` (below 1) of its size."""
    return resize(image, max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))


def h264_moving(
    image: UInt8Array,
    moves: Sequence[FloatArray],
    at: int,
    *,
    crf: int,
    preset: str = "veryfast",
    b_frames: int = 0,
    interval: int = 250,
) -> UInt8Array:
    """``image`` as frame ``at`` of a short moving H.264 clip: what a predicted frame looks like, not a still.

    ``moves`` holds an affine map ``(2, 3)`` for each frame of the clip, which moves the picture; that of ``at`` is not used, so
    the frame that is returned lies where the picture lay. ``interval`` is the longest distance of key frames; ``b_frames`` the
    most frames predicted from both sides in a row.
    """
    height, width = image.shape[:2]
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    size = (even.shape[1], even.shape[0])
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25, 1)
    encoder.thread_count = 1
    options = {"crf": str(crf), "preset": preset, "bf": str(b_frames), "g": str(interval), "rc-lookahead": "4"}
    encoder.options = {**options, **REPEATABLE}
    packets = []
    for number, move in enumerate(moves):
        moved = even if number == at else cv2.warpAffine(even, move, size, borderMode=cv2.BORDER_REFLECT)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [out for packet in packets for out in decoder.decode(packet)] + list(decoder.decode(None))
    return np.ascontiguousarray(decoded[at].to_ndarray(format="rgb24")[:height, :width])
