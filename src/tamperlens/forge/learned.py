"""Two small learned renderers, trained by this project and run through ONNX Runtime, so that forging needs no torch.

The autoencoder squeezes an aligned face through a few numbers and draws it again, as Deepfakes does; the renderer draws a
square of the picture again from a coarse version of it, as NeuralTextures does. `runs/train_renderers.py` trains both.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from tamperlens.errors import ModelError
from tamperlens.media import resize
from tamperlens.types import FloatArray, UInt8Array

__all__ = ["AUTOENCODER_SIDE", "RENDERER_SIDE", "coarse", "decode", "encode", "render", "render_finely"]

AUTOENCODER_SIDE = 64  # pixels, as the first Deepfakes
RENDERER_SIDE = 128
FINE_SIDE, MARGIN = 288, 16  # pixels: three tiles of the renderer in a row, and how much of a tile its neighbours repeat
COARSENESS = 4  # the renderer sees its square at 1 / COARSENESS of its resolution
_FOLDER = Path(__file__).parent / "renderers"


@cache
def _session(name: str) -> onnxruntime.InferenceSession:
    path = _FOLDER / f"{name}.onnx"
    if not path.exists():
        raise ModelError(f"the renderer {path} is missing; install tamperlens again, or make it with runs/train_renderers.py")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _run(name: str, values: FloatArray) -> FloatArray:
    session = _session(name)
    result = session.run(None, {session.get_inputs()[0].name: values})[0]
    return np.asarray(result, np.float32)


def _tensor(image: UInt8Array) -> FloatArray:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)


def _picture(values: FloatArray) -> UInt8Array:
    return np.asarray(np.clip(np.rint(values[0].transpose(1, 2, 0) * 255), 0, 255), dtype=np.uint8)


def encode(face: UInt8Array) -> FloatArray:
    """The code of an aligned face, RGB uint8 ``(64, 64, 3)``: float32 ``(1, C, 8, 8)``."""
    return _run("encoder", _tensor(face))


def decode(code: FloatArray) -> UInt8Array:
    """The face of a code, RGB uint8 ``(64, 64, 3)``."""
    return _picture(_run("decoder", code))


def coarse(square: UInt8Array) -> UInt8Array:
    """What the renderer is shown of a square: its coarse colours, RGB uint8 of the same size."""
    side = square.shape[0]
    small = resize(square, side // COARSENESS, side // COARSENESS)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def render(square: UInt8Array) -> UInt8Array:
    """A square of any size drawn again: RGB uint8 ``(S, S, 3)``; every pixel passes through the network."""
    side = square.shape[0]
    return resize(_render_tile(resize(square, RENDERER_SIDE, RENDERER_SIDE)), side, side)


def render_finely(square: UInt8Array) -> UInt8Array:
    """As `render`, but tile by tile at 128 to 288 pixels, so that a large square stays sharp: RGB uint8 ``(S, S, 3)``."""
    side, step = square.shape[0], RENDERER_SIDE - 2 * MARGIN
    fine = min(max(side, RENDERER_SIDE), FINE_SIDE)
    around = (MARGIN, RENDERER_SIDE)
    padded = np.pad(resize(square, fine, fine), (around, around, (0, 0)), mode="edge")
    drawn = np.zeros((fine + step, fine + step, 3), np.uint8)
    for y in range(0, fine, step):
        for x in range(0, fine, step):
            tile = _render_tile(padded[y : y + RENDERER_SIDE, x : x + RENDERER_SIDE])
            drawn[y : y + step, x : x + step] = tile[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return resize(drawn[:fine, :fine], side, side)


def _render_tile(tile: UInt8Array) -> UInt8Array:
    return _picture(_run("renderer", _tensor(coarse(tile))))
