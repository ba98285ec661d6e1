"""The queue and the results: one SQLite database and one private folder, which several servers of one machine may share.

    jobs.sqlite      a row for each job
    servers/ID.lock  locked for as long as that server lives; the kernel lets go of it, however the server ends
    incoming/        uploads that are still being received
    uploads/ID       what was accepted; deleted when the job ends
    work/            casefiles being written; results/ID: those that are whole

A job is accepted when its row is committed to the disk. From then on it ends once: done, failed or cancelled. Names that people
give their files are text in the database and never part of a path.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamperlens.errors import DataError
from tamperlens.web.limits import Limits

__all__ = ["ENDED", "MAX_TRIES", "Full", "Job", "Jobs"]

ENDED = ("done", "failed", "cancelled")
MAX_TRIES = 3  # a file that takes its worker, or the whole server, down so often is given up
_ID = re.compile(r"[\w-]{22}", re.ASCII)  # of a job; what is called otherwise was put there by somebody else
_TRY = re.compile(r"[\w-]{22}\.([0-9a-f]+)\.\d+", re.ASCII)  # at a job, by a server: the name of its folder in work/
_TIDIED = ("incoming", "uploads", "work", "results")  # folders of which what no job needs is deleted
_PARTS = ("servers", *_TIDIED)
_OWN = (*_PARTS, *(f"jobs.sqlite{end}" for end in ("", "-wal", "-shm", "-journal")))  # all that lies in a server's folder
_STALE = 3600.0  # seconds after which an upload that nobody finished is swept away

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, bytes INTEGER NOT NULL, example TEXT NOT NULL, client TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  stage TEXT NOT NULL DEFAULT '', progress REAL NOT NULL DEFAULT 0, stopping INTEGER NOT NULL DEFAULT 0,
  server TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '',
  sentence TEXT NOT NULL DEFAULT '', outputs TEXT NOT NULL DEFAULT '{}',
  created REAL NOT NULL, started REAL, ended REAL, expires REAL);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, created);
"""


