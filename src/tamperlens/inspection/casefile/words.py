"""What casefiles, summaries and the terminal say in whole sentences."""

import os
import shlex
from collections.abc import Sequence

from tamperlens.inspection.casefile.record import Face, PhotoRecord, Rates, Track, VideoRecord, path_of
from tamperlens.inspection.casefile.timeline import clock
from tamperlens.types import Verdict

__all__ = ["WORDS", "alarms_in_words", "command_of", "quoted", "rate_in_words", "sentence_of"]

_NAMED = 8  # faces that are named
WORDS = {verdict.value: verdict.words for verdict in Verdict}


def sentence_of(record: PhotoRecord | VideoRecord) -> str:
    """The verdict in one sentence for people outside the field."""
    what = "photo" if record.kind == "photo" else "video"
    if record.verdict == "manipulated":
        return f"The program found signs of manipulation in {_faces_in_words(record)} of this {what}."
    if record.verdict == "no_evidence":
        return f"The program found no evidence of manipulation in this {what}. That does not show that it is authentic."
    return f"The program cannot say whether this {what} was manipulated."


def _faces_in_words(record: PhotoRecord | VideoRecord) -> str:
    faces: Sequence[Face | Track] = record.faces if isinstance(record, PhotoRecord) else record.tracks
    numbers = [str(number) for number, face in enumerate(faces, 1) if face.verdict == "manipulated"]
    if isinstance(record, VideoRecord) and len(numbers) == 1:
        (track,) = (track for track in record.tracks if track.verdict == "manipulated")
        first, last = (track.raised[0][0], track.raised[-1][1]) if track.raised else (track.first, track.last)
        return f"face {track.face} (from {clock(first)} to {clock(last)})"
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return "the one face" if len(faces) == 1 else f"face{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:_NAMED])}{more}"


def rate_in_words(rates: Rates) -> str:
    """How often the model called pristine faces manipulated when it was measured."""
    low, high = _percent(rates.low), _percent(rates.high)
    return (
        f"of {rates.count} {rates.subset}, {_percent(rates.called_manipulated)} were wrongly called manipulated "
        f"(95 % interval {low} to {high}). Files unlike these may give more."
    )


def alarms_in_words(rates: Rates, where: str) -> str:
    """What the rate means for the judged faces ``where``, such as "in this photo"; empty where there are none."""
    if not rates.faces or rates.expected is None:
        return ""
    chance, low, high = map(_percent, (rates.at_least_one, rates.at_least_one_low, rates.at_least_one_high))
    if rates.faces == 1:
        return (
            f"If the one judged face {where} is not manipulated, the chance that it would still be called manipulated is about "
            f"{chance} ({low} to {high})."
        )
    return (
        f"If none of the {rates.faces} judged faces {where} is manipulated, about {rates.expected:.2g} "
        f"({rates.expected_low:.2g} to {rates.expected_high:.2g}) of them would still be called manipulated; the chance that "
        f"at least one would be is about {chance} ({low} to {high}), if faces err independently."
    )


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.1f} %"


def command_of(record: PhotoRecord | VideoRecord) -> str:
    """The command that repeats an inspection."""
    asked, words = record.settings, ["--every-frame"] if record.settings.every == 0 else []
    for option, value in (("--model", asked.model or None), ("--every", asked.every or None), ("--from", asked.start or None)):
        words += [option, f"{value}"] if value is not None else []
    for option, value in (("--to", asked.end), ("--max-frames", asked.max_frames), ("--detector", asked.detector or None)):
        words += [option, f"{value}"] if value is not None else []
    for option, given, usual in (("--runtime", asked.runtime, "auto"), ("--precision", asked.precision, "float32")):
        words += [option, given] if given != usual else []
    return " ".join(["tamperlens inspect", quoted(os.fspath(path_of(record))), *map(shlex.quote, words)])


def quoted(path: str) -> str:
    """A path as a shell takes it; bytes that are no text, and letters that control a terminal, are spelled out for bash."""
    path = f"./{path}" if path.startswith("-") else path
    if path.isprintable():
        return shlex.quote(path)
    spelled = (
        letter if letter.isprintable() and letter not in "\\'" else "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
        for letter in path
    )
    return f"$'{''.join(spelled)}'"
