"""A model card for people, as Markdown."""

from collections.abc import Iterable

from tamperlens.metrics.rows import rows_to_markdown
from tamperlens.models.card import ModelCard, Training

__all__ = ["card_to_markdown", "cards_page"]

PAGE = """# Model cards

Written by `runs/cards.py` from the cards beside the weights. All figures are on this project's own forgeries of people held
out from training, and on real photos; none is a FaceForensics++ figure. Intervals are 95 %, by bootstrap over people, or
Wilson's for shares. AUC is against all pristine crops of the same table; accuracy is the share of crops given their class at
the threshold for "manipulated", so of forged ones the share found. Crops come from photos as photographed, forged, then
delivered as the subset says. `mean-mask` in docs/log.md is the baseline: it knows where faces are.

"""


def cards_page(cards: Iterable[ModelCard]) -> str:
    """All these cards as one Markdown page."""
    return PAGE + "\n".join(card_to_markdown(card) for card in cards)


def card_to_markdown(card: ModelCard) -> str:
    """A model card for people: what the model is and learned from, its thresholds, limits and measured figures."""
    training = card.training
    photos = ", ".join(f"{split} {count}" for split, count in training.photos.items())
    error = card.calibration_error
    lines = [
        f"## {card.name}",
        "",
        f"Network `{card.network}`, task `{card.task}`; weights SHA-256 `{card.weights_sha256}`.",
        "",
        f"- Trained {training.date or '-'} with the code of commit `{training.commit[:12] or '-'}`: {_parts(training)}.",
        *(
            f"- Began with {origin.part or 'all'} from {origin.name}; terms: {origin.terms}."
            for origin in card.initialised_from
        ),
        *(f"- Data: {name}: {terms}." for name, terms in training.data.items()),
        f"- Photos: {photos}; no person is in two splits.",
        f"- Thresholds: {training.thresholds or '-'}. Raw score for manipulated {card.score_threshold:.4f}, for"
        f" inconclusive {card.doubt_threshold or card.score_threshold:.4f}; pixel map {card.map_threshold}.",
        f"- Expected calibration error on validation: {'-' if error is None else f'{error:.3f}'}.",
        *((f"- {card.quantised.in_words()}.",) if card.quantised else ()),
        "",
        "Known limits:",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
    ]
    if crops := card.rows("crops"):
        unseen = ", ".join(card.families.unseen)
        lines += [f"Forged crops of test people (family never trained on: {unseen}):", "", rows_to_markdown(crops)]
    if photos_whole := card.rows("photos"):
        lines += ["Real photos, inspected whole:", "", rows_to_markdown(photos_whole)]
    if groups := card.rows("groups"):
        lines += [
            "The same people's photos, by group (bench/groups.py says how they were parted):",
            "",
            rows_to_markdown(groups),
        ]
    if (clips := card.rows("clips")) and card.video:
        rule = card.video
        lines += [
            f"Clips made of photos; a face's score is the {rule.aggregation} of its frames, manipulated from"
            f" {rule.score_threshold:.4f} on, inconclusive from {rule.doubt_threshold:.4f}:",
            "",
            rows_to_markdown(clips),
        ]
    return "\n".join(lines)


def _parts(training: Training) -> str:
    """How much a model has seen, in all the runs that went on from one another."""
    part = f"{training.crops_seen:,} crops in {training.steps:,} steps"
    return f"{_parts(training.before)}, then {part}" if training.before else part
