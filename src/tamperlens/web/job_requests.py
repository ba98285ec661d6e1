"""Requests about jobs: submit, look, listen, cancel, delete."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tamperlens import __version__
from tamperlens.web.answers import Identity, JobOut, found, out, problems
from tamperlens.web.examples import EXAMPLES
from tamperlens.web.jobs import ENDED, Job, Jobs
from tamperlens.web.supervisor import Supervisor
from tamperlens.web.uploads import Slots, receive, refusing_full, shown_name, sniff

__all__ = ["add_jobs"]

_RECEIVING = 64  # uploads at the same time
_STREAMS = 256  # listeners to progress at the same time
_SPARE = 500_000_000  # bytes of disk that stay free
_POLL = 0.25  # seconds between two looks at jobs that somebody listens to


def add_jobs(api: FastAPI, jobs: Jobs, supervisor: Supervisor) -> None:
    """Adds the requests to an API."""
    receiving = Slots(_RECEIVING, "too many files are being received; try again in a while")
    listening = Slots(_STREAMS, "too many clients listen to progress; ask for the job itself now and then")

    @api.get("/healthz", responses=problems(503), tags=["server"])
    async def health() -> dict[str, str]:  # waits for no thread, no disk and no lock: it is to answer when all else is busy
        """Whether jobs are being done."""
        if not supervisor.healthy():
            raise HTTPException(503, supervisor.failure or "no worker answers")
        return {"status": "ok", "version": __version__}

    @api.get("/api/limits", responses=problems(401, 403), tags=["server"])
    def limits() -> dict[str, Any]:
        """What this server takes."""
        return jobs.limits.public()

    body = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @api.post(
        "/api/jobs",
        status_code=202,
        responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
        openapi_extra={"requestBody": body},
        tags=["jobs"],
    )
    async def submit(
        request: Request,
        x_file_name: Annotated[str, Header(description="the file's name, percent-encoded UTF-8; only shown")] = "",
    ) -> JobOut:
        """Send a photo or video: its bytes are the body of the request. What it is, is told by its content."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise HTTPException(415, "send the file itself as the body, not a form: curl --data-binary @photo.jpg")
        with receiving:
            return out(await _submit(request, shown_name(unquote(x_file_name))))

    async def _submit(request: Request, name: str) -> Job:
        client = request.client.host if request.client else ""
        if supervisor.failure:
            raise HTTPException(503, supervisor.failure)
        length = request.headers.get("content-length", "0")
        expected = int(length) if length.isdecimal() else 0
        if expected > jobs.limits.bytes:
            raise HTTPException(413, jobs.limits.refuse_bytes(), {"connection": "close"})
        if shutil.disk_usage(jobs.folder).free < expected + _SPARE:
            raise HTTPException(503, "the server's disk is full; try again later")
        await refusing_full(jobs.room, client)
        identity, path = jobs.new_upload()
        try:
            size = await receive(request, path, jobs.limits.bytes, jobs.limits.refuse_bytes())
            await run_in_threadpool(sniff, path, name)
            job: Job = await refusing_full(jobs.accept, identity, name, size, client)
        finally:
            await run_in_threadpool(path.unlink, missing_ok=True)
        supervisor.wake()
        return job

    @api.post("/api/examples/{name}", status_code=202, responses=problems(401, 403, 404, 422, 429, 503), tags=["jobs"])
    async def example(request: Request, name: str) -> JobOut:
        """Inspect an example that is made on the spot: photograph, or forgery."""
        if name not in EXAMPLES:
            raise HTTPException(404, f"there is no such example; expected one of {', '.join(EXAMPLES)}")
        client = request.client.host if request.client else ""
        job = await refusing_full(jobs.accept, jobs.new_upload()[0], EXAMPLES[name], 0, client, name)
        supervisor.wake()
        return out(job)

    @api.get("/api/jobs/{identity}", responses=problems(401, 403, 404, 422), tags=["jobs"])
    def job(identity: Identity) -> JobOut:
        """How far a job is."""
        return out(found(jobs, identity))

    @api.post("/api/jobs/{identity}/cancel", status_code=202, responses=problems(401, 403, 404, 422), tags=["jobs"])
    def cancel(identity: Identity) -> JobOut:
        """Stop a job. One that has ended stays as it is."""
        found(jobs, identity)
        jobs.cancel(identity)
        supervisor.wake()
        return out(found(jobs, identity))

    @api.delete("/api/jobs/{identity}", status_code=204, responses=problems(401, 403, 404, 422), tags=["jobs"])
    def delete(identity: Identity) -> None:
        """Stop a job, and delete everything about it."""
        found(jobs, identity)
        jobs.delete(identity)
        supervisor.wake()

    events: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {}}, "description": "`job` events, then `end`"}
    }

    @api.get("/api/jobs/{identity}/events", responses=problems(401, 403, 404, 422, 503) | events, tags=["jobs"])
    async def listen(identity: Identity) -> StreamingResponse:
        """Server-sent events: the job, now and whenever it is further; at last an event called end."""
        await run_in_threadpool(found, jobs, identity)
        return _event_stream(jobs, [identity], listening)

    @api.get("/api/events", responses=problems(401, 403, 422, 503) | events, tags=["jobs"])
    async def listen_to_several(
        job: Annotated[list[str], Query(description="ids", min_length=1, max_length=200)],
    ) -> StreamingResponse:
        """The same for several jobs in one stream. One that is not there, or no longer, has an event called gone."""
        return _event_stream(jobs, job, listening)


def _event_stream(jobs: Jobs, identities: Sequence[str], slots: Slots) -> StreamingResponse:
    with slots:  # refuses before the answer begins
        pass

    async def stream() -> AsyncIterator[str]:
        waiting, told, last = list(dict.fromkeys(identities)), dict[str, str](), time.monotonic()
        with slots:
            while True:
                there = {job.id: job for job in await run_in_threadpool(jobs.several, waiting)}
                for identity in waiting:
                    event, data = "gone", json.dumps({"id": identity})
                    if identity in there:
                        event, data = "job", out(there[identity]).model_dump_json()
                    if told.get(identity) != data:
                        told[identity], last = data, time.monotonic()
                        yield f"event: {event}\ndata: {data}\n\n"
                waiting = [identity for identity in waiting if identity in there and there[identity].state not in ENDED]
                if not waiting:
                    yield "event: end\ndata: {}\n\n"
                    return
                if time.monotonic() - last > 15:
                    last = time.monotonic()
                    yield ": still here\n\n"
                await asyncio.sleep(_POLL)

    return StreamingResponse(stream(), media_type="text/event-stream")
