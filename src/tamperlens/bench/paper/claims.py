"""What the paper claims, put to the test: each claim is a list of comparisons whose outcome it says beforehand.

All comparisons that expect a difference, and of which the experiment has `MIN_SEEDS` trainings of either side, are one family:
their p-values are corrected together, and one that has not been settled yet counts as p = 1, so no verdict gets easier by being
early. Those that expect no difference are read from their intervals. A comparison "holds" or "does not hold" only where all
those trainings were judged and agree well enough to tell, and the AUC of both sides reaches `MIN_AUC`; otherwise it cannot be
told here, and why is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tamperlens.bench.paper.evidence import MIN_AUC, Evidence
from tamperlens.bench.paper.experiment import variant_name
from tamperlens.bench.paper.tables import Sheet, published
from tamperlens.data.readers.methods import METHODS
from tamperlens.metrics.outcomes import PRISTINE
from tamperlens.metrics.paired import Estimate, compare, draws, estimate_of, holm
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
MARGIN = 0.02  # "as good as": within two points either way
LEVEL = 0.05  # of the corrected p-values
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told here"


@dataclass(frozen=True)
class Comparison:
    """What the paper says of two figures: that the first is higher (``>``) or that they are the same (``=``)."""

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
        tuple(Comparison(f"{n}-seg", "xception-cls", "accuracy", "=") for n in _SHALLOW),
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
            Comparison("vgg5-seg", "vgg8-seg", "miou", "="),
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
    ps = [(one.ours.p if one.ours and not one.why else 1.0) if one.corrects else float("nan") for one in flat]
    judged = iter([_verdict(one, p) for one, p in zip(flat, holm(ps), strict=True)])
    return [(claim, [next(judged) for _ in findings]) for claim, findings in found]


def _find(evidence: Evidence, one: Comparison) -> Finding:
    first, second = evidence.sums(one.first), evidence.sums(one.second)
    ours = None
    if one.method and first:
        ours = _against_others(evidence, one)
    elif first and second:
        ours = compare(first, second, one.metric)
    planned = min(evidence.planned(one.first), evidence.planned(one.second))
    corrects = one.expected == ">" and planned >= MIN_SEEDS
    return Finding(one, OPEN, _why_untested(evidence, one, ours), corrects, _theirs(one), ours, (len(first), len(second)))


def _why_untested(evidence: Evidence, one: Comparison, ours: Estimate | None) -> str:
    """Why nothing can be concluded whatever the figures are; empty where something can."""
    sides = {name: len(evidence.sums(name)) for name in (one.first, one.second)}
    if missing := [name for name, seeds in sides.items() if not seeds]:
        return f"{' and '.join(missing)} not run"
    if ours is None or np.isnan(ours.value) or np.isnan(ours.low):
        return "there are too few methods or people to compare"
    needed = max(MIN_SEEDS, min(map(evidence.planned, sides)))
    if (seeds := min(sides.values())) < needed:
        return f"{seeds} of {needed} seeds run"
    if guessing := [name for name in sides if not evidence.tells_apart(name)]:
        return f"AUC of {' and '.join(guessing)} under {100 * MIN_AUC:g}"
    return ""


def _against_others(evidence: Evidence, one: Comparison) -> Estimate | None:
    """By how much the mean figure of a model's other methods lies above that of one method."""
    trainings = evidence.sums(one.first)
    subsets = [name for name in trainings[0].subsets if name != PRISTINE]
    hard = [name for name in subsets if _original(name) == one.method]
    others = [name for name in subsets if name not in hard]
    if len(hard) != 1 or not others:
        return None
    mean = np.mean([draws(trainings, one.metric, name) for name in others], axis=0)
    return estimate_of(mean - draws(trainings, one.metric, hard[0]))


def _original(method: str) -> str:
    return (METHODS[method].stands_for if method in METHODS else "") or method


def _theirs(one: Comparison) -> float | None:
    """The paper's own difference, where it prints both figures."""
    numbers = published()

    def of(variant: str, column: str) -> float | None:
        model, imagenet = variant.removesuffix("+imagenet"), variant.endswith("+imagenet")
        scratch = one.expected == "=" and one.first.endswith("+imagenet") and not imagenet
        places = [(4, imagenet)] if imagenet or scratch else [(1, None), (2, None), (3, None)]
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
    if one.comparison.expected == "=":
        if one.ours.low > -MARGIN and one.ours.high < MARGIN:
            return replace(one, verdict=HOLDS)
        if one.ours.low > MARGIN or one.ours.high < -MARGIN:
            return replace(one, verdict=FAILS)
        return replace(one, why=f"the interval reaches over {100 * MARGIN:g} points")
    if corrected >= LEVEL:
        return replace(one, corrected=corrected, why="no difference is told from chance")
    return replace(one, corrected=corrected, verdict=HOLDS if one.ours.value > 0 else FAILS)


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
                p = f"{one.ours.p:.4f}"
            corrected = f"{one.corrected:.4f}" if not np.isnan(one.corrected) else "-"
            seeds, verdict = " and ".join(map(str, one.seeds)), f"{one.verdict}: {one.why}" if one.why else one.verdict
            yield str(number), one.comparison.label, theirs, ours, p, corrected, seeds, verdict
