"""Ways of running the tasks of preparing: in this process, in many processes, on a Ray cluster.

All yield ``(task, record)`` as tasks end, in any order; in place of the record of a task that took its process down
stands a text that says so. What a task does is a property of the task alone, so all of them make the same store.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from tamperlens.data.cropping import crop_unit
from tamperlens.data.units import Task, UnitRecord
from tamperlens.errors import MissingExtra

__all__ = ["Results", "run_here", "run_on_ray", "run_processes"]

Results = Iterator[tuple[Task, UnitRecord | str]]
CRASHED = "its process died (a crash in a decoder, or no memory left): look at its files, or use fewer workers"
RAY_RETRIES = 2  # of a task whose process or machine died


def run_here(tasks: Sequence[Task]) -> Results:
    """One task after the other in this process."""
    for task in tasks:
        yield task, crop_unit(task)


def run_processes(tasks: Sequence[Task], workers: int) -> Results:
    """``workers`` processes. Where one dies, the tasks at hand are tried again, each alone, to tell which did it."""
    suspects: list[Task] = []
    waiting = list(reversed(tasks))
    while waiting:
        yield from _run_pool(waiting, workers, suspects)
        for task in suspects:
            alone, again = [task], list[Task]()
            yield from _run_pool(alone, 1, again)
            if again:
                yield task, CRASHED
        suspects.clear()


def _run_pool(waiting: list[Task], workers: int, suspects: list[Task]) -> Results:
    """Takes tasks off the end of ``waiting`` until none is left or a process dies; then names the tasks at hand."""
    running: dict[Future[UnitRecord], Task] = {}
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running[pool.submit(crop_unit, waiting[-1])] = waiting[-1]
                waiting.pop()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                record = future.result()
                yield running.pop(future), record
    except BrokenProcessPool:
        suspects.extend(running.values())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """A killed run takes its workers along: nothing goes on writing behind the back of the next one."""

    def watch() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
                    record = CRASHED
                yield task, record
    finally:
        ray.shutdown()
