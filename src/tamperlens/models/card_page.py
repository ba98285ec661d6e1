"""A model card for people, as Markdown."""

from typing import Any

from tamperlens.metrics.rows import rows_of_record, rows_to_markdown
from tamperlens.models.card import ModelCard
from tamperlens.types import ResultRow

__all__ = ["card_to_markdown"]


def card_to_markdown(card: ModelCard) -> str:
    """A model card for people: what the model is and learned from, its thresholds, limits and measured figures."""
    training, results = card.training, card.results
    photos = ", ".join(f"{split} {count}" for split, count in training.get("photos", {}).items())
    error = results.get("expected_calibration_error_on_validation")
    lines = [
        f"## {card.name}",
        "",
        f"Network `{card.network}`, task `{card.task}`; weights SHA-256 `{card.weights_sha256}`.",
        "",
        f"- Trained {training.get('date', '-')} with the code of commit `{str(training.get('commit', '-'))[:12]}`:"
        f" {_parts(training)}.",
        *(f"- Data: {name}: {terms}." for name, terms in training.get("data", {}).items()),
        f"- Photos: {photos}; no person is in two splits.",
        f"- Thresholds: {training.get('thresholds', '-')}. Raw score for manipulated {card.score_threshold:.4f}, for"
        f" inconclusive {card.doubt_threshold or card.score_threshold:.4f}; pixel map {card.map_threshold}.",
        f"- Expected calibration error on validation: {'-' if error is None else f'{error:.3f}'}.",
        "",
        "Known limits:",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
    ]
    rows, groups, clips = _rows(card, "test"), _rows(card, "groups"), _rows(card, "video")
    forged = [row for row in rows if not row.subset.startswith("pristine:")]
    alarms = [row for row in rows if row.subset.startswith("pristine:")]
    if forged:
        unseen = ", ".join(results.get("unseen_families", []))
        lines += [f"Forged crops of test people (family never trained on: {unseen}):", "", rows_to_markdown(forged)]
    if alarms:
        lines += ["Real photos, inspected whole:", "", rows_to_markdown(alarms)]
    if groups:
        lines += [
            "The same people's photos, by group (benchmarks/groups.py says how they were parted):",
            "",
            rows_to_markdown(groups),
        ]
    if clips and card.video:
        rule = card.video
        lines += [
            f"Clips made of photos; a face's score is the {rule.aggregation} of its frames, manipulated from"
            f" {rule.score_threshold:.4f} on, inconclusive from {rule.doubt_threshold:.4f}:",
            "",
            rows_to_markdown(clips),
        ]
    return "\n".join(lines)


def _parts(training: dict[str, Any]) -> str:
    """How much a model has seen, in all the runs that went on from one another."""
    part = f"{training.get('crops_seen', 0):,} crops in {training.get('steps', 0):,} steps"
    return f"{_parts(training['before'])}, then {part}" if training.get("before") else part


def _rows(card: ModelCard, kind: str) -> list[ResultRow]:
    return rows_of_record([{"model": card.name, **row} for row in card.results.get(kind, [])])
