"""Real photos -> training batches, forged on the fly: batch number ``i`` is the same whoever makes it, so a run can resume."""

from collections.abc import Sequence

import cv2
import numpy as np
from torch.utils.data import Dataset

from tamperlens.data.portraits import FacePhoto, load_portrait
from tamperlens.forge.sampler import UNTOUCHED_AFTER, UNTOUCHED_BEFORE, draw_family, make_sample
from tamperlens.training.batch import Batch, to_batch
from tamperlens.types import LabelledCrop

__all__ = ["LiveCrops"]

WIDEST = 2.2  # largest crop side a window is cut from, in windows: beyond it most windows would show skin alone


class LiveCrops(Dataset[Batch]):
    """Batches of pristine and forged crops of random people, families, scales and histories.

    Item ``i`` depends on ``seed`` and ``i`` alone. Crops are drawn at a log-uniform side between the window and
    `WIDEST` windows, and a random window is cut from them (paper, section 4: random 256 x 256 crops at native resolution).
    """

    def __init__(
        self,
        photos: Sequence[FacePhoto],
        families: Sequence[str],
        *,
        batches: int,
        batch_size: int,
        windows: Sequence[int] = (256,),
        max_side: int = 512,
        pristine: float = 0.4,
        untouched: tuple[float, float] = (UNTOUCHED_BEFORE, UNTOUCHED_AFTER),
        compressed: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.photos, self.families = list(photos), list(families)
        self.batches, self.batch_size = batches, batch_size
        self.windows, self.max_side, self.seed = tuple(windows), max_side, seed
        self.pristine, self.untouched, self.compressed = pristine, untouched, compressed

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)  # worker processes share the cores already
        rng = np.random.default_rng((self.seed, index))
        window = int(rng.choice(self.windows))
        return to_batch([self._draw(window, rng) for _ in range(self.batch_size)])

    def _photo(self, rng: np.random.Generator) -> FacePhoto:
        return self.photos[int(rng.integers(len(self.photos)))]

    def _draw(self, window: int, rng: np.random.Generator) -> LabelledCrop:
        family = draw_family(rng, self.families, self.pristine)
        widest = max(window, min(self.max_side, round(WIDEST * window)))
        side = round(float(np.exp(rng.uniform(np.log(window), np.log(widest)))))
        target = load_portrait(self._photo(rng), rng)
        before, after = self.untouched
        sample = make_sample(
            target,
            lambda: load_portrait(self._photo(rng), rng),
            family,
            side,
            rng,
            before=before,
            after=after,
            compressed=self.compressed,
        )
        return _window(sample, window, rng)


def _window(sample: LabelledCrop, window: int, rng: np.random.Generator) -> LabelledCrop:
    """A random ``window`` x ``window`` cut, mirrored half of the time; small crops are padded by their border pixels."""
    image, mask = sample.image, sample.mask
    short = max(0, window - image.shape[0])
    if short:
        image = np.pad(image, ((0, short), (0, short), (0, 0)), mode="edge")
        mask = np.pad(mask, ((0, short), (0, short)), mode="edge")
    y, x = (int(v) for v in rng.integers(0, image.shape[0] - window + 1, size=2))
    image, mask = image[y : y + window, x : x + window], mask[y : y + window, x : x + window]
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    return LabelledCrop(np.ascontiguousarray(image), np.ascontiguousarray(mask), sample.subset)
