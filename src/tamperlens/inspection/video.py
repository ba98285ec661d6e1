"""A video, a face detector and a predictor in; what was found out, per face and for the file, in words for people.

Faces are detected several times for each frame that is scored: detections tell which faces are the same ones, scoring asks the
model. A face that is not to be seen when it is to be scored is scored as soon as it is. inspection/verdict.py makes one score
of a face's scored frames and a verdict of that. Nothing is drawn here.
"""

import heapq
import math
import os
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from tamperlens.faces import FaceTracks, appearance, box_at
from tamperlens.inspection.marks import marked_pixels
from tamperlens.inspection.photo import check_stability, inspect_frames
from tamperlens.inspection.verdict import judge_tracks, rule_of, video_verdict
from tamperlens.media import VideoSampler, fit_within, moving_length, next_due
from tamperlens.processes import ahead
from tamperlens.types import (
    BatchPredictor,
    FaceBox,
    FaceDetector,
    FaceFinding,
    FaceInspection,
    FacePicture,
    FloatArray,
    Frame,
    KeptFrame,
    Predictor,
    Sighting,
    Verdict,
    VideoInspection,
    VideoRule,
)

__all__ = ["HEAT_SIDE", "MAX_FACES", "boxes_at", "default_every", "heat_of", "inspect_video"]

DETECTIONS = 4  # frames in which faces are detected, for each that is scored
MAX_FACES = 10  # the largest faces of a frame that are judged
HEAT_SIDE = 64  # pixels
PICTURES = 24  # faces of which a picture is kept
HIGHEST = 6  # frames of the highest scores that are kept
HELD = 8  # frames at most that wait for a batch of faces to be full
HIGHEST_SIDE = 960  # pixels: their longest side
MAX_SIGHTINGS = 100_000  # faces judged in frames of a video: an hour of one face in every frame
DENSE = 0.25  # seconds between detections where a frame a second is judged; what face tracks are measured for
AHEAD = 2  # pictures that decoding, and that detection, is ahead


def default_every(path: str | os.PathLike[str], start: float = 0.0, end: float = math.inf) -> float:
    """Seconds between judged frames: 1, less in a short video, so that about ten frames are judged, but at least 0.1."""
    length = min(end, moving_length(path)) - start  # NaN stays NaN
    return min(1.0, max(0.1, length / 10)) if length > 0 else 1.0


def inspect_video(
    path: str | os.PathLike[str],
    detector: FaceDetector,
    predictor: Predictor,
    *,
    rule: VideoRule | None = None,
    every: float | None = None,
    start: float = 0.0,
    end: float = math.inf,
    max_frames: int | None = None,
    threads: int = 1,
    progress: Callable[[float], None] = lambda seconds: None,
) -> VideoInspection:
    """Everything found in one video, or in its part between the seconds ``start`` and ``end``.

    A frame is judged every ``every`` seconds (`default_every` where None, 0: every frame); with ``max_frames`` less often, so
    that as many moments are spread over the whole part; a face that comes and goes between two is judged beside them.
    ``threads`` decode; with more than one, decoding and detection work ahead of the model, which changes no result.
    Memory does not grow with the video's length, but for about a kilobyte for each face judged; after `MAX_SIGHTINGS` of these
    the inspection ends, and says so. Raises `MediaError` where no frame can be read.
    """
    rule = rule or rule_of(predictor)
    every = default_every(path, start, end) if every is None else every
    if max_frames:
        length = min(end, moving_length(path)) - start
        every = max(every, length / max_frames) if length > 0 else every
    sampler = VideoSampler(path, every=every / DETECTIONS, start=start, end=end, threads=threads)
    collected, turns = _Collector(str(path), predictor, rule), _Turns(every, start)
    looks = _looks(sampler, detector, side_by_side=threads > 1)
    try:
        for frame, faces, collected.decoded in looks:
            if not collected.detected and not every:
                collected.tracks = FaceTracks(stride=1, dense=max(1, round(DENSE * sampler.rate)))
            if frame.cut:
                collected.tracks.cut()
            numbers = collected.follow(frame, faces)
            due = turns.of(frame, numbers)
            if due is not None:
                if collected.is_full() or (max_frames and turns.taken > max_frames):
                    end = frame.seconds  # the file is longer than can be kept, or than its header says
                    break
                collected.score(frame, [faces[place] for place in due], [numbers[place] for place in due])
            progress(frame.seconds)
    finally:
        looks.close()  # else the sampler may still be at work
    return collected.conclude(every, sampler, (start, end))


def _looks(
    sampler: VideoSampler, detector: FaceDetector, side_by_side: bool
) -> Generator[tuple[Frame, Sequence[FaceBox], int], None, None]:
    """Each frame with the faces in it and the number of pictures decoded up to it, in order.

    ``side_by_side``: decoded and looked at ahead of whoever asks.
    """
    counted = ((frame, sampler.decoded) for frame in sampler)
    frames = ahead(counted, AHEAD) if side_by_side else counted
    looks = ((frame, detector(frame.image), decoded) for frame, decoded in frames)
    yield from ahead(looks, AHEAD) if side_by_side else looks


