"""What each family does to one face: a changed family, or a changed order of its draws, shows in it, and would change the
forgeries that `benchmarks/quality.py` compares models on.

    python tests/golden/forgeries.py            writes forgeries.txt anew: only when such a change is meant
"""

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faces_at_hand import hopper_portrait, mirrored
from tamperlens.forge import FAMILIES

FILE = Path(__file__).with_name("forgeries.txt")
SEEDS = range(5)


def changes(family: str) -> list[float]:
    """For each seed the share of pixels in the mask and the mean change of a pixel there, in grey levels."""
    target, found = hopper_portrait(), []
    for seed in SEEDS:
        forgery = FAMILIES[family](target, mirrored(target), np.random.default_rng(seed))
        change = np.abs(forgery.image[forgery.mask].astype(int) - target.image[forgery.mask])
        found += [float(forgery.mask.mean()), float(change.mean())]
    return found


def main() -> None:
    lines = ["# Written by tests/golden/forgeries.py: family, then for each seed the mask's share and the mean change in it."]
    lines += [f"{family} {' '.join(f'{value:.5g}' for value in changes(family))}" for family in FAMILIES]
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
