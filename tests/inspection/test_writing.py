"""Casefiles in their folder: nothing of anybody else's is replaced, no name loses a result, each output may fail alone."""

import csv
import errno
import html
import json
import os
import re
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import clips_at_hand as clips
from tamperlens.cli import console
from tamperlens.files import name_key, stems_of, writable_name
from tamperlens.inspection.batch import Row, expected_false_alarms, write_summary
from tamperlens.inspection.casefile import writing
from tamperlens.inspection.casefile.record import FailureRecord, Settings, Setup, Thresholds, dump, parse_record
from tamperlens.inspection.casefile.writing import UNFINISHED, casefile_stems, record_at
from tamperlens.inspection.examiner import Examiner
from tamperlens.inspection.verify import verify
from tamperlens.models.card import AlarmRate


def run(*arguments: str | os.PathLike[str]) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of one call."""
    result = CliRunner().invoke(console.app, [os.fspath(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def plain(path: Path, grey: int = 90) -> Path:
    """A picture without a face, quickly inspected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 64, 3), grey, np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def examiner() -> Callable[..., Examiner]:
    """Examiners of one loaded model, for any folder."""
    shared = Examiner(Settings(), threads=1)

    def into(folder: Path | None, settings: Settings | None = None) -> Examiner:
        own = object.__new__(Examiner)
        own.__dict__ |= shared.__dict__ | {"folder": folder, "settings": settings or shared.settings}
        return own

    return into


def examine(examiner: Callable[..., Examiner], folder: Path, *paths: Path) -> dict:
    folder.mkdir(exist_ok=True)
    return {path: examiner(folder)(path, stem) for path, stem in casefile_stems(paths, folder).items()}


# -------------------------------------------------------------------------------------------------------------------- names


def test_names_are_made_writable_and_short() -> None:
    assert writable_name("ann's <photo>, 写真") == "ann's <photo>, 写真"
    assert writable_name("a\nb\x1b[31m\u2028c\udce9") == "a_b_[31m_c_"
    long = "写" * 80
    assert len(writable_name(long).encode()) <= 215 and writable_name(long) != writable_name(long + "b")
    assert writable_name(long).startswith("写" * 60) and writable_name("é" * 20, 20) == writable_name("é" * 20, 20)


def test_no_two_files_get_one_stem_on_any_file_system() -> None:
    paths = [
        Path(name)
        for name in ("a.jpg", "A.png", "b/a.jpg", "\u00e9.jpg", "e\u0301.png", "index.JPG", "Summary.png", "x.face1.jpg")
    ]
    stems = casefile_stems(paths, None)
    assert list(stems.values()) == [
        "a", "A.png", "a.jpg", "\u00e9", "e\u0301.png", "index.JPG", "Summary.png", "x.face1.jpg",
    ]  # fmt: skip
    assert len({name_key(stem) for stem in stems.values()}) == len(paths)
    many = [Path(f"{folder}/{'n' * 300}.jpg") for folder in range(4)]
    names = [f"{stem}.face24.pixelmap.png" for stem in stems_of(many).values()]
    assert len({name_key(name) for name in names}) == 4 and max(len(name.encode()) for name in names) <= 245
    assert stems_of([Path("index.jpg"), Path("a/summary.png"), Path("b.jpg")])[Path("b.jpg")] == "b"


ODD = {
    "no text": [b"caf\xe9.png", b"caf\xe8.png", b"caf_.png"],
    "240 bytes": [b"t" * 236 + b".png", "写".encode() * 78 + b"ab.png"],
    "control": [b"line\nbreak.png", b"tab\tand\x1b[31mred.png", b"line_break.png"],
    "hidden": [b".png", b"-rf.png", b"=1+1.png", b"a?b#c%20.png"],
    "turning": ["photo\u202egpj.exe.png".encode(), "photo\u2066gpj.exe.png".encode()],
    "case": [b"a.png", b"A.png", b"index.png", b"Summary.png"],
}


