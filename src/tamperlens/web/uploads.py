"""Receiving what people send: streamed to a private file, bounded while it is read, told by its first bytes."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tamperlens.media.opening import PHOTOS, VIDEOS, plausible, refusal
from tamperlens.web.jobs import Full

__all__ = ["Slots", "receive", "refusing_full", "shown_name", "sniff"]

_IDLE = 30.0  # seconds without a byte after which an upload is given up


class Slots:
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
    file = await run_in_threadpool(_create, path)
    try:
        while (chunk := await asyncio.wait_for(anext(stream, None), _IDLE)) is not None:
            size += len(chunk)
            if size > most:
                raise HTTPException(413, message, {"connection": "close"})
            await run_in_threadpool(file.write, chunk)
        await run_in_threadpool(file.flush)
    except TimeoutError as error:
        raise HTTPException(408, f"nothing came for {_IDLE:g} seconds; send the file again", {"connection": "close"}) from error
    except OSError as error:
        raise HTTPException(503, f"the file cannot be kept here ({error.strerror}); try again later") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off; send the file again") from error
    finally:
        with suppress(OSError):  # told already
            await run_in_threadpool(file.close)
    return size


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def sniff(path: Path, name: str) -> None:
    """Refuses by first bytes what no photo or video begins with; the rest is for the worker to find out."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise HTTPException(422, "the file is empty, expected a photo or video")
    if not plausible(head):
        raise HTTPException(415, str(refusal(path, f"{PHOTOS} or {VIDEOS}")).replace(str(path), name))


async def refusing_full(do: Callable[..., Any], *arguments: Any) -> Any:
    """What ``do`` returns, out of the way of other requests; 429 or 503 where no more jobs are taken."""
    try:
        return await run_in_threadpool(do, *arguments)
    except Full as error:
        raise HTTPException(error.status, str(error), {"retry-after": "30"}) from error


def shown_name(given: str) -> str:
    """A file's name as it is shown: its last part, without what no screen shows."""
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip()[:120] or "file"
