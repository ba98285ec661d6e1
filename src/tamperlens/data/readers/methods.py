"""The manipulation methods that are known: one row each. A new method of a known dataset is one new row here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tamperlens.errors import DataError

__all__ = ["METHODS", "PRISTINE", "Method", "find_methods"]

PRISTINE = "P"  # the code of clips that nobody manipulated


@dataclass(frozen=True)
class Method:
    """One way of making a clip."""

    code: str  # what tables and manifests say
    name: str  # what people say
    folder: str  # its folder in a FaceForensics++ tree, "" where it has none
    kind: Literal["swap", "reenactment", "edit", "pristine"]
    in_paper: bool  # whether the paper's tables have a column for it
    originals: str = "youtube"  # the folder under original_sequences/ that holds the pristine partners
    stands_for: str = ""  # the code of the method that it imitates; "" where it is what its name says

    @property
    def manipulated(self) -> bool:
        """Whether clips of this method are manipulated at all."""
        return self.kind != "pristine"


_ROWS = (
    Method(PRISTINE, "Pristine", "", "pristine", in_paper=True),
    Method("DF", "Deepfakes", "Deepfakes", "swap", in_paper=True),
    Method("F2F", "Face2Face", "Face2Face", "reenactment", in_paper=True),
    Method("FS", "FaceSwap", "FaceSwap", "swap", in_paper=True),
    Method("NT", "NeuralTextures", "NeuralTextures", "reenactment", in_paper=True),
    Method("FSH", "FaceShifter", "FaceShifter", "swap", in_paper=False),
    Method("DFD", "DeepFakeDetection", "DeepFakeDetection", "swap", in_paper=False, originals="actors"),
    # Made by this package in the manner of the real four. The folder names cannot be taken for FaceForensics++.
    Method("sDF", "stand-in for Deepfakes", "standin_Deepfakes", "swap", in_paper=False, stands_for="DF"),
    Method("sF2F", "stand-in for Face2Face", "standin_Face2Face", "reenactment", in_paper=False, stands_for="F2F"),
    Method("sFS", "stand-in for FaceSwap", "standin_FaceSwap", "swap", in_paper=False, stands_for="FS"),
    Method("sNT", "stand-in for NeuralTextures", "standin_NeuralTextures", "reenactment", in_paper=False, stands_for="NT"),
    # Methods of datasets with a layout of their own.
    Method("CDF", "Celeb-DF", "", "swap", in_paper=False),
    Method("EDIT", "any editor", "", "edit", in_paper=False),
    Method("FAKE", "a forgery of unknown making", "", "edit", in_paper=False),
)

# code -> method, in the order of the paper's tables
METHODS: dict[str, Method] = {row.code: row for row in _ROWS}


def find_methods(codes: Sequence[str] | None) -> list[Method]:
    """The methods of these codes, all of them for ``None``. Raises ``DataError`` for a code that is not known."""
    unknown = [code for code in codes or () if code not in METHODS]
    if unknown:
        raise DataError(f"unknown method {', '.join(map(repr, unknown))}; known are {', '.join(METHODS)}")
    return [METHODS[code] for code in codes] if codes is not None else list(METHODS.values())
