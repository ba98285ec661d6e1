"""Requests about results: the record, the page, single files, everything as a ZIP archive."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse

from tamperlens.inspection.casefile.page import content_policy
from tamperlens.web.answers import Identity, found, problems
from tamperlens.web.jobs import Job, Jobs

__all__ = ["add_results", "zipped"]

_BLOCK = 1 << 20


def add_results(api: FastAPI, jobs: Jobs) -> None:
    """Adds the requests to an API."""
    refusals = problems(401, 403, 404, 409, 413, 415, 422)

    @api.get("/api/jobs/{identity}/record", responses=refusals, tags=["results"])
    def record(identity: Identity) -> Response:
        """The record, by the schema that `tamperlens schema` prints."""
        job = _finished_job(jobs, identity)
        return FileResponse(_file(jobs, job, job.outputs.get("record", "")), media_type="application/json")

    @api.get("/api/jobs/{identity}/page", status_code=307, responses=refusals, tags=["results"])
    def page(identity: Identity) -> RedirectResponse:
        """The casefile's page."""
        job = _finished_job(jobs, identity)
        if "page" not in job.outputs:
            raise HTTPException(404, "the page could not be written; the record says why")
        return RedirectResponse(f"/api/jobs/{identity}/files/{quote(job.outputs['page'])}")

    @api.get("/api/jobs/{identity}/files/{name}", responses=refusals, tags=["results"])
    def file(identity: Identity, name: str) -> FileResponse:
        """One file of the casefile; `files` of the job names them. Parts of it may be asked for (Range)."""
        job = _finished_job(jobs, identity)
        path = _file(jobs, job, name)
        if name != job.outputs.get("page"):
            return FileResponse(path)
        policy = content_policy(elsewhere=("frame-ancestors 'self'",))
        return FileResponse(path, headers={"content-security-policy": policy, "x-frame-options": "SAMEORIGIN"})

    @api.get("/api/jobs/{identity}/zip", responses=refusals, tags=["results"])
    def everything(identity: Identity) -> StreamingResponse:
        """All files of the casefile in one ZIP archive."""
        job = _finished_job(jobs, identity)
        paths = [_file(jobs, job, name) for name in job.outputs.values()]
        stem = job.name.rsplit(".", 1)[0] or "report"
        disposition = f"attachment; filename=\"report.zip\"; filename*=UTF-8''{quote(stem, safe='')}.zip"
        return StreamingResponse(zipped(paths), media_type="application/zip", headers={"content-disposition": disposition})


def _finished_job(jobs: Jobs, identity: str) -> Job:
    job = found(jobs, identity)
    if job.state == "failed":
        raise HTTPException(job.status, job.error)
    if job.state != "done":
        raise HTTPException(409, "the job was cancelled" if job.state == "cancelled" else "the job is not done yet")
    return job


def _file(jobs: Jobs, job: Job, name: str) -> Path:
    """A file of a result: one that its record names, and that lies in its folder."""
    folder = jobs.result(job).resolve()
    if name in job.outputs.values() and (path := (folder / name).resolve()).parent == folder and path.is_file():
        return path
    raise HTTPException(404, f"this job has no such file; it has {', '.join(job.outputs.values())}")


def zipped(paths: Sequence[Path]) -> Iterator[bytes]:
    """A ZIP archive of files, piece by piece: what they hold is compressed already, and none is in memory as a whole."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            with path.open("rb") as source, archive.open(zipfile.ZipInfo.from_file(path, path.name), "w") as entry:
                while block := source.read(_BLOCK):
                    entry.write(block)
                    yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file to write to that keeps nothing longer than it must."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken
