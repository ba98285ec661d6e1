"""All that was judged, by variant: what tables and claims are computed from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamperlens.bench.paper.experiment import Run
from tamperlens.bench.paper.judging import OWN, read_outcomes
from tamperlens.metrics import area_under_roc, bootstrap, mean_defined
from tamperlens.metrics.outcomes import Outcomes
from tamperlens.metrics.paired import Estimate, Sums, seed_rows
from tamperlens.types import ResultRow

__all__ = ["Evidence"]

AUC_ROUNDS = 300  # of the bootstrap


class Evidence:
    """The results folder of an experiment; files are read once."""

    def __init__(self, runs: Sequence[Run], folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, list[Run]] = {}
        for run in runs:
            self._runs.setdefault(run.variant, []).append(run)
        self._read: dict[tuple[str, str], Mapping[str, Outcomes]] = {}
        self._added: dict[tuple[str, str, str], Sums] = {}
        self._aucs: dict[str, Estimate] = {}

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

    def auc(self, variant: str) -> Estimate:
        """Of the scores of all methods against pristine crops, averaged over seeds; the interval is over groups, without p."""
        if variant not in self._aucs:
            tables = self.outcomes(variant, OWN)

            def figure(drawn: npt.NDArray[np.intp]) -> float:
                return mean_defined([area_under_roc(table.scores[drawn], table.labels[drawn]) for table in tables])

            interval = bootstrap(figure, tables[0].groups.tolist(), AUC_ROUNDS)
            self._aucs[variant] = Estimate(figure(np.arange(len(tables[0].scores))), *interval, np.nan)
        return self._aucs[variant]

    def has_learned(self, variant: str) -> bool:
        """Whether its AUC is told from chance: before that, its other figures are those of a guess."""
        return not self.auc(variant).low <= 0.5

    def _outcomes(self, run: Run, condition: str) -> Mapping[str, Outcomes]:
        key = run.name, condition
        if key not in self._read:
            judged = read_outcomes(self.folder / run.name, condition)
            self._read[key] = {"": judged.outcomes, **judged.of_masks} if judged else {}
        return self._read[key]
