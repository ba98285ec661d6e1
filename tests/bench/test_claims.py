"""Claims on made-up results: what was put in is what is said."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tamperlens.bench.paper.claims import (
    CLAIMS,
    FAILS,
    HOLDS,
    OPEN,
    Comparison,
    Finding,
    _p_of,
    _theirs,
    _verdict,
    claims_to_markdown,
    put_to_the_test,
    summary_of,
)
from tamperlens.bench.paper.evidence import Evidence
from tamperlens.bench.paper.experiment import Run
from tamperlens.bench.paper.judging import OWN, _write, read_outcomes
from tamperlens.errors import DataError
from tamperlens.metrics import PixelCounts
from tamperlens.metrics.outcomes import PRISTINE, Outcome, Outcomes
from tamperlens.metrics.paired import estimate_of


def judged(skill: float, seed: int, hard: float = 0.2) -> Outcomes:
    """Finds ``skill`` of masks, less by ``hard`` of NeuralTextures', and calls that share of crops right."""
    rng, rows = np.random.default_rng(seed), []
    for person in range(30):
        for subset in ("sDF", "sF2F", "sFS", "sNT", PRISTINE):
            share = np.clip(skill - hard * (subset == "sNT") + rng.normal(0, 0.01), 0, 1)
            found, label = round(500 * share), subset != PRISTINE
            counts = PixelCounts(found, 0, 500 - found, 500) if label else PixelCounts(fp=500 - found, tn=500 + found)
            rows.append(Outcome(subset, str(person), label, 0.9 if label == (rng.random() < skill) else 0.1, counts))
    return Outcomes.of(rows)


@pytest.fixture
def evidence(tmp_path) -> Evidence:
    """VGG5 by pixels is good, Xception better, their classifiers bad, FN3's guesses; ImageNet weights change nothing; VGG8 has
    one seed."""
    skills = {"vgg5-seg": 0.88, "vgg5-cls": 0.65, "xception-seg": 0.96, "xception-cls": 0.65, "vgg8-seg": 0.8, "vgg8-cls": 0.65}
    skills |= {"fn3-seg": 0.8, "fn3-cls": 0.5}
    runs = []
    for model, skill in skills.items():
        for seed in range(1 if model.startswith("vgg8") else 3):
            for imagenet in (False, True) if model == "vgg5-seg" else (False,):
                run = Run(model, "native" if model.endswith("seg") else "resized", imagenet, seed)
                runs.append(run)
                about = {"thresholds": [0.5, 0.5]}
                _write(tmp_path / run.name / "own.npz", about, {"": judged(skill, hash_of(run)), "dssim": judged(0.3, 1)})
    return Evidence(runs, tmp_path)


def hash_of(run: Run) -> int:
    return sum(run.name.encode())


def test_each_claim_is_judged_by_what_was_found(evidence):
    found = {claim.text: findings for claim, findings in put_to_the_test(evidence)}
    verdicts = {(text, one.comparison.first, one.comparison.second): one for text, own in found.items() for one in own}
    pixels, classifies, depth, as_good, shallow, _, hardest, imagenet, vgg3 = (claim.text for claim in CLAIMS[:9])
    assert verdicts[pixels, "vgg5-seg", "vgg5-cls"].verdict == HOLDS
    assert verdicts[pixels, "vgg8-seg", "vgg8-cls"].verdict == OPEN
    assert verdicts[pixels, "vgg8-seg", "vgg8-cls"].why == "of vgg8-seg and vgg8-cls the experiment has 1 of 3 seeds"
    guess = verdicts[pixels, "fn3-seg", "fn3-cls"]
    assert guess.verdict == OPEN and guess.why == "AUC of fn3-cls under 60"
    assert verdicts[classifies, "vgg5-seg", "vgg5-cls"].verdict == HOLDS
    assert verdicts[depth, "xception-cls", "vgg5-cls"].verdict == OPEN  # they are the same: chance is not ruled out
    assert verdicts[shallow, "vgg5-seg", "xception-seg"].verdict == FAILS
    better = verdicts[as_good, "vgg5-seg", "xception-cls"]  # is as good, too
    assert better.verdict == HOLDS and better.ours.low > 0.02 and better.corrected < 0.05
    assert verdicts[vgg3, "vgg3-seg+imagenet", "vgg3-seg"].why == "vgg3-seg+imagenet and vgg3-seg not run"
    assert verdicts[hardest, "vgg5-seg", "vgg5-seg"].verdict == HOLDS
    same = verdicts[imagenet, "vgg5-seg+imagenet", "vgg5-seg"]
    assert same.verdict == HOLDS and same.p < same.corrected < 0.05 and same.theirs == pytest.approx(0.0008)
    tested = [one for one in verdicts.values() if not np.isnan(one.corrected)]
    assert all(one.corrected > one.p - 1e-9 for one in tested) and any(one.corrected > one.p for one in tested)


