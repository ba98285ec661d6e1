"""What the judged frames of a video say together: one score and verdict per face, one verdict for the file."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tamperlens.errors import ModelError
from tamperlens.inspection.scores import told
from tamperlens.types import FaceFinding, FaceTrack, FloatArray, Predictor, Sighting, Verdict, VideoRule

__all__ = ["AGGREGATIONS", "DEFAULT_AGGREGATION", "judge_tracks", "rule_of", "video_verdict"]

#: Ways to make one score of a face's judged frames, float (N,) in [0, 1], those first on which single frames have least
#: influence; compared by bench/video_rule.py.
AGGREGATIONS: dict[str, Callable[[FloatArray], float]] = {
    "median": lambda scores: float(np.median(scores)),
    "mean": lambda scores: float(scores.mean()),
    "quantile 0.75": lambda scores: float(np.quantile(scores, 0.75)),
    "mean of top 50 %": lambda scores: _mean_of_top(scores, 0.5),
    "mean of top 30 %": lambda scores: _mean_of_top(scores, 0.3),
    "max": lambda scores: float(scores.max()),
}
DEFAULT_AGGREGATION = "mean of top 30 %"  # of a model whose card does not say; docs/log.md has the comparison

STRETCH = 1.0  # seconds in a row for which a face has to be raised to make its verdict inconclusive, however calm the rest is


def _mean_of_top(scores: FloatArray, share: float) -> float:
    return float(np.sort(scores)[-max(1, math.ceil(share * len(scores))) :].mean())


def rule_of(predictor: Predictor) -> VideoRule:
    """The predictor's own rule for videos, or else the default aggregation with its thresholds for photos."""
    own: VideoRule | None = getattr(predictor, "video_rule", None)
    if own and own.aggregation not in AGGREGATIONS:
        raise ModelError(
            f"{predictor.name}: its card's rule for videos is {own.aggregation!r}; expected one of {', '.join(AGGREGATIONS)}"
        )
    return own or VideoRule(DEFAULT_AGGREGATION, predictor.score_threshold, predictor.doubt_threshold)


Confirm = Callable[[int, Sighting], FaceFinding]


def judge_tracks(
    sightings: Mapping[int, Sequence[Sighting]], rule: VideoRule, confirm: Confirm = lambda number, sighting: sighting.finding
) -> tuple[FaceTrack, ...]:
    """Each face of a video as one finding: its sightings, in the order of time, by its number.

    A face that was scored in ``rule.min_frames`` frames or more is judged by the rule. One with fewer, such as on a slide of a
    slideshow, is judged like a picture, by its highest frame; where that is raised, ``confirm`` gives its finding after mild
    re-encodes, as photos are checked. All such short faces together are judged by the rule, too, as if they were one: cutting
    a face into pieces does not hide it.
    """
    tracks = [_judge_track(number, seen, rule, confirm) for number, seen in sightings.items()]
    short = {track.number: scored for track in tracks if 0 < len(scored := _scored(track.sightings)) < rule.min_frames}
    scores = [sighting.finding.score for scored in short.values() for sighting in scored]
    if len(scores) >= rule.min_frames and (together := _aggregate(scores, rule)) >= rule.score_threshold:
        words = f"; the {len(short)} faces that are seen in fewer than {rule.min_frames} frames reach {told(together)} together"
        tracks = [_raise(track, words, rule) if track.number in short else track for track in tracks]
    return tuple(tracks)


def _judge_track(number: int, sightings: Sequence[Sighting], rule: VideoRule, confirm: Confirm) -> FaceTrack:
    judged = _scored(sightings)
    where = f"face {number} (second {sightings[0].seconds:.1f} to {sightings[-1].seconds:.1f})"
    raised = _raised(judged, rule.doubt_threshold)
    if len(judged) < rule.min_frames:
        score, verdict, reason = _judge_as_picture(where, sightings, rule, lambda seen: confirm(number, seen))
        return FaceTrack(number, verdict, score, (reason,), tuple(sightings), raised)
    score = _aggregate([sighting.finding.score for sighting in judged], rule)
    words = f"{where}: score {told(score)} ({rule.aggregation} of {len(judged)} frames)"
    if score >= rule.score_threshold:
        verdict, reason = Verdict.MANIPULATED, f"{words} reaches the threshold {rule.score_threshold:.3f}"
    elif score >= rule.doubt_threshold:
        verdict = Verdict.INCONCLUSIVE
        limits = f"the threshold {rule.score_threshold:.3f} (doubt begins at {rule.doubt_threshold:.3f})"
        reason = f"{words} is raised, but below {limits}"
    elif stretch := _stretch(judged, raised, rule):
        verdict, reason = Verdict.INCONCLUSIVE, f"{words} is low, but {stretch}"
    elif poor := _poor(judged):
        verdict, reason = Verdict.INCONCLUSIVE, f"{words} is low, but {poor}"
    else:
        verdict = Verdict.NO_EVIDENCE
        reason = f"{words} is below {rule.doubt_threshold:.3f}; this does not show that the face is authentic"
    if raised:
        spans = ", ".join(f"{first:.1f} to {last:.1f}" if last > first else f"{first:.1f}" for first, last in raised[:5])
        reason += f"; single frames are raised at second {spans}{' and later' if len(raised) > 5 else ''}"
    return FaceTrack(number, verdict, score, (reason,), tuple(sightings), raised)


