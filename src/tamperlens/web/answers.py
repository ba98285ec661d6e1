"""What the API answers with: jobs as clients see them, and why something was refused."""

from typing import Annotated, Any, Literal

from fastapi import HTTPException
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from tamperlens.web.jobs import Job, Jobs

__all__ = ["Identity", "JobOut", "Problem", "found", "out", "problems"]

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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How refusals with these statuses are described in OpenAPI."""
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


def found(jobs: Jobs, identity: str) -> Job:
    """A job; 404 where there is none."""
    job = jobs.get(identity)
    if job is None:
        raise HTTPException(404, "there is no such job, or no longer: results are deleted after a while")
    return job


def out(job: Job) -> JobOut:
    """A job as clients see it."""
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
