"""Many uploads at the same time to one server on this machine: nothing lost or done twice, memory, how soon health is answered.

    python benchmarks/serving.py [--files 32] [--workers 2] [--kill]

Every file is another small copy of matplotlib's sample photograph, sent by a client of its own, all at once, over loopback.
With --kill the server is killed (SIGKILL) when a quarter of the files are done, and started again on the same folder.
"""

import argparse
import io
import json
import os
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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
        first = heard.get(timeout=120)
        if not first.startswith("tamperlens is at http://"):
            raise RuntimeError(f"the server did not start: {first}{''.join(self.lines)}")
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
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self.process.pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has just ended
                continue
        return found

    def stop(self, *, kill: bool = False) -> None:
        """Ends it, politely or not; the log is complete afterwards."""
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)
        self._listener.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


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


class Watch(threading.Thread):
    """Asks for health and looks at memory while others work. Times in milliseconds, memory in megabytes."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server: Server | None = server
        self.health: list[float] = []
        self.of_server, self.of_worker, self.stopped = 0.0, 0.0, False

    def run(self) -> None:
        """Until ``stopped``."""
        workers: list[int] = []
        while not self.stopped:
            server = self.server
            if server is None:  # it is being started again
                time.sleep(0.05)
                continue
            begun = time.perf_counter()
            try:
                server.ask("/healthz")
                self.health.append(1000 * (time.perf_counter() - begun))
            except OSError:
                if server is self.server:
                    raise
            if len(self.health) % 20 == 1:
                workers = server.workers()
            self.of_server = max(self.of_server, resident(server.process.pid))
            self.of_worker = max([self.of_worker, *map(resident, workers)])
            time.sleep(0.05)


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
    server = Server(folder / "jobs", *options)
    watch = Watch(server)
    try:
        bodies, begun = photos(files), time.perf_counter()
        watch.start()
        with ThreadPoolExecutor(files) as senders:
            ids = [job["id"] for job in senders.map(lambda body: server.ask("/api/jobs", body), bodies)]
        accepted = time.perf_counter() - begun
        logs = []
        if kill:
            while sum(job["state"] == "done" for job in jobs_of(server, ids)) < max(1, files // 4):
                time.sleep(0.1)
            watch.server = None
            server.stop(kill=True)
            logs += server.lines
            server = watch.server = Server(folder / "jobs", *options)
        jobs = jobs_of(server, ids)
        while not all(job["state"] in ENDED for job in jobs):
            time.sleep(0.2)
            jobs = jobs_of(server, ids)
        seconds = time.perf_counter() - begun
        used = processor_seconds(server.process.pid)
    finally:
        watch.stopped = True
        watch.join(10)
        server.stop()
    ends = Counter(re.findall(r"job (\S+) (?:done|failed|cancelled)", "".join([*logs, *server.lines])))
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
        "health, median ms": round(statistics.median(watch.health), 1),
        "health, slowest ms": round(max(watch.health), 1),
        "server, most MB": round(watch.of_server),
        "worker, most MB": round(watch.of_worker),
        "server, CPU seconds": round(used, 2),
        "load of the machine": round(os.getloadavg()[0], 1),
    }


def jobs_of(server: Server, ids: list[str]) -> list[dict[str, Any]]:
    """The jobs as they stand."""
    return [server.ask(f"/api/jobs/{identity}") for identity in ids]


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=32, help="uploads at the same time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", action="store_true", help="kill the server in the middle and start it again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.files, asked.workers, asked.kill, Path(folder))
    for what, value in found.items():
        print(f"{what:24} {value}")


if __name__ == "__main__":
    main()
