"""A model as a file for other engines: ONNX, compared with PyTorch's numbers before it is written, and OpenVINO's own."""

import copy
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim

from tamperlens.errors import MissingExtra, ModelError
from tamperlens.models.card import ModelCard
from tamperlens.models.engines import CARD_ENTRY
from tamperlens.models.model import Model
from tamperlens.models.tasks import Logits
from tamperlens.types import Predictor, UInt8Array

__all__ = ["compare", "embed_card", "to_onnx", "to_openvino"]

#: The smallest crop side an exported model takes, in pixels: one cell of the coarsest network.
MIN_SIDE = 32
#: Batch, height and width at which the file is compared; none is the traced one, one is odd.
CHECKED_SIZES = ((1, 64, 64), (2, 61, 67), (3, 96, 80))


class _Traced(nn.Module):
    """A model that also tells its logit map, and its images' logits if it has any, for the comparison."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits = self.model.logit_map(images)
        return (*self.model.read(logits, (images.shape[-2], images.shape[-1])), *_as_tuple(logits))


def to_onnx(model: Model, path: Path | str, tolerance: float = 1e-4) -> float:
    """Write the model's ``forward`` to an ONNX file, after ONNX Runtime has given PyTorch's numbers at three sizes.

    The file takes ``images``, float32 RGB in [0, 1], ``(batch, 3, height, width)`` of any size from 32 pixels, and
    gives ``pixel_map`` ``(batch, 1, height, width)`` and ``score`` ``(batch,)``. Normalisation and the map threshold
    are inside it; calibrated scores, the mask and the score threshold are left to the reader of the model card.

    Compared are the logit map, to ``tolerance`` times its largest value (but at least 1), and what the task makes of
    it, pixel map and score, to ``tolerance``. The task is given ONNX Runtime's own logit map to read, since otherwise
    a difference in the last digit could carry a pixel over the map threshold, or a ``cls`` crop over its 0.5. Such
    flips are no error, but do occur between any two engines.

    Returns the largest difference. Raises ``ModelError`` when it exceeds the tolerance; nothing is written then.
    """
    path = Path(path)
    model = copy.deepcopy(model).cpu().float().eval()
    with torch.no_grad():
        heads = len(_as_tuple(model.logit_map(torch.rand(1, 3, 64, 64))))
    logit_names = ["logit_map", "image_logit"][:heads]
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            _Traced(model).eval(),
            (torch.rand(2, 3, 96, 128),),
            input_names=["images"],
            output_names=["pixel_map", "score", *logit_names],
            dynamo=True,
            dynamic_shapes=({0: Dim("batch"), 2: Dim("height", min=MIN_SIDE), 3: Dim("width", min=MIN_SIDE)},),
            external_data=False,
            verbose=False,
        )
    assert program is not None  # it is None only when the exporter writes a file itself
    proto = program.model_proto
    _strip(proto)
    traced = _session(proto.SerializeToString())
    del proto.graph.output[2:]  # the logits
    data = proto.SerializeToString()
    worst = _compare(model, traced, _session(data), logit_names, tolerance)
    path.write_bytes(data)
    return worst


def embed_card(path: Path, card: ModelCard) -> None:
    """Put the card into an ONNX file, so that the file alone is a model; a card beside it goes before the one inside."""
    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {CARD_ENTRY: card.model_dump_json()})
    path.write_bytes(proto.SerializeToString())


def to_openvino(source: Path, target: Path, card: ModelCard) -> None:
    """Write OpenVINO's ``target`` (.xml, with its .bin) from an ONNX file, weights as they are, the card inside."""
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "openvino", "openvino") from error
    model = openvino.Core().read_model(str(source))
    model.set_rt_info(card.model_dump_json(), CARD_ENTRY)
    openvino.save_model(model, str(target), compress_to_fp16=False)


def compare(predictor: Predictor, reference: Predictor, crops: Iterable[UInt8Array]) -> tuple[float, float]:
    """The largest difference of two predictors' pixel maps, and that of their scores, on real crops."""
    apart = [(predictor(crop), reference(crop)) for crop in crops]
    maps = max(float(np.abs(one.pixel_map - other.pixel_map).max()) for one, other in apart)
    return maps, max(abs(one.score - other.score) for one, other in apart)


def _compare(
    model: Model,
    traced: onnxruntime.InferenceSession,
    final: onnxruntime.InferenceSession,
    logit_names: list[str],
    tolerance: float,
) -> float:
    """The largest difference over all sizes and outputs; raises ``ModelError`` at the first beyond the tolerance."""
    random = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch, height, width in CHECKED_SIZES:
        images = torch.rand(batch, 3, height, width, generator=random)
        feed = {"images": images.numpy()}
        logits = [torch.from_numpy(value) for value in traced.run(logit_names, feed)]
        read = (logits[0], logits[1]) if len(logits) > 1 else logits[0]
        pixel_map, score = map(torch.from_numpy, final.run(["pixel_map", "score"], feed))
        with torch.no_grad():
            expected_logits = _as_tuple(model.logit_map(images))
            expected_map = model.task.pixel_map(read, (height, width))
            expected_score = model.task.score(read, pixel_map, model.map_threshold)
        for name, found, expected, scale in (
            *(
                (name.replace("_", " "), own, wanted, max(1.0, float(wanted.abs().max())))
                for name, own, wanted in zip(logit_names, logits, expected_logits, strict=True)
            ),
            ("pixel map", pixel_map, expected_map, 1.0),
            ("score", score, expected_score, 1.0),
        ):
            if found.shape != expected.shape:
                raise ModelError(
                    f"ONNX Runtime gives a {name} of shape {tuple(found.shape)} for images of {tuple(images.shape)}, "
                    f"PyTorch {tuple(expected.shape)}; nothing was written: a size was fixed while tracing the network"
                )
            difference = float((found - expected).abs().max()) / scale
            if not difference <= tolerance:  # written so that NaN fails
                raise ModelError(
                    f"ONNX Runtime and PyTorch differ by {difference:.3g} in the {name} of images of "
                    f"{tuple(images.shape)}, at most {tolerance:.3g} was expected; nothing was written: "
                    f"check the weights for NaN and for huge values, or allow a larger tolerance"
                )
            worst = max(worst, difference)
    return worst


def _as_tuple(logits: Logits) -> tuple[Tensor, ...]:
    return logits if isinstance(logits, tuple) else (logits,)


def _session(data: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def _strip(proto: onnx.ModelProto) -> None:
    """Remove the exporter's notes on each node: stack traces, which hold the exporting machine's paths."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of itself and of parts of torchvision, which is not used here."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 copies its own tree specs in a way it has deprecated.
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)", category=FutureWarning)
            yield
    finally:
        registration.setLevel(level)
