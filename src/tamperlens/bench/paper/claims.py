"""What the paper claims, put to the test: each claim is a list of comparisons whose outcome it says beforehand.

A comparison gets a p-value, two-sided, against what would make it true or false: no difference, or a margin of `MARGIN`. All
of which the experiment has at least `MIN_SEEDS` trainings of both sides are one family: their p-values are corrected together,
and one that has not been settled yet counts as p = 1, so no verdict gets easier by being early. A comparison "holds" or "does
not hold" only where all trainings of both sides were judged and agree well enough to tell, and the AUC of both reaches
`MIN_AUC`; otherwise it cannot be told here, and why is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tamperlens.bench.paper.evidence import MIN_AUC, Evidence
from tamperlens.bench.paper.experiment import variant_name
from tamperlens.bench.paper.tables import FROM_IMAGENET, Sheet, published
from tamperlens.data.readers.methods import METHODS
from tamperlens.metrics.outcomes import PRISTINE
from tamperlens.metrics.paired import Draws, Estimate, combined, difference, draws, estimate_of, holm
from tamperlens.metrics.rows import to_table

__all__ = [
    "CLAIMS",
    "MARGIN",
    "MIN_SEEDS",
    "Claim",
    "Comparison",
    "Finding",
    "claims_to_markdown",
    "comparisons",
    "put_to_the_test",
]

MIN_SEEDS = 3
MIN_GROUPS = 5  # of people: of fewer, drawing again tells nothing
MARGIN = 0.02  # "as good as": at most two points worse; "the same": within two points either way
LEVEL = 0.05  # of the corrected p-values
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told here"


@dataclass(frozen=True)
class Comparison:
    """What the paper says of two figures: the first is higher (``>``), no lower (``>=``), or they are the same (``=``).

    The last two are taken up to `MARGIN`.
    """

    first: str  # variant
    second: str
    metric: str
    expected: str = ">"
    #: Where not the average: the method, by the paper's code, against the mean of the paper's other three, of ``first`` alone.
    method: str = ""

    @property
    def label(self) -> str:
        """For tables."""
        what = {"accuracy": "accuracy", "miou": "mIoU"}[self.metric]
        sides = f"{self.first} {self.expected} {self.second}" if not self.method else f"{self.first}: others > {self.method}"
        return f"{sides}, {what}"


@dataclass(frozen=True)
class Claim:
    """One of the paper's."""

    where: str
    text: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Finding:
    """A comparison's outcome."""

    comparison: Comparison
    verdict: str  # HOLDS, FAILS or OPEN
    why: str  # where it is open
    corrects: bool  # whether it is one of the family whose p-values are corrected together
    theirs: float | None  # the paper's difference, as a fraction
    ours: Estimate | None
    p: float  # that what is expected is neither so nor otherwise; NaN where nothing was compared
    seeds: tuple[int, int]
    corrected: float = float("nan")  # Holm's p; NaN where nothing was tested


_IN_TABLE_1 = ("xception", "mesoinception4", "unet8x", "unet4x", "vgg8", "vgg5", "fn3")
_SHALLOW = ("vgg5", "fn3")
_CROSSED = ("vgg5", "xception", "fn3")


def _against(first: str, others: Sequence[str], metric: str, expected: str = ">") -> tuple[Comparison, ...]:
    return tuple(Comparison(first, other, metric, expected) for other in others if other != first)


CLAIMS = (
    Claim(
        "Table 2",
        "Trained by pixels, a network localises better than trained as a classifier",
        tuple(Comparison(f"{n}-seg", f"{n}-cls", "miou") for n in _IN_TABLE_1),
    ),
    Claim(
        "Table 1",
        "Trained by pixels, every network but Xception also classifies better",
        tuple(Comparison(f"{n}-seg", f"{n}-cls", "accuracy") for n in _IN_TABLE_1 if n != "xception"),
    ),
    Claim(
        "Table 1",
        "Of the classifiers, Xception is the most accurate",
        _against("xception-cls", [f"{n}-cls" for n in _IN_TABLE_1], "accuracy"),
    ),
    Claim(
        "Table 1",
        "Trained by pixels, a shallow network classifies as well as the deep classifier",
        tuple(Comparison(f"{n}-seg", "xception-cls", "accuracy", ">=") for n in _SHALLOW),
    ),
    Claim(
        "Table 3",
        "Shallow networks localise better than Xception",
        tuple(Comparison(f"{n}-seg", "xception-seg", "miou") for n in ("vgg8", "vgg5", "fn3")),
    ),
    Claim(
        "Table 3",
        "VGG5 is deep enough: VGG8 is no better, VGG3 and FN3 are worse",
        (
            Comparison("vgg5-seg", "vgg8-seg", "miou", ">="),
            Comparison("vgg5-seg", "vgg3-seg", "miou"),
            Comparison("vgg5-seg", "fn3-seg", "miou"),
        ),
    ),
    Claim(
        "Table 2",
        "NeuralTextures is the hardest to localise",
        tuple(Comparison(f"{n}-seg", f"{n}-seg", "miou", method="NT") for n in ("xception", "vgg8", "vgg5", "fn3")),
    ),
    Claim(
        "Table 4",
        "Beginning from ImageNet weights makes no difference",
        tuple(
            Comparison(variant_name(f"{n}-seg", imagenet=True), f"{n}-seg", "miou", "=") for n in ("vgg5", "vgg8", "xception")
        ),
    ),
    Claim(
        "not in the paper",
        "Beginning from ImageNet weights makes no difference to VGG3 either",
        (Comparison(variant_name("vgg3-seg", imagenet=True), "vgg3-seg", "miou", "="),),
    ),
    Claim(
        "not in the paper",
        "Pixels localise better than a classifier on the same native crops too",
        tuple(Comparison(f"{n}-seg", variant_name(f"{n}-cls", "native"), "miou") for n in _CROSSED),
    ),
    Claim(
        "not in the paper",
        "Pixels localise better than a classifier on the same resized crops too",
        tuple(Comparison(variant_name(f"{n}-seg", "resized"), f"{n}-cls", "miou") for n in _CROSSED),
    ),
)


