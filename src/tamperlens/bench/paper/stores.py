"""The stores of an experiment: crops that runs learn from and are judged on, and other recipes' masks for the same crops."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tamperlens.data.store import Store
from tamperlens.types import LabelledCrop

__all__ = ["Masks", "Stores", "same_crops"]


@dataclass(frozen=True)
class Masks:
    """The masks of another store for the same crops."""

    store: Store
    rows: Mapping[int, int]  # ours -> theirs

    def of(self, row: int) -> LabelledCrop:
        """Their crop for our row."""
        return self.store.crop(self.rows[row])


@dataclass(frozen=True)
class Stores:
    """What is trained and judged on."""

    by_compression: Mapping[str, Store]  # the one trained on first
    masks: Mapping[str, Mapping[str, Masks]] = field(default_factory=dict)  # by compression and recipe
    notes: tuple[str, ...] = ()  # what could not be had, and why

    @property
    def trained(self) -> Store:
        """The store that is trained on."""
        return next(iter(self.by_compression.values()))


def same_crops(store: Store, other: Store, split: str) -> dict[int, int] | None:
    """The rows of ``other`` that are the same crops as those of a split of ``store``; None where some are not there."""
    columns = ["clip", "frame", "left", "top", "side"]
    theirs = {tuple(row.values()): number for number, row in enumerate(other.table.select(columns).to_pylist())}
    own = store.table.select(columns).to_pylist()
    found = {int(row): theirs.get(tuple(own[row].values())) for row in store.rows(split)}
    return None if None in found.values() else {row: twin for row, twin in found.items() if twin is not None}
