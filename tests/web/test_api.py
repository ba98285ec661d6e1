"""The API without workers: who may ask for what, what is refused and how, and that nothing makes it fail."""

import errno
import io
import json
import multiprocessing
import re
import socket
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from starlette.testclient import TestClient

from tamperlens.errors import DataError
from tamperlens.web import supervisor as supervisor_module
from tamperlens.web import uploads
from tamperlens.web.app import make_app
from tamperlens.web.guard import COOKIE, LOOPBACK
from tamperlens.web.jobs import Job, Jobs
from tamperlens.web.limits import Limits
from tamperlens.web.server import Settings, _link, _send_all, read_words
from tamperlens.web.supervisor import Supervisor, Worker
from tamperlens.web.uploads import shown_name

TOKEN = "a-token-that-nobody-can-guess"
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)


def app_of(jobs: Jobs, **options: object):
    return make_app(jobs, Supervisor(jobs), read_words(None), hosts=LOOPBACK, **options)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> Jobs:
    return Jobs(tmp_path_factory.mktemp("api") / "jobs", Limits(workers=0, megabytes=0.001, queue=6, per_client=4))


@pytest.fixture(scope="module")
def app(jobs: Jobs):
    return app_of(jobs)


@pytest.fixture(scope="module")
def client(app) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


RESULT = {"page": "report.html", "record": "report.json", "overlay": "report.overlay.png"}


def add_result(jobs: Jobs, outputs: Mapping[str, str] = RESULT) -> Job:
    """A job that is done, without an inspection."""
    identity, path = jobs.new_upload()
    path.write_bytes(JPEG)
    jobs.accept(identity, "a nä.me.jpg", len(JPEG), "")
    while (claimed := jobs.claim()) is not None and claimed.id != identity:
        pass  # other tests' jobs
    assert claimed is not None
    folder = jobs.work(claimed)
    for name in ("report.html", "report.json", "secret.txt"):
        (folder / name).write_text(f'"{name}"')
    (folder / "report.overlay.png").symlink_to("/etc/passwd")
    jobs.finish(claimed, "done", outputs=outputs, kind="photo", verdict="inconclusive", sentence="It cannot say.")
    job = jobs.get(identity)
    assert job is not None
    return job


@pytest.fixture
def result(jobs: Jobs) -> Iterator[Job]:
    job = add_result(jobs)
    yield job
    jobs.delete(job.id)


def submit(client: TestClient, body: bytes = JPEG, **headers: str):
    return client.post("/api/jobs", content=body, headers=headers)


# ------------------------------------------------------------------------------------------------------- taking and giving


def test_a_file_is_accepted_and_its_job_told_cancelled_and_deleted(client: TestClient, jobs: Jobs) -> None:
    answer = submit(client, **{"X-File-Name": "h%C3%A4nd.jpg"})
    job = answer.json()
    assert answer.status_code == 202 and job["state"] == "queued" and job["name"] == "händ.jpg" and job["bytes"] == len(JPEG)
    assert client.get(f"/api/jobs/{job['id']}").json() == job
    assert client.get(f"/api/jobs/{job['id']}/record").status_code == 409
    assert client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in events.iter_lines() if line]
    assert lines[0] == "event: job" and '"state":"cancelled"' in lines[1] and lines[2:] == ["event: end", "data: {}"]
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert client.get(f"/api/jobs/{job['id']}").status_code == 404
    assert not list((jobs.folder / "uploads").iterdir()) and not list((jobs.folder / "incoming").iterdir())


def test_record_page_files_and_zip_of_a_result(client: TestClient, result: Job) -> None:
    address = f"/api/jobs/{result.id}"
    assert client.get(f"{address}/record").json() == "report.json"
    page = client.get(f"{address}/page")
    assert page.text == '"report.html"' and page.url.path == f"{address}/files/report.html"
    policy = page.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy and "unsafe" not in policy and "frame-ancestors 'self'" in policy
    part = client.get(f"{address}/files/report.json", headers={"Range": "bytes=1-6"})
    assert part.status_code == 206 and part.text == "report"