@pytest.mark.parametrize(
    ("difference", "equal", "no_worse"), [(0.0, HOLDS, HOLDS), (0.1, FAILS, HOLDS), (-0.1, FAILS, FAILS), (0.02, OPEN, HOLDS)]
)
def test_the_same_and_as_good_are_up_to_a_margin(difference, equal, no_worse):
    drawn = difference + np.concatenate([[0], np.random.default_rng(0).normal(0, 0.004, 10_000)])
    for expected, verdict in (("=", equal), (">=", no_worse)):
        compared = Comparison("vgg5-seg", "vgg8-seg", "miou", expected)
        p = _p_of(drawn, expected)
        finding = Finding(compared, OPEN, "", True, None, estimate_of(drawn), p, (3, 3))
        assert _verdict(finding, p).verdict == verdict, expected


def test_the_papers_difference_is_of_networks_that_began_as_ours_did():
    theirs = {
        (first, second): _theirs(Comparison(first, second, "miou"))
        for first, second in (("vgg5-seg", "vgg8-seg"), ("vgg8-seg", "xception-seg"), ("vgg5-seg", "fn3-seg"))
    }
    assert list(theirs.values()) == pytest.approx([0.0004, 0.0676, 0.0459])  # Table 4 from random weights; FN3 has no others
    assert _theirs(Comparison("vgg5-seg", "vgg5-cls", "miou")) == pytest.approx(0.5004)  # Table 2


def test_a_verdict_is_no_easier_for_being_early(evidence, tmp_path):
    """What the experiment has still to run counts among the tests that are corrected for; what it can never settle does not."""

    def tested(more: list[Run]) -> dict[str, float]:
        found = put_to_the_test(Evidence([*evidence_runs, *more], tmp_path))
        return {one.comparison.label: one.corrected for _, own in found for one in own if not np.isnan(one.corrected)}

    evidence_runs = [run for name in evidence.variants for run in evidence.runs_of(name)]
    alone = tested([])
    policies = {"seg": "native", "cls": "resized"}
    single = tested([Run(f"unet4x-{task}", policy, False, 0) for task, policy in policies.items()])
    planned = tested(
        [Run(f"mesoinception4-{task}", policy, False, seed) for task, policy in policies.items() for seed in range(3)]
    )
    assert single == alone and planned.keys() == alone.keys()
    assert all(planned[label] >= alone[label] for label in alone)
    assert planned["vgg5-seg > vgg5-cls, mIoU"] > alone["vgg5-seg > vgg5-cls, mIoU"]


def test_nothing_is_settled_before_all_its_trainings_are_in(evidence, tmp_path):
    """Of a network with more seeds than another, too."""
    runs = [run for name in evidence.variants for run in evidence.runs_of(name)]
    more = [Run("xception-seg", "native", False, seed) for seed in range(3, 6)]
    found = [one for _, own in put_to_the_test(Evidence([*runs, *more], tmp_path)) for one in own]
    (one,) = [one for one in found if one.comparison.label == "vgg5-seg > xception-seg, mIoU"]
    assert one.verdict == OPEN and one.why == "xception-seg: 3 of 6 seeds run"


def test_few_people_settle_nothing(evidence, tmp_path):
    pairs = {str(person): f"group {person % 4}" for person in range(30)}
    runs = [run for name in evidence.variants for run in evidence.runs_of(name)]
    found = [one for _, own in put_to_the_test(Evidence(runs, tmp_path, pairs=pairs)) for one in own]
    assert {one.verdict for one in found} == {OPEN}
    assert "there are too few methods or people to compare" in {one.why for one in found}


