"""The queue: what is accepted ends once, whatever dies meanwhile; nothing is kept for longer than it must."""

import os
import subprocess
import sys
import time

import pytest

from tamperlens.errors import DataError
from tamperlens.web.jobs import MAX_TRIES, Full, Job, Jobs
from tamperlens.web.limits import Limits


def accepted(jobs: Jobs, name: str = "a.jpg", client: str = "c") -> Job:
    identity, path = jobs.new_upload()
    path.write_bytes(b"bytes")
    return jobs.accept(identity, name, 5, client)


def done(jobs: Jobs, job: Job) -> bool:
    (jobs.work(job) / "report.json").write_text("{}")
    return jobs.finish(job, "done", outputs={"record": "report.json"}, verdict="inconclusive")


@pytest.fixture
def jobs(tmp_path):
    jobs = Jobs(tmp_path / "jobs", Limits(keep=100))
    yield jobs
    jobs.close()


def test_a_job_from_its_upload_to_its_result(jobs: Jobs) -> None:
    first, second = accepted(jobs), accepted(jobs)
    assert (first.state, first.place, second.place) == ("queued", 1, 2)
    claimed = jobs.claim()
    assert claimed is not None and claimed.id == first.id and claimed.state == "running" and claimed.tries == 1
    assert jobs.upload(first.id).read_bytes() == b"bytes"
    jobs.advance(first.id, "inspecting", 0.5)
    now = jobs.get(first.id)
    assert now is not None and (now.stage, now.progress) == ("inspecting", 0.5)
    assert done(jobs, claimed) and not done(jobs, claimed)  # once
    ended = jobs.get(first.id)
    assert ended is not None and ended.state == "done" and ended.client == ""
    assert (jobs.result(ended) / "report.json").is_file() and not jobs.upload(first.id).exists()
    waiting = jobs.get(second.id)
    assert waiting is not None and waiting.place == 1


