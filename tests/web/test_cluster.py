"""Jobs handed to a cluster, and servers that share a folder."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tamperlens
from tamperlens.errors import DataError
from tamperlens.web import cluster
from tamperlens.web.cluster import ClusterWorker, examine_there
from tamperlens.web.jobs import MAX_TRIES, Job, Jobs
from tamperlens.web.limits import Limits
from tamperlens.web.server import Settings, serve
from tamperlens.web.supervisor import Supervisor, Worker

ENDED = ("done", "failed", "cancelled")
DONE = {
    "done": {"kind": "photo", "verdict": "inconclusive", "sentence": "It cannot say.", "outputs": {"record": "report.json"}}
}


def accepted(jobs: Jobs, name: str = "a.jpg") -> str:
    identity, path = jobs.new_upload()
    path.write_bytes(b"bytes")
    return jobs.accept(identity, name, 5, "").id


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it never happened")


class FakeRay:
    """Does in a thread what Ray does on another machine; ``there`` is what runs there, instead of `examine_there`."""

    def __init__(self, there: Callable[..., Iterator[bytes]]) -> None:
        self.there, self.cancelled = there, 0

    def remote(self, **options: Any) -> Any:
        assert options["max_retries"] == 0  # the queue counts the tries
        return lambda _: SimpleNamespace(remote=self.there)

    def get(self, said: bytes) -> bytes:
        return said

    def cancel(self, task: Any, force: bool) -> None:
        assert force
        self.cancelled += 1


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., tuple[Jobs, FakeRay]]]:
    """A queue whose jobs are done by a cluster on which ``there`` runs."""
    running: list[tuple[Supervisor, Jobs]] = []

    def run(there: Callable[..., Iterator[bytes]], **limits: Any) -> tuple[Jobs, FakeRay]:
        ray, bounds = FakeRay(there), Limits(workers=2, **limits)
        jobs = Jobs(tmp_path / "jobs", bounds)
        supervisor = Supervisor(jobs, make_worker=lambda: ClusterWorker(ray, bounds, "the model"))
        supervisor.start()
        running.append((supervisor, jobs))
        return jobs, ray

    yield run
    for supervisor, jobs in running:
        supervisor.stop()
        jobs.close()


def state(jobs: Jobs, identity: str) -> Job:
    job = jobs.get(identity)
    assert job is not None
    return job


def wait_for(jobs: Jobs, identity: str) -> Job:
    until(lambda: state(jobs, identity).state in ENDED)
    return state(jobs, identity)


def test_a_job_is_handed_over_and_its_news_and_result_come_back(run) -> None:
    halfway, go_on = threading.Event(), threading.Event()

    def there(order: bytes, limits: Limits, model: str) -> Iterator[bytes]:
        asked = json.loads(order)
        assert Path(asked["upload"]).read_bytes() == b"bytes" and model == "the model"
        (Path(asked["out"]) / "report.json").write_text("{}")
        yield json.dumps({"stage": "inspecting", "progress": 0.5}).encode()
        halfway.set()
        go_on.wait(60)
        yield json.dumps(DONE).encode()

    jobs, _ = run(there)
    first, second = accepted(jobs), accepted(jobs)
    assert halfway.wait(60)
    until(lambda: state(jobs, first).progress == 0.5)
    assert state(jobs, first).stage == "inspecting"
    go_on.set()
    for identity in (first, second):
        job = wait_for(jobs, identity)
        assert (job.state, job.verdict, job.tries) == ("done", "inconclusive", 1)
        assert (jobs.result(job) / "report.json").is_file()
        until(lambda identity=identity: not jobs.upload(identity).exists())


def test_a_machine_that_dies_over_a_job_has_it_tried_again_and_at_last_given_up(run, caplog) -> None:
    tries = []

    def there(order: bytes, limits: Limits, model: str) -> Iterator[bytes]:
        tries.append(order)
        yield json.dumps({"stage": "opening", "progress": 0.0}).encode()
        raise OSError("the machine went away")

    jobs, _ = run(there)
    job = wait_for(jobs, accepted(jobs, "private.jpg"))
    assert job.state == "failed" and len(tries) == job.tries == MAX_TRIES
    assert "the machine went away" in caplog.text and "private" not in caplog.text


def test_a_job_on_the_cluster_is_cancelled_and_one_that_takes_too_long_is_stopped(run) -> None:
    over = threading.Event()

    def there(order: bytes, limits: Limits, model: str) -> Iterator[bytes]:
        yield json.dumps({"stage": "inspecting", "progress": 0.0}).encode()
        over.wait(60)

    jobs, ray = run(there, time=5.0)
    slow, unwanted = accepted(jobs), accepted(jobs)
    until(lambda: state(jobs, unwanted).stage == "inspecting")
    jobs.cancel(unwanted)
    assert wait_for(jobs, unwanted).state == "cancelled" and state(jobs, slow).state == "running" and ray.cancelled == 1
    job = wait_for(jobs, slow)
    assert job.state == "failed" and "longer than 5 seconds" in job.error and ray.cancelled == 2
    over.set()


def test_a_worker_without_memory_or_that_died_waiting_costs_no_other_job_a_try(tmp_path) -> None:
    """It leaves after it has said so; the next job waits for another, and the supervisor lives."""

    class Leaving(Worker):
        hired = 0

        def __init__(self) -> None:
            super().__init__()
            Leaving.hired += 1
            self.ready, self.number = True, Leaving.hired
            self.connection, self.theirs = Pipe()

        def send(self, order: bytes) -> None:
            if self.number == 1:
                self.theirs.send_bytes(json.dumps({"failed": "no memory", "status": 413, "leaving": True}).encode())
            elif self.number == 2:
                raise BrokenPipeError
            else:
                self.theirs.send_bytes(json.dumps({"failed": "fine", "status": 422}).encode())

        def kill(self) -> None:
            self.connection.close()

    jobs = Jobs(tmp_path / "jobs", Limits(workers=1))
    supervisor = Supervisor(jobs, make_worker=Leaving)
    first, second = accepted(jobs), accepted(jobs)
    supervisor.start()
    assert (wait_for(jobs, first).error, wait_for(jobs, second).error) == ("no memory", "fine")
    assert Leaving.hired == 3 and supervisor.failure == "" and state(jobs, first).tries == 1
    supervisor.stop()
    jobs.close()


def test_what_runs_on_a_machine_of_the_cluster_keeps_its_process_for_the_next_job(tmp_path, files) -> None:
    """A process of the server's own kind: bounded in memory, without the database."""

    def begin(name: str) -> Iterator[dict[str, Any]]:
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        order = {"upload": str(files[name]), "out": str(out), "name": name, "example": ""}
        return (json.loads(said) for said in examine_there(json.dumps(order).encode(), Limits(memory=4000), ""))

    def process() -> int:
        assert cluster._kept is not None and cluster._kept.process.pid is not None
        return cluster._kept.process.pid

    try:
        assert "done" in list(begin("no face.png"))[-1] and (tmp_path / "no face.png" / "report.html").is_file()
        first = process()
        assert f"{4000 << 20} " in next(
            line for line in Path(f"/proc/{first}/limits").read_text().splitlines() if line.startswith("Max address space")
        )
        assert list(begin("broken.jpg"))[-1]["status"] == 422 and process() == first
        news = begin("no face.png")
        assert next(news)["stage"] == "opening"
        os.kill(first, signal.SIGKILL)  # as the kernel does where no memory is left
        with pytest.raises((EOFError, OSError)):  # the task fails; the queue tries again
            list(news)
        assert "done" in list(begin("no face.png"))[-1] and process() != first
    finally:
        if cluster._kept is not None:
            cluster._kept.kill()
            cluster._kept = None


