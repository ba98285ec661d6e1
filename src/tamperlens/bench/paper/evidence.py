"""All that was judged, by variant: what tables and claims are computed from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamperlens.bench.paper.experiment import Run
from tamperlens.bench.paper.judging import OWN, read_outcomes
from tamperlens.errors import DataError
from tamperlens.metrics.outcomes import Outcomes
from tamperlens.metrics.paired import Estimate, Sums, mean_of, resampled, seed_rows
from tamperlens.types import ResultRow

__all__ = ["MIN_AUC", "Evidence"]

MIN_AUC = 0.6  # of a model that has begun to tell pristine crops from others


class Evidence:
    """The results folder of an experiment; files are read once.

    ``whole``: the runs whose results count, all by default. ``pairs``: a group's name -> that of a larger one; crops of the two
    who swap faces show both, so it is pairs that are independent.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        folder: Path,
        whole: Collection[Run] | None = None,
        pairs: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._pairs = pairs or {}
        self._whole = frozenset(runs if whole is None else whole)
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

    def planned(self, variant: str) -> int:
        """How many trainings of a variant the experiment has, judged or not."""
        return len(self._runs.get(variant, ()))

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
        """Of the scores of all methods against pristine crops of other groups, averaged over seeds.

        The interval is over groups, without p. Crops of one group are not compared: a group drawn twice would count twice
        against itself, and a forgery nearly always scores above its own original.
        """
        if variant not in self._aucs:
            counted = [_won(table) for table in self.outcomes(variant, OWN)]
            size = len(counted[0][0])
            if any(len(won) != size for won, _ in counted):
                raise DataError(f"{variant}: its seeds were judged on different people; judge them on the same test crops")
            drawn = resampled(size, seed=(0,))  # the same people as in every other interval
            with np.errstate(invalid="ignore"):
                of = [((drawn @ won) * drawn).sum(axis=1) / ((drawn @ all_of) * drawn).sum(axis=1) for won, all_of in counted]
            self._aucs[variant] = replace(mean_of(np.stack(of)), p=np.nan)
        return self._aucs[variant]

    def tells_apart(self, variant: str) -> bool:
        """Whether its AUC reaches `MIN_AUC`: under that, its other figures are hardly more than those of a guess."""
        return self.auc(variant).value >= MIN_AUC

    def _outcomes(self, run: Run, condition: str) -> Mapping[str, Outcomes]:
        key = run.name, condition
        if key not in self._read:
            judged = read_outcomes(self.folder / run.name, condition) if run in self._whole else None
            tables = {"": judged.outcomes, **judged.of_masks} if judged else {}
            self._read[key] = {name: self._paired(table) for name, table in tables.items()}
        return self._read[key]

    def _paired(self, table: Outcomes) -> Outcomes:
        return replace(table, groups=np.array([self._pairs.get(name, name) for name in table.groups.tolist()], np.str_))


def _won(table: Outcomes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(G, G) twice, of pairs of a group's manipulated and another's pristine crops: how many the first win, and all of them."""
    names, place = np.unique(table.groups, return_inverse=True)
    positive, negative = np.flatnonzero(table.labels), np.flatnonzero(~table.labels)
    above = np.sign(table.scores[positive][:, None] - table.scores[negative]) / 2 + 0.5
    won, all_of = np.zeros((2, len(names), len(names)))
    where = place[positive][:, None], place[negative][None]
    np.add.at(won, where, above)
    np.add.at(all_of, where, np.ones_like(above))
    np.fill_diagonal(won, 0)
    np.fill_diagonal(all_of, 0)
    return won, all_of
