"""Folders and patterns: what files are, not what they are called; each once; nothing left out in silence."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tamperlens.errors import DataError
from tamperlens.inspection.search import find_files
from tamperlens.media import write_video


def names(folder: Path, files: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture = np.full((32, 32, 3), 99, np.uint8)
    Image.fromarray(picture).save(tmp_path / "seen.jpg")
    data = (tmp_path / "seen.jpg").read_bytes()
    for name in ("saved.jfif", "GxAb.jpg_large", "no_suffix", "clip.m2ts.part", "notes.txt", "deep/below.jpe"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data + name.encode())
    write_video(tmp_path / "deep" / "a.mkv", [picture] * 2, 25)
    (tmp_path / "deep" / "a.mkv").rename(tmp_path / "deep" / "film")
    (tmp_path / "read me.jpg.txt").write_text("hello")
    (tmp_path / "page").write_text("<!DOCTYPE html><html>")
    (tmp_path / "program.ts").write_text("const a: number = 1;")
    (tmp_path / "broken.jpg").write_bytes(b"\1\2\3")
    (tmp_path / "empty.mp4").touch()
    return tmp_path


MEDIA = [
    "GxAb.jpg_large",
    "broken.jpg",  # called like a photo: it is not passed over, and fails by name
    "clip.m2ts.part",
    "deep/below.jpe",
    "deep/film",
    "empty.mp4",
    "no_suffix",
    "notes.txt",
    "saved.jfif",
    "seen.jpg",
]


def test_a_folder_is_searched_by_content_and_the_rest_is_named(folder: Path) -> None:
    found = find_files([folder])
    assert names(folder, found.files) == MEDIA
    assert found.sentences() == [
        f"left out 1 file (a web page, as servers send in place of a file that they do not give): {folder / 'page'}",
        f"left out 2 files (text): {folder / 'program.ts'}, {folder / 'read me.jpg.txt'}",
    ]
    assert names(folder, find_files([folder / "**" / "*.jp*"]).files) == [
        "GxAb.jpg_large",
        "broken.jpg",
        "deep/below.jpe",
        "seen.jpg",
    ]
    assert names(folder, find_files([folder / "**"]).files) == MEDIA
    assert names(folder, find_files([folder / "*" / "f?lm"]).files) == ["deep/film"]
    many = folder / "many"
    many.mkdir()
    for number in range(7):
        (many / f"{number}.txt").write_text("a")
    (sentence,) = find_files([many]).sentences()
    assert sentence.endswith("4.txt and 2 more") and "left out 7 files (text)" in sentence


def test_patterns_without_their_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert find_files([Path("**/*.jpe"), Path("s*.j*")]).files == [Path("deep/below.jpe"), Path("saved.jfif"), Path("seen.jpg")]


def test_what_is_named_is_asked_for(folder: Path) -> None:
    lost = folder / "missing.jpg"
    assert find_files([lost, folder / "page", folder / "*.none"]).files == [lost, folder / "page", folder / "*.none"]
    (folder / "nothing").mkdir()
    assert find_files([folder / "nothing"]).files == [folder / "nothing"]


def test_a_file_that_is_reached_twice_is_done_once(folder: Path) -> None:
    seen = folder / "seen.jpg"
    os.link(seen, folder / "zhard.jpg")
    os.symlink(seen, folder / "zsoft.jpg")
    os.symlink(folder / "deep", folder / "zlink")
    found = find_files([folder, seen, folder / "*.jpg"])
    assert names(folder, found.files) == MEDIA
    again = [path.name for path in found.left_out["the same file under another name"]]
    assert {"zhard.jpg", "zsoft.jpg"} <= set(again) and "seen.jpg" not in again


def test_loops_of_links_end(folder: Path) -> None:
    os.symlink(folder, folder / "deep" / "up")
    os.symlink(folder / "deep", folder / "deep" / "self")
    os.symlink("nowhere", folder / "dangling")
    os.symlink("itself", folder / "itself")
    assert names(folder, find_files([folder], folder / "results").files) == MEDIA
    for source in (folder, folder / "**", folder / "**" / "*"):
        found = find_files([source])
        assert names(folder, found.files) == MEDIA
        again = found.left_out["a folder that is searched already under another name"]
        assert names(folder, again) == ["deep/self", "deep/up"]
        assert sum("left out 2 folders (a folder that is" in sentence for sentence in found.sentences()) == 1


def test_folders_that_cannot_be_read_are_named_and_end_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shut").mkdir()
    listdir, scandir = os.listdir, os.scandir

    def refusing(own: Any) -> Any:
        def of(path: Any) -> Any:
            if os.fspath(path) == str(folder / "shut"):
                raise PermissionError(13, "Permission denied", str(path))
            return own(path)

        return of

    monkeypatch.setattr(os, "listdir", refusing(listdir))
    monkeypatch.setattr(os, "scandir", refusing(scandir))
    assert find_files([folder]).left_out["a folder that cannot be read"] == [folder / "shut"]
    found = find_files([folder / "*" / "*.mkv", folder / "*" / "*.jpe"])
    assert found.left_out["a folder that cannot be read"] == [folder / "shut"]
    assert names(folder, found.files) == ["*/*.mkv", "deep/below.jpe"]


def test_a_name_that_is_too_long_is_a_file_that_is_not_there(folder: Path) -> None:
    lost = [folder / ("a" * 300), folder / ("[a]" * 100)]
    assert find_files(lost).files == lost


def test_pipes_are_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    found = find_files([folder])
    assert names(folder, found.files) == MEDIA and found.left_out["not a regular file"] == [folder / "pipe.jpg"]


def test_results_are_not_inspected(folder: Path) -> None:
    assert names(folder, find_files([folder], folder / "deep").files) == [name for name in MEDIA if "deep" not in name]
    for source in (folder, folder / "*.jpg"):
        with pytest.raises(DataError, match="where results go"):
            find_files([source], folder)