class _Turns:
    """Which faces of which detection frames are scored: all of a frame every ``every`` seconds, and those that missed that.

    A face that is not to be seen when its turn comes, or only in a flash, is scored in the next detection frame that shows it,
    and so is one that comes and goes between two turns: a picture put in at every whole second hides nobody.
    """

    def __init__(self, every: float, start: float) -> None:
        self.taken = 0  # turns that were due
        self._every, self._start, self._next = every, start, -math.inf
        self._due: dict[int, float] = {}  # the second from which on a face is to be scored, by its number

    def of(self, frame: Frame, numbers: Sequence[int]) -> list[int] | None:
        """The places of the faces to be scored among the frame's ``numbers``; None where nothing is due."""
        turn = frame.seconds >= self._next - 1e-6
        due = []
        for place, number in enumerate(numbers):
            # Between turns a new face has to be seen twice: what is seen once may be no face.
            if turn or frame.seconds >= self._due.setdefault(number, frame.seconds + 1e-3) - 1e-6:
                due.append(place)
                self._due[number] = frame.seconds if frame.flash else self._after(frame)
        if turn:
            self.taken, self._next = self.taken + 1, self._after(frame)
        return due if turn or due else None

    def _after(self, frame: Frame) -> float:
        return next_due(frame.seconds, self._every, self._start) if self._every else -math.inf


class _Collector:
    """What is kept while a video passes by."""

    def __init__(self, path: str, predictor: Predictor, rule: VideoRule) -> None:
        self.path, self.predictor, self.rule = path, predictor, rule
        self.tracks = FaceTracks(stride=1)
        self.detected: list[float] = []  # seconds of the detection frames
        self.sightings: dict[int, list[Sighting]] = {}
        self.best: dict[int, FaceInspection] = {}  # of each face the frame in which it scores highest
        self.highest: list[tuple[float, int, KeptFrame]] = []  # a heap of score, minus number, frame
        self.decoded = self.sighted = 0  # pictures; faces in judged frames
        self.frames, self.first, self.last, self.size, self.crowd = 0, 0.0, 0.0, (0, 0), 0
        self.batch_pixels = predictor.batch_pixels if isinstance(predictor, BatchPredictor) else 1
        self.waiting: list[tuple[Frame, Sequence[FaceBox], Sequence[int]]] = []

    def is_full(self) -> bool:
        """Whether more would take too much memory."""
        return self.sighted >= MAX_SIGHTINGS

    def follow(self, frame: Frame, faces: Sequence[FaceBox]) -> list[int]:
        """Each face's number."""
        largest = faces[:MAX_FACES]
        # Faces without landmarks cannot be aligned, and so not be compared.
        looks = [appearance(frame.image, face) if face.landmarks.any() else None for face in largest]
        numbers = self.tracks.add(len(self.detected), largest, looks, flash=frame.flash)
        self.detected.append(frame.seconds)
        self.crowd = max(self.crowd, len(faces))
        return numbers

    def score(self, frame: Frame, faces: Sequence[FaceBox], numbers: Sequence[int]) -> None:
        if not self.frames:
            self.first, self.size = frame.seconds, (frame.image.shape[1], frame.image.shape[0])
        self.frames, self.last = self.frames + 1, frame.seconds
        self.sighted += len(faces)
        if not faces:
            return
        self.waiting.append((frame, faces, numbers))
        crops = sum((2 * face.size) ** 2 for _, faces, _ in self.waiting for face in faces)
        if crops >= self.batch_pixels or len(self.waiting) >= HELD:
            self._judge_waiting()

    def _judge_waiting(self) -> None:
        judged = inspect_frames([(frame, faces) for frame, faces, _ in self.waiting], self.predictor)
        for (frame, _, numbers), inspected in zip(self.waiting, judged, strict=True):
            for number, face in zip(numbers, inspected, strict=True):
                self._keep_face(number, face)
                self.sightings.setdefault(number, []).append(Sighting(frame.seconds, frame.index, face.finding, _heat(face)))
            scores = [face.finding.score for face in inspected if face.finding.score is not None]
            self._keep_frame(frame, max(scores, default=None))
        self.waiting.clear()

    def _keep_face(self, number: int, face: FaceInspection) -> None:
        if face.picture is None or (number in self.best and _score(face) <= _score(self.best[number])):
            return
        seen = face.picture  # copied, so that the frame can go
        self.best[number] = replace(face, picture=FacePicture(seen.image.copy(), seen.pixel_map.copy(), seen.mask.copy()))
        if len(self.best) > PICTURES:
            del self.best[min(self.best, key=lambda kept: _score(self.best[kept]))]

    def _keep_frame(self, frame: Frame, score: float | None) -> None:
        if score is None or (len(self.highest) == HIGHEST and score <= self.highest[0][0]):
            return
        height, width = frame.image.shape[:2]
        small = fit_within(frame.image, HIGHEST_SIDE)
        scale = max(small.shape[:2]) / max(height, width)
        heapq.heappush(self.highest, (score, -frame.index, KeptFrame(frame.seconds, score, small, scale)))
        if len(self.highest) > HIGHEST:
            heapq.heappop(self.highest)

    def _confirm(self, number: int, sighting: Sighting) -> FaceFinding:
        """The highest frame's finding after mild re-encodes; without its picture nothing is confirmed."""
        if number in self.best:
            return check_stability(self.best[number], self.predictor)
        return replace(sighting.finding, verdict=Verdict.INCONCLUSIVE, mask_area=0.0)

    def conclude(self, every: float, sampler: VideoSampler, part: tuple[float, float]) -> VideoInspection:
        self._judge_waiting()
        order = {number: place for place, number in enumerate(self.sightings, 1)}
        numbers = {place: number for number, place in order.items()}
        tracks = judge_tracks(
            {order[number]: seen for number, seen in self.sightings.items()},
            self.rule,
            lambda place, sighting: self._confirm(numbers[place], sighting),
        )
        notes = list(sampler.notes)
        if part != (0.0, math.inf):
            notes.append(f"only the part between second {part[0]:g} and second {min(part[1], sampler.last):g} was inspected")
        cut_short = self.is_full() and part[1] < sampler.end
        if cut_short:
            words = f"inspection ended after {self.sighted} judged faces, which is as many as are kept"
            notes.append(f"{words}; the rest can be inspected with --from {part[1]:.2f}")
        if self.crowd > MAX_FACES:
            notes.append(f"up to {self.crowd} faces are in a frame; only the {MAX_FACES} largest of each were judged")
        verdict, reasons = video_verdict(tracks, self.frames, sampler.complete and not cut_short)
        verdicts = {track.number: track.verdict for track in tracks}
        return VideoInspection(
            path=self.path,
            verdict=verdict,
            score=max((track.score for track in tracks if track.score is not None), default=None),
            reasons=(*reasons, *notes),
            tracks=tracks,
            model=self.predictor.name,
            calibrated=self.predictor.calibrated,
            limits=self.predictor.limits,
            rule=self.rule,
            width=self.size[0],
            height=self.size[1],
            every=every or max(self.last - self.first, 1e-3) / max(1, self.frames - 1),
            first=self.first,
            last=self.last,
            frames=self.frames,
            decoded=self.decoded if part[1] < sampler.end else sampler.decoded,
            complete=sampler.complete and not cut_short,
            pictures={
                order[number]: _marked(face.picture, verdicts[order[number]])
                for number, face in self.best.items()
                if face.picture is not None
            },
            highest=tuple(frame for _, _, frame in sorted(self.highest, key=lambda kept: kept[:2], reverse=True)),
            detected=np.array(self.detected),
            paths={place: self.tracks.path(number) for place, number in numbers.items()},
        )


