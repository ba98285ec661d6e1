"""Starting the server: its settings checked, its folder opened, files given at the start sent in as if by a visitor."""

import contextlib
import gc
import ipaddress
import json
import logging
import os
import re
import shutil
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from tamperlens.errors import DataError
from tamperlens.processes import connected_to_ray, ray_cores
from tamperlens.web.app import STATIC, make_app
from tamperlens.web.cluster import ClusterWorker
from tamperlens.web.guard import LOOPBACK
from tamperlens.web.jobs import Jobs
from tamperlens.web.limits import Limits
from tamperlens.web.supervisor import Supervisor
from tamperlens.web.uploads import shown_name

__all__ = ["Settings", "default_folder", "read_words", "serve"]

MIN_TOKEN = 20  # letters


@dataclass(frozen=True)
class Settings:
    """How one server runs."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    folder: Path = Path()
    limits: Limits = field(default_factory=Limits)
    model: str = ""
    ray: str = ""  # address of a Ray cluster that does the work; ``limits.workers`` 0 then means all its cores
    token: str = field(default="", repr=False)
    allowed_hosts: tuple[str, ...] = ()  # names under which it is reached, beside its address
    https: bool = False  # whether a proxy in front speaks HTTPS
    words: Path | None = None

    def hosts(self) -> frozenset[str]:
        """Names that a request may give this server. Raises `DataError` where it would be open to others without a token."""
        if self.token and len(self.token) < MIN_TOKEN:
            raise DataError(f"the token has {len(self.token)} letters; expected at least {MIN_TOKEN} that nobody can guess")
        if self.host in LOOPBACK:
            return LOOPBACK | {host.lower() for host in self.allowed_hosts}
        if not self.token:
            raise DataError(
                f"on {self.host} others can reach this server, which needs a token: give one by --token-file FILE or in "
                f"TAMPERLENS_TOKEN, for example of: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        own = {self.host, socket.gethostname(), *self.allowed_hosts}
        return LOOPBACK | {host.lower() for host in own} - {"0.0.0.0", "::"}


def default_folder() -> Path:
    """Where jobs lie unless another folder is given."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tamperlens"


def read_words(path: Path | None) -> dict[str, Any]:
    """The page's words: English, or a translation with the same keys."""
    english: dict[str, Any] = json.loads((STATIC / "words.json").read_text(encoding="utf-8"))
    if path is None:
        return english
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as words ({error}); copy and translate words.json") from error
    missing = sorted(set(english) - set(words if isinstance(words, dict) else ()))
    if missing:
        raise DataError(f"{path} lacks the words for {', '.join(missing)}; expected the keys of words.json")
    for key, text in english.items():
        blanks = _blanks(text)
        if unknown := sorted(_blanks(str(words[key])) - blanks):
            kept = ", ".join(sorted(blanks)) or "nothing"
            raise DataError(
                f"{path}: the words for {key} have {', '.join(unknown)} in braces, expected {kept}; keep it as it is"
            )
    return {key: str(words[key]) for key in english}


def _blanks(text: str) -> set[str]:
    """What stands in braces, to be filled in."""
    return set(re.findall(r"\{([^}]*)\}?", text))


def serve(settings: Settings, files: Sequence[Path], say: Callable[[str], None], *, open_browser: bool = False) -> None:
    """Serves until it is stopped; ``say`` is told, once it listens, where. Raises `DataError` where that cannot be, or ends."""
    hosts, words, limits = settings.hosts(), read_words(settings.words), settings.limits
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.umask(0o077)
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(_bind(settings.host, settings.port))
        make_worker = None
        if settings.ray:
            ray = stack.enter_context(connected_to_ray(settings.ray, limits.workers))
            limits = replace(limits, workers=limits.workers or ray_cores(ray))
            make_worker = partial(ClusterWorker, ray, limits, settings.model)
        jobs = Jobs(settings.folder, limits)
        first = _send_all(jobs, files)
        supervisor = Supervisor(jobs, settings.model, make_worker)
        away = settings.host not in LOOPBACK
        app = make_app(jobs, supervisor, words, hosts=hosts, addresses=away, token=settings.token, https=settings.https)
        # Names of files and addresses of people are in no log: there is none of requests.
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=1000,
            timeout_graceful_shutdown=2,
        )
        link = _link(settings, bound.getsockname()[1], first)

        def ready() -> None:
            say(f"tamperlens is at {link}")
            if settings.token:
                mark = "&" if first else "#"
                say(f"it asks for the token once; a link that brings it along: the address above, then {mark}token=TOKEN")
            if open_browser:  # some wait until they are closed
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()

        server = _Server(config, ready)
        supervisor.on_failure = lambda: setattr(server, "should_exit", True)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
    if supervisor.failure:
        raise DataError(f"no file can be inspected: {supervisor.failure}")


def _link(settings: Settings, port: int, first: Sequence[str]) -> str:
    """Where a browser on this machine finds the page, with the jobs that were sent at the start."""
    shown = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
    return address + ("login" if settings.token else "") + (f"#jobs={','.join(first)}" if first else "")


class _Server(uvicorn.Server):
    """Calls ``ready`` once requests are answered: whoever asks before is refused by the kernel, and not kept waiting."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        gc.collect()
        gc.freeze()  # what is loaded stays: looking through it again and again would hold up whoever asks, 60 ms each time
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


def _bind(host: str, port: int) -> socket.socket:
    """A socket of this address that does not listen yet."""
    six = _is_six(host)
    bound = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise DataError(f"port {port} of {host} cannot be used ({error.strerror or error}); give another --port") from error
    return bound


def _is_six(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _send_all(jobs: Jobs, files: Sequence[Path]) -> list[str]:
    """The ids of all files' jobs; where one cannot be taken, none is."""
    sent: list[str] = []
    try:
        for path in files:
            sent.append(_send(jobs, path))
    except DataError:
        for identity in sent:
            jobs.delete(identity)
        raise
    return sent


def _send(jobs: Jobs, path: Path) -> str:
    """A file given at the start; it stays where it is, a copy is inspected."""
    identity, incoming = jobs.new_upload()
    try:
        shutil.copyfile(path, incoming)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the name") from error
    return jobs.accept(identity, shown_name(path.name), incoming.stat().st_size, "").id
