"""Keeps the workers: gives them jobs, hears how far they are, and ends those that crash, hang or are no longer wanted."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from tamperlens.errors import DataError
from tamperlens.web.jobs import MAX_TRIES, Job, Jobs
from tamperlens.web.limits import Limits
from tamperlens.web.worker import work

__all__ = ["WORN", "Supervisor", "Worker", "WorkerProcess"]

_BEAT = 1.0  # seconds between two looks at the clock, where nothing happens
_REST = 5.0  # seconds without new work after there was no room for any
_SWEEP = 5.0  # seconds between two rounds of tidying
WORN = 200  # jobs after which a worker is replaced: what decoders leak does not add up
_CRASHED = "the program crashed on this file, or had no memory left, each time it was tried; it may be damaged"
_log = logging.getLogger(__name__)


class Worker:
    """Does one job at a time; knows the job it has in hand. News of it come through ``connection``, as JSON."""

    connection: Connection

    def __init__(self) -> None:
        self.ready = False
        self.job: Job | None = None
        self.done, self.deadline = 0, 0.0

    def order(self, job: Job, jobs: Jobs) -> None:
        """Begins a job."""
        self.job, self.deadline = job, time.monotonic() + jobs.limits.time
        order = {"upload": str(jobs.upload(job.id)), "out": str(jobs.work(job)), "name": job.name, "example": job.example}
        self.send(json.dumps(order).encode())

    def send(self, order: bytes) -> None:
        """Hands an order over; raises ``OSError`` where nobody takes it."""
        raise NotImplementedError

    def kill(self) -> None:
        """Ends it, and the job it has in hand, at once."""
        raise NotImplementedError


class WorkerProcess(Worker):
    """A process of this machine."""

    def __init__(self, limits: Limits, model: str) -> None:
        super().__init__()
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, limits, model), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, order: bytes) -> None:
        """Through the pipe."""
        self.connection.send_bytes(order)

    def kill(self) -> None:
        """By SIGKILL: it may hang in a decoder."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.process.close()


class Supervisor(threading.Thread):
    """The thread that runs a server's workers. ``failure`` says why no job can be done, where that is so.

    ``make_worker`` makes a worker; without it they are processes of this machine.
    """

    def __init__(self, jobs: Jobs, model: str = "", make_worker: Callable[[], Worker] | None = None) -> None:
        super().__init__(name="supervisor", daemon=True)
        self.jobs, self.failure, self.beat = jobs, "", time.monotonic()
        self._make_worker = make_worker or (lambda: WorkerProcess(jobs.limits, model))
        self._workers: list[Worker] = []
        self.on_failure: Callable[[], None] = lambda: None
        self._stop_asked = False
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._swept, self._deaths, self._resting = 0.0, 0, 0.0

    def wake(self) -> None:
        """There is something to do: a job came, or one was cancelled."""
        try:
            os.write(self._wake, b".")
        except OSError:  # full: it is awake
            return

    def stop(self) -> None:
        """Ends the workers; what they had in hand waits again."""
        self._stop_asked = True
        self.wake()
        if self.is_alive():
            self.join()
        os.close(self._wake)
        os.close(self._waker)

    def healthy(self) -> bool:
        """Whether jobs are being done."""
        return self.is_alive() and not self.failure and time.monotonic() - self.beat < 30

    def run(self) -> None:
        """Until `stop`."""
        try:
            while not self._stop_asked:
                self.beat = time.monotonic()
                self._tidy()
                self._staff()
                self._assign()
                sources: list[Any] = [self._waker, *(worker.connection for worker in self._workers)]
                for source in wait(sources, timeout=_BEAT):
                    if isinstance(source, int):
                        os.read(source, 4096)
                    else:
                        self._hear(source)
                self._end_overdue()
        except Exception as error:
            _log.exception("the supervisor ended")
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            for worker in self._workers:
                worker.kill()

    def _tidy(self) -> None:
        if time.monotonic() - self._swept > _SWEEP:
            self.jobs.recover()
            self.jobs.sweep()
            self._swept = time.monotonic()

    def _staff(self) -> None:
        if self.failure:
            return
        while len(self._workers) < self.jobs.limits.workers:
            self._workers.append(self._make_worker())

    def _assign(self) -> None:
        if time.monotonic() < self._resting:
            return
        for worker in list(self._workers):
            if worker.ready and worker.job is None and (job := self.jobs.claim()) is not None:
                try:
                    worker.order(job, self.jobs)
                except OSError:  # it died while it had nothing to do
                    self._bury(worker)
                except DataError as error:  # there is no room for its work: there may be soon
                    _log.warning("a job waits: %s", error)
                    worker.job, self._resting = None, time.monotonic() + _REST
                    self.jobs.put_back(job)
                    return

    def _hear(self, connection: Any) -> None:
        worker = next(worker for worker in self._workers if worker.connection is connection)
        try:
            news = json.loads(connection.recv_bytes(1 << 20))
        except (EOFError, OSError, ValueError):
            self._bury(worker)
            return
        job = worker.job
        if "fatal" in news:
            self._fail(str(news["fatal"]))
        elif "ready" in news:
            worker.ready, self._deaths = True, 0
        elif job is not None and "stage" in news:
            self.jobs.advance(job.id, str(news["stage"]), float(news["progress"]))
        elif job is not None and "done" in news:
            self._ended(worker, job, "done", **_found(news["done"]))
        elif job is not None and "failed" in news:
            self._ended(worker, job, "failed", error=str(news["failed"])[:2000], status=int(news["status"]))
            if "leaving" in news and worker in self._workers:
                self._bury(worker)

    def _ended(self, worker: Worker, job: Job, state: str, **values: Any) -> None:
        self.jobs.finish(job, state, **values)
        _log.info("job %s %s", job.id[:6], state)
        worker.job, worker.done = None, worker.done + 1
        if worker.done >= WORN:
            self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        """A worker is gone, or is to go: its job waits again, and another worker comes."""
        self._workers.remove(worker)
        if not worker.ready:
            self._deaths += 1
            if self._deaths >= 3:
                self._fail("the workers do not start; is --memory too low?")
        worker.kill()
        if worker.job is not None:
            self.jobs.give_back(worker.job, _CRASHED)
            _log.info("job %s: its worker died, try %d of %d", worker.job.id[:6], worker.job.tries, MAX_TRIES)

    def _fail(self, reason: str) -> None:
        if not self.failure:
            self.failure = reason
            self.on_failure()

    def _end_overdue(self) -> None:
        stopping = self.jobs.stopping() if any(worker.job for worker in self._workers) else set[str]()
        for worker in list(self._workers):
            job = worker.job
            if job is None:
                continue
            overdue = time.monotonic() > worker.deadline
            if job.id not in stopping and not overdue:
                continue
            self._workers.remove(worker)
            worker.kill()
            if job.id in stopping:
                self.jobs.finish(job, "cancelled")
            else:
                self.jobs.finish(job, "failed", error=self.jobs.limits.refuse_time(), status=422)
            _log.info("job %s %s", job.id[:6], "cancelled" if job.id in stopping else "took too long")


def _found(news: dict[str, Any]) -> dict[str, Any]:
    """What a worker says of a result, and nothing else it may say."""
    outputs = {str(kind): str(name) for kind, name in news["outputs"].items()}
    return {**{key: str(news[key]) for key in ("kind", "verdict", "sentence")}, "outputs": outputs}
