"""``load(name or path) -> Predictor``: shipped or own models, in the engine that is asked for, or the first that agrees.

What happens around the network is written here once, for every engine: shrink the crop, scale to [0, 1], run, enlarge the map,
threshold, calibrate.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import cv2
import numpy as np

from tamperlens.errors import MissingExtra, ModelError
from tamperlens.media import fit_within
from tamperlens.metrics import peak
from tamperlens.models.agreement import TOLERANCES, difference
from tamperlens.models.card import ModelCard
from tamperlens.models.engines import Engine, OnnxEngine, OpenVinoEngine, Precision, TorchEngine
from tamperlens.types import FloatArray, Prediction, UInt8Array

if TYPE_CHECKING:
    from tamperlens.models.model import Model

__all__ = [
    "DEFAULT_MODEL",
    "WEIGHTS",
    "CardPredictor",
    "OnnxPredictor",
    "Runtime",
    "TorchPredictor",
    "as_seen",
    "load",
    "shipped_models",
]

DEFAULT_MODEL = "twostream-joint"
WEIGHTS = Path(__file__).parent / "weights"  # of the shipped models
Runtime = Literal["auto", "onnx", "openvino", "torch"]

#: What ``auto`` tries for each kind of file, the fastest first, as benchmarks/machine.py found it (docs/performance.md). A
#: fixed order, not a race at each start: a machine gives the same figures each time, and a single photo pays for no race.
FASTEST: dict[str, tuple[Runtime, ...]] = {".onnx": ("onnx", "openvino"), ".xml": ("openvino",), ".safetensors": ("torch",)}


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.onnx"))


def load(
    model: str | Path = DEFAULT_MODEL, *, threads: int = 0, runtime: Runtime = "auto", precision: Precision = "float32"
) -> "CardPredictor":
    """The predictor of a shipped model's name, or of an .onnx, .xml or .safetensors file with its card (.json) beside it.

        load("contrast-seg", runtime="openvino", threads=2).engine

    ``threads``: processor threads for the network; 0 leaves the choice to the engine. ``runtime``: "onnx", "openvino" (extra
    openvino), "torch" (extra train; on a GPU where there is one), or "auto": the first of `FASTEST` that is installed and
    gives the numbers that the card says PyTorch gave. ``precision``: bf16 is OpenVINO's alone, on processors that have it.
    Raises `ModelError` for an unknown name, a missing card, a file of another kind, or an engine whose numbers differ.
    """
    path = Path(model)
    if str(model) in shipped_models():
        path = WEIGHTS / f"{model}.onnx"
    elif path.suffix not in FASTEST:
        raise ModelError(
            f"no shipped model is called {str(model)!r}: expected one of {', '.join(shipped_models()) or '(none)'}, "
            f"or the path of an .onnx, .xml or .safetensors file"
        )
    if runtime not in get_args(Runtime) or precision not in get_args(Precision):
        raise ModelError(
            f"runtime {runtime!r} with precision {precision!r}: expected one of {', '.join(get_args(Runtime))}, "
            f"and one of {', '.join(get_args(Precision))}"
        )
    wanted = (runtime,) if runtime != "auto" else FASTEST[path.suffix] if precision == "float32" else ("openvino",)
    reasons: list[str] = []
    for name in wanted:
        try:
            predictor = _loaded(path, name, threads, precision)
        except MissingExtra:
            if name == wanted[0]:
                raise
            continue  # another engine is only a help
        if (apart := predictor.disagreement()) <= TOLERANCES[predictor.precision]:
            return predictor
        reasons.append(f"{predictor.engine.name} differs by {apart:.3g}")
    raise ModelError(
        f"{path}: no engine gives the numbers of the model's card ({'; '.join(reasons)}; "
        f"{TOLERANCES[predictor.precision]:g} is allowed): export the model again, or take another --runtime"
    )


def _loaded(path: Path, runtime: Runtime, threads: int, precision: Precision) -> "CardPredictor":
    if precision != "float32" and runtime != "openvino":
        raise ModelError(f"precision {precision} is OpenVINO's alone: use --runtime openvino, or float32")
    if runtime == "torch":
        weights = path.with_name(f"{path.stem}.safetensors")
        try:
            import torch

            from tamperlens.models.model import load as load_model
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "torch", "train") from error
        network, card = load_model(weights)
        return TorchPredictor(network.cuda() if torch.cuda.is_available() else network, card, threads=threads)
    kinds = (".onnx",) if runtime == "onnx" else (".onnx", ".xml")
    if path.suffix not in kinds:
        raise ModelError(f"{path}: runtime {runtime} reads {' and '.join(kinds)} files; make one with tamperlens export")
    beside = path.with_name(f"{path.stem}.json")
    known = ModelCard.load(beside) if beside.exists() or not path.exists() else None
    engine = (
        OnnxEngine(path, threads=threads) if runtime == "onnx" else OpenVinoEngine(path, threads=threads, precision=precision)
    )
    if known is None:
        known = ModelCard.model_validate_json(engine.card_inside) if engine.card_inside else ModelCard.load(beside)
    return CardPredictor(known, engine)


def as_seen(image: UInt8Array, card: ModelCard) -> UInt8Array:
    """An RGB uint8 ``(H, W, 3)`` crop at the size at which the card's model looks at it: at most ``max_side`` pixels."""
    return fit_within(image, card.max_side) if card.max_side else image


