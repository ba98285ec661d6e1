"""What runs a network: ONNX Runtime, OpenVINO or PyTorch, each imported only when it is used.

An engine takes images and gives pixel maps and raw scores; its precision is what it was told, never its own choice. What
happens around it (sizes, thresholds, calibration) is `runtime`'s.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from tamperlens.errors import MissingExtra, ModelError
from tamperlens.types import FloatArray

if TYPE_CHECKING:
    from tamperlens.models.model import Model

__all__ = ["CARD_ENTRY", "Engine", "OnnxEngine", "OpenVinoEngine", "Precision", "TorchEngine"]

#: float32, or bf16 where the processor has it. int8 is no setting: it is in the weights of a model that was exported so.
Precision = Literal["float32", "bf16"]
OUTPUTS = ("pixel_map", "score")
CARD_ENTRY = "tamperlens_card"  # of an ONNX file's metadata and of an OpenVINO model's runtime info


class Engine(Protocol):
    """One loaded network."""

    name: str  # and version, as "onnxruntime 1.31.1"
    device: str  # "CPU", or the GPU's name
    precision: Precision
    batch_pixels: int  # of images that are run at once; larger batches gain nothing here
    sha256: str  # of the weights file
    card_inside: str | None  # the card as JSON, where the file holds it

    def __call__(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Images float32 (N, 3, H, W) in [0, 1] -> pixel maps (N, 1, H, W) and raw scores (N,), both in [0, 1]."""
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU, from an .onnx file. float32, or int8 where the file holds that."""

    device, batch_pixels = "CPU", 1  # on processors batches gain nothing; docs/performance.md has the table
    precision: Precision = "float32"

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__}"
        try:
            data = path.read_bytes()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            # Waiting threads that spin take the cores from decoding and from other work, and gain little.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            _check_names({value.name for value in (*self._session.get_inputs(), *self._session.get_outputs())})
        except FileNotFoundError:
            raise ModelError(f"no model at {path}: give the path of an .onnx file with its .json card beside it") from None
        except Exception as error:  # ONNX Runtime's own errors share no public base class
            raise ModelError(f"{path} is not a model that ONNX Runtime can load ({error}): export it again") from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.card_inside: str | None = self._session.get_modelmeta().custom_metadata_map.get(CARD_ENTRY)

    def __call__(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As `Engine` says."""
        pixel_maps, scores = self._session.run(list(OUTPUTS), {"images": images})
        return pixel_maps, scores


class OpenVinoEngine:
    """OpenVINO on the CPU, from an .onnx file or OpenVINO's own .xml with its .bin."""

    device, batch_pixels = "CPU", 1

    def __init__(self, path: Path, *, threads: int = 0, precision: Precision = "float32") -> None:
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "openvino", "openvino") from error

        self.name, self.precision = f"openvino {openvino.__version__.split('-')[0]}", precision
        try:
            data = _bytes_of(path)
            core = openvino.Core()
            model = core.read_model(str(path))
            _check_names({name for port in (*model.inputs, *model.outputs) for name in port.get_names()})
            # Left to itself OpenVINO takes bfloat16 where the processor has it, and threads of its own number and place.
            options = {
                "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[precision],
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
                "ENABLE_CPU_PINNING": False,
            }
            compiled = core.compile_model(model, "CPU", options)
            self.card_inside = model.get_rt_info(CARD_ENTRY).astype(str) if model.has_rt_info(CARD_ENTRY) else None
            taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        except FileNotFoundError:
            raise ModelError(f"no model at {path}: give an .onnx file, or an .xml file with its .bin beside it") from None
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{path} is not a model that OpenVINO can load ({reason}): export it again") from error
        if taken != {"float32": "f32", "bf16": "bf16"}[precision]:
            raise ModelError(
                f"OpenVINO was asked for {precision} and takes {taken} on this processor, which has no {precision}: use float32"
            )
        self._request = compiled.create_infer_request()
        self.sha256 = hashlib.sha256(data).hexdigest()

    def __call__(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As `Engine` says."""
        found = self._request.infer({"images": images})
        return found["pixel_map"].copy(), found["score"].copy()  # the request's own memory, used again


class TorchEngine:
    """PyTorch, on the device that holds the model: the reference for every other engine. float32, without TF32."""

    precision: Precision = "float32"
    card_inside: str | None = None

    def __init__(self, model: "Model", *, sha256: str = "", threads: int = 0) -> None:
        import torch

        self.sha256 = sha256

        self.name, self._model = f"torch {torch.__version__.split('+')[0]}", model
        on_gpu = model.mean.device.type == "cuda"
        self.device = torch.cuda.get_device_name(model.mean.device) if on_gpu else "CPU"
        self.batch_pixels = 2**23 if on_gpu else 1  # 32 crops of 512 pixels
        if threads:
            torch.set_num_threads(threads)  # of the whole process; PyTorch has no other number

    def __call__(self, images: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As `Engine` says."""
        import torch

        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            pixel_maps, scores = self._model(torch.from_numpy(images).to(self._model.mean.device))
        return pixel_maps.float().cpu().numpy(), scores.float().cpu().numpy()


def _bytes_of(path: Path) -> bytes:
    return path.read_bytes() + (path.with_suffix(".bin").read_bytes() if path.suffix == ".xml" else b"")


def _check_names(names: set[str]) -> None:
    if not {"images", *OUTPUTS} <= names:
        raise RuntimeError(f"it has {', '.join(sorted(names))}; expected images, pixel_map and score")
