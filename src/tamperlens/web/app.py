"""The JSON API and the page that uses it, as one ASGI application."""

import asyncio
import io
import json
import shutil
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal, cast
from urllib.parse import quote, unquote

import jinja2
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from tamperlens import __version__
from tamperlens.inspection.casefile.page import content_policy
from tamperlens.media.opening import PHOTOS, VIDEOS, plausible, refusal
from tamperlens.web.examples import EXAMPLES
from tamperlens.web.guard import COOKIE, PAGE_POLICY, Guard, cookie_of, same
from tamperlens.web.jobs import ENDED, Full, Job, Jobs
from tamperlens.web.supervisor import Supervisor

__all__ = ["make_app", "receive"]

STATIC = Path(__file__).parent / "static"
_IDLE = 30.0  # seconds without a byte after which an upload is given up
_RECEIVING = 64  # uploads at the same time
_STREAMS = 256  # listeners to progress at the same time
_SPARE = 500_000_000  # bytes of disk that stay free
_POLL = 0.25  # seconds between two looks at jobs that somebody listens to
_BLOCK = 1 << 20

Identity = Annotated[str, InPath(description="as given when the file was accepted", pattern=r"^[A-Za-z0-9_-]{22}$")]


class JobOut(BaseModel):
    """A job."""

    id: str
    name: str = Field(description="the file's name, as its sender gave it")
    bytes: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    place: int = Field(description="in the queue, from 1; 0 where it does not wait")
    stage: str = Field(description="of a running job: starting, making (an example), opening, inspecting, writing")
    progress: float = Field(description="share of a video that is inspected", ge=0, le=1)
    tries: int = Field(description="how often work on it was begun; more than 1 where a worker or the server went down")
    kind: str = Field(description="photo or video, once it is known")
    verdict: str = Field(description="manipulated, no_evidence or inconclusive, once it is known")
    sentence: str = Field(description="the verdict in one sentence")
    status: int = Field(description="of a failed job: the HTTP status that says why; else 0")
    error: str = Field(description="of a failed job: why, and what to do")
    files: dict[str, str] = Field(description="kind of file -> name under /api/jobs/ID/files/")
    created: float = Field(description="seconds since 1970")
    ended: float | None
    expires: float | None = Field(description="when the result will be deleted")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class Token(BaseModel):
    """What opens the server."""

    token: str = Field(max_length=1000)


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "the upload broke off",
        401: "a token is needed",
        403: "a request from another site",
        404: "no such job, or no longer",
        408: "the upload stood still",
        409: "not done yet, or cancelled",
        413: "more than this server takes",
        415: "no photo or video",
        421: "the server is not known by that name",
        422: "it cannot be inspected, or the request is malformed",
        429: "too many files of this client wait",
        500: "what was found cannot be read",
        503: "nobody's files are taken now",
    }
    # 422 may also be FastAPI's own list of what is malformed
    return {
        status: {"description": words[status], **({} if status == 422 else {"model": Problem})} for status in (*statuses, 421)
    }


