"""The JSON API and the page that uses it, as one ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jinja2
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from tamperlens import __version__
from tamperlens.web.answers import problems
from tamperlens.web.examples import EXAMPLES
from tamperlens.web.guard import COOKIE, PAGE_POLICY, Guard, cookie_of, same
from tamperlens.web.job_requests import add_jobs
from tamperlens.web.jobs import Jobs
from tamperlens.web.result_requests import add_results
from tamperlens.web.supervisor import Supervisor

__all__ = ["STATIC", "make_app"]

STATIC = Path(__file__).parent / "static"


class Token(BaseModel):
    """What opens the server."""

    token: str = Field(max_length=1000)


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
        await run_in_threadpool(supervisor.start)  # in a thread: the first one loads what threads need, which stalls all else
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
        # FastAPI's own, which the environment may switch on: who sends what is told to nobody
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _add_pages(api, jobs, words, token, https)
    add_jobs(api, jobs, supervisor)
    add_results(api, jobs)
    return Guard(api, hosts, token, addresses=addresses)


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

    @api.post("/api/login", status_code=204, responses=problems(401, 403, 422), tags=["server"])
    async def login(given: Token) -> Response:
        """Have the browser remember the token: sets a cookie that scripts cannot read."""
        if token and not same(given.token.strip(), token):
            await asyncio.sleep(0.5)
            raise HTTPException(401, "this is not the token of this server")
        answer = Response(status_code=204)
        if token:
            answer.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="strict", secure=https, max_age=30 * 86400)
        return answer
