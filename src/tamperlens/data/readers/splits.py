"""Which people belong to train, val and test: read from three files of the dataset, checked, and given a name."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tamperlens.errors import DataError

__all__ = ["SPLIT_NAMES", "Splits", "find_splits", "read_custom_splits", "read_splits"]

SPLIT_NAMES = ("train", "val", "test")
Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Splits:
    """Groups of people for each of train, val and test; in FaceForensics++ a group is a pair that swaps faces."""

    groups: Mapping[str, Groups]
    official: bool = False  # whether these are the dataset's own

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the groups of each split; the order of groups, and of people in a group, does not matter."""
        canonical = {name: sorted(sorted(group) for group in self.groups[name]) for name in SPLIT_NAMES}
        return hashlib.sha256(json.dumps(canonical, separators=(",", ":")).encode()).hexdigest()

    @property
    def name(self) -> str:
        """``official``, or ``custom-`` and the start of the content's hash: what manifests and tables say."""
        return "official" if self.official else f"custom-{self.hash[:12]}"

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """People who appear in more than one split, and in which: empty where there is no leak."""
        where: dict[str, list[str]] = {}
        for name in SPLIT_NAMES:
            for person in sorted({person for group in self.groups[name] for person in group}):
                where.setdefault(person, []).append(name)
        return {person: tuple(names) for person, names in where.items() if len(names) > 1}

    @cached_property
    def _places(self) -> dict[str, str]:
        return {person: name for name in SPLIT_NAMES for group in self.groups[name] for person in group}

    def split_of(self, persons: Iterable[str], clip: str = "a clip") -> str | None:
        """The split of a clip that shows these people, ``None`` where one of them is in no split.

        Raises ``DataError`` where they belong to different splits: the clip would carry a face from one into the other.
        """
        found = {person: self._places.get(person) for person in persons}
        names = {name for name in found.values() if name is not None}
        if len(names) > 1:
            where = ", ".join(f"{person} in {name}" for person, name in found.items())
            raise DataError(
                f"{clip} mixes people of different splits ({where}), so a face would leak from one into the other; "
                "put people who share a clip into the same split"
            )
        return names.pop() if names and None not in found.values() else None

    def refuse_leak(self) -> None:
        """Raises ``DataError`` where splits share a person."""
        if self.shared:
            named = "; ".join(f"{who} is in {' and '.join(names)}" for who, names in list(self.shared.items())[:5])
            raise DataError(
                f"the splits share {len(self.shared)} people ({named}), so test results would be too good; "
                "keep every person in one split"
            )


def find_splits(root: Path) -> Path | None:
    """The folder of split files that came with a dataset: ``root`` itself or ``root/splits``, ``None`` without one."""
    for folder in (root, root / "splits", root / "dataset" / "splits"):
        if all((folder / f"{name}.json").is_file() for name in SPLIT_NAMES):
            return folder
    return None


def read_splits(folder: Path) -> Splits:
    """Reads ``train.json``, ``val.json`` and ``test.json``: groups of people, as ``[["953", "974"]]``.

    Nothing is judged here but the form. Raises ``DataError`` for files that are missing or hold anything else.
    """
    return Splits({name: _read_groups(folder / f"{name}.json") for name in SPLIT_NAMES})


def read_custom_splits(folder: Path, *, allow: bool) -> Splits:
    """Split files of a dataset without official ones. Raises ``DataError`` unless allowed and free of leaks."""
    found = read_splits(folder)
    found.refuse_leak()
    if not allow:
        raise DataError(
            f"this dataset has no official split, so {folder} is a custom one ({found.name}); "
            "allow it (--allow-custom-split): results are then marked with that name"
        )
    return found


def _read_groups(path: Path) -> Groups:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing; a splits folder holds {', '.join(f'{name}.json' for name in SPLIT_NAMES)}"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); write or download it again") from error
    if not isinstance(rows, list) or not all(
        isinstance(row, list) and row and all(isinstance(person, str) for person in row) for row in rows
    ):
        raise DataError(f'{path} must be a list of lists of names in quotes, as [["953", "974"], ["012", "026"]]')
    return tuple(tuple(row) for row in rows)