def put_to_the_test(evidence: Evidence) -> list[tuple[Claim, list[Finding]]]:
    """Every claim with what was found; the p-values are corrected over all of them."""
    found = [(claim, [_find(evidence, one) for one in claim.comparisons]) for claim in CLAIMS]
    flat = [finding for _, findings in found for finding in findings]
    corrected = holm([(1.0 if one.why else one.p) if one.corrects else float("nan") for one in flat])
    judged = iter([_verdict(one, p) for one, p in zip(flat, corrected, strict=True)])
    return [(claim, [next(judged) for _ in findings]) for claim, findings in found]


def _find(evidence: Evidence, one: Comparison) -> Finding:
    first, second = evidence.sums(one.first), evidence.sums(one.second)
    drawn = None
    if one.method and first:
        drawn = _against_others(evidence, one)
    elif first and second:
        drawn = difference(first, second, one.metric)
    ours = None if drawn is None else estimate_of(drawn)
    p = float("nan") if drawn is None else _p_of(drawn, one.expected)
    corrects = min(evidence.planned(one.first), evidence.planned(one.second)) >= MIN_SEEDS
    return Finding(one, OPEN, _why_untested(evidence, one, ours), corrects, _theirs(one), ours, p, (len(first), len(second)))


def _p_of(drawn: Draws, expected: str) -> float:
    """Two-sided, of the difference against zero, or against what is on the margin between as expected and otherwise."""
    if expected == ">":
        return estimate_of(drawn).p
    above_low, below_high = estimate_of(drawn + MARGIN), estimate_of(drawn - MARGIN)
    if expected == ">=" or above_low.value < 0:
        return above_low.p
    return max(above_low.p, below_high.p) if below_high.value < 0 else below_high.p


def _why_untested(evidence: Evidence, one: Comparison, ours: Estimate | None) -> str:
    """Why nothing can be concluded whatever the figures are; empty where something can."""
    sides = {name: len(evidence.sums(name)) for name in (one.first, one.second)}
    if few := [name for name in sides if 0 < evidence.planned(name) < MIN_SEEDS]:
        return f"of {' and '.join(few)} the experiment has {min(map(evidence.planned, few))} of {MIN_SEEDS} seeds"
    if missing := [name for name, seeds in sides.items() if not seeds]:
        return f"{' and '.join(missing)} not run"
    groups = min(len(evidence.sums(name)[0].groups) for name in sides)
    if ours is None or np.isnan(ours.value) or np.isnan(ours.low) or groups < MIN_GROUPS:
        return "there are too few methods or people to compare"
    if short := [name for name, seeds in sides.items() if seeds < evidence.planned(name)]:
        return ", ".join(f"{name}: {sides[name]} of {evidence.planned(name)} seeds run" for name in short)
    if guessing := [name for name in sides if not evidence.tells_apart(name)]:
        return f"AUC of {' and '.join(guessing)} under {100 * MIN_AUC:g}"
    return ""


def _against_others(evidence: Evidence, one: Comparison) -> Draws | None:
    """By how much the mean figure of a model's other methods lies above that of one method."""
    trainings = evidence.sums(one.first)
    subsets = [name for name in trainings[0].subsets if name != PRISTINE]
    hard = [name for name in subsets if _original(name) == one.method]
    others = [name for name in subsets if name not in hard]
    if len(hard) != 1 or not others:
        return None
    mean = np.mean([draws(trainings, one.metric, name) for name in others], axis=0)
    return combined((1, mean - draws(trainings, one.metric, hard[0])))


def _original(method: str) -> str:
    return (METHODS[method].stands_for if method in METHODS else "") or method