def test_two_servers_share_a_folder_and_one_ends_what_the_killed_other_began(benchmark, tmp_path, files) -> None:
    """As people start them, in processes of their own. What one accepted, the other knows, does, cancels and gives out."""
    servers = [benchmark.Server(tmp_path / "jobs", "--workers", 1) for _ in range(2)]
    first, second = servers

    def states(jobs: list[str]) -> list[str]:
        return [second.ask(f"/api/jobs/{identity}")["state"] for identity in jobs]

    try:
        body = files["no face.png"].read_bytes()
        begun = [first.ask("/api/jobs", body)["id"] for _ in range(8)]
        until(lambda: all(state in ENDED for state in states(begun)))
        did = ["".join(server.lines).count(" done") for server in servers]
        assert sum(did) == 8, did  # no job was done twice
        assert second.ask(f"/api/jobs/{begun[0]}/record")["verdict"] == "inconclusive"

        (worker,) = first.workers()
        os.kill(worker, signal.SIGSTOP)  # as one that hangs
        jobs = [first.ask("/api/jobs", body)["id"] for _ in range(4)]
        until(lambda: sorted(states(jobs)) == ["done"] * 3 + ["running"])
        hanging = jobs[states(jobs).index("running")]
        first.process.kill()
        first.process.wait(60)
        os.kill(worker, signal.SIGCONT)
        first.stop(kill=True)
        until(lambda: second.ask(f"/api/jobs/{hanging}")["state"] == "done")
        assert second.ask(f"/api/jobs/{hanging}")["tries"] == 2

        for worker in second.workers():
            os.kill(worker, signal.SIGSTOP)
        unwanted = second.ask("/api/jobs", body)["id"]
        until(lambda: second.ask(f"/api/jobs/{unwanted}")["state"] == "running")
        third = benchmark.Server(tmp_path / "jobs", "--workers", 1)
        servers.append(third)
        third.ask(f"/api/jobs/{unwanted}/cancel", b"")
        until(lambda: third.ask(f"/api/jobs/{unwanted}")["state"] == "cancelled")  # by the second, which ends its process
    finally:
        for server in servers:
            server.stop()


