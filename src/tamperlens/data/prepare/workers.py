"""Ways of running the tasks of preparing: in this process, in many processes, on a Ray cluster.

All yield ``(task, record)`` as tasks end, in any order; in place of the record of a task that took its process down
stands a text that says so. What a task does is a property of the task alone, so all of them make the same store.
"""

import os
from collections.abc import Callable, Iterator, Sequence

from tamperlens import processes
from tamperlens.data.prepare.crop_unit import crop_unit
from tamperlens.data.prepare.plan import Task
from tamperlens.data.prepare.records import UnitRecord
from tamperlens.errors import MissingExtra

__all__ = ["Results", "run_here", "run_on_ray", "run_processes"]

Results = Iterator[tuple[Task, UnitRecord | str]]
RAY_RETRIES = 2  # of a task whose process or machine died


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
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "cluster") from error

    local = {"num_cpus": workers or None, "include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    try:
        remote: Callable[[Task], object] = ray.remote(max_retries=RAY_RETRIES, num_cpus=1)(crop_unit).remote
        at_once = max(1, int(ray.cluster_resources().get("CPU", 1))) * 2  # a few in line, so that no core waits
        waiting, running = list(reversed(tasks)), dict[object, Task]()
        while waiting or running:
            while waiting and len(running) < at_once:
                task = waiting.pop()
                running[remote(task)] = task
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                task = running.pop(reference)
                try:
                    record: UnitRecord | str = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None  # what the task itself raised, as in any other process
                except ray.exceptions.RayError:
                    record = processes.CRASHED
                yield task, record
    finally:
        ray.shutdown()
