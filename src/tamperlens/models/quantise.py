"""A float32 ONNX file to int8: weights per channel, and what flows between convolutions, by the ranges that crops show."""

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx

from tamperlens.models.card import ModelCard
from tamperlens.models.runtime import as_seen
from tamperlens.types import FloatArray, UInt8Array

__all__ = ["quantise"]


def quantise(source: Path, target: Path, card: ModelCard, crops: Iterable[UInt8Array]) -> int:
    """Write ``target``, ``source`` in int8 with float32 at both ends; returns how many crops it was calibrated on.

    Convolutions are quantised, all else stays float32, and so do the first (residuals are faint) and those that make the maps,
    where 8 bits would be steps in the answer. Weights have 7 bits: with 8, processors without VNNI overflow.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    seen = _Crops(as_seen(crop, card) for crop in crops)
    with _quiet():
        quantize_static(
            str(source),
            str(target),
            seen,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept(onnx.load(source)),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
        )
    return seen.count


class _Crops:
    """What onnxruntime.quantization reads calibration data from."""

    def __init__(self, crops: Iterator[UInt8Array]) -> None:
        self._crops, self.count = crops, 0

    def get_next(self) -> dict[str, FloatArray] | None:
        crop = next(self._crops, None)
        if crop is None:
            return None
        self.count += 1
        return {"images": np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)}

    def __iter__(self) -> Iterator[dict[str, FloatArray]]:
        while (feed := self.get_next()) is not None:
            yield feed


def _kept(model: onnx.ModelProto) -> list[str]:
    """Convolutions on images, three channels, and those that make a one-channel map."""
    shapes = {value.name: value.dims for value in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    kept = [node.name for node in convolutions if node.input[1] in shapes and shapes[node.input[1]][0] == 1]
    return [*dict.fromkeys([convolutions[0].name, *kept])]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice that onnxruntime gives to its developers."""
    level = logging.root.level
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
        logging.root.setLevel(level)
