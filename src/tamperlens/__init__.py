"""tamperlens finds manipulated faces in photos and videos and shows which pixels were manipulated.

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
    "VideoInspection",
    "__version__",
    "inspect",
    "load",
]

if TYPE_CHECKING:
    from tamperlens.errors import TamperlensError
    from tamperlens.models.runtime import load
    from tamperlens.types import FaceBox, FaceFinding, Inspection, Prediction, Verdict, VideoInspection

_HOMES = {
    "TamperlensError": "errors",
    "load": "models.runtime",
    **dict.fromkeys(["FaceBox", "FaceFinding", "Inspection", "Prediction", "Verdict", "VideoInspection"], "types"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tamperlens.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tamperlens' has no attribute {name!r}; it has {', '.join(__all__)}")


def inspect(path: str | Path, *, model: str | Path | None = None) -> "Inspection | VideoInspection":
    """What was manipulated in a photo or video: verdict, score and reasons for the file and for each face in it.

    A photo gives an `Inspection` with pixel map and mask, a video or animated picture a `VideoInspection`; what a file is, is
    told by its content. ``model``: a shipped model's name, or the path of an ``.onnx`` or ``.safetensors`` file; the default
    model otherwise. Raises `TamperlensError` where the file cannot be read or the model cannot be loaded.
    """
    from tamperlens.faces import detector_for
    from tamperlens.inspection.photo import inspect_photo
    from tamperlens.inspection.video import inspect_video
    from tamperlens.media import Video, open_source
    from tamperlens.models.runtime import DEFAULT_MODEL, load

    chosen = str(model or DEFAULT_MODEL)
    if chosen not in _loaded:
        _loaded[chosen] = load(chosen)
    with open_source(path) as source:
        if isinstance(source, Video):
            return inspect_video(source, detector_for("video"), _loaded[chosen])
        if "detector" not in _loaded:
            _loaded["detector"] = detector_for("photo")
        return inspect_photo(source, _loaded["detector"], _loaded[chosen])


_loaded: dict[str, Any] = {}  # model name or path -> predictor: loading costs more than one inspection
