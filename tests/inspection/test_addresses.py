"""Sources and results at addresses, on an S3 server in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import clips_at_hand as clips
from faces_at_hand import hopper
from tamperlens.cli import console
from tamperlens.errors import DataError, MediaError, MissingExtra
from tamperlens.inspection.casefile.record import parse_record
from tamperlens.inspection.search import find_files
from tamperlens.inspection.verify import verify
from tamperlens.media import Address, Results, fetched, place_of

fsspec, boto3 = pytest.importorskip("fsspec"), pytest.importorskip("boto3")
pytest.importorskip("s3fs")
pytest.importorskip("moto")
# Libraries below s3fs leave sockets of ended event loops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("default::ResourceWarning", "default::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of an S3 server that holds the bucket ``case``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        deadline = time.monotonic() + 120
        while True:
            try:
                urlopen(url, timeout=5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
        fsspec.filesystem("s3").mkdir("case")
        yield url
    process.kill()
    process.wait()
    log.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A photo, a picture without a suffix, a video, a broken file, and one that is no picture."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "b").mkdir()
    Image.fromarray(hopper()).resize((256, 300)).save(folder / "a.jpg", quality=90)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "b" / "a", format="PNG")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    (folder / "notes.txt").write_text("not a picture")
    clips.write_clip(folder / "clip.mp4", clips.face_clip(12), np.arange(12) / 10)
    return folder


@pytest.fixture(scope="module")
def sources(server: str, folder: Path) -> str:
    fsspec.filesystem("s3").put(f"{folder}/", "case/photos/", recursive=True)
    return "s3://case/photos"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(console.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def content(folder: str) -> dict[str, bytes]:
    """All files of a folder at an address."""
    storage, root = fsspec.url_to_fs(folder)
    storage.invalidate_cache()
    return {Path(name).name: storage.cat_file(name) for name in storage.find(root)}


def test_addresses_are_told_from_paths() -> None:
    for text in ("s3://bucket/a b.jpg", "gs://bucket", "s3://bucket/*.jpg"):
        assert isinstance(place_of(text), Address) and str(place_of(text)) == os.fspath(place_of(text)) == text
    address = Address("s3://bucket/a.jpg")
    assert str(address.parent / "b.jpg") == "s3://bucket/b.jpg" and (address.name, address.stem) == ("a.jpg", "a")
    assert place_of("file:///tmp/a%20b.jpg") == Path("/tmp/a b.jpg")
    assert place_of("file:///tmp/a.jpg") == Path("/tmp/a.jpg") and type(place_of("c:/a.jpg")) is type(Path())


def test_folders_and_patterns_at_an_address_are_searched_like_local_ones(sources: str, folder: Path) -> None:
    here, there = find_files([folder]), find_files([place_of(sources)])
    assert [str(file).removeprefix(f"{sources}/") for file in there.files] == [
        str(file.relative_to(folder)) for file in here.files
    ]
    assert there.left_out.keys() == here.left_out.keys() == {"text"}
    assert find_files([place_of(f"{sources}/*.jpg")]).files == [Address(f"{sources}/a.jpg"), Address(f"{sources}/broken.jpg")]
    lost = f"{sources}/lost.jpg"
    assert find_files([Address(lost), Address(lost)]).files == [Address(lost)]


def test_results_at_an_address_are_those_of_a_folder(sources: str, folder: Path, tmp_path: Path) -> None:
    """Casefiles and index are the same bytes but for the files' names."""
    code, said, complaints = run("inspect", sources, "--out", "s3://case/found")
    assert code == 1 and "s3://case/photos/broken.jpg" in complaints and "Index: s3://case/found/index.html" in said
    assert run("inspect", folder, "--out", tmp_path)[0] == 1
    there, here = content("s3://case/found"), {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert there.keys() == here.keys()
    for name, data in there.items():
        assert data.replace(sources.encode(), bytes(folder)) == here[name], name
    assert all(check.holds for check in verify(parse_record(there["a.json"])))


def test_what_is_there_is_not_done_again_and_a_claim_is(sources: str, monkeypatch) -> None:
    out = "s3://case/again"
    run("inspect", sources, "--out", out)
    before = content(out)
    storage = fsspec.filesystem("s3")
    claim = {**json.loads(before["clip.json"]), "kind": "failure", "faces": [], "error": "", "score": None}
    storage.pipe_file("case/again/clip.json", json.dumps({**claim, "verdict": "inconclusive"}).encode())
    storage.rm_file("case/again/clip.html")
    taken: list[str] = []
    take = Results._take
    monkeypatch.setattr(Results, "_take", lambda own, name, what: (taken.append(name), take(own, name, what))[1])
    run("inspect", sources, "--out", out)
    assert content(out) == before
    assert taken[1] == taken[-4] == "clip.json" and not any(name.startswith("a.") for name in taken)


def test_shards_at_an_address(sources: str, tmp_path: Path) -> None:
    whole, out = "s3://case/whole", "s3://case/shards"
    run("inspect", sources, "--out", whole)
    for number in (2, 1):
        assert "index.html" not in content(out)
        run("inspect", sources, "--out", out, "--shard", f"{number}/2")
    assert {name: data for name, data in content(out).items() if not name.startswith("shard-")} == content(whole)


def test_files_of_others_are_left_alone(sources: str) -> None:
    storage = fsspec.filesystem("s3")
    storage.pipe_file("case/mine/a.json", b"{}")
    storage.pipe_file("case/mine/index.html", b"mine")
    run("inspect", f"{sources}/a.jpg", f"{sources}/b", "--out", "s3://case/mine")
    found = content("s3://case/mine")
    assert (found["a.json"], found["index.html"]) == (b"{}", b"mine")
    assert {"a.2.json", "tamperlens-index.html"} < found.keys()


def test_addresses_that_lead_nowhere(server: str, sources: str, folder: Path, tmp_path: Path, monkeypatch) -> None:
    code, _, said = run("inspect", f"{sources}/lost.jpg")
    assert code == 1 and f"{sources}/lost.jpg: there is no such file" in said
    code, _, said = run("inspect", folder / "a.jpg", "--out", "s3://no-such-bucket/found")
    assert code == 2 and "s3://no-such-bucket/found" in said
    code, _, said = run("inspect", "nonsense://a/b.jpg")
    assert code == 2 and "expected a path, or one such as s3://bucket/folder" in said
    with pytest.raises(MediaError, match="no file"), fetched(Address("memory://")):
        pass
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tamperlens\[cluster\]'"):
        find_files([Address(f"{sources}/a.jpg")])


def test_a_server_that_is_gone(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(DataError, match=r"cannot be reached .* check the address, the credentials and the server"):
        Results(Address("s3://case/found")).check()
    fsspec.filesystem("s3").clear_instance_cache()


def test_paths_need_no_fsspec(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from tamperlens.cli import console, app\n"
        "from typer.testing import CliRunner\n"
        f"result = CliRunner().invoke(console.app, ['inspect', {str(folder / 'b')!r}, '--out', {str(tmp_path)!r}])\n"
        "assert result.exit_code == 0, result.output\n"
        "assert not {'fsspec', 'ray', 's3fs'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
