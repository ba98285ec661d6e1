"""tamperlens finds manipulated faces in photos and shows which pixels were manipulated.

    import tamperlens
    inspection = tamperlens.inspect("photo.jpg")
    inspection.verdict, inspection.faces, inspection.pixel_map

Everything is imported when it is first used; importing tamperlens never imports torch.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "FaceBox",
    "FaceFinding",
    "Inspection",
    "Prediction",
    "TamperlensError",
    "Verdict",
    "__version__",
    "inspect",
    "load",
]

if TYPE_CHECKING:
    from tamperlens.errors import TamperlensError
    from tamperlens.runtime import load
    from tamperlens.types import FaceBox, FaceFinding, Inspection, Prediction, Verdict

_HOMES = {
    "TamperlensError": "errors",
    "load": "runtime",
    **dict.fromkeys(["FaceBox", "FaceFinding", "Inspection", "Prediction", "Verdict"], "types"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tamperlens.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tamperlens' has no attribute {name!r}; it has {', '.join(__all__)}")


def inspect(path: str | Path, *, model: str | Path | None = None) -> "Inspection":
    """What was manipulated in a photo: verdict, score, pixel map and mask, per face and for the whole file.

    ``model``: a shipped model's name, or the path of an ``.onnx`` or ``.safetensors`` file; the default model otherwise. Raises
    `TamperlensError` where the file cannot be read or the model cannot be loaded.
    """
    from tamperlens.faces import DETECTORS
    from tamperlens.inspection import inspect_photo
    from tamperlens.runtime import DEFAULT_MODEL, load

    chosen = str(model or DEFAULT_MODEL)
    if chosen not in _loaded:
        _loaded[chosen] = (DETECTORS["yunet"](), load(chosen))
    return inspect_photo(path, *_loaded[chosen])


_loaded: dict[str, Any] = {}  # model name or path -> (detector, predictor): loading costs more than one inspection
