"""A video with what was found drawn into it: on each face its heat map, its box and its score."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tamperlens.faces import face_square
from tamperlens.figures import draw_face, heat
from tamperlens.inspection.video import boxes_at, heat_of
from tamperlens.media import redraw
from tamperlens.types import FaceBox, FloatArray, Sighting, UInt8Array, Verdict, VideoInspection

__all__ = ["painter", "write_annotated"]


def write_annotated(
    inspection: VideoInspection, out: Path, *, start: float = 0.0, end: float = math.inf, threads: int = 1
) -> tuple[str, ...]:
    """Write the inspected part as MP4, as long as the original and with its sound; returns notes, as `redraw` does."""
    paint = painter(inspection)
    return redraw(inspection.path, out, lambda frame: paint(frame.image, frame.seconds), start=start, end=end, threads=threads)


def painter(inspection: VideoInspection) -> Callable[..., UInt8Array]:
    """What draws into a frame of the video: ``paint(image, seconds, scale=1)`` gives RGB uint8 of the image's size.

    ``scale``: of the image's side to that of the frame. Heat maps are drawn on faces whose track is called manipulated.
    """
    tracks = {track.number: track for track in inspection.tracks}
    times = {number: [seen.seconds for seen in track.sightings] for number, track in tracks.items()}
    unpacked: dict[int, tuple[Sighting, FloatArray | None]] = {}  # the heat maps in use

    def paint(image: UInt8Array, seconds: float, scale: float = 1.0) -> UInt8Array:
        height, width = image.shape[:2]
        pixel_map = np.zeros((height, width), np.float32)
        labels = []
        for number, place in boxes_at(inspection, seconds).items():
            box, verdict = _scaled(place, scale), tracks[number].verdict
            seen = _nearest(tracks[number].sightings, times[number], seconds)
            if number not in unpacked or unpacked[number][0] is not seen:
                unpacked[number] = seen, heat_of(seen)
            small, square = unpacked[number][1], face_square(box, height, width)
            size = square[1].stop - square[1].start, square[0].stop - square[0].start
            if verdict is Verdict.MANIPULATED and small is not None and min(size) > 0:
                pixel_map[square] = np.maximum(pixel_map[square], cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
            score = "" if seen.finding.score is None else f" {seen.finding.score:.2f}"
            labels.append((box, verdict, f"face {number}{score}"))
        canvas = heat(image, pixel_map)
        for box, verdict, text in labels:
            draw_face(canvas, box, verdict, text)
        return canvas

    return paint


def _scaled(box: FaceBox, scale: float) -> FaceBox:
    return replace(
        box, x0=box.x0 * scale, y0=box.y0 * scale, x1=box.x1 * scale, y1=box.y1 * scale, landmarks=box.landmarks * scale
    )


def _nearest(sightings: tuple[Sighting, ...], times: list[float], seconds: float) -> Sighting:
    after = min(bisect_left(times, seconds), len(times) - 1)
    return min(sightings[max(0, after - 1) : after + 1], key=lambda seen: abs(seen.seconds - seconds))