def hands_of_ray() -> set[int]:
    """Process numbers of worker processes that tasks of Ray keep on this machine."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            its = (entry / "cmdline").read_bytes(), (entry.parent / parent / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if b"spawn_main" in its[0] and its[1].startswith(b"ray::"):
            found.add(int(entry.name))
    return found


@pytest.mark.slow
def test_a_local_ray_does_the_jobs_of_a_server(benchmark, tmp_path, files, monkeypatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(tamperlens.__file__).parents[1]))
    others = hands_of_ray()
    server = benchmark.Server(tmp_path / "jobs", "--ray", "local", "--workers", 2)
    try:
        names = ("face.jpg", "no face.png", "clip.mp4", "broken.jpg")
        ids = {name: server.ask("/api/jobs", files[name].read_bytes())["id"] for name in names}
        until(lambda: all(server.ask(f"/api/jobs/{identity}")["state"] in ENDED for identity in ids.values()), 400)
        jobs = {name: server.ask(f"/api/jobs/{identity}") for name, identity in ids.items()}
        assert [jobs[name]["state"] for name in names] == ["done", "done", "done", "failed"], jobs
        assert jobs["broken.jpg"]["status"] == 422 and "no pixels can be read" in jobs["broken.jpg"]["error"]
        assert len(server.ask(f"/api/jobs/{ids['face.jpg']}/record")["faces"]) == 1
        assert server.workers() == []  # none of its own

        hands = hands_of_ray() - others
        assert len(hands) == 2
        for process in hands:
            os.kill(process, signal.SIGSTOP)
        unwanted = server.ask("/api/jobs", files["face.jpg"].read_bytes())["id"]
        until(lambda: server.ask(f"/api/jobs/{unwanted}")["state"] == "running")
        time.sleep(1)  # it lies with a process that hangs
        server.ask(f"/api/jobs/{unwanted}/cancel", b"")
        until(lambda: server.ask(f"/api/jobs/{unwanted}")["state"] == "cancelled")
        until(lambda: len(hands & hands_of_ray()) == 1)  # its process has ended with it
        for process in hands & hands_of_ray():
            os.kill(process, signal.SIGCONT)
        again = server.ask("/api/jobs", files["face.jpg"].read_bytes())["id"]
        until(lambda: server.ask(f"/api/jobs/{again}")["state"] == "done")

        last = server.ask("/api/jobs", files["clip.mp4"].read_bytes())["id"]
        until(lambda: server.ask(f"/api/jobs/{last}")["state"] == "running")
        server.stop(kill=True)
        until(lambda: hands_of_ray() == others)  # nothing goes on behind its back
        server = benchmark.Server(tmp_path / "jobs", "--workers", 1)
        until(lambda: server.ask(f"/api/jobs/{last}")["state"] == "done")
    finally:
        server.stop()


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_told(tmp_path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(DataError, match=r"Ray cannot be used at 127\.0\.0\.1:9 "):
        serve(Settings(port=0, folder=tmp_path / "jobs", ray="127.0.0.1:9"), [], print)