def test_a_result_whose_page_could_not_be_written_has_its_other_files(client: TestClient, jobs: Jobs) -> None:
    job = add_result(jobs, {"record": "report.json"})
    assert client.get(f"/api/jobs/{job.id}/page").status_code == 404
    assert client.get(f"/api/jobs/{job.id}/files/report.json").json() == "report.json"
    jobs.delete(job.id)


def test_the_zip_holds_every_file(client: TestClient, jobs: Jobs, result: Job) -> None:
    (jobs.result(result) / "report.overlay.png").unlink()
    (jobs.result(result) / "report.overlay.png").write_bytes(bytes(3_000_000))
    answer = client.get(f"/api/jobs/{result.id}/zip")
    assert "filename*=UTF-8''a%20n%C3%A4.me.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert sizes == {"report.html": 13, "report.json": 13, "report.overlay.png": 3_000_000}


def test_a_failed_job_answers_with_the_reason_and_its_status(client: TestClient, jobs: Jobs) -> None:
    identity = submit(client).json()["id"]
    claimed = jobs.claim()
    assert claimed is not None
    jobs.finish(claimed, "failed", status=413, error="too many pixels")
    for part in ("record", "page", "zip", "files/report.html"):
        answer = client.get(f"/api/jobs/{identity}/{part}")
        assert (answer.status_code, answer.json()["detail"]) == (413, "too many pixels")
    client.delete(f"/api/jobs/{identity}")


# ------------------------------------------------------------------------------------------------------------------ limits


def test_what_is_no_photo_or_video_is_refused_by_its_first_bytes(client: TestClient) -> None:
    for body, status, words in (
        (b"hello, this is text", 415, "this is text, expected a photo"),
        (b"%PDF-1.7 " + bytes(40), 415, "PDF document"),
        (b"PK\3\4" + bytes(40), 415, "ZIP archive"),
        (b"#!/bin/sh\n", 415, "text"),
        (bytes(range(7, 90)), 415, "unknown kind"),
        (b"", 422, "empty"),
    ):
        answer = submit(client, body, **{"X-File-Name": "holiday.jpg"})
        assert answer.status_code == status and words in answer.json()["detail"], answer.json()
        assert "/" not in answer.json()["detail"].replace("and/or", "")  # no path of ours
    assert submit(client, **{"Content-Type": "multipart/form-data; boundary=x"}).status_code == 415


def test_a_file_over_the_limit_is_refused_before_and_while_it_is_read(client: TestClient, jobs: Jobs) -> None:
    told = submit(client, JPEG + bytes(1000))
    untold = client.post("/api/jobs", content=iter([JPEG, bytes(500), bytes(500)]))  # no Content-Length
    for answer in (told, untold):
        assert answer.status_code == 413 and "larger than 0.001 MB" in answer.json()["detail"]
    assert not list((jobs.folder / "incoming").iterdir())


def test_too_many_files_of_one_client_and_of_all_are_refused(client: TestClient, jobs: Jobs) -> None:
    ids = [submit(client).json()["id"] for _ in range(4)]
    greedy = submit(client)
    assert greedy.status_code == 429 and "4 of your files" in greedy.json()["detail"] and greedy.headers["retry-after"]
    for _ in range(2):
        identity, path = jobs.new_upload()
        path.touch()
        ids.append(jobs.accept(identity, "b", 0, "another").id)
    full = submit(client)
    assert full.status_code == 503 and "6 files are waiting" in full.json()["detail"]
    assert client.post("/api/examples/forgery").status_code == 503
    for identity in ids:
        assert client.delete(f"/api/jobs/{identity}").status_code == 204


def test_a_disk_without_room_for_work_makes_jobs_wait_and_ends_nothing(tmp_path, monkeypatch) -> None:
    class Idle(Worker):
        def __init__(self) -> None:
            super().__init__()
            self.connection, self.theirs = multiprocessing.Pipe()
            self.ready = True
            self.sent: list[bytes] = []

        def send(self, order: bytes) -> None:
            self.sent.append(order)

        def kill(self) -> None:
            self.connection.close()

    worker, jobs = Idle(), Jobs(tmp_path / "jobs", Limits(workers=1))
    supervisor = Supervisor(jobs, make_worker=lambda: worker)
    identity, path = jobs.new_upload()
    path.touch()
    jobs.accept(identity, "a.jpg", 0, "")
    monkeypatch.setattr(supervisor_module, "_REST", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "work", lambda self, job: (_ for _ in ()).throw(DataError("No space left on device")))
        supervisor.start()
        time.sleep(1.0)
        waiting = jobs.get(identity)
        assert supervisor.healthy() and waiting is not None and (waiting.state, waiting.tries) == ("queued", 0)
    for _ in range(200):
        if worker.sent:
            break
        time.sleep(0.05)
    supervisor.stop()
    assert len(worker.sent) == 1
    jobs.close()