@pytest.mark.parametrize("kind", ODD)
def test_a_folder_of_odd_names_loses_nothing_and_is_resumed(kind: str, tmp_path: Path) -> None:
    """Cases A13 and A14: a traceback ended the batch, one file's evidence replaced another's, no verdict was given."""
    out, paths = tmp_path / "out", [tmp_path / "in" / os.fsdecode(name) for name in ODD[kind]]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((64, 64, 3), 90 + number, np.uint8)).save(path, format="PNG")
    sources = [tmp_path / "in"] if kind != "hidden" else paths
    code, said, complaints = run("inspect", *sources, "--out", out)
    assert (code, complaints) == (0, "") and "\x1b" not in said
    assert not re.search("[\u202e\u2066]", said + "".join(page.read_text() for page in out.glob("*.html")))
    assert f"{len(paths)} files: " in said
    assert len([line for line in said.splitlines() if line.endswith(": inconclusive")]) == len(paths)
    records = {file: parse_record(file.read_bytes()) for file in out.glob("*.json") if file.name != "summary.json"}
    assert len(records) == len(paths) and len({record.file.sha256 for record in records.values()}) == len(paths)
    for file, record in records.items():
        assert len(record.outputs) == 5 and all((out / name).is_file() for name in record.outputs.values())
        assert file.name == record.outputs["record"] and all(check.holds for check in verify(record))
        for name in record.outputs.values():
            assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Cf") for letter in name)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["files"] == len(paths) and {row["page"] for row in summary["rows"]} == {
        record.outputs["page"] for record in records.values()
    }
    with (out / "summary.csv").open(newline="") as table:
        assert not any(row["path"].startswith("=") or row["reason"].startswith("=") for row in csv.DictReader(table))
    before = {file.name: file.stat().st_mtime_ns for file in out.iterdir() if not file.name.startswith(("summary", "index."))}
    assert run("inspect", *sources, "--out", out)[0] == 0
    assert before == {name: (out / name).stat().st_mtime_ns for name in before}


def test_a_failure_s_words_begin_no_formula(tmp_path: Path) -> None:
    rows = [Row("a", "failure", "inconclusive", None, 0, "=cmd: there is no such file", "", "", 0)]
    write_summary(rows, [], tmp_path)
    (row,) = csv.DictReader((tmp_path / "summary.csv").read_text().splitlines())
    assert row["reason"] == "'=cmd: there is no such file"


# ----------------------------------------------------------------------------------------------------- files of other origin


def folder_at(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("mine")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("my notes"),
    "empty": lambda path: path.touch(),
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "another JSON": lambda path: path.write_text('{"path": "a.png", "verdict": "manipulated", "kind": "photo"}'),
    "a list": lambda path: path.write_text("[1, 2]"),
    "deep": lambda path: path.write_text('{"schema": "tamperlens.record/1", "a": ' + "[" * 100_000),
    "a later record": lambda path: path.write_text('{"schema": "tamperlens.record/2", "kind": "photo", "path": "a.png"}'),
    "a folder": folder_at,
    "a link": lambda path: (path.with_name("elsewhere").write_text("mine"), path.symlink_to("elsewhere")),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a queue": lambda path: os.mkfifo(path),
}


