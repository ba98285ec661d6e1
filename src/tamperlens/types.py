"""The nouns of the project: values that flow between rooms, and the two seams (face detector, predictor).

Arrays at these edges are numpy: pictures are RGB uint8 ``(H, W, 3)``, pixel maps float32 ``(H, W)`` in [0, 1], masks bool
``(H, W)``. Boxes are ``x0, y0, x1, y1`` in pixels of the upright picture, x to the right, y down, ``x1`` and ``y1`` exclusive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = [
    "BatchPredictor",
    "BoolArray",
    "FaceBox",
    "FaceCrop",
    "FaceDetector",
    "FaceFinding",
    "FaceInspection",
    "FacePath",
    "FacePicture",
    "FaceTrack",
    "FloatArray",
    "Frame",
    "Inspection",
    "KeptFrame",
    "LabelledCrop",
    "Prediction",
    "Predictor",
    "ResultRow",
    "Sighting",
    "UInt8Array",
    "Verdict",
    "VideoInspection",
    "VideoRule",
]

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class Verdict(StrEnum):
    """What is said about a face or a file. There is no "real": absence of evidence is all a detector can report."""

    MANIPULATED = "manipulated"
    NO_EVIDENCE = "no_evidence"
    INCONCLUSIVE = "inconclusive"

    @property
    def words(self) -> str:
        """As people read it: "manipulated", "no evidence" or "inconclusive"."""
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class Frame:
    """One upright picture: of a photo (index 0, second 0) or of a video."""

    image: UInt8Array  # (H, W, 3) RGB
    index: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()  # what was not as it should be while reading, in words for people
    complete: bool = True  # False where part of the file could not be read
    jpeg_quality: int | None = None  # 1 to 100, estimated from a JPEG's tables; None for what is no JPEG
    flash: bool = False  # the picture is lit, or covered, for a moment only: the scene before it comes back
    cut: bool = False  # a change of scene, or of the picture's size, lies between this frame and the one streamed before it

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(
                f"a Frame holds RGB uint8 (H, W, 3); got {self.image.dtype} {self.image.shape}: convert it in media/"
            )


@dataclass(frozen=True)
class FaceBox:
    """One detected face: its box, the detector's confidence and five landmarks."""

    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float
    # (5, 2) x, y of: right eye, left eye, nose tip, right mouth corner, left mouth corner (the person's right)
    landmarks: FloatArray = field(repr=False, compare=False)

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def size(self) -> float:
        """The longer side in pixels: what "face size" means throughout."""
        return max(self.width, self.height)

    @property
    def center(self) -> tuple[float, float]:
        """Centre ``(x, y)`` in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True)
class FaceCrop:
    """The square around one face, cut from a frame; parts outside the frame are padded."""

    image: UInt8Array  # (S, S, 3) RGB, at the frame's own resolution
    left: int  # where the crop's pixel (0, 0) lies in the frame; negative where padded
    top: int
    face: FaceBox
    inside: float  # share of the crop's area that lies inside the frame, in (0, 1]

    @property
    def side(self) -> int:
        """Side in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A crop with its truth."""

    image: UInt8Array  # (H, W, 3) RGB
    truth: BoolArray | None  # (H, W): the manipulated pixels; None where nobody knows which, only that some were
    subset: str  # manipulation method or forgery family; "pristine" where nothing was manipulated
    group: str = ""  # video or person: crops of one group are not independent

    @property
    def mask(self) -> BoolArray:
        """The manipulated pixels, ``(H, W)``. Raises ``ValueError`` for a crop that has a label and no mask."""
        if self.truth is None:
            raise ValueError(f"this crop of {self.subset} has a label and no mask; only what needs no pixels can use it")
        return self.truth

    @property
    def manipulated(self) -> bool:
        """The label: whether any pixel was manipulated."""
        return self.truth is None or bool(self.truth.any())


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one crop."""

    pixel_map: FloatArray  # (H, W) of the crop, in [0, 1]: for each pixel, how surely it is manipulated
    mask: BoolArray  # (H, W): the pixels called manipulated at the model's map threshold
    score: float  # in [0, 1]: how surely the crop is manipulated


@dataclass(frozen=True)
class FaceFinding:
    """What was found about one face of a picture."""

    box: FaceBox
    verdict: Verdict
    score: float | None  # None where the face was not scored
    mask_area: float | None  # fraction of the crop's area inside the picture that is marked; 0 unless called manipulated
    reasons: tuple[str, ...]
    score_range: tuple[float, float] | None = None  # lowest and highest score over mild re-encodes
    too_poor: bool = False  # inconclusive because the picture is too poor for the model to find much


@dataclass(frozen=True, eq=False)
class FacePicture:
    """The x2 square around a face, less what lies outside the picture, and what was found in it."""

    image: UInt8Array  # (H, W, 3) RGB
    pixel_map: FloatArray  # (H, W) in [0, 1]
    mask: BoolArray  # (H, W)


