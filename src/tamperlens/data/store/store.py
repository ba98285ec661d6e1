"""A prepared store, read: its rows, its crops by random access, and windows cut from crops. Needs no torch."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pyarrow import compute

from tamperlens.data.readers.methods import METHODS, PRISTINE
from tamperlens.data.store.manifest import INFO, MANIFEST, SCHEMA, SHARDS, CropRow, StoreInfo, read_info
from tamperlens.data.store.shards import decode_crop, decode_mask
from tamperlens.errors import DataError
from tamperlens.types import BoolArray, LabelledCrop, UInt8Array

__all__ = ["POLICIES", "Store", "native_window", "resized_window"]

PRISTINE_SUBSET = "pristine"  # what LabelledCrop calls crops in which nothing was manipulated
Indices = npt.NDArray[np.int64]


class Store:
    """A complete store. Safe to share between threads and to send to worker processes.

    Raises ``DataError``, naming the file and the fix, for a folder that is none, a store of another version, one that
    is not complete, and one whose files are missing or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.info: StoreInfo = read_info(self.path)
        if not self.info.complete:
            raise DataError(
                f"{self.path / INFO}: the store is not complete; run the tamperlens prepare that began it once more, "
                "which goes on where it was stopped"
            )
        for shard in self.info.shards:
            file = self.path / SHARDS / shard.file
            size = file.stat().st_size if file.is_file() else None
            if size != shard.size:
                came = "is missing" if size is None else f"has {size} bytes and should have {shard.size}"
                raise DataError(f"{file} {came}; copy the store again, or prepare it anew in another folder")
        try:
            self.table: Any = pq.read_table(self.path / MANIFEST, schema=SCHEMA)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / MANIFEST} cannot be read ({error}); copy the store again") from error
        if len(self.table) != self.info.crops:
            what = f"has {len(self.table)} rows and {INFO} counts {self.info.crops}"
            raise DataError(f"{self.path / MANIFEST} {what}: they are of different stores; copy the store again")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def methods(self) -> list[str]:
        """The codes of the methods that have crops, pristine included, in the order of the paper's tables."""
        return [method for method in METHODS if any(method in own for own in self.info.counts.values())]

    def rows(self, split: str | None = None, method: str | None = None) -> Indices:
        """Numbers of the rows of a split and a method (all of them for ``None``), in the store's order."""
        keep = np.ones(len(self), bool)
        for column, wanted in (("split", split), ("method", method)):
            if wanted is not None:
                keep &= np.asarray(compute.equal(self.table[column], wanted).fill_null(False), bool)
        return np.nonzero(keep)[0]

    def row(self, index: int) -> CropRow:
        """One row of the table."""
        return CropRow(**self.table.slice(int(index), 1).to_pylist()[0])

    def crop(self, index: int) -> LabelledCrop:
        """Crop ``index`` whole, at native resolution, with the mask it may have; ``DataError`` where the shard is damaged."""
        row = self.row(index)
        file = self.path / SHARDS / row.shard
        try:
            with file.open("rb") as stream:  # opened anew each time: far cheaper than decoding, and safe anywhere
                stream.seek(row.image_offset)
                content = stream.read(max(row.image_length, row.mask_offset + row.mask_length - row.image_offset))
            image = decode_crop(content[: row.image_length])
            mask = decode_mask(content[row.mask_offset - row.image_offset :]) if row.mask_length else None
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: crop {index} cannot be read ({error}); copy the store again") from error
        subset = PRISTINE_SUBSET if row.method == PRISTINE else row.method
        return LabelledCrop(image, mask, subset, group=row.target)

    def indices(self, split: str | None, *, methods: Sequence[str] | None = None, most: int | None = None) -> Indices:
        """Numbers of the rows of a split, in the store's order; at most ``most`` (but one of each method), evenly spread."""
        wanted = self.methods if methods is None else list(methods)
        found = [self.rows(split, method) for method in wanted]
        if most is not None:
            each = max(1, most // max(1, len(wanted)))
            found = [own[np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(np.int64)] for own in found]
        indices = np.sort(np.concatenate([np.zeros(0, np.int64), *found]))
        if not len(indices):
            raise DataError(f"{self.path} has no crops of {', '.join(wanted)} in split {split!r}; it has {self.contents()}")
        return indices

    def crops(
        self,
        split: str | None,
        *,
        methods: Sequence[str] | None = None,
        policy: str | None = None,
        window: int = 256,
        most: int | None = None,
    ) -> Iterator[LabelledCrop]:
        """Crops of a split in the store's order, for evaluation: whole, or a policy's central windows."""
        for index in self.indices(split, methods=methods, most=most):
            crop = self.crop(index)
            yield POLICIES[policy](crop, window, None) if policy else crop

    def contents(self) -> str:
        """Splits and methods with their numbers of crops, in a line."""
        parts = (
            f"{split}: " + ", ".join(f"{method} {count}" for method, count in own.items())
            for split, own in self.info.counts.items()
        )
        return "; ".join(parts)

    def pairs(self, split: str) -> dict[str, str]:
        """Each person of a split -> the pair that swaps faces; a person without a partner is one alone.

        Empty where some swap with several, unlike in FaceForensics++: then no small groups have nobody in common.
        """
        partners: dict[str, set[str]] = {}
        for persons in self.table["persons"].take(self.rows(split)).to_pylist():
            for person in persons:
                partners.setdefault(person, set()).update(persons)
        if any(len(found) > 2 for found in partners.values()):
            return {}
        return {person: " and ".join(sorted(found)) for person, found in partners.items()}

    def count_empty_masks(self) -> int:
        """Crops of manipulated clips without a marked pixel: nothing changed there, or the recipe is blind to it."""
        counted = zip(self.table["method"].to_pylist(), self.table["label"].to_pylist(), strict=True)
        return sum(METHODS[method].manipulated and not label for method, label in counted)

    def count_label_only(self, split: str | None = None, methods: Sequence[str] | None = None) -> int:
        """Crops that have a label and no mask, because their clips have no originals."""
        lengths = np.asarray(self.table["mask_length"])
        return sum(int((lengths[self.rows(split, method)] == 0).sum()) for method in methods or self.methods)

    def require_masks(self, what: str, methods: Sequence[str] | None = None) -> None:
        """Raises ``DataError`` where crops have a label and no mask; ``what`` needs masks."""
        lacking = [method for method in methods or self.methods if self.count_label_only(methods=[method])]
        if lacking:
            raise DataError(
                f"{self.path}: crops of {', '.join(lacking)} have a label and no mask, because their originals were not there, "
                f"and {what} needs to know which pixels were manipulated; take a cls model, or leave these methods out"
            )

    def examples(self, per_method: int = 8) -> Iterator[LabelledCrop]:
        """A few crops of each method, evenly spaced over the store."""
        for method in self.methods:
            indices = self.rows(method=method)
            places = np.linspace(0, len(indices) - 1, min(per_method, len(indices)))
            yield from (self.crop(indices[round(place)]) for place in places)


def native_window(crop: LabelledCrop, window: int, rng: np.random.Generator | None) -> LabelledCrop:
    """A ``window`` x ``window`` cut at native resolution, random or (without ``rng``) central.

    Crops smaller than the window are padded on all sides by repeating their border pixels, image and mask alike.
    """
    height, width = crop.image.shape[:2]
    short = max(0, window - height), max(0, window - width)
    image, mask = crop.image, crop.truth
    if any(short):
        sides = [(gap // 2, gap - gap // 2) for gap in short]
        image = np.pad(image, [*sides, (0, 0)], mode="edge")
        mask = np.pad(mask, sides, mode="edge") if mask is not None else None
    room = (image.shape[0] - window, image.shape[1] - window)
    y, x = (int(rng.integers(gap + 1)) if rng is not None else gap // 2 for gap in room)
    cut = slice(y, y + window), slice(x, x + window)
    return _changed(crop, image[cut], mask[cut] if mask is not None else None)


def resized_window(crop: LabelledCrop, window: int, rng: np.random.Generator | None) -> LabelledCrop:
    """The crop with its shorter side resized to ``window``, then cut as by `native_window`.

    A pixel of the resized mask is marked where at least half of the area it stands for was.
    """
    height, width = crop.image.shape[:2]
    scale = window / min(height, width)
    if scale == 1:
        return native_window(crop, window, rng)
    size = max(window, round(width * scale)), max(window, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(crop.image, size, interpolation=how), np.uint8)
    mask = None
    if crop.truth is not None:
        mask = np.asarray(cv2.resize(crop.truth.astype(np.float32), size, interpolation=how) >= 0.5, np.bool_)
    return native_window(_changed(crop, image, mask), window, rng)


def _changed(crop: LabelledCrop, image: UInt8Array, mask: BoolArray | None) -> LabelledCrop:
    truth = np.ascontiguousarray(mask) if mask is not None else None
    return LabelledCrop(np.ascontiguousarray(image), truth, crop.subset, crop.group)


# The paper's two ways of making crops one size: for its segmentation and its classification models.
POLICIES: dict[str, Callable[[LabelledCrop, int, np.random.Generator | None], LabelledCrop]] = {
    "native": native_window,
    "resized": resized_window,
}