class Full(DataError):
    """No more jobs are taken: of this client (429) or of anybody (503)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Job:
    """A job's row. Times are seconds since 1970; ``progress`` is a share of the work; ``status`` of a failure is HTTP's."""

    id: str
    name: str
    bytes: int
    example: str
    client: str
    state: str
    stage: str
    progress: float
    stopping: int
    server: str
    tries: int
    status: int
    error: str
    kind: str
    verdict: str
    sentence: str
    outputs: dict[str, str]
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    place: int = 0  # in the queue, from 1; 0 where it does not wait


class Jobs:
    """The jobs in one folder, as one server sees them. Safe to use from several threads."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.server = secrets.token_hex(8)
        self._lock = threading.RLock()
        _check_own(folder)
        _make_private(folder)
        for part in _PARTS:
            _make_private(folder / part)
        self._alive = _locked(folder / "servers", self.server)
        self._database = sqlite3.connect(folder / "jobs.sqlite", timeout=30, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        os.chmod(folder / "jobs.sqlite", 0o600)
        for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON"):
            self._database.execute(line)
        self._database.executescript(_TABLE)

    def close(self) -> None:
        """Gives back what this server had in work, and lets go of the folder."""
        with self._transaction() as database:
            _wait_again(database, "server = ?", (self.server,), counted=False)
        with self._lock:
            self._database.close()
        (self.folder / "servers" / f"{self.server}.lock").unlink(missing_ok=True)
        os.close(self._alive)

    # ---------------------------------------------------------------------------------------------------------- for clients

    def new_upload(self) -> tuple[str, Path]:
        """A job's id, which cannot be guessed, and where its bytes go while they are received."""
        identity = secrets.token_urlsafe(16)
        return identity, self.folder / "incoming" / identity

    def room(self, client: str) -> None:
        """Raises `Full` where no job of this client would be taken."""
        with self._lock:
            self._room(self._database, client)

    def accept(self, identity: str, name: str, size: int, client: str, example: str = "") -> Job:
        """Takes a job whose bytes lie in ``incoming``, or an example that the worker makes. Raises `Full`."""
        if not example:
            received, upload = self.folder / "incoming" / identity, self.folder / "uploads" / identity
            _flush(received)
            os.replace(received, upload)
            _flush(upload.parent)
        with self._transaction() as database:
            self._room(database, client)
            database.execute(
                "INSERT INTO jobs (id, name, bytes, example, client, state, created) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
                (identity, name, size, example, client, time.time()),
            )
        job = self.get(identity)
        assert job is not None
        return job

    def get(self, identity: str) -> Job | None:
        """A job; None where there is none, or no longer."""
        return next(iter(self.several([identity])), None)

    def several(self, identities: Iterable[str]) -> list[Job]:
        """Those of the jobs that are there."""
        wanted = list(identities)
        marks = ", ".join("?" * len(wanted))
        with self._lock:
            rows = self._database.execute(
                "SELECT *, CASE WHEN state = 'queued' THEN (SELECT count(*) FROM jobs AS other WHERE other.state = 'queued' "
                "AND (other.created, other.id) <= (jobs.created, jobs.id)) ELSE 0 END AS place "
                f"FROM jobs WHERE id IN ({marks}) AND (expires IS NULL OR expires > ?)",
                (*wanted, time.time()),
            ).fetchall()
        return [_job(row) for row in rows]

    def cancel(self, identity: str) -> None:
        """Ends a waiting job; of one in work its server is told. One that has ended stays as it is."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'cancelled', client = '', ended = ?, expires = coalesce(expires, ?) "
                "WHERE id = ? AND state = 'queued'",
                (time.time(), time.time() + self.limits.keep, identity),
            )
            database.execute("UPDATE jobs SET stopping = 1 WHERE id = ? AND state = 'running'", (identity,))
        self._drop_upload(identity)

    def delete(self, identity: str) -> None:
        """Cancels a job, and forgets it and all its files; of one in work, as soon as its worker has stopped."""
        self.cancel(identity)
        with self._transaction() as database:
            database.execute("UPDATE jobs SET expires = 0 WHERE id = ?", (identity,))
        self.sweep()

    def result(self, job: Job) -> Path:
        """The folder of a finished job's casefile."""
        return self.folder / "results" / job.id

    def unfinished(self) -> int:
        """Jobs that wait or are in work."""
        with self._lock:
            row = self._database.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
        return int(row[0])

    # ---------------------------------------------------------------------------------------------------------- for workers

    def claim(self) -> Job | None:
        """The job that has waited longest, now this server's to do; None where none waits."""
        with self._transaction() as database:
            row = database.execute(
                "UPDATE jobs SET state = 'running', server = ?, started = ?, stage = 'starting', progress = 0, "
                "tries = tries + 1 WHERE id = (SELECT id FROM jobs WHERE state = 'queued' ORDER BY created, id LIMIT 1) "
                "RETURNING *, 0 AS place",
                (self.server, time.time()),
            ).fetchone()
        return _job(row) if row else None

    def upload(self, identity: str) -> Path:
        """Where an accepted job's bytes lie."""
        return self.folder / "uploads" / identity

    def work(self, job: Job) -> Path:
        """An empty private folder for this try at a job."""
        folder = self._work(job)
        shutil.rmtree(folder, ignore_errors=True)
        _make_private(folder)
        return folder

    def _work(self, job: Job) -> Path:
        return self.folder / "work" / f"{job.id}.{self.server}.{job.tries}"

    def advance(self, identity: str, stage: str, progress: float) -> None:
        """Notes how far a job is."""
        with self._lock:
            self._database.execute("PRAGMA synchronous = NORMAL")  # nothing is lost with it that matters
            try:
                self._database.execute(
                    "UPDATE jobs SET stage = ?, progress = ? WHERE id = ? AND state = 'running' AND server = ?",
                    (stage, progress, identity, self.server),
                )
            finally:
                self._database.execute("PRAGMA synchronous = FULL")

    def finish(self, job: Job, state: str, **values: Any) -> bool:
        """Ends a job that is this server's, once; False where it is not, or not any more.

        Of a job that is done the folder `work` becomes its result.
        """
        found = {"status": 0, "error": "", "kind": "", "verdict": "", "sentence": "", "outputs": {}, **values}
        found["outputs"] = json.dumps(found["outputs"])
        now = time.time()
        with self._transaction() as database:
            mine = database.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND server = ?", (job.id, self.server)
            ).fetchone()
            if not mine:
                return False
            if state == "done":
                result = self.result(job)
                shutil.rmtree(result, ignore_errors=True)
                os.replace(self._work(job), result)
            database.execute(
                "UPDATE jobs SET state = :state, stage = '', progress = 1, client = '', ended = :ended, "
                "expires = coalesce(expires, :expires), status = :status, error = :error, kind = :kind, verdict = :verdict, "
                "sentence = :sentence, outputs = :outputs WHERE id = :id",
                {**found, "state": state, "ended": now, "expires": now + self.limits.keep, "id": job.id},
            )
        self._drop_upload(job.id)
        shutil.rmtree(self._work(job), ignore_errors=True)  # of a job that is not done
        return True

    def give_back(self, job: Job, reason: str) -> None:
        """A worker died over a job: it waits again, or fails after `MAX_TRIES`."""
        if job.tries >= MAX_TRIES:
            self.finish(job, "failed", status=422, error=reason)
            return
        self._give_back(job, counted=True)

    def put_back(self, job: Job) -> None:
        """A job that was not begun waits again, as if it had not been claimed."""
        self._give_back(job, counted=False)

    def _give_back(self, job: Job, *, counted: bool) -> None:
        shutil.rmtree(self._work(job), ignore_errors=True)
        with self._transaction() as database:
            _wait_again(database, "id = ? AND server = ?", (job.id, self.server), counted=counted)

    def stopping(self) -> set[str]:
        """Jobs of this server that somebody cancelled."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id FROM jobs WHERE server = ? AND state = 'running' AND stopping", (self.server,)
            )
            return {row["id"] for row in rows}

    # ------------------------------------------------------------------------------------------------------------- tidying

    def recover(self) -> None:
        """What servers that no longer live had in work waits again."""
        for file in (self.folder / "servers").glob("*.lock"):
            if file.stem == self.server or (lock := _try_lock(file)) is None:
                continue
            try:
                with self._transaction() as database:
                    rows = database.execute(
                        "SELECT *, 0 AS place FROM jobs WHERE state = 'running' AND server = ?", (file.stem,)
                    )
                    for job in [_job(row) for row in rows]:
                        database.execute("UPDATE jobs SET server = ? WHERE id = ?", (self.server, job.id))
                        if job.stopping:
                            self._end_abandoned(database, job, "cancelled", 0, "")
                        elif job.tries >= MAX_TRIES:
                            error = f"the server was stopped {job.tries} times while it worked on this file, which was given up"
                            self._end_abandoned(database, job, "failed", 422, error)
                        else:
                            _wait_again(database, "id = ?", (job.id,), counted=True)
                file.unlink(missing_ok=True)
            finally:
                os.close(lock)
        for folder in (self.folder / "work").iterdir():
            if (tried := _TRY.fullmatch(folder.name)) and not (self.folder / "servers" / f"{tried[1]}.lock").exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _end_abandoned(self, database: sqlite3.Connection, job: Job, state: str, status: int, error: str) -> None:
        database.execute(
            "UPDATE jobs SET state = ?, status = ?, error = ?, stage = '', client = '', ended = ?, "
            "expires = coalesce(expires, ?) WHERE id = ?",
            (state, status, error, time.time(), time.time() + self.limits.keep, job.id),
        )

    def sweep(self) -> None:
        """Forgets what has been kept long enough, and files that no job needs."""
        now = time.time()
        with self._transaction() as database:
            ended = f"state IN {ENDED}"
            gone = [row["id"] for row in database.execute(f"SELECT id FROM jobs WHERE {ended} AND expires <= ?", (now,))]
            database.executemany("DELETE FROM jobs WHERE id = ?", [(identity,) for identity in gone])
            needed = {row["id"] for row in database.execute("SELECT id FROM jobs WHERE state IN ('queued', 'running')")}
            kept = {row["id"] for row in database.execute("SELECT id FROM jobs WHERE state = 'done'")}
        if gone:
            with self._lock:  # or their names stay in the log of changes
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for folder in (self.folder / "results").iterdir():
            if _ID.fullmatch(folder.name) and folder.name not in kept and self._gone(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        for part, wanted, age in (("uploads", needed, 60.0), ("incoming", set[str](), _STALE)):
            for file in (self.folder / part).iterdir():
                if file.name in wanted or not _ID.fullmatch(file.name):
                    continue
                try:  # one that is younger may be about to be accepted
                    if now - file.stat().st_mtime > age or file.name in gone:
                        file.unlink()
                except FileNotFoundError:
                    continue

    def _gone(self, identity: str) -> bool:
        with self._lock:
            return self._database.execute("SELECT 1 FROM jobs WHERE id = ?", (identity,)).fetchone() is None

    def _room(self, database: sqlite3.Connection, client: str) -> None:
        waiting = "SELECT count(*), sum(client = ?) FROM jobs WHERE state IN ('queued', 'running')"
        total, own = database.execute(waiting, (client,)).fetchone()
        if total >= self.limits.queue:
            raise Full(self.limits.refuse_queue(), 503)
        if client and (own or 0) >= self.limits.per_client:  # files given at the start have no client
            raise Full(self.limits.refuse_client(), 429)

    def _drop_upload(self, identity: str) -> None:
        job = self.get(identity)
        if job is None or job.state in ENDED:
            self.upload(identity).unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _wait_again(database: sqlite3.Connection, which: str, values: Sequence[str], *, counted: bool) -> None:
    """Running jobs wait again; ``counted``: the try that ends counts as one of `MAX_TRIES`."""
    database.execute(
        "UPDATE jobs SET state = 'queued', server = '', stage = '', progress = 0, tries = tries - ? "
        f"WHERE state = 'running' AND {which}",
        (0 if counted else 1, *values),
    )


def _job(row: sqlite3.Row) -> Job:
    return Job(**{**dict(row), "outputs": json.loads(row["outputs"])})


def _check_own(folder: Path) -> None:
    """`DataError` where somebody else's files lie in a folder that a server has yet to make its own, private and tidied."""
    if (folder / "jobs.sqlite").exists():
        return
    for place in (folder, *(folder / part for part in _TIDIED)):
        try:
            found = sorted(place.iterdir())
        except OSError:  # none there, or one that `_make_private` has words for
            continue
        # Another server may just be making the folder its own.
        others = [one for one in found if place != folder or one.name not in _OWN]
        if others:
            raise DataError(
                f"{folder} is no folder of this server: {others[0]} lies there, and a server makes its folder private and "
                "deletes what no job needs; give a new or empty folder with --folder"
            )


def _make_private(folder: Path) -> None:
    """A folder that only this user may enter; `DataError` where it is somebody else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise DataError(f"{folder} belongs to another user; give a folder of your own with --folder")
        os.chmod(folder, 0o700)
    except OSError as error:
        raise DataError(f"{folder} cannot be used as a folder ({error.strerror}); give another --folder") from error


def _locked(folder: Path, name: str) -> int:
    """A lock file that this process holds; it gets its name only once it is locked, so that nobody takes it for abandoned."""
    temporary = folder / f"{name}.new"
    descriptor = os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.replace(temporary, folder / f"{name}.lock")
    return descriptor


def _try_lock(file: Path) -> int | None:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
