"""All that was judged, by variant: what tables and claims are computed from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tamperlens.bench.paper.experiment import Run
from tamperlens.bench.paper.judging import OWN, read_outcomes
from tamperlens.metrics.outcomes import Outcomes
from tamperlens.metrics.paired import Sums, seed_rows
from tamperlens.types import ResultRow

__all__ = ["Evidence"]


class Evidence:
    """The results folder of an experiment; files are read once."""

    def __init__(self, runs: Sequence[Run], folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, list[Run]] = {}
        for run in runs:
            self._runs.setdefault(run.variant, []).append(run)
        self._read: dict[tuple[str, str], Mapping[str, Outcomes]] = {}
        self._added: dict[tuple[str, str, str], Sums] = {}

    @property
    def variants(self) -> list[str]:
        """Those of which a run was judged on its own crops."""
        return [variant for variant in self._runs if self.sums(variant)]

    def runs_of(self, variant: str) -> list[Run]:
        """The runs of a variant that were judged."""
        return [run for run in self._runs.get(variant, ()) if self._outcomes(run, OWN)]

    def sums(self, variant: str, condition: str = OWN, masks: str = "") -> list[Sums]:
        """A variant's outcomes, one for each of its seeds that was judged under the condition; ``masks``: another recipe's."""
        found = []
        for run in self._runs.get(variant, ()):
            table, key = self._outcomes(run, condition).get(masks), (run.name, condition, masks)
            if table is not None and key not in self._added:
                self._added[key] = Sums.of(table)
            found += [self._added[key]] if table is not None else []
        return found

    def rows(self, variant: str, condition: str = OWN, masks: str = "") -> list[ResultRow]:
        """The figures of a variant, averaged over its seeds."""
        found = self.sums(variant, condition, masks)
        return seed_rows(variant, found) if found else []

    def masks_of(self, variant: str, condition: str) -> list[str]:
        """The recipes against whose masks a variant was counted too."""
        return sorted({name for run in self._runs.get(variant, ()) for name in self._outcomes(run, condition) if name})

    def outcomes(self, variant: str, condition: str) -> list[Outcomes]:
        """Those of each of its seeds that was judged under the condition."""
        tables = [self._outcomes(run, condition).get("") for run in self._runs.get(variant, ())]
        return [table for table in tables if table is not None]

    def _outcomes(self, run: Run, condition: str) -> Mapping[str, Outcomes]:
        key = run.name, condition
        if key not in self._read:
            judged = read_outcomes(self.folder / run.name, condition)
            self._read[key] = {"": judged.outcomes, **judged.of_masks} if judged else {}
        return self._read[key]
