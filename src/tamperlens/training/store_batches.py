"""A prepared store -> training batches: batch number ``i`` is the same whoever makes it, so a run can resume."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from tamperlens.data.store import POLICIES, Store, native_window, resized_window
from tamperlens.errors import DataError
from tamperlens.training.batch import Batch, to_batch
from tamperlens.types import LabelledCrop

__all__ = ["StoreCrops"]


class StoreCrops(Dataset[Batch]):
    """Batches of windows cut from a store's crops, equally many of every method, pristine among them.

    Item ``i`` is batch ``i`` and depends on the store, ``seed`` and ``i`` alone. Each method's crops are gone through
    in random order, every one once before any comes again, so that a method of few crops counts as much as the others.

    ``methods``: codes to draw from, all by default. ``policy``: ``native`` or ``resized``, as in the paper (section 4).
    ``windows``: sides in pixels; one is drawn per batch. ``resized_to``: the side to which ``resized`` crops are resized before
    windows are cut from them, so that a model learns from small windows at the size at which it will be judged; larger
    windows are of crops of their own size. ``mirror``: whether half of the windows are mirrored.

    Raises ``DataError`` for a method without crops in the split, ``ValueError`` for an unknown policy.
    """

    def __init__(
        self,
        store: Store,
        split: str = "train",
        *,
        batches: int,
        batch_size: int,
        methods: Sequence[str] | None = None,
        policy: str = "native",
        windows: Sequence[int] = (256,),
        resized_to: int = 0,
        mirror: bool = False,
        seed: int = 0,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"unknown crop policy {policy!r}; known are {', '.join(POLICIES)}")
        self.store, self.split, self.policy = store, split, policy
        self.batches, self.batch_size = batches, batch_size
        self.windows, self.resized_to, self.mirror, self.seed = tuple(windows), resized_to, mirror, seed
        here = store.info.counts.get(split, {})
        self.methods = list(methods) if methods is not None else [method for method in store.methods if method in here]
        self._rows = [store.rows(split, method) for method in self.methods]
        empty = [method for method, rows in zip(self.methods, self._rows, strict=True) if not len(rows)]
        if empty or not self.methods:
            what = f"crops of {', '.join(empty)}" if empty else "crops"
            raise DataError(f"{store.path} has no {what} in split {split!r}; it has {store.contents()}")

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)  # worker processes share the cores already
        rng = np.random.default_rng((self.seed, index))
        window = int(rng.choice(self.windows))
        first = index * self.batch_size
        return to_batch([self._draw(number, window, rng) for number in range(first, first + self.batch_size)])

    def _draw(self, number: int, window: int, rng: np.random.Generator) -> LabelledCrop:
        """Crop ``number`` of the endless sequence in which the methods take turns."""
        turn, place = number % len(self.methods), number // len(self.methods)
        rows = self._rows[turn]
        lap, position = divmod(place, len(rows))
        order = _order(self.seed, self.methods[turn], lap, len(rows))
        crop = self.store.crop(rows[order[position]])
        if self.policy == "resized" and window < self.resized_to:
            crop = native_window(resized_window(crop, self.resized_to, rng), window, rng)
        else:
            crop = POLICIES[self.policy](crop, window, rng)
        if self.mirror and rng.random() < 0.5:
            mask = np.ascontiguousarray(crop.truth[:, ::-1]) if crop.truth is not None else None
            crop = LabelledCrop(np.ascontiguousarray(crop.image[:, ::-1]), mask, crop.subset, crop.group)
        return crop


@lru_cache(maxsize=16)
def _order(seed: int, method: str, lap: int, count: int) -> npt.NDArray[np.int64]:
    """In which order a method's crops come in a lap."""
    return np.random.default_rng([seed, lap, *method.encode()]).permutation(count)