def _judge_as_picture(
    where: str, sightings: Sequence[Sighting], rule: VideoRule, confirm: Callable[[Sighting], FaceFinding]
) -> tuple[float | None, Verdict, str]:
    """Score, verdict and reason of a face that was scored in few frames or none."""
    judged = _scored(sightings)
    unfit = [sighting.finding for sighting in sightings if sighting.finding.score is None]
    if not judged:
        return (
            None,
            Verdict.INCONCLUSIVE,
            f"{where}: none of its {len(sightings)} frames could be judged; {unfit[0].reasons[0]}",
        )
    best = max(judged, key=lambda sighting: sighting.finding.score or 0.0)
    score = best.finding.score or 0.0
    found = confirm(best) if score >= rule.doubt_threshold else best.finding
    few = f"{len(judged)} frame{'s' if len(judged) > 1 else ''} only, so judged like a picture"
    words = f"{where}: {few}: second {best.seconds:.1f}: {found.reasons[0]}"
    if found.too_poor:
        return None, Verdict.INCONCLUSIVE, words
    too_low = found.verdict is Verdict.MANIPULATED and score < rule.score_threshold
    too_high = found.verdict is Verdict.NO_EVIDENCE and score >= rule.doubt_threshold
    if too_low or too_high:
        words += f"; of a face in more frames doubt begins at {rule.doubt_threshold:.3f}"
        return score, Verdict.INCONCLUSIVE, words
    return score, found.verdict, words


def _raise(track: FaceTrack, words: str, rule: VideoRule) -> FaceTrack:
    """A short face after all of them together proved manipulated: so is it, if its own score is as high."""
    if track.verdict is Verdict.MANIPULATED or (track.score or 0.0) < rule.score_threshold:
        return track
    return replace(track, verdict=Verdict.MANIPULATED, reasons=(track.reasons[0] + words, *track.reasons[1:]))


def _scored(sightings: Sequence[Sighting]) -> list[Sighting]:
    return [sighting for sighting in sightings if sighting.finding.score is not None]


def _aggregate(scores: Sequence[float | None], rule: VideoRule) -> float:
    return AGGREGATIONS[rule.aggregation](np.array(scores, np.float32))


def _stretch(judged: Sequence[Sighting], raised: Sequence[tuple[float, float]], rule: VideoRule) -> str:
    """Which part of a face's time would be called manipulated by itself; empty where none would.

    A forgery may last for a part of a clip only, and the calm rest must not drown it.
    """
    for first, last in raised:
        scores = [sighting.finding.score for sighting in judged if first <= sighting.seconds <= last]
        if last - first >= STRETCH - 1e-6 and len(scores) >= rule.min_frames:
            score = _aggregate(scores, rule)
            if score >= rule.score_threshold:
                return f"second {first:.1f} to {last:.1f} by itself reaches {told(score)}"
    return ""


def _poor(judged: Sequence[Sighting]) -> str:
    """Why most frames do not let the model judge; empty where they do."""
    poor = [sighting for sighting in judged if sighting.finding.too_poor]
    if 2 * len(poor) <= len(judged):
        return ""
    first = poor[0]
    return f"{len(poor)} of {len(judged)} frames are too poor, as at second {first.seconds:.1f}: {first.finding.reasons[0]}"


def _raised(judged: Sequence[Sighting], doubt: float) -> tuple[tuple[float, float], ...]:
    """First and last second of each run of frames whose scores reach ``doubt``."""
    spans: list[tuple[float, float]] = []
    going = False
    for sighting in judged:
        score = sighting.finding.score
        if score is not None and score >= doubt:
            spans.append((spans.pop()[0] if going else sighting.seconds, sighting.seconds))
            going = True
        else:
            going = False
    return tuple(spans)


def video_verdict(tracks: Sequence[FaceTrack], frames: int, complete: bool) -> tuple[Verdict, tuple[str, ...]]:
    """The file's verdict and its reasons, from its faces and the number of judged frames."""
    if not tracks:
        return Verdict.INCONCLUSIVE, (f"no face was found in {frames} frames; only upright faces are looked for in videos",)
    judged = [track for track in tracks if track.score is not None]
    of_all = f"of {len(tracks)} faces" if len(tracks) > 1 else "of 1 face"
    unjudged = [track for track in tracks if track.score is None]
    left_out = (f"{len(unjudged)} {of_all} could not be judged: {unjudged[0].reasons[0]}",) if unjudged else ()
    for verdict in (Verdict.MANIPULATED, Verdict.INCONCLUSIVE, Verdict.NO_EVIDENCE):
        own = [track for track in judged if track.verdict is verdict]
        if own:
            strongest = max(own, key=lambda track: track.score or 0.0)
            reasons = (f"{len(own)} {of_all}: {strongest.reasons[0]}", *left_out)
            return (Verdict.INCONCLUSIVE if verdict is Verdict.NO_EVIDENCE and not complete else verdict), reasons
    return Verdict.INCONCLUSIVE, left_out