def make_app(
    jobs: Jobs,
    supervisor: Supervisor,
    words: dict[str, Any],
    *,
    hosts: frozenset[str],
    addresses: bool = False,
    token: str = "",
    https: bool = False,
) -> ASGIApp:
    """The application; it starts the supervisor, and ends it. ``words``: see static/words.json; the rest: see `Guard`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        supervisor.start()
        try:
            yield
        finally:
            await run_in_threadpool(supervisor.stop)
            await run_in_threadpool(jobs.close)

    api = FastAPI(
        title="tamperlens",
        version=__version__,
        summary="Was a face manipulated in this photo or video, and where?",
        lifespan=lifespan,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
    )
    _add_pages(api, jobs, words, token, https)
    _add_jobs(api, jobs, supervisor)
    _add_results(api, jobs)
    return Guard(api, hosts, token, addresses=addresses)


# ----------------------------------------------------------------------------------------------------------------- pages


def _add_pages(api: FastAPI, jobs: Jobs, words: dict[str, Any], token: str, https: bool) -> None:
    loader = jinja2.FileSystemLoader(STATIC)
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    values = {"words": words, "limits": jobs.limits.public(), "examples": EXAMPLES, "token": bool(token)}
    rendered = {name: pages.get_template(name).render(values) for name in ("page.html", "login.html")}

    def page(name: str) -> HTMLResponse:
        return HTMLResponse(rendered[name], headers={"content-security-policy": PAGE_POLICY})

    @api.get("/", include_in_schema=False)
    def home() -> HTMLResponse:
        return page("page.html")

    @api.get("/login", include_in_schema=False)
    def login_page() -> HTMLResponse:
        return page("login.html")

    for name, kind in (("page.js", "text/javascript"), ("login.js", "text/javascript"), ("page.css", "text/css")):

        def static(body: bytes = (STATIC / name).read_bytes(), kind: str = kind) -> Response:
            return Response(body, media_type=kind)

        api.add_api_route(f"/{name}", lambda static=static: static(), include_in_schema=False)

    @api.post("/api/login", status_code=204, responses=_problems(401, 403, 422), tags=["server"])
    async def login(given: Token) -> Response:
        """Have the browser remember the token: sets a cookie that scripts cannot read."""
        if token and not same(given.token.strip(), token):
            await asyncio.sleep(0.5)
            raise HTTPException(401, "this is not the token of this server")
        answer = Response(status_code=204)
        if token:
            answer.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="strict", secure=https, max_age=30 * 86400)
        return answer


# ------------------------------------------------------------------------------------------------------------------ jobs


def _add_jobs(api: FastAPI, jobs: Jobs, supervisor: Supervisor) -> None:
    receiving = _Slots(_RECEIVING, "too many files are being received; try again in a while")
    listening = _Slots(_STREAMS, "too many clients listen to progress; ask for the job itself now and then")

    @api.get("/healthz", responses=_problems(503), tags=["server"])
    def health() -> dict[str, str]:
        """Whether jobs are being done."""
        if not supervisor.healthy():
            raise HTTPException(503, supervisor.failure or "no worker answers")
        return {"status": "ok", "version": __version__}

    @api.get("/api/limits", responses=_problems(401, 403), tags=["server"])
    def limits() -> dict[str, Any]:
        """What this server takes."""
        return jobs.limits.public()

    body = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @api.post(
        "/api/jobs",
        status_code=202,
        responses=_problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
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
            return _out(await _submit(request, shown_name(unquote(x_file_name))))

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
        await _refusing_full(jobs.room, client)
        identity, path = jobs.new_upload()
        try:
            size = await receive(request, path, jobs.limits.bytes, jobs.limits.refuse_bytes())
            _sniff(path, name)
            job: Job = await _refusing_full(jobs.accept, identity, name, size, client)
        finally:
            path.unlink(missing_ok=True)
        supervisor.wake()
        return job

    @api.post("/api/examples/{name}", status_code=202, responses=_problems(401, 403, 404, 422, 429, 503), tags=["jobs"])
    async def example(request: Request, name: str) -> JobOut:
        """Inspect an example that is made on the spot: photograph, or forgery."""
        if name not in EXAMPLES:
            raise HTTPException(404, f"there is no such example; expected one of {', '.join(EXAMPLES)}")
        client = request.client.host if request.client else ""
        job = await _refusing_full(jobs.accept, jobs.new_upload()[0], EXAMPLES[name], 0, client, name)
        supervisor.wake()
        return _out(job)

    @api.get("/api/jobs/{identity}", responses=_problems(401, 403, 404, 422), tags=["jobs"])
    def job(identity: Identity) -> JobOut:
        """How far a job is."""
        return _out(_found(jobs, identity))

    @api.post("/api/jobs/{identity}/cancel", status_code=202, responses=_problems(401, 403, 404, 422), tags=["jobs"])
    def cancel(identity: Identity) -> JobOut:
        """Stop a job. One that has ended stays as it is."""
        _found(jobs, identity)
        jobs.cancel(identity)
        supervisor.wake()
        return _out(_found(jobs, identity))

    @api.delete("/api/jobs/{identity}", status_code=204, responses=_problems(401, 403, 404, 422), tags=["jobs"])
    def delete(identity: Identity) -> None:
        """Stop a job, and delete everything about it."""
        _found(jobs, identity)
        jobs.delete(identity)
        supervisor.wake()

    events: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {}}, "description": "`job` events, then `end`"}
    }

    @api.get("/api/jobs/{identity}/events", responses=_problems(401, 403, 404, 422, 503) | events, tags=["jobs"])
    async def listen(identity: Identity) -> StreamingResponse:
        """Server-sent events: the job, now and whenever it is further; at last an event called end."""
        await run_in_threadpool(_found, jobs, identity)
        return _event_stream(jobs, [identity], listening)

    @api.get("/api/events", responses=_problems(401, 403, 422, 503) | events, tags=["jobs"])
    async def listen_to_several(
        job: Annotated[list[str], Query(description="ids", min_length=1, max_length=200)],
    ) -> StreamingResponse:
        """The same for several jobs in one stream. One that is not there, or no longer, has an event called gone."""
        return _event_stream(jobs, job, listening)


class _Slots:
    """How many may do something at the same time; the next one is told to come back."""

    def __init__(self, number: int, message: str) -> None:
        self.free, self.message = number, message

    def __enter__(self) -> None:
        if self.free <= 0:
            raise HTTPException(503, self.message, {"retry-after": "10"})
        self.free -= 1

    def __exit__(self, *_: object) -> None:
        self.free += 1


async def receive(request: Request, path: Path, most: int, message: str) -> int:
    """Writes a request's body to a new private file while it comes; returns its bytes. Over ``most``: 413 with ``message``."""
    size, stream = 0, aiter(request.stream())
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            while (chunk := await asyncio.wait_for(anext(stream, None), _IDLE)) is not None:
                size += len(chunk)
                if size > most:
                    raise HTTPException(413, message, {"connection": "close"})
                await run_in_threadpool(file.write, chunk)
    except TimeoutError as error:
        raise HTTPException(408, f"nothing came for {_IDLE:g} seconds; send the file again", {"connection": "close"}) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off; send the file again") from error
    return size


