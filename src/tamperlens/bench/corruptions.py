"""What may happen to a finished picture on its way, by severity: the robustness curves' x axis."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tamperlens.errors import DataError
from tamperlens.forge import effects
from tamperlens.media import h264, jpeg, webp
from tamperlens.types import UInt8Array

__all__ = ["CORRUPTIONS", "Corruption", "parse_corruptions"]

LEVELS = 5  # of a range


@dataclass(frozen=True)
class Corruption:
    """One change of one severity. ``apply``: RGB uint8 ``(H, W, 3)`` -> the same shape; the picture's geometry stays."""

    name: str  # "jpeg 50"
    kind: str
    severity: float
    apply: Callable[[UInt8Array], UInt8Array]


def _noise(image: UInt8Array, sigma: float) -> UInt8Array:
    return effects.noise(image, sigma, np.random.default_rng(0))


# kind: (usual range, what is possible, change); qualities and constant rate factors are whole numbers
_Range = tuple[float, float]
CORRUPTIONS: dict[str, tuple[_Range, _Range, Callable[[UInt8Array, float], UInt8Array]]] = {
    "jpeg": ((90, 30), (1, 100), lambda image, quality: jpeg(image, round(quality))),
    "webp": ((90, 30), (1, 100), lambda image, quality: webp(image, round(quality))),
    "resize": ((0.9, 0.3), (0.02, 4), effects.resample),
    "blur": ((0.5, 2.5), (0.1, 50), effects.blur),
    "noise": ((2, 10), (0.1, 100), _noise),
    "gamma": ((0.6, 1.6), (0.1, 10), effects.tone),
    "h264": ((18, 45), (0, 51), lambda image, crf: h264(image, round(crf))),
    "screenshot": ((1.3, 0.5), (0.02, 4), effects.screenshot),
}


def parse_corruptions(text: str) -> list[Corruption]:
    """``"jpeg:90..30,blur,h264:23"`` as changes: five levels of a range, one of a number, the usual range of a bare name.

    Raises `DataError` for an unknown kind and for severities that are none.

    >>> [corruption.name for corruption in parse_corruptions("jpeg:90..50,h264:23")]
    ['jpeg 90', 'jpeg 80', 'jpeg 70', 'jpeg 60', 'jpeg 50', 'h264 23']
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, severities = part.partition(":")
        if kind not in CORRUPTIONS:
            raise DataError(f"no corruption is called {kind!r}; expected some of {', '.join(CORRUPTIONS)}")
        (first, last), (lowest, highest), change = CORRUPTIONS[kind]
        if severities:
            try:
                first, last = (float(value) for value in (severities.split("..") * 2)[:2])
            except ValueError:
                raise DataError(f"expected a severity or a range such as {kind}:{first:g}..{last:g}; got {part!r}") from None
        if not lowest <= min(first, last) <= max(first, last) <= highest:
            raise DataError(f"expected a severity of {kind} between {lowest:g} and {highest:g}; got {part!r}")
        whole = kind in ("jpeg", "webp", "h264")
        for severity in dict.fromkeys(round(level, 0 if whole else 2) for level in np.linspace(first, last, LEVELS).tolist()):
            apply = _at(change, severity)
            found.append(Corruption(f"{kind} {severity:g}", kind, severity, apply))
    return found


def _at(change: Callable[[UInt8Array, float], UInt8Array], severity: float) -> Callable[[UInt8Array], UInt8Array]:
    return lambda image: change(image, severity)
