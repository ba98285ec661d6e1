"""Ways of running the tasks of preparing: in this process, in many processes, on a Ray cluster.

All yield ``(task, record)`` as tasks end, in any order; in place of the record of a task that took its process down
stands a text that says so. What a task does is a property of the task alone, so all of them make the same store.
"""

from collections.abc import Iterator, Sequence

from tamperlens import processes
from tamperlens.data.prepare.crop_unit import crop_unit
from tamperlens.data.prepare.plan import Task
from tamperlens.data.prepare.records import UnitRecord

__all__ = ["Results", "run_here", "run_on_ray", "run_processes"]

Results = Iterator[tuple[Task, UnitRecord | str]]


def run_here(tasks: Sequence[Task]) -> Results:
    """One task after the other in this process."""
    for task in tasks:
        yield task, crop_unit(task)


def run_processes(tasks: Sequence[Task], workers: int) -> Results:
    """``workers`` processes."""
    return processes.run_processes(crop_unit, tasks, workers)


def run_on_ray(tasks: Sequence[Task], address: str, workers: int = 0) -> Results:
    """A Ray cluster; ``local`` starts one on this machine, with ``workers`` processes (0: one per core).

    Every machine must see the dataset and the store under the same paths. Raises ``MissingExtra`` without Ray.
    """
    return processes.run_on_ray(crop_unit, tasks, address, workers)
