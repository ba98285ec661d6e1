"""The server as people start it, with its workers: many at once, what takes too long or too much, and the server killed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tamperlens.errors import DataError
from tamperlens.inspection.casefile.record import parse_record
from tamperlens.web.server import Settings, serve

ENDED = ("done", "failed", "cancelled")


def ended(server, identity: str) -> dict:
    for _ in range(2400):
        job = server.ask(f"/api/jobs/{identity}")
        if job["state"] in ENDED:
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def refused(server, path: str) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        server.ask(path)
    with error.value as answer:
        return answer.code, json.loads(answer.read())["detail"]


def test_photo_clip_and_example_give_the_record_that_the_command_gives(server, files) -> None:
    ids = {name: server.ask("/api/jobs", files[name].read_bytes())["id"] for name in ("face.jpg", "clip.mp4", "no face.png")}
    example = server.ask("/api/examples/forgery", b"")["id"]
    jobs = {name: ended(server, identity) for name, identity in ids.items()}
    assert [job["state"] for job in jobs.values()] == ["done"] * 3
    records = {name: parse_record(json.dumps(server.ask(f"/api/jobs/{identity}/record"))) for name, identity in ids.items()}
    assert records["face.jpg"].path == "file" and len(records["face.jpg"].faces) == 1
    assert records["clip.mp4"].kind == jobs["clip.mp4"]["kind"] == "video" and len(records["clip.mp4"].tracks) == 1
    assert records["no face.png"].verdict == jobs["no face.png"]["verdict"] == "inconclusive"
    assert ended(server, example)["verdict"] == "manipulated"
    text = json.dumps([*jobs.values(), *(record.model_dump_json() for record in records.values())])
    assert str(server.folder) not in text  # where things lie on the server is nobody's business
    for part in ("uploads", "incoming", "work"):
        assert not list((server.folder / part).iterdir())


def test_the_client_and_the_curl_line_of_the_docs(server, files) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
    (client,) = re.findall(r"```python\n(import json.*?)```", docs, re.S)
    client = client.replace("http://127.0.0.1:8000", server.address) + "print(record['kind'])\n"
    said = subprocess.run([sys.executable, "-c", client, files["face.jpg"]], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0].startswith("The program found") and said.splitlines()[1] == "photo"
    (line,) = re.findall(r"^curl .*api/jobs$", docs, re.M)
    line = line.replace("http://127.0.0.1:8000", server.address).replace("@photo.jpg", f"@{files['face.jpg']}")
    if shutil.which("curl"):
        said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
        assert json.loads(said)["name"] == "photo.jpg" and ended(server, json.loads(said)["id"])["state"] == "done"


def test_limits_that_only_a_decoder_knows_end_in_a_word_and_its_status(server, files) -> None:
    for name, status, words in (
        ("wide.png", 413, "1200 x 1000 pixels, expected at most 1 million"),
        ("broken.jpg", 422, "no pixels can be read"),
    ):
        identity = server.ask("/api/jobs", files[name].read_bytes())["id"]
        job = ended(server, identity)
        assert (job["state"], job["status"]) == ("failed", status) and words in job["error"], job
        assert refused(server, f"/api/jobs/{identity}/record") == (status, job["error"])


def test_a_job_in_work_is_cancelled_by_ending_its_process(server, files) -> None:
    ended(server, server.ask("/api/jobs", files["no face.png"].read_bytes())["id"])  # until one is ready
    workers = server.workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # as one that hangs in a decoder
    identity = server.ask("/api/jobs", files["face.jpg"].read_bytes())["id"]
    while server.ask(f"/api/jobs/{identity}")["state"] == "queued":
        time.sleep(0.01)
    server.ask(f"/api/jobs/{identity}/cancel", b"")
    assert ended(server, identity)["state"] == "cancelled"
    assert refused(server, f"/api/jobs/{identity}/record") == (409, "the job was cancelled")
    (left,) = set(workers) & set(server.workers())
    os.kill(left, signal.SIGCONT)
    assert ended(server, server.ask("/api/jobs", files["face.jpg"].read_bytes())["id"])["state"] == "done"


def test_without_the_extra_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['fastapi'] = None; from tamperlens.cli import app; app(['serve'])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 2 and "pip install 'tamperlens[web]'" in ended.stderr and "Traceback" not in ended.stderr


def test_raw_paths_with_dots_lead_nowhere(server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    for path in ("/../../etc/passwd", "/api/jobs/../../../../etc/passwd", "//etc/passwd", "/page.css/../../jobs.sqlite", "*"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.split(b" ")[1] in (b"400", b"404") and b"root:" not in answer, (path, answer)


def test_nothing_that_people_send_or_are_is_logged(server, files) -> None:
    request_name = "a-very-private-name.jpg"
    request = urllib.request.Request(
        server.address + "/api/jobs", files["face.jpg"].read_bytes(), {"X-File-Name": request_name}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        job = json.loads(answer.read())
    assert job["name"] == request_name
    ended(server, job["id"])
    server.ask(f"/api/jobs/{job['id']}", method="DELETE")
    log = "".join(server.lines)
    assert f"job {job['id'][:6]} done" in log and request_name not in log and "127.0.0.1 -" not in log and job["id"] not in log


def test_a_worker_that_hangs_or_dies_is_replaced(benchmark, tmp_path, files) -> None:
    server = benchmark.Server(tmp_path / "jobs", "--workers", 1, "--time-limit", 4)
    try:
        body = files["no face.png"].read_bytes()
        while ended(server, server.ask("/api/jobs", body)["id"])["state"] != "done":
            pass  # a slow machine
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        hanging = ended(server, server.ask("/api/jobs", body)["id"])
        assert hanging["state"] == "failed" and "longer than 4 seconds" in hanging["error"]
        assert worker not in server.workers()
    finally:
        server.stop()


def test_a_port_that_is_taken_is_told(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DataError, match=f"port {port} of 127.0.0.1 cannot be used .*give another --port"):
            serve(Settings(port=port, folder=tmp_path / "jobs"), [], print)


@pytest.mark.timeout(600)  # on a machine that has much else to do
def test_many_at_once_and_the_server_killed_in_the_middle(benchmark, tmp_path) -> None:
    found = benchmark.measure(8, 2, True, tmp_path)
    assert found["done"] == 8 and found["lost"] == 0 and found["ended more than once"] == 0, found
    assert found["health, unanswered"] == 0 < found["health, answers"], found  # while a server lived
    assert found["server, most MB"] < 400 and found["worker, most MB"] < 1200, found
    # How soon health is answered is the benchmark's business: here other tests, too, share the cores.
