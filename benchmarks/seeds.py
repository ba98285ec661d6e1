"""How often equal models would be told apart by a few trainings of each: why seeds count by Welch's t and are not drawn again.

    python benchmarks/seeds.py --pairs 17 --seeds 3 --rounds 1000

Each round makes two models that are equal but for chance: every pair of people is differently hard for both alike, each
training differs a little on each pair, and as a whole. Printed: how often p falls under 0.05, how often it does after a
correction for 28 comparisons, and how often the 95 % interval holds the truth, for both ways of counting seeds.
"""

import argparse

import numpy as np
import numpy.typing as npt

from tamperlens.metrics.paired import ROUNDS, combined, estimate_of, resampled
from tamperlens.metrics.rows import to_table

HARD = 0.05  # standard deviation of pairs, for both models alike
CASES = ((0.0, 0.03), (0.02, 0.03), (0.06, 0.03), (0.06, 0.005))  # of a training on a pair, and of a training as a whole
COMPARISONS = 28


def drawn_again(models: list[npt.NDArray[np.float64]], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The difference of two models' means, with trainings drawn with replacement in each draw of pairs."""
    means = []
    for own in models:
        count = len(own)
        times = rng.multinomial(count, np.full(count, 1 / count), ROUNDS).T / count
        means.append((own * np.concatenate([np.full((count, 1), 1 / count), times], axis=1)).sum(axis=0))
    return np.asarray(means[0] - means[1])


def main() -> None:
    """Read the arguments, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=17, help="pairs of people that models are judged on")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    parser.add_argument("--rounds", type=int, default=1000, help="pairs of equal models")
    arguments = parser.parse_args()
    weights, rng = resampled(arguments.pairs, seed=(0,)) / arguments.pairs, np.random.default_rng(0)
    rows = []
    for on_a_pair, as_a_whole in CASES:
        ways = {"drawn again": np.zeros(3), "Welch's t": np.zeros(3)}
        for _ in range(arguments.rounds):
            hard = rng.normal(0, HARD, arguments.pairs)
            models = [
                np.stack(
                    [
                        weights @ (hard + rng.normal(0, on_a_pair, arguments.pairs) + rng.normal(0, as_a_whole))
                        for _ in range(arguments.seeds)
                    ]
                )
                for _ in range(2)
            ]
            for way, drawn in (
                ("drawn again", drawn_again(models, rng)),
                ("Welch's t", combined((1, models[0]), (-1, models[1]))),
            ):
                found = estimate_of(drawn)
                ways[way] += found.p < 0.05, found.p < 0.05 / COMPARISONS, found.low <= 0 <= found.high
        for way, counts in ways.items():
            shares = counts / arguments.rounds
            rows.append((f"{on_a_pair:g}", f"{as_a_whole:g}", way, *(f"{share:.3f}" for share in shares)))
    header = ("differs on a pair by", "as a whole by", "seeds", "p < 0.05", f"p < 0.05 / {COMPARISONS}", "interval holds")
    print(to_table(header, rows))


if __name__ == "__main__":
    main()
