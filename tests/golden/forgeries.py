"""What each family does to one face: a changed family, or a changed order of its draws, shows in it, and would change the
forgeries that `benchmarks/quality.py` compares models on.

    python tests/golden/forgeries.py                    writes forgeries.txt anew: only when such a change is meant
    python tests/golden/forgeries.py --only NAME        writes the line of one family, such as a new one
"""

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import golden_at_hand
from faces_at_hand import hopper_portrait, mirrored
from tamperlens.forge import FAMILIES

FILE = Path(__file__).with_name("forgeries.txt")
ABOUT = "Written by tests/golden/forgeries.py: family, then for each seed the mask's share and the mean change in it."
SEEDS = range(5)


def changes(family: str) -> list[float]:
    """For each seed the share of pixels in the mask and the mean change of a pixel there, in grey levels."""
    target, found = hopper_portrait(), []
    for seed in SEEDS:
        forgery = FAMILIES[family](target, mirrored(target), np.random.default_rng(seed))
        change = np.abs(forgery.image[forgery.mask].astype(int) - target.image[forgery.mask])
        found += [float(forgery.mask.mean()), float(change.mean())]
    return found


if __name__ == "__main__":
    golden_at_hand.main(FILE, ABOUT, list(FAMILIES), changes, ".5g")
