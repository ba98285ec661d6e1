"""What the judged frames of a video say together: one score and verdict per face, one verdict for the file."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tamperlens.errors import ModelError
from tamperlens.types import FaceTrack, FloatArray, Predictor, Sighting, Verdict, VideoRule

__all__ = ["AGGREGATIONS", "DEFAULT_AGGREGATION", "judge_track", "rule_of", "video_verdict"]

#: Ways to make one score of a face's judged frames, float (N,) in [0, 1], those first on which single frames have least
#: influence; compared by runs/choose_aggregation.py.
AGGREGATIONS: dict[str, Callable[[FloatArray], float]] = {
    "median": lambda scores: float(np.median(scores)),
    "mean": lambda scores: float(scores.mean()),
    "quantile 0.75": lambda scores: float(np.quantile(scores, 0.75)),
    "mean of top 50 %": lambda scores: _mean_of_top(scores, 0.5),
    "mean of top 30 %": lambda scores: _mean_of_top(scores, 0.3),
    "max": lambda scores: float(scores.max()),
}
DEFAULT_AGGREGATION = "mean of top 30 %"  # of a model whose card does not say; docs/log.md has the comparison


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


def judge_track(number: int, sightings: Sequence[Sighting], rule: VideoRule) -> FaceTrack:
    """A face's sightings, in the order of time, as one finding."""
    judged = [sighting for sighting in sightings if sighting.finding.score is not None]
    where = f"face {number} (second {sightings[0].seconds:.1f} to {sightings[-1].seconds:.1f})"
    raised = _raised(judged, rule.doubt_threshold)
    if len(judged) < rule.min_frames:
        reason = f"{where}: {len(judged)} of its {len(sightings)} frames could be judged, fewer than {rule.min_frames}"
        unfit = next((sighting.finding.reasons[0] for sighting in sightings if sighting.finding.score is None), None)
        reasons = (reason + (f"; {unfit}" if unfit else ""),)
        return FaceTrack(number, Verdict.INCONCLUSIVE, None, reasons, tuple(sightings), raised)
    score = AGGREGATIONS[rule.aggregation](np.array([sighting.finding.score for sighting in judged], np.float32))
    words = f"{where}: score {score:.3f} ({rule.aggregation} of {len(judged)} frames)"
    if score >= rule.score_threshold:
        verdict, reason = Verdict.MANIPULATED, f"{words} reaches the threshold {rule.score_threshold:.3f}"
    elif score >= rule.doubt_threshold:
        verdict = Verdict.INCONCLUSIVE
        limits = f"the threshold {rule.score_threshold:.3f} (doubt begins at {rule.doubt_threshold:.3f})"
        reason = f"{words} is raised, but below {limits}"
    elif poor := _poor(judged):
        verdict, reason = Verdict.INCONCLUSIVE, f"{words} is low, but {poor}"
    else:
        verdict = Verdict.NO_EVIDENCE
        reason = f"{words} is below {rule.doubt_threshold:.3f}; this does not show that the face is authentic"
    if raised:
        spans = ", ".join(f"{first:.1f} to {last:.1f}" if last > first else f"{first:.1f}" for first, last in raised[:5])
        reason += f"; single frames are raised at second {spans}{' and later' if len(raised) > 5 else ''}"
    return FaceTrack(number, verdict, score, (reason,), tuple(sightings), raised)


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
        return Verdict.INCONCLUSIVE, (f"no face was found in {frames} frames, and only faces are inspected",)
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