@dataclass(frozen=True, eq=False)
class FaceInspection:
    """What was found about one face of a picture, and in which pixels."""

    finding: FaceFinding
    #: The x2 square, less what lies outside the picture, with the model's own mask; None where the face was not scored.
    picture: FacePicture | None = None
    square: tuple[slice, slice] | None = None  # rows and columns of the picture that it shows


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found about one file."""

    path: str
    verdict: Verdict
    score: float | None  # the highest score of any scored face; None where there is none
    reasons: tuple[str, ...]
    faces: tuple[FaceFinding, ...]
    model: str  # the model's name and weights hash
    calibrated: bool  # whether scores are calibrated probabilities on the model card's validation data
    limits: tuple[str, ...]  # what the model is known to miss, in words for people
    image: UInt8Array = field(repr=False)  # (H, W, 3) the upright picture
    pixel_map: FloatArray = field(repr=False)  # (H, W), the largest value of any face's map; 0 outside all crops
    mask: BoolArray = field(repr=False)  # (H, W): what is marked, only on faces that are called manipulated


@dataclass(frozen=True)
class VideoRule:
    """How the judged frames of a face become one score, and what it means. Chosen on clips of validation people."""

    aggregation: str  # a key of AGGREGATIONS in inspection/verdict.py
    score_threshold: float  # a face whose score reaches it is called manipulated
    doubt_threshold: float  # a face whose score reaches it, but not score_threshold, is inconclusive
    min_frames: int = 3  # a face with fewer judged frames is judged like a picture, by its highest


@dataclass(frozen=True)
class Sighting:
    """One face in one judged frame of a video."""

    seconds: float  # presentation time
    index: int  # of the frame
    finding: FaceFinding
    #: The pixel map of the x2 square, `HEAT_SIDE` x `HEAT_SIDE` grey levels, compressed by zlib; empty where not scored.
    heat: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True)
class FaceTrack:
    """One face followed through a video until it leaves or is lost; over a cut where it still looks the same."""

    number: int  # from 1, in the order of appearance
    verdict: Verdict
    score: float | None  # of all its judged frames together, of few their highest; None where none could be judged
    reasons: tuple[str, ...]
    sightings: tuple[Sighting, ...]  # in the order of time, at least one
    raised: tuple[tuple[float, float], ...]  # first and last second of each run of frames that reach the doubt threshold


@dataclass(frozen=True, eq=False)
class FacePath:
    """Where one face was detected in a video; `faces.box_at` says where it is in between."""

    detections: npt.NDArray[np.int64]  # (N,) numbers of the detection frames, growing
    scenes: npt.NDArray[np.int64]  # (N,) in which scene each lies
    values: FloatArray  # (N, 15): x0, y0, x1, y1, confidence, x and y of five landmarks


@dataclass(frozen=True, eq=False)
class KeptFrame:
    """A frame of a video in which a face scores high."""

    seconds: float
    score: float  # the highest of any face in it
    image: UInt8Array  # (H, W, 3) RGB, shrunk
    scale: float  # of its side to that of the frame


@dataclass(frozen=True, eq=False)
class VideoInspection:
    """What was found about one video."""

    path: str
    verdict: Verdict
    score: float | None  # the highest score of any face; None where none was judged in enough frames
    reasons: tuple[str, ...]
    tracks: tuple[FaceTrack, ...]
    model: str
    calibrated: bool
    limits: tuple[str, ...]
    rule: VideoRule
    width: int  # pixels of the upright picture
    height: int
    every: float  # seconds between judged frames
    first: float  # second of the first and the last judged frame
    last: float
    frames: int  # judged frames
    decoded: int  # decoded frames
    complete: bool  # False where part of the file could not be read
    pictures: Mapping[int, FacePicture] = field(repr=False)  # track number -> the frame of its highest score; not of all tracks
    highest: tuple[KeptFrame, ...] = field(repr=False)  # the frames of the highest scores, the highest first
    detected: npt.NDArray[np.float64] = field(repr=False)  # (M,) seconds of the detection frames
    paths: Mapping[int, FacePath] = field(repr=False)  # track number -> where the face was detected


@dataclass(frozen=True)
class ResultRow:
    """One measured number: what, on what, with its interval and the number of things counted."""

    model: str
    subset: str
    metric: str
    value: float  # NaN where undefined
    low: float = float("nan")
    high: float = float("nan")
    count: int = 0


@runtime_checkable
class FaceDetector(Protocol):
    """Finds every face in a picture."""

    def __call__(self, image: UInt8Array) -> Sequence[FaceBox]:
        """Faces of an RGB uint8 ``(H, W, 3)`` picture, largest first."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """Any model, in any engine, ours or not: one crop in, one prediction out."""

    name: str
    calibrated: bool
    limits: tuple[str, ...]  # what it is known to miss, in words for people
    score_threshold: float  # a crop whose score reaches it is called manipulated
    doubt_threshold: float  # a crop whose score reaches it, but not score_threshold, is inconclusive

    def __call__(self, image: UInt8Array) -> Prediction:
        """Pixel map, mask and score of an RGB uint8 ``(H, W, 3)`` crop; the map has the crop's own size."""
        ...


@runtime_checkable
class BatchPredictor(Predictor, Protocol):
    """A predictor that takes several crops at once."""

    @property
    def batch_pixels(self) -> int:
        """Pixels of crops that are best given at once; 1 where crops are best given one at a time."""
        ...

    def many(self, images: Sequence[UInt8Array]) -> Sequence[Prediction]:
        """The predictions of crops of any sizes, in their order."""
        ...