def test_a_full_disk_while_a_file_is_received_is_told(client: TestClient, jobs: Jobs, monkeypatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "_create", lambda path: Full())
    answer = submit(client)
    assert answer.status_code == 503 and "No space left on device" in answer.json()["detail"]


def test_files_given_at_the_start_are_many_or_none(tmp_path) -> None:
    jobs, (photo, lacking) = Jobs(tmp_path / "jobs", Limits(queue=6, per_client=2)), (tmp_path / "a.jpg", tmp_path / "b.jpg")
    photo.write_bytes(JPEG)
    assert len(_send_all(jobs, [photo] * 5)) == 5
    for files in ([photo, lacking], [photo, photo]):  # one cannot be read; the second is one too many
        with pytest.raises(DataError):
            _send_all(jobs, files)
        assert jobs.unfinished() == 5
    jobs.close()


def test_the_link_brings_the_files_given_at_the_start(tmp_path) -> None:
    assert _link(Settings(), 1, ["a", "b"]) == "http://127.0.0.1:1/#jobs=a,b"
    assert _link(Settings(token="t" * 20), 1, ["a", "b"]) == "http://127.0.0.1:1/login#jobs=a,b"


def test_a_server_whose_workers_do_not_start_says_so(tmp_path) -> None:
    jobs = Jobs(tmp_path / "jobs", Limits(workers=1))
    supervisor = Supervisor(jobs, "no such model")
    app = make_app(jobs, supervisor, read_words(None), hosts=LOOPBACK)
    with TestClient(app, base_url="http://localhost") as client:
        for _ in range(600):
            if client.get("/healthz").status_code == 503:
                break
            supervisor.join(0.1)
        assert "no shipped model is called 'no such model'" in client.get("/healthz").json()["detail"]
        assert submit(client).status_code == 503


def test_names_are_shown_without_what_no_screen_shows() -> None:
    assert shown_name("C:\\Users\\ann\\holiday.jpg") == "holiday.jpg" and shown_name("../../etc/passwd") == "passwd"
    assert (
        shown_name("a\x00\x1b[31m\u202egpj.exe\n") == "a[31mgpj.exe" and shown_name("..") == ".." and shown_name("") == "file"
    )
    assert len(shown_name("x" * 5000)) == 120


# ----------------------------------------------------------------------------------------------------------------- attacks


def test_a_name_of_this_server_that_it_does_not_know_is_refused(client: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "user@evil.example", "[::1", "10.0.0.1"):
        assert client.get("/api/limits", headers={"Host": host}).status_code == 421, host
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert client.get("/api/limits", headers={"Host": host}).status_code == 200, host


def test_requests_from_other_sites_are_refused(client: TestClient, result: Job) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"},
    ):
        assert submit(client, **headers).status_code == 403, headers
        for address in ("/api/limits", f"/api/jobs/{result.id}/files/report.json", f"/api/jobs/{result.id}/page"):
            answer = client.get(address, headers=headers)
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers, (headers, address)
        assert client.delete(f"/api/jobs/{result.id}", headers=headers).status_code == 403
        assert client.options("/api/jobs", headers=headers).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}
    assert client.get("/api/limits", headers=own).status_code == 200


def test_no_path_leads_out_of_a_result(client: TestClient, jobs: Jobs, result: Job) -> None:
    address = f"/api/jobs/{result.id}/files"
    names = [
        "secret.txt",
        "..%2f..%2fjobs.sqlite",
        "%2e%2e/%2e%2e/jobs.sqlite",
        "../../jobs.sqlite",
        "%2fetc%2fpasswd",
        "a%00b",
    ]
    names += ["..%5c..%5cjobs.sqlite", "report.json/", "", "report.overlay.png"]  # the last is a link to elsewhere
    for name in names:
        answer = client.get(f"{address}/{name}", follow_redirects=False)
        assert answer.status_code in (307, 404, 405, 422), name
        assert b"root:" not in answer.content and b"SQLite" not in answer.content
    for identity in ("..", "%2e%2e", "a" * 22, result.id[:-1], result.id + "x", f"{result.id}%00"):
        assert client.get(f"/api/jobs/{identity}/files/report.json").status_code in (404, 422), identity
    for path in ("/page.js/../words.json", "/static/words.json", "/..%2fapp.py", "//etc/passwd"):
        assert client.get(path).status_code == 404, path


