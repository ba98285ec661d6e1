"""``load(name or path) -> Predictor``: shipped or own models, in ONNX Runtime or PyTorch, each imported only when asked for.

What happens around the network is written here once, for every engine: shrink the crop, scale to [0, 1], run, enlarge the map,
threshold, calibrate.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tamperlens.errors import MissingExtra, ModelError
from tamperlens.media import fit_within
from tamperlens.metrics import peak
from tamperlens.models.card import ModelCard
from tamperlens.types import FloatArray, Prediction, UInt8Array

if TYPE_CHECKING:
    from tamperlens.models.model import Model

__all__ = ["DEFAULT_MODEL", "WEIGHTS", "OnnxPredictor", "TorchPredictor", "as_seen", "load", "shipped_models"]

DEFAULT_MODEL = "contrast-seg"
WEIGHTS = Path(__file__).parent / "weights"  # of the shipped models


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.onnx"))


def load(model: str | Path = DEFAULT_MODEL, *, threads: int = 0) -> "OnnxPredictor | TorchPredictor":
    """The predictor of a shipped model's name, or of an ``.onnx`` or ``.safetensors`` file with its card (``.json``) beside it.

    ``threads``: processor threads for ONNX Runtime; 0 leaves the choice to it. Raises `ModelError` for an unknown name,
    a missing card or a file of another kind.
    """
    path = Path(model)
    if str(model) in shipped_models():
        path = WEIGHTS / f"{model}.onnx"
    elif path.suffix not in (".onnx", ".safetensors"):
        raise ModelError(
            f"no shipped model is called {str(model)!r}: expected one of {', '.join(shipped_models()) or '(none)'}, "
            f"or the path of an .onnx or .safetensors file"
        )
    if path.suffix == ".onnx":
        return OnnxPredictor(path, threads=threads)
    try:
        from tamperlens.models.model import load as load_model
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    return TorchPredictor(*load_model(path))


def as_seen(image: UInt8Array, card: ModelCard) -> UInt8Array:
    """An RGB uint8 ``(H, W, 3)`` crop at the size at which the card's model looks at it: at most ``max_side`` pixels."""
    return fit_within(image, card.max_side) if card.max_side else image


class _CardPredictor:
    """What all engines share: a card, and numpy at both ends. An engine adds ``_run``."""

    def __init__(self, card: ModelCard, weights_sha256: str) -> None:
        self.card = card
        self.name = f"{card.name} {weights_sha256[:12]}"
        self.limits = tuple(card.limits)
        self.calibrated = card.calibration is not None
        self.score_threshold = self._calibrate(card.score_threshold)
        self.doubt_threshold = self._calibrate(card.doubt_threshold or card.score_threshold)
        self.video_rule = card.video

    def _run(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Images (1, 3, H, W) in [0, 1] -> pixel map (1, 1, H, W) and raw score (1,)."""
        raise NotImplementedError

    def _calibrate(self, raw: float) -> float:
        return self.card.calibration(raw) if self.card.calibration else raw

    def __call__(self, image: UInt8Array) -> Prediction:
        """Pixel map, mask and score of an RGB uint8 ``(H, W, 3)`` crop; the map has the crop's own size."""
        height, width = image.shape[:2]
        small = as_seen(image, self.card)
        images = np.ascontiguousarray(small.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
        pixel_maps, scores = self._run(images)
        pixel_map = np.asarray(pixel_maps[0, 0], np.float32)
        raw = float(scores[0]) if self.card.peak_share is None else peak(pixel_map, self.card.peak_share)
        if pixel_map.shape != (height, width):
            pixel_map = np.asarray(cv2.resize(pixel_map, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        return Prediction(pixel_map, pixel_map >= self.card.map_threshold, self._calibrate(raw))


class OnnxPredictor(_CardPredictor):
    """A model in ONNX Runtime, on the CPU."""

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        import onnxruntime

        card = ModelCard.load(path.with_name(f"{path.stem}.json"))
        try:
            data = path.read_bytes()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            # Waiting threads that spin take the cores from decoding and from other work, and gain little.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            names = {value.name for value in (*self._session.get_inputs(), *self._session.get_outputs())}
            if not {"images", "pixel_map", "score"} <= names:
                raise ValueError(f"it has {', '.join(sorted(names))}; expected images, pixel_map and score")
        except FileNotFoundError:
            raise ModelError(f"no model at {path}: give the path of an .onnx file with its .json card beside it") from None
        except Exception as error:  # ONNX Runtime's own errors share no public base class
            raise ModelError(f"{path} is not a model that ONNX Runtime can load ({error}): export it again") from error
        super().__init__(card, hashlib.sha256(data).hexdigest())

    def _run(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        pixel_map, score = self._session.run(["pixel_map", "score"], {"images": images})
        return pixel_map, score


class TorchPredictor(_CardPredictor):
    """A model in PyTorch: the reference for every other engine."""

    def __init__(self, model: "Model", card: ModelCard) -> None:
        super().__init__(card, card.weights_sha256 or "unsaved".ljust(12, "-"))
        self._model = model

    def _run(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        import torch

        with torch.inference_mode():
            pixel_map, score = self._model(torch.from_numpy(images).to(self._model.mean.device))
        return pixel_map.float().cpu().numpy(), score.float().cpu().numpy()
