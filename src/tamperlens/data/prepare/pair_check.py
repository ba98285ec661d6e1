"""Whether a manipulated clip and its original are a pair whose mask can be believed: evidence of frame after frame, judged.

Prepare asks it of the frames that it cuts, the doctor of a sample beforehand: one code path, so they cannot disagree.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tamperlens.data.prepare.alignment import Alignment
from tamperlens.data.prepare.findings import Finding, Severity
from tamperlens.data.prepare.masks import (
    RECIPES,
    NoiseFloor,
    Recipe,
    default_recipe,
    looks_inverted,
    noise_floor,
    noise_problem,
)
from tamperlens.data.readers.clips import Clip
from tamperlens.faces import crop_face, inside_slices
from tamperlens.types import BoolArray, FaceBox, UInt8Array

__all__ = ["PairCheck"]

INSIDE = 0.5  # the crop of the manipulated face holds at least this share of the manipulated pixels
BACKGROUND = 20.0  # median difference outside the face, of 255: more than this is another picture, whatever the compression
ELSEWHERE = 0.2  # a released mask and the pixels that changed share at least this much of the smaller of the two


@dataclass
class PairCheck:
    """What was seen of one pair."""

    clip: Clip
    recipe: Recipe
    alignment: Alignment = field(default_factory=Alignment)
    floors: list[NoiseFloor | None] = field(default_factory=list)  # None: the face fills the frame
    _inside: list[float] = field(default_factory=list)  # share of the mask in the face's crop
    _agreed: list[float] = field(default_factory=list)  # overlap of the released mask and what changed
    _unchanged: int = 0
    _made: int = 0  # masks that the recipe has made, and those of them that mark anything
    _marked: int = 0
    _masks: int = 0
    _empty: int = 0
    _inverted: int = 0

    def see(
        self, manipulated: UInt8Array, original: UInt8Array, face: FaceBox | None, released: UInt8Array | None = None
    ) -> None:
        """Takes a frame and the original's of the same index, RGB uint8 ``(H, W, 3)``, the face that would be cropped, and
        the dataset's own mask, uint8 ``(H, W)``, where there is one. Raises ``DataError`` for sizes that differ.
        """
        drawn = None
        if released is not None:
            drawn = released > dict(RECIPES["released"].parameters)["threshold"]
            self.see_released(drawn)
            drawn = None if looks_inverted(drawn) else drawn
        floor = noise_floor(manipulated, original, face, drawn)
        self.floors.append(floor)
        self._unchanged += bool((manipulated == original).all())
        by_difference = self._difference_recipe
        changed = by_difference(manipulated, original) if floor and floor.p99 <= by_difference.max_noise else None
        if changed is not None and drawn is not None and changed.any() and drawn.any():
            self._agreed.append(float((changed & drawn).sum() / min(changed.sum(), drawn.sum())))
        area = changed if self._differences and changed is not None else drawn
        if face is not None and area is not None and area.any():
            self._inside.append(_share_in_crop(area, manipulated, face))

    def see_made(self, mask: BoolArray) -> None:
        """Takes a mask that the recipe has made, bool ``(H, W)``."""
        self._made += 1
        self._marked += bool(mask.any())

    def see_released(self, drawn: BoolArray) -> None:
        """Takes a released mask alone, as of a clip whose original is not there, bool ``(H, W)``."""
        self._masks += 1
        self._empty += not drawn.any()
        self._inverted += looks_inverted(drawn)

    @property
    def _differences(self) -> bool:
        """Whether the recipe believes in differences, and so needs a low noise floor."""
        return math.isfinite(self.recipe.max_noise)

    @property
    def _difference_recipe(self) -> Recipe:
        """How differences are taken where the recipe itself takes none."""
        return default_recipe(None) if self.recipe.needs_released else self.recipe

    @property
    def floor(self) -> NoiseFloor | None:
        """The middle of what was measured, None where nothing could be."""
        measured = [(floor.median, floor.p99) for floor in self.floors if floor]
        return NoiseFloor(*np.median(measured, axis=0).tolist()) if measured else None

    def noise(self) -> list[Finding]:
        """What the noise floor alone says; known after a few frames."""
        floor = self.floor
        if floor is None:
            return []
        if floor.median > BACKGROUND:
            what = f"outside the face it and its original differ by {floor.median:.0f} of 255 (median): these are two scenes"
            return [self._finding("background", what, "fetch the original that it was made from, not cropped or mirrored")]
        if what := noise_problem(floor, self.recipe if self._differences else self._difference_recipe):
            severity = Severity.ERROR if self._differences else Severity.WARNING  # nobody has to take differences
            return [self._finding("noise-floor", what, "or take originals that were encoded alike", severity)]
        return []

    def findings(self, *, whole: bool = True) -> list[Finding]:
        """Everything that is wrong with the pair. ``whole``: more than the clip's first moments was seen."""
        found = self._of_masks()
        if self.floors and self._unchanged == len(self.floors):
            what = f"all {self._unchanged} frames looked at equal the original: nothing was manipulated"
            return [*found, self._finding("unchanged", what, "fetch the manipulated file")]
        if whole and self._made and not self._marked:
            what = f"the masks of all {self._made} frames looked at are empty: nothing differs by more than noise"
            found.append(self._finding("unchanged", what, "fetch the manipulated file, or use another mask recipe"))
        if shift := self.alignment.apart:
            what = f"its frames show what those of its original show {abs(shift)} frames or more {_when(shift)}"
            found.append(self._finding("frames-apart", what, "extract both anew, with all frames, so that numbers agree"))
        elif (index := self.alignment.astray) is not None:
            what = f"its frame {index} shows what another frame of its original shows: some were exchanged, repeated or lost"
            found.append(self._finding("frames-apart", what, "extract both anew, with all frames, in their order"))
        noise = self.noise()
        if self.floors and self.floor is None and self._differences:
            what = "the face fills the frame, so the noise floor cannot be measured: nobody knows what of the mask is noise"
            found.append(self._finding("noise-unknown", what, "look at its masks"))
        believed = self._differences or not found  # what is said of a mask's place means nothing where the mask is wrong
        if not noise and believed and self._inside and (share := float(np.median(self._inside))) < INSIDE:
            what = f"the crop of the face holds {share:.0%} of the manipulated pixels: something else was manipulated, too"
            found.append(self._finding("wrong-face", what, "look at the pair; leave it out if the original is another one"))
        return found + noise

    def _of_masks(self) -> list[Finding]:
        path = str(self.clip.released_mask or self.clip.path)
        if self._masks and self._empty == self._masks:
            what = f"the released mask is black in all {self._masks} frames looked at"
            fix = "fetch the mask again, or use a difference recipe"
            return [Finding(Severity.ERROR, "mask-empty", path, what, fix)]
        if self._inverted > self._masks / 2:
            what = "the released mask is white where nothing was manipulated: it is inverted"
            return [Finding(Severity.ERROR, "mask-inverted", path, what, "invert it: white means manipulated")]
        if self._agreed and (share := float(np.median(self._agreed))) < ELSEWHERE:
            what = f"the released mask and the pixels that changed share {share:.0%} of the smaller one: it is of another clip"
            return [Finding(Severity.ERROR, "mask-elsewhere", path, what, "fetch the mask again, or use a difference recipe")]
        return []

    def _finding(self, code: str, what: str, fix: str, severity: Severity = Severity.ERROR) -> Finding:
        return Finding(severity, code, str(self.clip.path), what, fix)


def _when(shift: int) -> str:
    return "later" if shift > 0 else "earlier"


def _share_in_crop(area: BoolArray, image: UInt8Array, face: FaceBox) -> float:
    try:
        inside, _ = inside_slices(crop_face(image, face), *area.shape)
    except ValueError:  # the box lies outside the picture
        return 0.0
    return float(area[inside].sum() / area.sum())
