"""One job on many tasks in several processes, or on many machines, where one process may die and the others' work goes on.

And one thread that works ahead of another.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from tamperlens.errors import DataError, MissingExtra

__all__ = ["CRASHED", "ahead", "connected_to_ray", "end_with_parent", "ray_cores", "run_on_ray", "run_processes"]

Task = TypeVar("Task")
Result = TypeVar("Result")
RAY_RETRIES = 2  # of a task whose process or machine died
CRASHED = "its process died (a crash in a decoder, or no memory left): look at its files, or use fewer workers"


def run_processes(job: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[tuple[Task, Result | str]]:
    """``(task, job(task))`` as tasks end, in any order; in place of the result of a task whose process died, a text.

    ``job`` and tasks are pickled. As many tasks as ``workers`` are in work at a time, the others wait in the iterable. Where a
    process dies, the tasks at hand are tried again, each alone, to tell which did it.
    """
    waiting, suspects = iter(tasks), list[Task]()
    while True:
        yield from _run_pool(job, waiting, workers, suspects)
        if not suspects:
            return
        for task in suspects:
            again: list[Task] = []
            yield from _run_pool(job, iter([task]), 1, again)
            if again:
                yield task, CRASHED
        suspects.clear()


def _run_pool(
    job: Callable[[Task], Result], waiting: Iterator[Task], workers: int, suspects: list[Task]
) -> Iterator[tuple[Task, Result | str]]:
    """Takes tasks until none is left or a process dies; then names the tasks at hand."""
    running: dict[Future[Result], Task] = {}
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent)
    try:
        while True:
            while len(running) < workers and (one := next(((task,) for task in waiting), None)):
                try:
                    running[pool.submit(job, one[0])] = one[0]
                except BrokenProcessPool:  # a process died since the last look
                    suspects.append(one[0])
                    raise
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield running.pop(future), result
    except BrokenProcessPool:
        suspects.extend(running.values())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _do(job: Callable[[Task], Result], task: Task) -> Result:
    return job(task)


@contextmanager
def connected_to_ray(address: str, workers: int = 0) -> Iterator[Any]:
    """The module ``ray``, connected to the cluster at ``address`` until the context ends.

    ``local`` starts one on this machine, with ``workers`` processes (0: one per core). Raises ``MissingExtra`` without Ray and
    ``DataError`` where no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "cluster") from error

    local = {"num_cpus": workers or None, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    except Exception as error:  # of many kinds, some of them bare
        ray.shutdown()  # what of it has started
        reason = " ".join(str(error).split())
        raise DataError(
            f"Ray cannot be used at {address} ({reason}); expected local, auto or a cluster's address, as ray start prints it, "
            "and in RAY_AUTH_TOKEN its token, where it asks for one"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def ray_cores(ray: Any) -> int:
    """Cores of the cluster, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def run_on_ray(
    job: Callable[[Task], Result], tasks: Iterable[Task], address: str, workers: int = 0
) -> Iterator[tuple[Task, Result | str]]:
    """As `run_processes`, on a Ray cluster (see `connected_to_ray`).

    A task whose process or machine dies is tried again elsewhere, `RAY_RETRIES` times. Every machine must see files under the
    same names.
    """
    with connected_to_ray(address, workers) as ray:
        # Ray takes functions, and a job may be any callable.
        remote: Callable[..., object] = ray.remote(max_retries=RAY_RETRIES, num_cpus=1)(_do).remote
        at_once = 2 * ray_cores(ray)  # a few in line, so that no core waits
        waiting, running = iter(tasks), dict[object, Task]()
        while True:
            while len(running) < at_once and (one := next(((task,) for task in waiting), None)):
                running[remote(job, one[0])] = one[0]
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                task = running.pop(reference)
                try:
                    result: Result | str = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None  # what the task itself raised, as in any other process
                except ray.exceptions.RayError:
                    result = CRASHED
                yield task, result


def ahead(items: Iterable[Task], count: int) -> Iterator[Task]:
    """The same items in the same order, made in a thread of their own that is at most ``count`` of them ahead.

    What making them raises is raised here. Whoever stops early should close the iterator, which waits for the thread.
    """
    made: queue.Queue[tuple[Task] | BaseException | None] = queue.Queue(count)
    stopped = threading.Event()

    def put(item: tuple[Task] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
            put(None)
        except BaseException as error:
            put(error)
        finally:
            if close := getattr(items, "close", None):
                close()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (one := made.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one[0]
    finally:
        stopped.set()
        thread.join()


def end_with_parent() -> None:
    """A killed run takes its workers along: nothing goes on writing behind the back of the next one."""

    def watch() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
