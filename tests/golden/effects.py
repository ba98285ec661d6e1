"""What each effect on a whole picture does to one photograph: the bench's figures and the training crops depend on it.

python tests/golden/effects.py                      writes effects.txt anew: only when such a change is meant
python tests/golden/effects.py --only NAME          writes the line of one effect
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import golden_at_hand
from faces_at_hand import hopper
from tamperlens.bench.corruptions import CORRUPTIONS, parse_corruptions
from tamperlens.bench.held_out import CONTROLS
from tamperlens.forge import effects
from tamperlens.forge.degrade import STEPS
from tamperlens.types import UInt8Array

FILE = Path(__file__).with_name("effects.txt")
ABOUT = "Written by tests/golden/effects.py: effect, the mean of its picture, then 16 of its pixels."


def _step(name: str) -> Callable[[UInt8Array], UInt8Array]:
    return lambda image: STEPS[name][1](image, np.random.default_rng(0))[0]


# Steps as training draws them, corruptions as curves go through them, controls of real photos, and what only
# `benchmarks/everyday.py` asks for.
EFFECTS: dict[str, Callable[[UInt8Array], UInt8Array]] = {
    **{f"step_{name}": _step(name) for name in STEPS},
    **{f"corruption_{one.name.replace(' ', '_')}": one.apply for kind in CORRUPTIONS for one in parse_corruptions(kind)[1:4:2]},
    **{f"control_{name.replace(' ', '_')}": change for name, change in CONTROLS.items()},
    "vignette": effects.vignette,
    "flash": effects.flash,
    "half_in_shadow": lambda image: effects.half_in_shadow(image, 0.1),
    "caption": lambda image: effects.caption(image, (20, 40, 200)),
    "moire": effects.moire,
    "monochrome": effects.monochrome,
    "few_levels": effects.few_levels,
}


def pixels(name: str) -> list[float]:
    """The mean of the changed photograph, and its green at 16 places."""
    changed = EFFECTS[name](np.ascontiguousarray(hopper()[40:287, 150:331]))  # odd sides, so that rounding shows
    return [float(changed.mean()), *changed[20::65, 15::45, 1].ravel().tolist()]


if __name__ == "__main__":
    golden_at_hand.main(FILE, ABOUT, list(EFFECTS), pixels, ".5g")