def test_every_answer_has_the_strict_headers(client: TestClient, result: Job) -> None:
    for path in ("/", "/page.js", "/healthz", "/api/limits", f"/api/jobs/{result.id}/files/report.json", "/nothing", "/login"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY" and headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store" and "server" not in headers
    for refused in (client.get("/", headers={"Host": "evil.example"}), client.get("/", headers={"Origin": "null"})):
        assert refused.headers["x-content-type-options"] == "nosniff"


def test_only_uploads_may_be_large(client: TestClient) -> None:
    assert client.post("/api/login", content=b'{"token": "' + b"x" * 100_000 + b'"}').status_code == 413
    assert client.post("/api/login", content=iter([b"{}"])).status_code == 413  # of untold length


def test_the_page_needs_no_inline_script_and_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/").text
    assert "http" not in page and "style=" not in page and "onclick" not in page
    scripts = [line for line in page.splitlines() if "<script" in line]
    assert all("src=" in line or 'type="application/json"' in line for line in scripts)
    for file in ("page.js", "page.css", "login.js"):
        text = client.get(f"/{file}").text
        assert "http:" not in text and "https:" not in text and "innerHTML" not in text and "eval(" not in text


def test_the_environment_cannot_have_requests_reported_elsewhere(tmp_path: Path, monkeypatch, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{elsewhere.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        with TestClient(app_of(Jobs(tmp_path / "jobs", Limits(workers=0))), base_url="http://127.0.0.1:8000") as client:
            assert client.get("/api/limits").status_code == 200
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody is at the door
            elsewhere.accept()
    assert "telemetry" not in caplog.text  # nor was it tried


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[TestClient]:
    jobs = Jobs(tmp_path_factory.mktemp("guarded") / "jobs", Limits(workers=0))
    with TestClient(app_of(jobs, token=TOKEN, https=True), base_url="https://127.0.0.1:8000") as client:
        yield client


def test_nothing_is_given_without_the_token(guarded: TestClient) -> None:
    for headers in (
        {},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer tökén"},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}="},
    ):
        headers = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in ("/api/limits", "/api/jobs/" + 22 * "a", "/openapi.json", "/page.js", "/nothing"):
            answer = guarded.get(path, headers=headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", (headers, path)
        assert guarded.post("/api/jobs", content=JPEG, headers=headers).status_code == 401
    assert guarded.get("/healthz").json()["status"] == "ok"
    assert guarded.get("/", follow_redirects=False).headers["location"] == "/login"
    assert guarded.get("/api/limits", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_browser_logs_in_and_its_cookie_does_not_tell_the_token(guarded: TestClient) -> None:
    wrong = guarded.post("/api/login", json={"token": "no"})
    assert wrong.status_code == 401 and "set-cookie" not in wrong.headers
    right = guarded.post("/api/login", json={"token": f" {TOKEN}\n"})
    cookie = right.headers["set-cookie"].lower()
    assert right.status_code == 204 and all(word in cookie for word in ("httponly", "samesite=strict", "secure"))
    assert TOKEN not in cookie
    assert guarded.get("/api/limits").status_code == 200 and "<h1>" in guarded.get("/").text
    guarded.cookies.clear()


def test_any_other_address_needs_a_token(tmp_path: Path) -> None:
    assert Settings().hosts() == LOOPBACK
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(DataError, match="needs a token"):
            Settings(host=host).hosts()
        with pytest.raises(DataError, match="expected at least 20"):
            Settings(host=host, token="short").hosts()
    assert "example.org" in Settings(host="0.0.0.0", token=TOKEN, allowed_hosts=("Example.org",)).hosts()
    assert "0.0.0.0" not in Settings(host="0.0.0.0", token=TOKEN).hosts() and TOKEN not in repr(Settings(token=TOKEN))


def test_words_may_be_translated_but_not_left_out(tmp_path: Path) -> None:
    words = read_words(None)
    half = tmp_path / "half.json"
    half.write_text('{"title": "Wurde ein Gesicht manipuliert?"}')
    with pytest.raises(DataError, match=r"lacks the words for .*wrong_token"):
        read_words(half)
    with pytest.raises(DataError, match="cannot be read as words"):
        read_words(tmp_path / "none.json")
    for wrong in ("hoechstens {Megabyte} MB", "hoechstens { MB"):
        half.write_text(json.dumps(words | {"limits": wrong}))
        with pytest.raises(DataError, match=r"words for limits have .* in braces, expected megabytes, megapixels, seconds"):
            read_words(half)
    assert words["lang"] == "en" and not any("real" in word.split() for word in words.values())


def test_a_translation_is_what_the_pages_say(tmp_path: Path) -> None:
    """Every text a visitor reads, but for the program's own name, comes from the file."""
    file = tmp_path / "other.json"
    file.write_text(json.dumps({key: f"¡{text}!" for key, text in read_words(None).items()} | {"lang": "xx"}))
    jobs = Jobs(tmp_path / "jobs", Limits(workers=0))
    app = make_app(jobs, Supervisor(jobs), read_words(file), hosts=LOOPBACK)
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        for path in ("/", "/login"):
            page = client.get(path).text
            assert '<html lang="xx">' in page
            texts = re.findall(
                r">([^<>]*[a-z][^<>]*)<", re.sub(r"<script.*?</script>|<title>tamperlens: ", "<", page, flags=re.S)
            )
            assert len(texts) > 4 and all(text.strip().startswith("¡") and text.strip().endswith("!") for text in texts), texts


def test_the_page_listens_to_as_many_jobs_at_once_as_the_server_allows(tmp_path: Path) -> None:
    with TestClient(app_of(Jobs(tmp_path / "jobs", Limits(workers=0))), base_url="http://127.0.0.1:8000") as client:
        (parameter,) = client.get("/openapi.json").json()["paths"]["/api/events"]["get"]["parameters"]
        page = client.get("/page.js").text
        assert f"const AT_ONCE = {parameter['schema']['maxItems']};" in page
        most = [("job", f"{number:022}") for number in range(parameter["schema"]["maxItems"])]
        assert client.get("/api/events", params=most).text.count("event: gone") == len(most)  # so long an address is taken
        assert client.get("/api/events", params=[*most, ("job", "a")]).status_code == 422


# ------------------------------------------------------------------------------------------------------------ schemathesis


def test_no_request_makes_the_api_fail(tmp_path: Path) -> None:
    """Requests drawn from the published description; half of them about a job that is there, and is done."""
    jobs = Jobs(tmp_path / "jobs", Limits(workers=0, queue=10_000, per_client=10_000))
    with TestClient(app_of(jobs), base_url="http://127.0.0.1:8000") as client:
        ask_everything(client, jobs)


def ask_everything(client: TestClient, jobs: Jobs) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    statuses, failures, known_jobs = set(), [], [add_result(jobs)]
    for operation in (found.ok() for found in schema.get_all_operations()):
        malformed = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

        @hypothesis.settings(
            max_examples=8, derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy() | malformed, known=hypothesis.strategies.booleans())
        def ask(case, known: bool) -> None:
            if known and "identity" in (case.path_parameters or {}):
                if jobs.get(known_jobs[-1].id) is None:  # deleted by a request before
                    known_jobs.append(add_result(jobs))
                case.path_parameters["identity"] = known_jobs[-1].id
            asked = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
            words = {
                "method": "method",
                "url": "url",
                "params": "params",
                "headers": "headers",
                "json": "json",
                "data": "content",
            }
            sent = {ours: asked[theirs] for theirs, ours in words.items() if asked.get(theirs) is not None}
            answer = client.request(**sent, follow_redirects=False)
            statuses.add(answer.status_code)
            if answer.status_code >= 500:
                failures.append((answer.status_code, answer.text, case.as_curl_command()))

        ask()
    assert failures == []
    assert {200, 202, 204, 307, 404, 415, 422} <= statuses