def test_claims_are_told_in_words(evidence):
    found = put_to_the_test(evidence)
    said = [summary_of(findings) for _, findings in found]
    assert (
        "**holds** for xception-seg > xception-cls, vgg5-seg > vgg5-cls" in said[0] and "**cannot be told here** for" in said[0]
    )
    assert "**does not hold** for vgg5-seg > xception-seg" in said[4]
    text = claims_to_markdown(found)
    assert "| 1 | vgg5-seg > vgg5-cls, mIoU | +50.04 | +" in text and "3 and 3 | holds |" in text
    nothing = claims_to_markdown(put_to_the_test(Evidence([], Path("nowhere"))))
    assert nothing.count("**cannot be told here** (its models have not been run)") == len(CLAIMS)


def test_the_auc_of_several_trainings_is_their_mean_with_its_interval_over_videos(tmp_path):
    def training(scores: list[float]) -> Outcomes:
        return Outcomes.of(
            Outcome("swap" if number % 2 else PRISTINE, f"video {number // 2}", bool(number % 2), score)
            for number, score in enumerate(scores)
        )

    runs = [Run("fn3-seg", "native", False, seed) for seed in range(2)]
    for run, scores in zip(runs, ([0.1, 0.9] * 4, [0.9, 0.1] * 4), strict=True):
        _write(tmp_path / run.name / "own.npz", {"thresholds": [0.5, 0.5]}, {"": training(scores)})
    first, both = Evidence(runs[:1], tmp_path), Evidence(runs, tmp_path)
    assert (first.auc("fn3-seg").value, first.auc("fn3-seg").low) == (1, 1) and first.tells_apart("fn3-seg")
    assert both.auc("fn3-seg").value == 0.5 and not both.tells_apart("fn3-seg")


def test_a_forgery_that_beats_its_own_original_alone_is_no_auc(tmp_path):
    rng, run = np.random.default_rng(0), Run("fn3-seg", "native", False, 0)
    own = rng.permutation(34) / 34
    rows = [Outcome("swap", str(who), True, own[who] + 1e-6) for who in range(34)]
    rows += [Outcome(PRISTINE, str(who), False, own[who]) for who in range(34)]
    _write(tmp_path / run.name / "own.npz", {"thresholds": [0.5, 0.5]}, {"": Outcomes.of(rows)})
    found = Evidence([run], tmp_path).auc("fn3-seg")
    assert found.value == pytest.approx(0.5) and found.low < 0.5 + 1e-9 and found.high > 0.5 - 1e-9


def test_the_two_who_swap_faces_are_drawn_together(tmp_path):
    """Who is hard to judge is hard in both directions of the swap: as two people they would count twice."""
    rng, run = np.random.default_rng(0), Run("fn3-seg", "native", False, 0)
    right = np.repeat(rng.random(40) < 0.7, 2)
    rows = [
        Outcome(subset, str(who), subset != PRISTINE, 0.9 * float(right[who] == (subset != PRISTINE)))
        for who in range(80)
        for subset in ("sDF", PRISTINE)
    ]
    _write(tmp_path / run.name / "own.npz", {"thresholds": [0.5, 0.5]}, {"": Outcomes.of(rows)})
    pairs = {str(who): f"pair {who // 2}" for who in range(80)}
    apart, together = Evidence([run], tmp_path), Evidence([run], tmp_path, pairs=pairs)
    one, other = (
        next(r for r in each.rows("fn3-seg") if (r.subset, r.metric) == ("sDF", "accuracy")) for each in (apart, together)
    )
    assert one.value == other.value and 1.3 < (other.high - other.low) / (one.high - one.low) < 1.5
    assert together.auc("fn3-seg").value == pytest.approx(apart.auc("fn3-seg").value, abs=0.02)


def test_results_are_read_back_and_damage_is_named(evidence, tmp_path):
    (read,) = [read_outcomes(tmp_path / "vgg8-seg.seed0", OWN)]
    assert len(read.outcomes) == 150 and read.outcomes.score_threshold == 0.5 and set(read.of_masks) == {"dssim"}
    assert evidence.masks_of("vgg8-seg", OWN) == ["dssim"] and evidence.sums("vgg8-seg", "c23") == []
    (tmp_path / "vgg8-seg.seed0" / "own.npz").write_bytes(b"cut off")
    with pytest.raises(DataError, match=r"own\.npz cannot be read .*remove it"):
        read_outcomes(tmp_path / "vgg8-seg.seed0", OWN)
