"""A batch cut into shards for machines that know nothing of each other but the folder of results.

Each shard inspects its share of the files and leaves its rows as ``shard-2-of-4.json``; whichever ends last finds all of them
and writes the summaries of the whole batch. A shard that is run again finds its casefiles and does the same again.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from tamperlens.errors import DataError
from tamperlens.files import replace_text
from tamperlens.inspection.batch import Row
from tamperlens.inspection.casefile.record import Settings
from tamperlens.media import Address, Results, readable

__all__ = ["Shard", "batch_hash", "gather_rows", "leave_rows"]

Place = TypeVar("Place", bound=PurePath)


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``count`` shares of a batch, counted from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def of(cls, text: str) -> "Shard":
        """From ``2/4``; an empty text is the whole batch. Raises `DataError` for anything else."""
        if not text:
            return cls()
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise DataError(f"--shard is i/n with i from 1 to n, as 1/4; got {text}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def share(self, files: Sequence[Place]) -> list[Place]:
        """This shard's files, of all of the batch: every ``count``-th, in their order, which is that of their names."""
        return list(files[self.number - 1 :: self.count])

    @property
    def file(self) -> str:
        """The name of the file with this shard's rows."""
        return f"shard-{self.number}-of-{self.count}.json"

    def is_own_file(self, name: str) -> bool:
        """Whether a file of this name is this shard's."""
        return name == self.file

    def is_part(self, name: str) -> bool:
        """Whether a file of this name is that of any shard of the batch."""
        return any(name == one.file for one in self.all())

    def all(self) -> list["Shard"]:
        """All shards of the batch, this one among them."""
        return [Shard(number, self.count) for number in range(1, self.count + 1)]


def batch_hash(files: Sequence[PurePath], model: str, settings: Settings) -> str:
    """What tells a batch from others: its files, by name, the model and the settings."""
    asked = settings.model_dump(exclude={"model"})
    return hashlib.sha256(json.dumps([[readable(file) for file in files], model, asked]).encode()).hexdigest()


def leave_rows(folder: Path | Address, shard: Shard, batch: str, rows: Sequence[Row]) -> None:
    """Write what came of a shard that has ended. Raises ``OSError`` and `DataError` where it cannot be written."""
    ordered = sorted(rows, key=lambda row: row.path)
    text = json.dumps({"batch": batch, "rows": [asdict(row) for row in ordered]}, indent=1) + "\n"
    if isinstance(folder, Address):
        with Results(folder).mirror(shard.is_own_file, lambda name: True) as mirror:
            _refuse_others(mirror.folder / shard.file, folder)
            mirror.take_back(shard.file, text)
    else:
        _refuse_others(folder / shard.file, folder)
        replace_text(folder / shard.file, text, errors="backslashreplace")


def gather_rows(folder: Path | Address, shard: Shard, batch: str) -> tuple[list[Row], list[Shard]]:
    """The rows of all shards of a batch, and the shards that have not left theirs, or left those of another batch."""
    if isinstance(folder, Address):
        with Results(folder).mirror(shard.is_part, lambda name: True) as mirror:
            return gather_rows(mirror.folder, shard, batch)
    rows, missing = list[Row](), list[Shard]()
    for one in shard.all():
        left = _rows_in(folder / one.file)
        if left is None or left[0] != batch:
            missing.append(one)
        else:
            rows += left[1]
    return rows, missing


def _rows_in(file: Path) -> tuple[str, list[Row]] | None:
    """The batch and the rows that a shard left; None where the file is not there or is none of a shard."""
    try:
        left = json.loads(file.read_text(encoding="utf-8"))
        return left["batch"], [Row(**row) for row in left["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_others(file: Path, folder: Path | Address) -> None:
    if file.exists() and _rows_in(file) is None:
        raise DataError(f"{folder} holds a {file.name} that is not this program's; move it, or give another --out")