def _theirs(one: Comparison) -> float | None:
    """The paper's own difference, where it prints both figures."""
    numbers = published()

    by_pixels = all(name.removesuffix(FROM_IMAGENET).endswith("-seg") for name in (one.first, one.second))

    def of(variant: str, column: str) -> float | None:
        model, imagenet = variant.removesuffix(FROM_IMAGENET), variant.endswith(FROM_IMAGENET)
        # Tables 1 to 3 have segmentation models of Table 4 as they came from ImageNet weights: ours of that name did not.
        places: list[tuple[int, bool | None]] = [(4, imagenet)] if imagenet or by_pixels else []
        places += [] if imagenet else [(1, None), (2, None), (3, None)]
        found = [numbers.get((table, model, start, one.metric, column)) for table, start in places]
        return next((value for value in found if value is not None), None)

    if one.method:
        columns = {column: of(one.first, column) for column in ("DF", "F2F", "FS", "NT")}
        others = [value for column, value in columns.items() if column != one.method and value is not None]
        hard = columns[one.method]
        return (sum(others) / len(others) - hard) / 100 if others and hard is not None else None
    first, second = of(one.first, "Avg"), of(one.second, "Avg")
    return (first - second) / 100 if first is not None and second is not None else None


def _verdict(one: Finding, corrected: float) -> Finding:
    if one.why or one.ours is None:
        return one
    expected, difference = one.comparison.expected, one.ours.value
    if corrected >= LEVEL:
        why = "no difference is told from chance" if expected == ">" else f"the interval reaches over {100 * MARGIN:g} points"
        why = why if one.p >= LEVEL else "told by this comparison alone, not after the correction"
        return replace(one, corrected=corrected, why=why)
    holds = {">": difference > 0, ">=": difference > -MARGIN, "=": abs(difference) < MARGIN}[expected]
    return replace(one, corrected=corrected, verdict=HOLDS if holds else FAILS)


def summary_of(findings: Sequence[Finding]) -> str:
    """A claim's verdict in words: one for all comparisons, or which hold and which do not."""
    verdicts = {verdict: [one for one in findings if one.verdict == verdict] for verdict in (HOLDS, FAILS, OPEN)}
    said = {verdict: own for verdict, own in verdicts.items() if own}
    if len(said) == 1:
        (verdict,) = said
        return f"**{verdict}**" + (f" ({_why_open(findings)})" if verdict == OPEN else "")
    return "; ".join(f"**{verdict}** for {', '.join(_side(one) for one in own)}" for verdict, own in said.items())


def _why_open(findings: Sequence[Finding]) -> str:
    sides = [side for one in findings for side in zip((one.comparison.first, one.comparison.second), one.seeds, strict=True)]
    missing = list(dict.fromkeys(name for name, seeds in sides if not seeds))
    if missing and not any(seeds for _, seeds in sides):
        return "its models have not been run"
    whys = list(dict.fromkeys(one.why for one in findings if all(one.seeds)))
    return "; ".join([*([f"{', '.join(missing)} not run"] if missing else []), *whys])


def _side(one: Finding) -> str:
    """What tells a comparison from the others of its claim."""
    return one.comparison.first if one.comparison.first == one.comparison.second else str(one.comparison.label.split(",")[0])


def claims_to_markdown(found: Sequence[tuple[Claim, Sequence[Finding]]]) -> str:
    """All claims with their verdicts, then every comparison with its figures in points."""
    claims = [(number, claim.where, claim.text, summary_of(own)) for number, (claim, own) in enumerate(found, 1)]
    sheet = comparisons(found)
    return to_table(("", "where", "claim", "here"), claims) + "\n" + to_table(sheet.header, sheet.lines)


def comparisons(found: Sequence[tuple[Claim, Sequence[Finding]]]) -> Sheet:
    """Every comparison with its figures in points, by the number of its claim."""
    header = ("claim", "comparison", "the paper's difference", "ours", "p", "p, corrected", "seeds", "")
    return Sheet("What the claims rest on", header, tuple(_lines(found)), ())


def _lines(found: Sequence[tuple[Claim, Sequence[Finding]]]) -> Iterator[tuple[str, ...]]:
    for number, (_, findings) in enumerate(found, 1):
        for one in findings:
            theirs = f"{100 * one.theirs:+.2f}" if one.theirs is not None else "-"
            ours, p = "-", "-"
            if one.ours is not None and not np.isnan(one.ours.low):
                ours = f"{100 * one.ours.value:+.1f} [{100 * one.ours.low:+.1f}, {100 * one.ours.high:+.1f}]"
                p = f"{one.p:.4f}"
            corrected = f"{one.corrected:.4f}" if not np.isnan(one.corrected) else "-"
            seeds, verdict = " and ".join(map(str, one.seeds)), f"{one.verdict}: {one.why}" if one.why else one.verdict
            yield str(number), one.comparison.label, theirs, ours, p, corrected, seeds, verdict
