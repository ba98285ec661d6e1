"""Manipulated faces with exact masks, made from real faces: labelled training data, never a product.

`FAMILIES` is the only list. A family takes a target, a donor (another person for those of `WITH_DONOR`) and a random generator,
and returns a `Forgery`: picture, exact mask, parameters. The same seed gives the same bytes.
"""

from collections.abc import Callable

import numpy as np

from tamperlens.forge.autoencode import autoencode
from tamperlens.forge.inpaint import inpaint
from tamperlens.forge.portrait import Forgery, Portrait
from tamperlens.forge.reenact import reenact
from tamperlens.forge.resynthesis import resynthesis
from tamperlens.forge.self_blend import self_blend
from tamperlens.forge.swap import swap

__all__ = ["FAMILIES", "WITH_DONOR", "Forgery", "Portrait"]

FAMILIES: dict[str, Callable[[Portrait, Portrait, np.random.Generator], Forgery]] = {
    "self_blend": self_blend,
    "swap": swap,
    "resynthesis": resynthesis,
    "inpaint": inpaint,
    "reenact": reenact,
    "autoencode": autoencode,
}

WITH_DONOR = ("swap", "autoencode")  # families that put another person's face, or half of it, onto the target
