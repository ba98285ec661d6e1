"""A video with what was found drawn into it: on each face its heat map, its box and its score."""

import math
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tamperlens.faces import face_square
from tamperlens.figures import draw_face, heat
from tamperlens.inspection.video import heat_of
from tamperlens.media import redraw
from tamperlens.types import FloatArray, Frame, Sighting, UInt8Array, VideoInspection

__all__ = ["write_annotated"]


def write_annotated(
    inspection: VideoInspection, out: Path, *, start: float = 0.0, end: float = math.inf, threads: int = 1
) -> tuple[str, ...]:
    """Write the inspected part as MP4, as long as the original and with its sound; returns notes, as `redraw` does."""
    return redraw(inspection.path, out, _drawer(inspection), start=start, end=end, threads=threads)


def _drawer(inspection: VideoInspection) -> Callable[[Frame], UInt8Array]:
    tracks = {track.number: track for track in inspection.tracks}
    times = {number: [seen.seconds for seen in track.sightings] for number, track in tracks.items()}
    unpacked: dict[int, tuple[Sighting, FloatArray | None]] = {}  # the heat maps in use

    def draw(frame: Frame) -> UInt8Array:
        canvas = frame.image
        height, width = canvas.shape[:2]
        pixel_map = np.zeros((height, width), np.float32)
        labels = []
        for number, box in inspection.boxes(frame.seconds).items():
            seen = _nearest(tracks[number].sightings, times[number], frame.seconds)
            if number not in unpacked or unpacked[number][0] is not seen:
                unpacked[number] = seen, heat_of(seen)
            small, square = unpacked[number][1], face_square(box, height, width)
            size = square[1].stop - square[1].start, square[0].stop - square[0].start
            if small is not None and min(size) > 0:
                pixel_map[square] = np.maximum(pixel_map[square], cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
            score = "" if seen.finding.score is None else f" {seen.finding.score:.2f}"
            labels.append((box, tracks[number].verdict, f"face {number}{score}"))
        canvas = heat(canvas, pixel_map) if labels else canvas.copy()
        for box, verdict, text in labels:
            draw_face(canvas, box, verdict, text)
        return canvas

    return draw


def _nearest(sightings: tuple[Sighting, ...], times: list[float], seconds: float) -> Sighting:
    after = min(bisect_left(times, seconds), len(times) - 1)
    return min(sightings[max(0, after - 1) : after + 1], key=lambda seen: abs(seen.seconds - seconds))
