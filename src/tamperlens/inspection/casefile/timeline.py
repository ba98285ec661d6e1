"""A video's scores through time as one SVG picture, one curve per face."""

from collections.abc import Callable, Sequence
from html import escape

from tamperlens.figures import ON_WHITE
from tamperlens.types import FaceTrack, VideoInspection, VideoRule

__all__ = ["AXIS", "clock", "draw_timeline", "legend"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 260, 52, 40, 26
AXIS = LEFT / WIDTH, (WIDTH - 12) / WIDTH  # where the first and the last second lie, as shares of the width
DASHES = ("", "8 3", "2 3", "10 3 2 3", "5 5", "1 4")  # told apart without colour, too
MAX_CURVES = len(ON_WHITE)


def draw_timeline(inspection: VideoInspection) -> str:
    """An SVG element, 960 x 260 units; the six highest-scoring faces, the thresholds, and a text of what it shows."""
    first, last = inspection.first, max(inspection.last, inspection.first + 0.1)
    shown = sorted(inspection.tracks, key=lambda track: -(track.score or 0.0))[:MAX_CURVES]
    shown.sort(key=lambda track: track.number)

    def x(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 12) * (seconds - first) / (last - first), 1)

    def y(score: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - score), 1)

    text = _alternative_text(shown, inspection)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text)}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(text)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes(first, last, x, y),
        *_thresholds(inspection.rule, y),
    ]
    for place, track in enumerate(shown):
        judged = [(seen.seconds, seen.finding.score) for seen in track.sightings if seen.finding.score is not None]
        points = " ".join(f"{at},{y(score)}" for at, score in _thinned([(x(seconds), score) for seconds, score in judged]))
        style = f'stroke="{ON_WHITE[place]}" stroke-dasharray="{DASHES[place]}"'
        parts.append(f'<polyline points="{points}" fill="none" stroke-width="2" {style}/>')
        if len(judged) <= 120:
            parts += [
                f'<circle cx="{x(seconds)}" cy="{y(score)}" r="3" fill="{ON_WHITE[place]}"/>' for seconds, score in judged
            ]
    return "".join([*parts, "</svg>"])


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of many points those that can be told apart: of each unit of width the lowest and the highest, so no peak is lost."""
    if len(points) <= 2 * WIDTH:
        return list(points)
    columns: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        columns.setdefault(round(point[0]), []).append(point)
    by_score = [(min(own, key=lambda point: point[1]), max(own, key=lambda point: point[1])) for own in columns.values()]
    return [point for ends in by_score for point in sorted(set(ends))]


def legend(inspection: VideoInspection) -> list[tuple[int, str, str]]:
    """Of each face drawn its number, colour and dashes."""
    shown = sorted(inspection.tracks, key=lambda track: -(track.score or 0.0))[:MAX_CURVES]
    numbers = sorted(track.number for track in shown)
    return [(number, ON_WHITE[place], DASHES[place]) for place, number in enumerate(numbers)]


def _axes(first: float, last: float, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    parts = []
    for score in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(score)}" y2="{y(score)}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(score) + 4}" text-anchor="end" fill="#333">{score:g}</text>')
    for step in range(7):
        seconds = first + (last - first) * step / 6
        anchor = "end" if step == 6 else "middle"
        parts.append(f'<text x="{x(seconds)}" y="{HEIGHT - 20}" text-anchor="{anchor}" fill="#333">{clock(seconds)}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 4}" fill="#333">time in the video; score of single frames upwards</text>')
    return parts


def _thresholds(rule: VideoRule, y: Callable[[float], float]) -> list[str]:
    parts = []
    for score, words, color in ((rule.score_threshold, "manipulated", "#b34700"), (rule.doubt_threshold, "doubt", "#595959")):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(score)}" y2="{y(score)}" stroke="{color}" stroke-dasharray="3 4"/>'
        )
        place, line = (WIDTH - 14, 13.0) if words == "manipulated" else (WIDTH - 180, y(score) + 13)
        halo = 'stroke="#fff" stroke-width="4" paint-order="stroke"'
        label = f"{words} from {score:.2f}"
        parts.append(f'<text x="{place}" y="{line}" text-anchor="end" fill="{color}" {halo}>{label}</text>')
    return parts


def _alternative_text(shown: Sequence[FaceTrack], inspection: VideoInspection) -> str:
    faces = "; ".join(
        f"face {track.number}: {track.verdict.value.replace('_', ' ')}"
        + ("" if track.score is None else f", score {track.score:.2f}")
        for track in shown
    )
    return f"Scores from {clock(inspection.first)} to {clock(inspection.last)}. {faces or 'No face was found'}"


def clock(seconds: float) -> str:
    """``1:23.4``; hours where there are any."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
