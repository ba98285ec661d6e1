"""Many uploads at the same time to one server on this machine: nothing lost or done twice, memory, how soon health is answered.

    python benchmarks/serving.py [--files 32] [--workers 2] [--kill]

Every file is another small copy of matplotlib's sample photograph, sent by a client of its own, all at once, over loopback.
With --kill the server is killed (SIGKILL) when a quarter of the files are done, and started again on the same folder.

Health is asked for by a process of its own, every 50 ms, from before the first upload until the last job has ended. For the
slowest answers it is printed what the kernel says that the time went into: the server at work, the server waiting for a core,
the one who asks waiting for a core. A server that was killed answers nobody: how long that lasted is a figure of its own.
"""

import argparse
import contextlib
import dataclasses
import http.client
import io
import json
import os
import queue
import re
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = "import sys; sys.argv[0] = 'tamperlens'; from tamperlens.cli import app; app()"
ENDED = ("done", "failed", "cancelled")


class Server:
    """`tamperlens serve` in a process of its own, on any free port."""

    def __init__(self, folder: Path, *options: object, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--folder", str(folder), *map(str, options)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | (environment or {})
        )
        self.lines: list[str] = []
        heard: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self._listener.start()
        while not (first := heard.get(timeout=120)).startswith("tamperlens is at http://"):
            if not first:
                raise RuntimeError(f"the server did not start: {''.join(self.lines)}")
        self.link = first.split()[3]
        self.address = "/".join(self.link.split("/")[:3])

    def _listen(self, heard: "queue.Queue[str]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            heard.put(line)
        heard.put("")

    def ask(self, path: str, body: bytes | None = None, method: str = "") -> Any:
        """The JSON that is answered; `urllib.error.HTTPError` for a refusal."""
        request = urllib.request.Request(self.address + path, data=body, method=method or ("GET" if body is None else "POST"))
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def workers(self) -> list[int]:
        """Process numbers of the workers."""
        return workers_of(self.process.pid)

    def stop(self, *, kill: bool = False) -> None:
        """Ends it, politely or not; the log is complete afterwards."""
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)
        self._listener.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def workers_of(server: int) -> list[int]:
    """Process numbers of a server's workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == server and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has just ended
            continue
    return found


def resident(process: int) -> float:
    """Megabytes of memory in use by a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def processor_seconds(process: int) -> float:
    """Seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Answer:
    """One answer to the question for health. ``begun``: seconds of the monotonic clock; the rest: milliseconds."""

    begun: float
    took: float
    worked: float  # the server's threads, together
    waited: float  # the server's main thread, for a core
    asker: float  # whoever asked, for a core
    lost: str = ""  # why there was none

    @property
    def ended(self) -> float:
        """Seconds of the monotonic clock."""
        return self.begun + self.took / 1000


class Watch:
    """Asks for health and looks at memory while others work, in a process of its own. Memory in megabytes."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--watch"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers: list[Answer] = []
        self.of_server, self.of_worker = 0.0, 0.0

    def look_at(self, server: Server) -> None:
        """From now on this server, which has just been started, is watched."""
        host, port = server.address.removeprefix("http://").split(":")
        self._tell(f"{server.process.pid} {host} {port}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """Ends it; afterwards its findings are there."""
        found = json.loads(self._process.communicate(timeout=90)[0])
        self.answers = [Answer(*answer) for answer in found["answers"]]
        self.of_server, self.of_worker = found["server"], found["worker"]


def watch() -> None:
    """The process of `Watch`: servers to watch come line by line; once there are no more lines, prints what was found."""
    pid, host, port = 0, "", 0
    answers: list[Answer] = []
    workers: list[int] = []
    of_server, of_worker = 0.0, 0.0
    while True:
        if select.select([sys.stdin], [], [], 0.05)[0]:
            line = sys.stdin.readline().split()
            if not line:
                break
            pid, host, port = int(line[0]), line[1], int(line[2])
        if pid:
            answers.append(_ask_health(pid, host, port))
            if len(answers) % 20 == 1:
                workers = workers_of(pid)
            of_server, of_worker = max(of_server, resident(pid)), max([of_worker, *map(resident, workers)])
    found = [dataclasses.astuple(answer) for answer in answers]
    print(json.dumps({"answers": found, "server": of_server, "worker": of_worker}))


def _ask_health(pid: int, host: str, port: int) -> Answer:
    worked, waited, asker, lost = *_used(pid), _waited("self"), ""
    begun = time.monotonic()
    try:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            lost = str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        lost = type(error).__name__
    took = time.monotonic() - begun
    later_worked, later_waited = _used(pid)
    return Answer(
        begun,
        1000 * took,
        1000 * max(0.0, later_worked - worked),  # threads that have ended take theirs along
        1000 * (later_waited - waited),
        1000 * (_waited("self") - asker),
        lost,
    )


def _used(pid: int) -> tuple[float, float]:
    """Seconds that a process's threads were on a core, and that its main thread waited for one."""
    worked = 0.0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # it has just ended
            worked += int(file.read_text().split()[0]) / 1e9
    return worked, _waited(str(pid))


def _waited(process: str) -> float:
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def photos(count: int) -> list[bytes]:
    """Small photos of one person, no two alike."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))) as sample:
        picture = sample.convert("RGB").resize((256, 300))
    found = []
    for number in range(count):
        picture.putpixel((0, 0), (number % 256, number // 256, 0))
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        found.append(stream.getvalue())
    return found


def measure(files: int, workers: int, kill: bool, folder: Path) -> dict[str, Any]:
    """What came of ``files`` uploads at the same time."""
    options = ("--workers", workers, "--per-client", files, "--queue", files)
    bodies, watch = photos(files), Watch()
    server = Server(folder / "jobs", *options)
    try:
        watch.look_at(server)
        begun = time.monotonic()
        with ThreadPoolExecutor(files) as senders:
            ids = [job["id"] for job in senders.map(lambda body: server.ask("/api/jobs", body), bodies)]
        accepted = time.monotonic() - begun
        logs = []
        if kill:
            while sum(job["state"] == "done" for job in jobs_of(server, ids)) < max(1, files // 4):
                time.sleep(0.1)
            killed = time.monotonic()
            server.stop(kill=True)
            logs += server.lines
            server = Server(folder / "jobs", *options, "--port", server.address.rsplit(":", 1)[1])
            watch.look_at(server)
        jobs = jobs_of(server, ids)
        while not all(job["state"] in ENDED for job in jobs):
            time.sleep(0.2)
            jobs = jobs_of(server, ids)
        seconds = time.monotonic() - begun
        used = processor_seconds(server.process.pid)
    finally:
        watch.stop()
        server.stop()
    ends = Counter(re.findall(r"job (\S+) (?:done|failed|cancelled)", "".join([*logs, *server.lines])))
    answered = [answer for answer in watch.answers if not answer.lost]
    again = next((answer.ended for answer in answered if kill and answer.begun > killed), 0.0)
    lost = [answer for answer in watch.answers if answer.lost and not (kill and killed <= answer.ended <= again)]
    return {
        "files": files,
        "workers": workers,
        "killed": kill,
        "accepted after seconds": round(accepted, 2),
        "ended after seconds": round(seconds, 2),
        "done": sum(job["state"] == "done" for job in jobs),
        "lost": files - len({job["id"] for job in jobs if job["state"] in ENDED}),
        "ended more than once": sum(count > 1 for count in ends.values()),
        "begun again": sum(job["tries"] > 1 for job in jobs),
        "health, answers": len(answered),
        "health, median ms": round(statistics.median(answer.took for answer in answered), 1),
        "health, slowest ms": round(max(answer.took for answer in answered), 1),
        "health, over 200 ms": sum(answer.took > 200 for answer in answered),
        "health, unanswered": len(lost),  # by a server that lives
        **({"killed, seconds until health": round(again - killed, 2)} if kill else {}),
        "slowest": [described(answer, begun) for answer in sorted(answered, key=lambda answer: -answer.took)[:5]],
        "server, most MB": round(watch.of_server),
        "worker, most MB": round(watch.of_worker),
        "server, CPU seconds": round(used, 2),
        "load of the machine": round(os.getloadavg()[0], 1),
    }


def described(answer: Answer, begun: float) -> str:
    """An answer, and what its time went into."""
    return (
        f"{answer.took:.0f} ms at second {answer.begun - begun:.2f}: the server worked {answer.worked:.0f} ms, waited for a "
        f"core {answer.waited:.0f} ms; the one who asked waited for a core {answer.asker:.0f} ms"
    )


def jobs_of(server: Server, ids: list[str]) -> list[dict[str, Any]]:
    """The jobs as they stand."""
    return [server.ask(f"/api/jobs/{identity}") for identity in ids]


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=32, help="uploads at the same time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", action="store_true", help="kill the server in the middle and start it again")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.watch:
        watch()
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.files, asked.workers, asked.kill, Path(folder))
    for what, value in found.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{what:28} {line}")


if __name__ == "__main__":
    main()
