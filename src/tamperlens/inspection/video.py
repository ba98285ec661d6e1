"""A video, a face detector and a predictor in; what was found out, per face and for the file, in words for people.

Frames are looked at several times for each time they are judged: looking finds the faces and follows them, judging asks the
model. inspection/verdict.py makes one score of a face's judged frames and a verdict of that.
"""

import heapq
import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tamperlens.faces import FaceTracks
from tamperlens.figures import draw_overlay
from tamperlens.inspection.photo import cut_out, inspect_frame
from tamperlens.inspection.verdict import judge_track, rule_of, video_verdict
from tamperlens.media import VideoSampler, fit_within, moving_length, next_due
from tamperlens.types import (
    FaceBox,
    FaceDetector,
    FacePicture,
    FloatArray,
    Frame,
    Inspection,
    Predictor,
    Sighting,
    UInt8Array,
    VideoInspection,
    VideoRule,
)

__all__ = ["HEAT_SIDE", "MAX_FACES", "default_every", "heat_of", "inspect_video"]

LOOKS = 4  # looks for faces per judged frame
MAX_FACES = 10  # the largest faces of a frame that are judged
HEAT_SIDE = 64  # pixels
PICTURES = 24  # faces of which a picture is kept
WORST = 6  # frames of the highest scores that are kept
WORST_SIDE = 960  # pixels: their longest side


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

    A frame is judged every ``every`` seconds (`default_every` where None); with ``max_frames`` less often, so that as many
    are spread over the whole part. ``threads`` decode. Memory does not grow with the video's length, but for some hundred
    bytes for each face judged. Raises `MediaError` where no frame can be read.
    """
    rule = rule or rule_of(predictor)
    every = every or default_every(path, start, end)
    if max_frames:
        length = min(end, moving_length(path)) - start
        every = max(every, length / max_frames) if length > 0 else every
    sampler = VideoSampler(path, every=every / LOOKS, start=start, end=end, threads=threads)
    watch = _Watch(str(path), predictor, rule)
    due = -math.inf
    for frame in sampler:
        if frame.cut:
            watch.tracks.cut()
        faces = detector(frame.image)
        numbers = watch.follow(frame, faces)
        if frame.seconds >= due - 1e-6:
            if max_frames and watch.frames >= max_frames:
                end = frame.seconds  # the file is longer than its header says
                break
            watch.judge(frame, faces, numbers)
            due = next_due(frame.seconds, every, start)
        progress(frame.seconds)
    return watch.conclude(every, sampler, (start, end))


@dataclass
class _Best:
    """The frame in which a face scores highest."""

    score: float
    picture: FacePicture


class _Watch:
    """What is kept while a video passes by."""

    def __init__(self, path: str, predictor: Predictor, rule: VideoRule) -> None:
        self.path, self.predictor, self.rule = path, predictor, rule
        self.tracks = FaceTracks(stride=1000)  # a look counts 1000: boxes are asked for between looks
        self.looks: list[float] = []  # seconds
        self.sightings: dict[int, list[Sighting]] = {}
        self.best: dict[int, _Best] = {}
        self.worst: list[tuple[float, float, UInt8Array]] = []  # a heap of score, minus second, overlay
        self.frames, self.first, self.last, self.size, self.most = 0, 0.0, 0.0, (0, 0), 0

    def follow(self, frame: Frame, faces: Sequence[FaceBox]) -> list[int]:
        """Each face's number."""
        numbers = self.tracks.add(1000 * len(self.looks), faces[:MAX_FACES])
        self.looks.append(frame.seconds)
        self.most = max(self.most, len(faces))
        return numbers

    def judge(self, frame: Frame, faces: Sequence[FaceBox], numbers: Sequence[int]) -> None:
        inspection = inspect_frame(self.path, frame, lambda image: faces[:MAX_FACES], self.predictor)
        if not self.frames:
            self.first, self.size = frame.seconds, (frame.image.shape[1], frame.image.shape[0])
        self.frames, self.last = self.frames + 1, frame.seconds
        for number, finding in zip(numbers, inspection.faces, strict=True):
            heat = b""
            if finding.score is not None:
                picture = cut_out(inspection, finding.box)
                heat = _packed(picture.pixel_map)
                self._keep(number, finding.score, picture)
            self.sightings.setdefault(number, []).append(Sighting(frame.seconds, frame.index, finding, heat))
        self._keep_frame(frame.seconds, inspection)

    def _keep(self, number: int, score: float, picture: FacePicture) -> None:
        if number not in self.best or score > self.best[number].score:
            copied = FacePicture(picture.image.copy(), picture.pixel_map.copy(), picture.mask.copy())  # lets the frame go
            self.best[number] = _Best(score, copied)
            if len(self.best) > PICTURES:
                del self.best[min(self.best, key=lambda kept: self.best[kept].score)]

    def _keep_frame(self, seconds: float, inspection: Inspection) -> None:
        if inspection.score is not None and (len(self.worst) < WORST or inspection.score > self.worst[0][0]):
            overlay = draw_overlay(inspection)
            small = fit_within(overlay, WORST_SIDE)
            heapq.heappush(self.worst, (inspection.score, -seconds, small))
            if len(self.worst) > WORST:
                heapq.heappop(self.worst)

    def conclude(self, every: float, sampler: VideoSampler, part: tuple[float, float]) -> VideoInspection:
        order = {number: place for place, number in enumerate(self.sightings, 1)}
        tracks = tuple(judge_track(order[number], seen, self.rule) for number, seen in self.sightings.items())
        notes = list(sampler.notes)
        if part != (0.0, math.inf):
            notes.append(f"only the part between second {part[0]:g} and second {min(part[1], sampler.last):g} was inspected")
        if self.most > MAX_FACES:
            notes.append(f"up to {self.most} faces are in a frame; only the {MAX_FACES} largest of each were judged")
        verdict, reasons = video_verdict(tracks, self.frames, sampler.complete)
        looks, followed = np.array(self.looks), self.tracks

        def boxes(seconds: float) -> Mapping[int, FaceBox]:
            found = followed.boxes(round(float(np.interp(seconds, looks, 1000.0 * np.arange(len(looks))))))
            return {order[number]: box for number, box in found.items() if number in order}

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
            every=every,
            first=self.first,
            last=self.last,
            frames=self.frames,
            decoded=sampler.decoded,
            complete=sampler.complete,
            pictures={order[number]: best.picture for number, best in self.best.items()},
            worst=tuple((-minus, score, overlay) for score, minus, overlay in sorted(self.worst, key=lambda kept: -kept[0])),
            boxes=boxes,
        )


def _packed(pixel_map: FloatArray) -> bytes:
    small = cv2.resize(pixel_map, (HEAT_SIDE, HEAT_SIDE), interpolation=cv2.INTER_AREA)
    return zlib.compress(np.rint(255 * small).astype(np.uint8).tobytes(), 1)


def heat_of(sighting: Sighting) -> FloatArray | None:
    """The small pixel map (`HEAT_SIDE`, `HEAT_SIDE`) in [0, 1] of a sighting's square; None where it was not scored."""
    if not sighting.heat:
        return None
    grey = np.frombuffer(zlib.decompress(sighting.heat), np.uint8).reshape(HEAT_SIDE, HEAT_SIDE)
    return np.asarray(grey / np.float32(255), np.float32)
