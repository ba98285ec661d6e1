"""Real photos -> batches of pairs, forged on the fly: batch number ``i`` is the same whoever makes it, so a run can resume."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from torch.utils.data import Dataset

from tamperlens.data.portraits import DRAWN, MAX_KEPT_SIDE, WIDE, FacePhoto, load_portrait
from tamperlens.errors import DataError
from tamperlens.faces import ENLARGE
from tamperlens.forge.pairs import Pair, make_pair
from tamperlens.forge.recipes import RECIPES
from tamperlens.training.batch import Batch, to_batch
from tamperlens.types import LabelledCrop

__all__ = ["LivePairs", "forged_pairs"]


class LivePairs(Dataset[Batch]):
    """Batches of ``batch_size`` whole crops of one of ``sides``: pristine, forged, pristine, forged, ... of random people.

    Item ``i`` depends on ``seed`` and ``i`` alone. Sides that no photo can fill are left out.

    Raises `DataError` where no side is left.
    """

    def __init__(
        self,
        photos: Sequence[FacePhoto],
        *,
        batches: int,
        batch_size: int,
        sides: Sequence[int],
        recipes: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        largest = max((_largest_side(photo) for photo in photos), default=0)
        if largest < min(sides):
            raise DataError(
                f"pairs of {', '.join(map(str, sides))} pixels cannot be cut: the largest crop of {len(photos)} photos has "
                f"{largest}; give larger photos, or smaller windows"
            )
        self.photos, self.recipes = list(photos), tuple(recipes)
        self.sides = tuple(side for side in sides if side <= largest)
        self.batches, self.batch_size, self.seed = batches, batch_size, seed

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)  # worker processes share the cores already
        rng = np.random.default_rng((self.seed, index))
        side = int(rng.choice(self.sides))
        crops: list[LabelledCrop] = []
        while len(crops) < self.batch_size:
            pair = _draw(self.photos, side, rng, self._recipe(rng))
            if pair.pristine.shape[0] == side:  # smaller photos give smaller crops
                crops += _crops(pair, "")
        return to_batch(crops)

    def _recipe(self, rng: np.random.Generator) -> str | None:
        """One of this run's recipes by their odds; None leaves the choice among all to the forger."""
        if not self.recipes:
            return None
        odds = np.array([RECIPES[name][0] for name in self.recipes])
        return str(rng.choice(self.recipes, p=odds / odds.sum()))


def forged_pairs(
    photos: Sequence[FacePhoto], recipes: Sequence[str], per_recipe: int, *, sides: tuple[int, int], seed: int
) -> Iterator[LabelledCrop]:
    """A fixed set of pairs to measure on, pristine before forged; each depends on ``seed``, its recipe and number alone."""
    for recipe in recipes:
        for number in range(per_recipe):
            rng = np.random.default_rng([seed, number, *recipe.encode()])
            side = round(float(np.exp(rng.uniform(*np.log(sides)))))
            person = photos[int(rng.integers(len(photos)))]
            yield from _crops(_draw(photos, side, rng, recipe, person), person.person)


def _largest_side(photo: FacePhoto) -> int:
    """The side of the largest crop that `load_portrait` draws of a photo."""
    x0, y0, x1, y1 = photo.box
    kept = min(MAX_KEPT_SIDE, round(max(x1 - x0, y1 - y0) * WIDE))
    return round(ENLARGE * DRAWN[1] * kept / WIDE)


def _draw(
    photos: Sequence[FacePhoto], side: int, rng: np.random.Generator, recipe: str | None, person: FacePhoto | None = None
) -> Pair:
    def anybody() -> FacePhoto:
        return photos[int(rng.integers(len(photos)))]

    return make_pair(load_portrait(person or anybody(), rng), lambda: load_portrait(anybody(), rng), side, rng, recipe)


def _crops(pair: Pair, group: str) -> list[LabelledCrop]:
    return [
        LabelledCrop(pair.pristine, pair.pristine_mask, "pristine", group),
        LabelledCrop(pair.forged, pair.mask, pair.recipe, group),
    ]
