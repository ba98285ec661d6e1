"""Jobs handed to a Ray cluster: `tamperlens serve --ray ADDRESS`.

The queue, the database and the page stay with the server. On a machine of the cluster a Ray task keeps a worker process of the
same kind as the server's own, bounded in memory and without the database, gives it the job, and passes on what it has to say.
The machines must see the server's folder under the same name.
"""

import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from tamperlens.web.limits import Limits
from tamperlens.web.supervisor import WORN, Worker, WorkerProcess

__all__ = ["ClusterWorker", "examine_there"]

_log = logging.getLogger(__name__)


class ClusterWorker(Worker):
    """Has its jobs done by the cluster that ``ray``, the module, is connected to."""

    def __init__(self, ray: Any, limits: Limits, model: str) -> None:
        super().__init__()
        self.ready = True
        self._ray, self._limits, self._model = ray, limits, model
        # The queue tries a job again, and counts how often: Ray is not to.
        self._remote = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(examine_there).remote
        self._task: Any = None
        self.connection, self._news = Pipe(duplex=False)

    def send(self, order: bytes) -> None:
        """Puts it in line at the cluster. Its time begins when a machine takes it: there may be others before it."""
        self.deadline = math.inf
        self._task = self._remote(order, self._limits, self._model)
        threading.Thread(target=self._listen, args=(self._task, self._news), daemon=True).start()

    def _listen(self, task: Any, news: Connection) -> None:
        try:
            for reference in task:
                said = self._ray.get(reference)
                self.deadline = min(self.deadline, time.monotonic() + self._limits.time)
                if not _passed_on(said, news):
                    return
        except Exception as error:  # its process or machine died, or has no such program: the job is tried again
            cause = getattr(error, "cause", None) or error
            _log.warning("a job on the cluster broke off: %s: %s", type(cause).__name__, " ".join(str(cause).split())[:300])
            news.close()

    def kill(self) -> None:
        """Has the cluster end the process that has the job in hand, or take it out of line."""
        if self._task is not None and self.job is not None:
            self._ray.cancel(self._task, force=True)
        self.connection.close()


def _passed_on(said: bytes, news: Connection) -> bool:
    try:
        news.send_bytes(said)
    except OSError:  # killed: nobody listens any more
        return False
    return True


_kept: WorkerProcess | None = None
_kept_for: tuple[Limits, str] | None = None


def examine_there(order: bytes, limits: Limits, model: str) -> Iterator[bytes]:
    """Runs on a machine of the cluster: what the worker process says of one job, as it says it. It stays for the next job."""
    global _kept, _kept_for
    if _kept is not None and (_kept_for != (limits, model) or _kept.done >= WORN or not _kept.process.is_alive()):
        _kept.kill()
        _kept = None
    if _kept is None:
        _kept, _kept_for = WorkerProcess(limits, model), (limits, model)
    worker, ended, heard = _kept, False, dict[str, Any]()
    try:
        if not worker.ready:
            said = worker.connection.recv_bytes()
            if "ready" not in json.loads(said):
                yield said  # why it cannot work
                return
            worker.ready = True
        worker.send(order)
        while not ended:
            said = worker.connection.recv_bytes()
            heard = json.loads(said)
            ended = "done" in heard or "failed" in heard
            yield said
        worker.done += 1
    finally:
        if not ended or "leaving" in heard:
            worker.kill()
            _kept = None