def test_the_folder_is_private(jobs: Jobs) -> None:
    accepted(jobs)
    for path in (jobs.folder, *jobs.folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0 or path.name.startswith("jobs.sqlite-")  # those lie in the private folder


def test_a_folder_that_cannot_be_used_is_refused_in_words(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="give another --folder"):
        Jobs(tmp_path / "file" / "jobs", Limits())


@pytest.mark.parametrize("name", ["results/experiment/table.csv", "work/thesis.v2", "notes.txt", "results.csv", ".bashrc"])
def test_a_folder_with_somebody_elses_files_is_refused_and_left_alone(tmp_path, name) -> None:
    precious = tmp_path / name
    precious.parent.mkdir(parents=True, exist_ok=True)
    precious.touch()
    mode = tmp_path.stat().st_mode
    with pytest.raises(DataError, match=r"is no folder of this server: .* give a new or empty folder with --folder"):
        Jobs(tmp_path, Limits())
    assert precious.exists() and tmp_path.stat().st_mode == mode
    assert sorted(path.name for path in tmp_path.iterdir()) == [name.split("/")[0]]


def test_a_folder_that_another_server_is_just_making_its_own_is_shared(tmp_path) -> None:
    for part in ("servers", "incoming"):
        (tmp_path / part).mkdir()
    Jobs(tmp_path, Limits()).close()


def test_what_somebody_puts_into_the_folders_is_not_tidied_away(jobs: Jobs) -> None:
    foreign = [jobs.folder / part / name for part in ("results", "work") for name in ("notes", "thesis.v2")]
    foreign += [jobs.folder / part / "holiday.jpg" for part in ("uploads", "incoming")]
    for path in foreign:
        path.mkdir()
        os.utime(path, (0, 0))
    jobs.recover()
    jobs.sweep()
    assert all(path.exists() for path in foreign)


def test_two_servers_share_a_folder_and_no_job_is_done_twice(jobs: Jobs) -> None:
    other = Jobs(jobs.folder, jobs.limits)
    ids = {accepted(one).id for one in (jobs, other) for _ in range(10)}
    claimed = [job for _ in range(11) for one in (jobs, other) if (job := one.claim()) is not None]
    assert {job.id for job in claimed} == ids and len(claimed) == 20
    assert not other.finish(next(job for job in claimed if job.server == jobs.server), "done")  # not its job
    other.recover()  # the first server lives: what it has in work stays with it
    assert other.claim() is None
    other.close()


CRASHING = """
import os, sys
from pathlib import Path
from tamperlens.web.jobs import Jobs
from tamperlens.web.limits import Limits
jobs = Jobs(Path(sys.argv[1]), Limits())
job = jobs.claim()
(jobs.work(job) / "half").touch()
os._exit(9)
"""


def test_what_a_dead_server_had_in_work_waits_again_and_is_given_up_after_some_tries(jobs: Jobs) -> None:
    job = accepted(jobs)
    for tries in range(1, MAX_TRIES + 1):
        assert subprocess.run([sys.executable, "-c", CRASHING, str(jobs.folder)]).returncode == 9
        left = jobs.get(job.id)
        assert left is not None and left.state == "running" and left.tries == tries
        jobs.recover()
        left = jobs.get(job.id)
        assert left is not None and left.state == ("queued" if tries < MAX_TRIES else "failed")
        assert not list((jobs.folder / "work").iterdir()) and len(list((jobs.folder / "servers").iterdir())) == 1
    assert "given up" in left.error and left.status == 422


def test_a_worker_that_dies_over_a_job_is_not_asked_for_ever(jobs: Jobs) -> None:
    accepted(jobs)
    for _ in range(MAX_TRIES):
        job = jobs.claim()
        assert job is not None
        jobs.give_back(job, "it crashed")
    assert jobs.claim() is None
    ended = jobs.get(job.id)
    assert ended is not None and (ended.state, ended.error) == ("failed", "it crashed")


def test_closing_gives_back_what_was_in_work_without_counting_it(tmp_path) -> None:
    jobs = Jobs(tmp_path / "jobs", Limits())
    job = accepted(jobs)
    jobs.claim()
    jobs.close()
    again = Jobs(tmp_path / "jobs", Limits())
    left = again.get(job.id)
    assert left is not None and (left.state, left.tries) == ("queued", 0)
    again.close()


def test_cancelling_and_deleting(jobs: Jobs) -> None:
    waiting, running, ended = accepted(jobs), accepted(jobs), accepted(jobs)
    for job in (waiting, running, ended):
        os.utime(jobs.upload(job.id), (0, 0))
    claims = {claimed.id: claimed for _ in range(3) if (claimed := jobs.claim()) is not None}
    jobs.give_back(claims[waiting.id], "")
    done(jobs, claims[ended.id])
    for job in (waiting, running, ended):
        jobs.cancel(job.id)
    states = [found.state for job in (waiting, running, ended) if (found := jobs.get(job.id)) is not None]
    assert states == ["cancelled", "running", "done"] and jobs.stopping() == {running.id}
    assert not jobs.upload(waiting.id).exists()
    for job in (waiting, running, ended):
        jobs.delete(job.id)
        assert jobs.get(job.id) is None
    (jobs.work(claims[running.id]) / "half").touch()
    jobs.finish(claims[running.id], "cancelled")
    jobs.sweep()
    assert not any(path for part in ("uploads", "work", "results") for path in (jobs.folder / part).iterdir())


def test_results_are_deleted_after_their_time(tmp_path) -> None:
    jobs = Jobs(tmp_path / "jobs", Limits(keep=0.2))
    accepted(jobs)
    job = jobs.claim()
    assert job is not None and done(jobs, job)
    folder = jobs.result(job)
    jobs.sweep()
    assert folder.is_dir()
    time.sleep(0.25)
    assert jobs.get(job.id) is None
    jobs.sweep()
    assert not folder.exists()
    assert not any(b"a.jpg" in path.read_bytes() for path in jobs.folder.glob("jobs.sqlite*"))  # the name is gone, too
    jobs.close()


def test_a_job_that_was_not_begun_waits_again_without_counting_it(jobs: Jobs) -> None:
    accepted(jobs)
    for _ in range(MAX_TRIES + 1):
        claimed = jobs.claim()
        assert claimed is not None and claimed.tries == 1
        jobs.put_back(claimed)
    assert jobs.unfinished() == 1


def test_a_full_queue_and_a_greedy_client_are_told_apart(tmp_path) -> None:
    jobs = Jobs(tmp_path / "jobs", Limits(queue=3, per_client=2))
    accepted(jobs, client="a"), accepted(jobs, client="a")
    with pytest.raises(Full, match="2 of your files") as greedy:
        accepted(jobs, client="a")
    accepted(jobs, client="b")
    with pytest.raises(Full, match="3 files are waiting") as full:
        accepted(jobs, client="b")
    assert (greedy.value.status, full.value.status) == (429, 503)
    assert jobs.unfinished() == 3
    jobs.close()


def test_uploads_that_nobody_finished_are_swept_away(jobs: Jobs) -> None:
    _, path = jobs.new_upload()
    path.touch()
    jobs.sweep()
    assert path.exists()
    os.utime(path, (0, 0))
    jobs.sweep()
    assert not path.exists()


def test_names_are_text_and_never_part_of_a_path(jobs: Jobs) -> None:
    name = "../../../etc/passwd\0"
    job = accepted(jobs, name)
    assert job.name == name
    claimed = jobs.claim()
    assert claimed is not None and done(jobs, claimed)
    paths = list(jobs.folder.rglob("*"))
    assert paths and not any("passwd" in str(path) for path in paths)