def state_of(folder: Path) -> dict[str, object]:
    """What lies in a folder, links and queues as such."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kept = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_mtime_ns, kept)
    return found


ELSEWHERE = [(name, content) for name in ("a.html", "A.mask.png", "a.face1.overlay.png") for content in ("text", "a folder")]


@pytest.mark.parametrize(("name", "content"), [*(("a.json", content) for content in FOREIGN), *ELSEWHERE])
def test_a_file_of_other_origin_is_left_alone_and_the_casefile_says_so(
    name: str, content: str, tmp_path: Path, examiner
) -> None:
    photo, out = plain(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    FOREIGN[content](out / name)
    before = state_of(out)
    record = examine(examiner, out, photo)[photo]
    assert {name: state_of(out)[name] for name in before} == before
    assert record.verdict == "inconclusive" and record.outputs["record"] == "a.png.json" and not record.not_written
    assert record.reasons[-1].endswith("were left alone; results are named a.png") and "a in the folder" in record.reasons[-1]
    written = (out / "a.png.html").stat().st_mtime_ns
    assert examine(examiner, out, photo)[photo] == record and (out / "a.png.html").stat().st_mtime_ns == written


def test_whoever_names_the_stem_is_told_of_another_one_too(tmp_path: Path, examiner) -> None:
    photo, out = plain(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.html").write_text("mine")
    record = examiner(out)(photo, "a")
    assert record.outputs["page"] == "a.2.html" and (out / "a.html").read_text() == "mine"
    assert "results are named a.2" in record.reasons[-1]


def test_a_file_may_be_called_otherwise_than_its_path_says(tmp_path: Path, examiner) -> None:
    """As where somebody hands it over: names that people give never become part of a path."""
    photo, name = plain(tmp_path / "upload.png").rename(tmp_path / "upload"), "../holiday\n\udce9.png"
    out = tmp_path / "out"
    out.mkdir()
    record = examiner(out)(photo, "report", name)
    assert record.path == record.file.name == "../holiday\n\\udce9.png" and record.outputs["page"] == "report.html"
    assert examiner(out)(photo, "report", name) == record and {file.stem.split(".")[0] for file in out.iterdir()} == {"report"}
    assert examiner(out)(tmp_path / "nowhere", "report", name).path == record.path
    assert record_at(out, "report") == record  # a failure replaces nothing


def test_summaries_of_other_origin_are_left_alone(tmp_path: Path) -> None:
    photos, out = [plain(tmp_path / "in" / f"{number}.png", number) for number in range(2)], tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("<title>My site</title>")
    (out / "tamperlens-summary.csv").symlink_to("nowhere")
    code, said, _ = run("inspect", *photos, "--out", out)
    assert code == 0 and (out / "index.html").read_text() == "<title>My site</title>"
    assert "tamperlens-2-index.html (files of the usual names are not this program's and were left alone)" in said
    assert not (out / "summary.csv").exists() and (out / "tamperlens-summary.csv").is_symlink()
    kept = {file.name for file in out.iterdir()}
    run("inspect", *photos, "--out", out)
    assert {file.name for file in out.iterdir()} == kept  # its own it replaces


# ---------------------------------------------------------------------------------------------------- outputs that cannot be


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return clips.write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", clips.face_clip(6), np.arange(6) / 5, sound=True)


def full(*arguments: object, **named: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/some/.3fe2.name.png")


@pytest.mark.parametrize(
    ("what", "kinds", "words"),
    [
        ("write_annotated", {"annotated"}, "not written: the annotated video (ValueError: broken)"),
        ("draw_timeline", {"timeline"}, "not written: the timeline (ValueError: broken)"),
        ("render_page", {"page"}, "not written: the report (ValueError: broken)"),
        (
            "write_png",
            {"face1", "face1.overlay", "face1.pixelmap", "face1.mask"},
            "not written: 4 pictures (ValueError: broken)",
        ),
    ],
)
def test_each_output_fails_alone(what: str, kinds: set, words: str, clip: Path, tmp_path: Path, monkeypatch, examiner) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise ValueError("broken")

    expected = examiner(None)(clip, "a")
    with monkeypatch.context() as patched:
        patched.setattr(writing, what, broken)
        record = examine(examiner, tmp_path, clip)[clip]
    assert set(record.not_written) == kinds and record.reasons == [*expected.reasons, words]
    assert (record.verdict, record.score, record.tracks) == (expected.verdict, expected.score, expected.tracks)
    everything = {"page", "record", "annotated", "timeline", "face1", "face1.overlay", "face1.pixelmap", "face1.mask"}
    assert set(record.outputs) == everything - kinds
    assert all((tmp_path / name).is_file() for name in record.outputs.values())
    assert record_at(tmp_path, "a") == record
    again = examine(examiner, tmp_path, clip)[clip]  # it is tried again
    assert set(again.outputs) == everything and not again.not_written and again.reasons == expected.reasons


def test_a_full_disk_keeps_no_verdict_back(tmp_path: Path, monkeypatch) -> None:
    """Case A42, and a batch that ends with a word on its summaries."""
    photos, out = [plain(tmp_path / "in" / f"{number}.png", number) for number in range(2)], tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("tamperlens.files.os.replace", full)
        patched.setattr(writing, "write_png", full)
        code, said, complaints = run("inspect", *photos, "--out", out)
    assert code == console.NOT_INSPECTED and said.count(": inconclusive") == 2
    assert said.count("not written: the report, the record, 3 pictures (No space left on device)") == 2
    assert complaints.count("could not be written (No space left on device)") == 3
    assert not list(out.glob("*.html")) and "Index:" not in said
    assert isinstance(record_at(out, "0"), FailureRecord)
    assert run("inspect", *photos, "--out", out)[0] == 0 and record_at(out, "0").kind == "photo"


def test_where_not_even_a_name_can_be_written_the_verdict_is_told(tmp_path: Path, monkeypatch, examiner) -> None:
    photo = plain(tmp_path / "a.png")
    with monkeypatch.context() as patched:
        patched.setattr(writing, "_claimed", full)
        record = examine(examiner, tmp_path / "out", photo)[photo]
    assert record.verdict == "inconclusive" and record.outputs == {} and set(record.not_written) == {"page", "record"}
    assert record.reasons[-1] == f"nothing could be written to {tmp_path / 'out'} (No space left on device)"
    gone = tmp_path / "gone"
    assert "No such file" in examiner(gone)(photo, "a").reasons[-1]  # the folder was deleted meanwhile


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path: Path, monkeypatch) -> None:
    def refuse(**named: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    code, said, complaints = run("inspect", plain(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert code == console.UNUSABLE and said == "" and "cannot be used as a folder (Permission denied)" in complaints


# ----------------------------------------------------------------------------------------------------------- stopped, changed


def test_a_run_that_is_stopped_leaves_a_name_that_is_known_to_be_its_own(
    clip: Path, tmp_path: Path, monkeypatch, examiner
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(writing, "render_page", stop)
        with pytest.raises(KeyboardInterrupt):
            examine(examiner, tmp_path, clip)
    unfinished = record_at(tmp_path, "a")
    assert isinstance(unfinished, FailureRecord) and unfinished.error == UNFINISHED and (tmp_path / "a.face1.png").exists()
    assert examine(examiner, tmp_path, clip)[clip].outputs["record"] == "a.json"


def test_a_batch_that_is_stopped_has_an_index_of_what_was_reached(tmp_path: Path, monkeypatch) -> None:
    photos, out = [plain(tmp_path / "in" / f"{number}.png", number) for number in range(3)], tmp_path / "out"
    inspect = Examiner.inspect

    def stop(self: Examiner, source: os.PathLike):
        if os.fspath(source) == str(photos[1]):
            raise KeyboardInterrupt
        return inspect(self, source)

    monkeypatch.setattr(Examiner, "inspect", stop)
    result = CliRunner().invoke(console.app, ["inspect", *map(str, photos), "--out", str(out)])
    assert result.exit_code != 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["files"], summary["not_reached"]) == (1, 2) and (out / "summary.csv").exists()
    assert "2 more files were not reached" in (out / "index.html").read_text()


def test_what_was_left_out_is_counted_and_named_in_the_summaries(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    first = plain(source / "a.png")
    os.link(first, source / "b.png")
    (source / "<b>.txt").write_text("no picture")
    os.symlink(source, source / "loop")
    code, _, complaints = run("inspect", source, "--out", out)
    assert code == 0 and complaints.count("left out 1 ") == 3
    told = {one["what"]: one["paths"] for one in json.loads((out / "summary.json").read_text())["left_out"]}
    assert told == {
        "text": [str(source / "<b>.txt")],
        "the same file under another name": [str(source / "b.png")],
        "a folder that is searched already under another name": [str(source / "loop")],
    }
    page = (out / "index.html").read_text()
    assert "text (1): " in page and "&lt;b&gt;.txt" in page and "<b>.txt" not in page and "1 file inspected" in page


def test_a_file_deleted_during_a_batch_is_a_failure_and_no_end(tmp_path: Path, monkeypatch) -> None:
    photos, out = [plain(tmp_path / "in" / f"{number}.png", number) for number in range(3)], tmp_path / "out"
    inspect = Examiner.inspect

    def deleting(self: Examiner, source: os.PathLike):
        photos[1].unlink(missing_ok=True)
        return inspect(self, source)

    monkeypatch.setattr(Examiner, "inspect", deleting)
    code, _, complaints = run("inspect", *photos, "--out", out)
    assert code == console.NOT_INSPECTED and complaints.count("error: ") == 1 and "no such file" in complaints
    assert json.loads((out / "summary.json").read_text())["failed"] == 1 and "1 could not" in (out / "index.html").read_text()


def test_a_file_that_breaks_its_decoder_is_a_failure_and_no_end(tmp_path: Path, monkeypatch, examiner) -> None:
    own = examiner(None)

    def breaking(source: os.PathLike):
        raise IndexError("list index out of range")

    monkeypatch.setattr(own, "inspect", breaking)
    record = own(plain(tmp_path / "a.png"), "a")
    assert isinstance(record, FailureRecord) and record.error == "IndexError: list index out of range"
    assert parse_record(dump(record)) == record


def test_finished_files_are_not_done_again(tmp_path: Path, monkeypatch, examiner) -> None:
    photo, out = plain(tmp_path / "a.png"), tmp_path / "out"
    first = examine(examiner, out, photo)[photo]
    monkeypatch.setattr(Examiner, "inspect", lambda self, source: pytest.fail("inspected again"))
    assert examine(examiner, out, photo)[photo] == first
    other = plain(tmp_path / "b" / "a.png", 91)
    assert casefile_stems([photo, other], out) == {photo: "a", other: "a.png"} == casefile_stems([photo, other], out)
    assert casefile_stems([other], out) == {other: "a.png"}
    (out / "a.mask.png").unlink()
    with pytest.raises(BaseException, match="inspected again"):
        examine(examiner, out, photo)


def test_a_report_that_is_written_over_because_the_file_changed_is_told_of(tmp_path: Path, examiner) -> None:
    photo, out = plain(tmp_path / "a.png"), tmp_path / "out"
    first, again = (examine(examiner, out, photo)[photo] for _ in range(2))
    assert again == first
    plain(photo, 91)
    changed = examine(examiner, out, photo)[photo]
    told = f"an earlier report on other content at this path was written over (SHA-256 {first.file.sha256[:12]}...)"
    assert told in changed.reasons and changed.outputs == first.outputs


def test_the_page_s_commands_can_be_given_to_a_shell(tmp_path: Path, examiner) -> None:
    photo, out = plain(tmp_path / "a; touch pwned.png"), tmp_path / "out"
    examine(examiner, out, photo)
    page = html.unescape((out / "a; touch pwned.html").read_text())
    (command,) = re.findall(r"^tamperlens verify .*?(?=</pre>|$)", page, re.M)
    assert shlex.split(command) == ["tamperlens", "verify", "a; touch pwned.json"]


# -------------------------------------------------------------------------------------------------------------------- sound


def with_sound_twice(path: Path) -> Path:
    """An MKV with AAC of which two packets have one time, as cutting tools leave them."""
    source = clips.write_clip(path.with_suffix(".mp4"), clips.face_clip(6), np.arange(6) / 5, sound=True)
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        sound = 0
        for packet in given.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                sound += 1
                if sound in (8, 9):
                    packet.pts = packet.dts = 7 * 1024
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
    return path


def packets_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(packet.dts * packet.time_base) for packet in container.demux(audio=0) if packet.dts is not None]


def test_sound_of_one_time_twice_ends_nothing_and_is_kept(tmp_path: Path, examiner) -> None:
    """Case A3: with --out the whole file failed, although nothing is wrong with its pictures."""
    clip = with_sound_twice(tmp_path / "a.mkv")
    times = packets_of(clip)
    assert len(set(times)) < len(times)
    record = examine(examiner, tmp_path / "out", clip)[clip]
    assert record.kind == "video" and "annotated" in record.outputs and not record.not_written
    found = packets_of(tmp_path / "out" / "a.annotated.mp4")
    assert len(found) == len(times) and found == sorted(set(found))
    assert record.tracks == examiner(None)(clip, "a").tracks


def test_sound_that_cannot_be_written_is_told_and_the_pictures_go_on(tmp_path: Path, clip: Path, monkeypatch) -> None:
    from tamperlens.media import redraw

    class Deaf:
        """A container that takes pictures only from the third packet of sound on."""

        def __init__(self, container) -> None:
            self.container, self.sound = container, 0

        def __getattr__(self, name: str):
            return getattr(self.container, name)

        def __enter__(self):
            self.container.__enter__()
            return self

        def __exit__(self, *error: object):
            return self.container.__exit__(*error)

        def mux(self, packets) -> None:
            if not isinstance(packets, list):
                self.sound += 1
                if self.sound > 2:
                    raise av.error.ArgumentError(22, "Invalid argument", "file")
            self.container.mux(packets)

    opened = av.open
    monkeypatch.setattr(
        av, "open", lambda file, mode="r", **o: Deaf(opened(file, mode, **o)) if mode == "w" else opened(file, **o)
    )
    notes = redraw(clip, tmp_path / "b.mp4", lambda frame: frame.image)
    assert notes == ("the sound could be kept up to second 0.0 only (Invalid argument)",)
    monkeypatch.undo()
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(list(container.decode(video=0))) == 6
    assert len(packets_of(tmp_path / "b.mp4")) == 2


# ---------------------------------------------------------------------------------------------------------------- summaries


def test_expected_false_alarms_follow_the_number_of_faces(tmp_path: Path) -> None:
    rate = AlarmRate(called_manipulated=4, count=400, counted="files", sources=("s",))
    setup = Setup(Settings(), Thresholds(score=0.9, doubt=0.5), rates={"photo": rate})
    rows = [Row(f"=p{k}.jpg", "photo", "no_evidence", 0.1, 3, "r", "", "", 2) for k in range(100)]
    rows += [
        Row("x.jpg", "photo", "inconclusive", None, 1, "too small", "", "", 0),
        Row("y", "failure", "inconclusive", None, 0, "e", "", "", 0),
        Row("v.mp4", "video", "no_evidence", 0.1, 1, "r", "", "", 1),
    ]
    (alarms,) = expected_false_alarms(rows, setup)
    assert (alarms.kind, alarms.files, alarms.rates.faces, alarms.rates.expected) == ("photo", 100, 200, 2.0)
    summary = write_summary(rows, [alarms], tmp_path)
    assert summary.index == tmp_path / "index.html" and not summary.lost and not summary.renamed
    table = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert len(table) == 103 and table[0]["path"].startswith("./=p") and table[0]["judged"] == "2"
    values = json.loads((tmp_path / "summary.json").read_text())
    assert (values["files"], values["failed"], values["no_evidence"], values["inconclusive"]) == (103, 1, 101, 2)
    (told,) = values["expected_false_alarms"]
    assert (told["faces"], told["expected"], told["rates"]["at_least_one"]) == (
        200,
        2.0,
        pytest.approx(1 - 0.99**200, abs=1e-5),
    )
    page = (tmp_path / "index.html").read_text()
    assert "<strong>If none of the 200 judged faces in 100 photos is manipulated, about 2 (" in page
    assert "Measured: of 400 pristine photos (s), 1.0 % were wrongly called manipulated" in page
