"""Whether kept results are of the stand-ins at hand: the area of each test crop's mask, as it was judged and as it is here.

    python runs/kept_masks.py PHOTOS OUT KEPT

OUT: the folder of `tamperlens paper` with its stores. KEPT: results/kept. Codecs and arithmetic differ a little from machine to
machine: of masks from raw video no more than a few pixels may, of those that are recovered from compressed video some more.
"""

import argparse
from pathlib import Path

import numpy as np

from tamperlens.bench.paper.experiment import read_experiment
from tamperlens.bench.paper.judging import questions_of, read_outcomes
from tamperlens.bench.paper.sources import Source, open_stores
from tamperlens.metrics.rows import to_table

SETTINGS = Path(__file__).parent / "paper-standins.toml"
HEADER = ("crops by", "condition", "crops", "of the same area", "pixels", "most that differ in a crop", "in all")


def main() -> None:
    """Read the arguments; compare the first run of each crop policy that has been judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "out", "kept"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    experiment, lines = read_experiment(SETTINGS), []
    stores = open_stores(Source((arguments.photos,)), experiment, arguments.out)
    runs = {run.policy: run for run in reversed(experiment.runs()) if (arguments.kept / "results" / run.name).exists()}
    for policy, run in runs.items():
        for question in questions_of(experiment, run, list(stores.by_compression)):
            judged = read_outcomes(arguments.kept / "results" / run.name, question.name)
            if judged is None or question.corruption:
                continue
            crops = list(question.conditions.crops_of(stores.by_compression[question.compression]))
            then = judged.outcomes.counts[:, 0] + judged.outcomes.counts[:, 2]
            if [crop.group for _, crop in crops] != judged.outcomes.groups.tolist():
                raise SystemExit(f"{run.name}, {question.name}: other crops than those at hand; the results are of other clips")
            differ = np.abs(then - np.array([crop.mask.sum() for _, crop in crops]))
            figures = len(crops), int((differ == 0).sum()), int(then.sum()), int(differ.max()), int(differ.sum())
            lines.append((policy, question.name, *(f"{figure:,}" for figure in figures)))
    print(to_table(HEADER, lines))


if __name__ == "__main__":
    main()