def boxes_at(inspection: VideoInspection, seconds: float) -> Mapping[int, FaceBox]:
    """Where the faces are at a moment of an inspected video, by the numbers of their tracks; none after its end."""
    detected = inspection.detected
    if len(detected) > 1 and seconds > detected[-1] and seconds > detected[-1] + np.diff(detected).max():
        return {}
    place = float(np.interp(seconds, detected, np.arange(len(detected))))
    found = {number: box_at(path, place) for number, path in inspection.paths.items()}
    return {number: box for number, box in found.items() if box is not None}


def _score(face: FaceInspection) -> float:
    return face.finding.score or 0.0


def _marked(picture: FacePicture, verdict: Verdict) -> FacePicture:
    return replace(picture, mask=marked_pixels(picture.pixel_map, picture.mask, verdict))


def _heat(face: FaceInspection) -> bytes:
    """What is shown on a face in this frame if its track is called manipulated: its map where it is marked, small."""
    if face.picture is None:
        return b""
    pixel_map, mask = face.picture.pixel_map, face.picture.mask
    if mask.any() or face.finding.verdict is Verdict.MANIPULATED:
        mask = marked_pixels(pixel_map, mask, Verdict.MANIPULATED)
    return _packed(np.where(mask, pixel_map, np.float32(0))) if mask.any() else _UNMARKED


def _packed(pixel_map: FloatArray) -> bytes:
    small = cv2.resize(pixel_map, (HEAT_SIDE, HEAT_SIDE), interpolation=cv2.INTER_AREA)
    return zlib.compress(np.rint(255 * small).astype(np.uint8).tobytes(), 1)


_UNMARKED = _packed(np.zeros((HEAT_SIDE, HEAT_SIDE), np.float32))  # most frames', kept once


def heat_of(sighting: Sighting) -> FloatArray | None:
    """The small pixel map (`HEAT_SIDE`, `HEAT_SIDE`) in [0, 1] of a sighting's square, 0 where it is not marked.

    To be shown where the track is called manipulated. None where the face was not scored.
    """
    if not sighting.heat:
        return None
    grey = np.frombuffer(zlib.decompress(sighting.heat), np.uint8).reshape(HEAT_SIDE, HEAT_SIDE)
    return np.asarray(grey / np.float32(255), np.float32)
