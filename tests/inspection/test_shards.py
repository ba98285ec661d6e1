"""One batch on several machines, and killed runs: in the end the folder holds the same bytes as after one quiet run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import clips_at_hand as clips
import tamperlens
from faces_at_hand import hopper
from tamperlens.cli import console
from tamperlens.errors import DataError
from tamperlens.inspection.casefile.writing import claim_text
from tamperlens.inspection.shards import Shard

SOURCE = Path(tamperlens.__file__).parents[1]
SHARE = ("shard-",)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(console.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def start(*arguments: object) -> subprocess.Popen:
    """The command line in a process of its own, in the folder that holds the sources."""
    code = "import sys; sys.argv[0] = 'tamperlens'; from tamperlens.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too, but for what shards leave to each other."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(SHARE)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """Photos and a video, two of one stem, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "b").mkdir()
    Image.fromarray(hopper()).resize((256, 300)).save(folder / "a.jpg", quality=90)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "b" / "a.jpg")
    Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save(folder / "c.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    clips.write_clip(folder / "clip.mp4", clips.face_clip(12), np.arange(12) / 10)
    return folder


@pytest.fixture(scope="module")
def calm(sources: Path, tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed run leaves."""
    out = tmp_path_factory.mktemp("calm") / "out"
    assert run("inspect", sources, "--out", out)[0] == 1  # one file is broken
    return content(out)


def test_shards_in_any_order_leave_what_one_run_does(sources: Path, calm: dict, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = [run("inspect", sources, "--out", out, "--shard", f"{number}/3") for number in (3, 1)]
    assert "missing: 1/3, 2/3" in said[0][1] and "missing: 2/3" in said[1][1]
    assert not (out / "index.html").exists()
    text = run("inspect", sources, "--out", out, "--shard", "2/3")[1]
    assert "Index: " in text and "missing" not in text
    assert content(out) == calm
    kept = {file.name: file.stat().st_mtime_ns for file in out.glob("*.overlay.png")}
    run("inspect", sources, "--out", out, "--shard", "1/3")  # a scheduler that tries again
    assert content(out) == calm and kept == {name: (out / name).stat().st_mtime_ns for name in kept}


def test_shards_of_another_batch_complete_no_index(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("inspect", sources / "c.png", sources / "b", "--out", out, "--shard", "1/2")
    run("inspect", sources / "c.png", sources / "broken.jpg", "--out", out, "--shard", "2/2")
    assert not (out / "index.html").exists()


def test_every_file_is_in_one_shard() -> None:
    files = [Path(f"{number}.jpg") for number in range(10)]
    shares = [Shard(number, 4).share(files) for number in (1, 2, 3, 4)]
    assert sorted(file for share in shares for file in share) == sorted(files) and {len(share) for share in shares} == {2, 3}


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_is_none(text: str, sources: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"i/n with i from 1 to n, as 1/4; got"):
        Shard.of(text)
    assert run("inspect", sources, "--out", tmp_path, f"--shard={text}")[0] == 2
    assert "--shard needs --out" in run("inspect", sources, "--shard", "1/2")[2]


def test_what_others_called_like_a_shard_is_left_alone(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "shard-1-of-2.json").write_text("{}")
    code, _, said = run("inspect", sources / "c.png", sources / "b", "--out", tmp_path, "--shard", "1/2")
    assert code == 2 and "not this program's" in said
    assert (tmp_path / "shard-1-of-2.json").read_text() == "{}"


def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(sources: Path, calm: dict, tmp_path: Path) -> None:
    """Killed when the first file appears, then the fifth, and so on, with whatever was half written then."""
    out, killed = tmp_path / "out", 0
    out.mkdir()
    for files in (1, 5, 9, 13):
        process = start("inspect", sources, "--out", out)
        while process.poll() is None and len(os.listdir(out)) < files:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 2
    assert run("inspect", sources, "--out", out)[0] == 1
    assert content(out) == calm


def test_what_a_killed_run_leaves_half_written_is_removed(sources: Path, calm: dict, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("inspect", sources, "--out", out)
    (out / "clip.json").write_text(claim_text(str(sources / "clip.mp4")))
    for name in ("clip.annotated.mp4", "clip.face1.mask.png", "clip.html", "index.html", "a.json"):
        (out / f".0123abcd.{name}").write_bytes(b"half")
    (out / ".0123abcd.notes.txt").write_bytes(b"mine")
    run("inspect", sources, "--out", out)
    assert content(out) == {**calm, ".0123abcd.notes.txt": b"mine"}


@pytest.mark.slow
def test_two_ray_workers_leave_what_one_process_does(sources: Path, calm: dict, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    out = tmp_path / "out"
    assert run("inspect", sources, "--out", out, "--ray", "local", "--workers", 2)[0] == 1
    assert content(out) == calm