class CardPredictor:
    """A model in an engine: a card, and numpy at both ends. A `BatchPredictor`."""

    def __init__(self, card: ModelCard, engine: Engine) -> None:
        self.card, self.engine = card, engine
        self.name = f"{card.name} {(engine.sha256 or 'unsaved'.ljust(12, '-'))[:12]}"
        self.limits = tuple(card.limits)
        self.calibrated = card.calibration is not None
        self.score_threshold = self._calibrate(card.score_threshold)
        self.doubt_threshold = self._calibrate(card.doubt_threshold or card.score_threshold)
        self.video_rule = card.video

    @property
    def precision(self) -> str:
        """float32, bf16, or int8 where the model was quantised."""
        return self.engine.precision if self.card.precision == "float32" else self.card.precision

    @property
    def how(self) -> str:
        """What runs the model, for records: "onnxruntime 1.31.1, float32, CPU"."""
        return f"{self.engine.name}, {self.precision}, {self.engine.device}"

    @property
    def batch_pixels(self) -> int:
        """Pixels of crops that are best given to `many` at once; 1 where crops are best given one at a time."""
        return self.engine.batch_pixels

    def disagreement(self) -> float:
        """How far the engine lies from the card's reference; 0 where the card has none."""
        return difference(self._run, self.card.reference) if self.card.reference else 0.0

    def _run(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Images (N, 3, H, W) in [0, 1] -> pixel maps (N, 1, H, W) and raw scores (N,)."""
        return self.engine(images)

    def _calibrate(self, raw: float) -> float:
        return self.card.calibration(raw) if self.card.calibration else raw

    def __call__(self, image: UInt8Array) -> Prediction:
        """Pixel map, mask and score of an RGB uint8 ``(H, W, 3)`` crop; the map has the crop's own size."""
        return self.many([image])[0]

    def many(self, images: Sequence[UInt8Array]) -> list[Prediction]:
        """The predictions of crops of any sizes, in their order; those of one size go through the network together."""
        small = [as_seen(image, self.card) for image in images]
        found: dict[int, Prediction] = {}
        for numbers in _batches(small, self.engine.batch_pixels):
            batch = np.stack([small[number].transpose(2, 0, 1) for number in numbers]).astype(np.float32) / np.float32(255)
            pixel_maps, scores = self._run(batch)
            for number, pixel_map, score in zip(numbers, pixel_maps, scores, strict=True):
                found[number] = self._read(np.asarray(pixel_map[0], np.float32), float(score), images[number].shape[:2])
        return [found[number] for number in range(len(images))]

    def _read(self, pixel_map: FloatArray, raw: float, size: tuple[int, ...]) -> Prediction:
        raw = raw if self.card.peak_share is None else peak(pixel_map, self.card.peak_share)
        if pixel_map.shape != size:
            pixel_map = np.asarray(cv2.resize(pixel_map, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        return Prediction(pixel_map, pixel_map >= self.card.map_threshold, self._calibrate(raw))


def _batches(images: Sequence[UInt8Array], most_pixels: int) -> Iterator[list[int]]:
    """The numbers of images of one size, so many at a time that they stay under ``most_pixels``, but at least one."""
    by_size = sorted(range(len(images)), key=lambda number: images[number].shape)
    for (height, width, _), same in groupby(by_size, key=lambda number: images[number].shape):
        numbers, most = list(same), max(1, most_pixels // (height * width))
        yield from (numbers[start : start + most] for start in range(0, len(numbers), most))


class OnnxPredictor(CardPredictor):
    """A model in ONNX Runtime, on the CPU."""

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        super().__init__(ModelCard.load(path.with_name(f"{path.stem}.json")), OnnxEngine(path, threads=threads))


class TorchPredictor(CardPredictor):
    """A model in PyTorch, on the device where it is: the reference for every other engine."""

    def __init__(self, model: "Model", card: ModelCard, *, threads: int = 0) -> None:
        super().__init__(card, TorchEngine(model, sha256=card.weights_sha256 or "", threads=threads))