def _sniff(path: Path, name: str) -> None:
    """Refuses by first bytes what is surely no photo or video; the rest is for the worker to find out."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise HTTPException(422, "the file is empty, expected a photo or video")
    if not plausible(head):
        raise HTTPException(415, str(refusal(path, f"{PHOTOS} or {VIDEOS}")).replace(str(path), name))


async def _refusing_full(do: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return await run_in_threadpool(do, *arguments)
    except Full as error:
        raise HTTPException(error.status, str(error), {"retry-after": "30"}) from error


def shown_name(given: str) -> str:
    """A file's name as it is shown: its last part, without what no screen shows."""
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip()[:120] or "file"


def _found(jobs: Jobs, identity: str) -> Job:
    job = jobs.get(identity)
    if job is None:
        raise HTTPException(404, "there is no such job, or no longer: results are deleted after a while")
    return job


def _out(job: Job) -> JobOut:
    return JobOut(
        id=job.id,
        name=job.name,
        bytes=job.bytes,
        state=job.state,  # type: ignore[arg-type]  # the database checks it
        place=job.place,
        stage=job.stage,
        progress=job.progress,
        tries=job.tries,
        kind=job.kind,
        verdict=job.verdict,
        sentence=job.sentence,
        status=job.status,
        error=job.error,
        files=job.outputs,
        created=job.created,
        ended=job.ended,
        expires=job.expires,
    )


def _event_stream(jobs: Jobs, identities: Sequence[str], slots: _Slots) -> StreamingResponse:
    with slots:  # refuses before the answer begins
        pass

    async def stream() -> AsyncIterator[str]:
        waiting, told, last = list(dict.fromkeys(identities)), dict[str, str](), time.monotonic()
        with slots:
            while True:
                found = {job.id: job for job in await run_in_threadpool(jobs.several, waiting)}
                for identity in waiting:
                    event, data = "gone", json.dumps({"id": identity})
                    if identity in found:
                        event, data = "job", _out(found[identity]).model_dump_json()
                    if told.get(identity) != data:
                        told[identity], last = data, time.monotonic()
                        yield f"event: {event}\ndata: {data}\n\n"
                waiting = [identity for identity in waiting if identity in found and found[identity].state not in ENDED]
                if not waiting:
                    yield "event: end\ndata: {}\n\n"
                    return
                if time.monotonic() - last > 15:
                    last = time.monotonic()
                    yield ": still here\n\n"
                await asyncio.sleep(_POLL)

    return StreamingResponse(stream(), media_type="text/event-stream")


# --------------------------------------------------------------------------------------------------------------- results


def _add_results(api: FastAPI, jobs: Jobs) -> None:
    problems = _problems(401, 403, 404, 409, 413, 415, 422)

    @api.get("/api/jobs/{identity}/record", responses=problems, tags=["results"])
    def record(identity: Identity) -> Response:
        """The record, by the schema that `tamperlens schema` prints."""
        job = _done(jobs, identity)
        return FileResponse(_file(jobs, job, job.outputs["record"]), media_type="application/json")

    @api.get("/api/jobs/{identity}/page", status_code=307, responses=problems, tags=["results"])
    def page(identity: Identity) -> RedirectResponse:
        """The casefile's page."""
        return RedirectResponse(f"/api/jobs/{identity}/files/{quote(_done(jobs, identity).outputs['page'])}")

    @api.get("/api/jobs/{identity}/files/{name}", responses=problems, tags=["results"])
    def file(identity: Identity, name: str) -> FileResponse:
        """One file of the casefile; `files` of the job names them. Parts of it may be asked for (Range)."""
        job = _done(jobs, identity)
        path = _file(jobs, job, name)
        if name != job.outputs["page"]:
            return FileResponse(path)
        policy = content_policy(elsewhere=("frame-ancestors 'self'",))
        return FileResponse(path, headers={"content-security-policy": policy, "x-frame-options": "SAMEORIGIN"})

    @api.get("/api/jobs/{identity}/zip", responses=problems, tags=["results"])
    def everything(identity: Identity) -> StreamingResponse:
        """All files of the casefile in one ZIP archive."""
        job = _done(jobs, identity)
        paths = [_file(jobs, job, name) for name in job.outputs.values()]
        stem = job.name.rsplit(".", 1)[0] or "report"
        disposition = f"attachment; filename=\"report.zip\"; filename*=UTF-8''{quote(stem, safe='')}.zip"
        return StreamingResponse(zipped(paths), media_type="application/zip", headers={"content-disposition": disposition})


def _done(jobs: Jobs, identity: str) -> Job:
    job = _found(jobs, identity)
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
