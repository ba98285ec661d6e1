"""Records, reports, batches and verification, on files made here."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper
from tamperlens.cli.console import stems_of
from tamperlens.inspection.batch import Row, expected_false_alarms, write_summary
from tamperlens.inspection.casefile.record import FailureRecord, Rates, Settings, dump, json_schema, key_of, parse_record
from tamperlens.inspection.casefile.timeline import clock
from tamperlens.inspection.examiner import Examiner, command_of, rates_of
from tamperlens.inspection.verify import verify
from tamperlens.media import file_facts, redraw, write_video
from tamperlens.media.facts import estimate_quality
from tamperlens.models.card import ModelCard

SCHEMA = jsonschema.Draft202012Validator(json_schema())


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "ann's <photo>.jpg"
    exif = Image.Exif()
    exif[0x0110] = "A <b>camera</b>"
    Image.fromarray(hopper()).save(path, quality=87, exif=exif)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    times = [*np.arange(12) * 0.1, 1.6, 1.7, 2.0]
    return clips.write_clip(tmp_path_factory.mktemp("video") / "a.mp4", clips.face_clip(15), times, sound=True)


@pytest.fixture(scope="module")
def examined(photo: Path, video: Path, tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("out")
    examiner = Examiner(Settings(every=0.5), folder, threads=1)
    return folder, {path: examiner(path, path.stem) for path in (photo, video)}


# ------------------------------------------------------------------------------------------------------------------ records


def test_records_follow_the_published_schema(examined, photo: Path, video: Path) -> None:
    folder, records = examined
    jsonschema.Draft202012Validator.check_schema(json_schema())
    for path in (photo, video):
        values = json.loads((folder / f"{path.stem}.json").read_text())
        SCHEMA.validate(values)
        assert parse_record(values) == records[path] and dump(records[path]) == values
        assert set(values["outputs"].values()) <= {file.name for file in folder.iterdir()}
    missing = Examiner(Settings(), threads=1)(folder / "missing.jpg", "missing")
    assert isinstance(missing, FailureRecord) and "no such file" in missing.error
    SCHEMA.validate(dump(missing))
    wrong = dump(records[photo]) | {"verdict": "real"}
    assert not SCHEMA.is_valid(wrong)
    with pytest.raises(ValueError, match="verdict"):
        parse_record(wrong)


def test_the_record_says_what_the_file_is(examined, photo: Path, video: Path) -> None:
    facts = examined[1][photo].file
    assert facts.photo.format == "JPEG" and facts.photo.exif["Model"] == "A <b>camera</b>" and not facts.c2pa
    assert (facts.photo.jpeg.quality, facts.photo.jpeg.standard, facts.photo.jpeg.subsampling) == (87, True, "4:2:0")
    facts = examined[1][video].file
    assert facts.video.codec == "h264" and facts.video.audio == ("aac",) and len(facts.sha256) == 64


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 95, 100])
def test_jpeg_quality_is_told_from_its_table(tmp_path: Path, quality: int) -> None:
    Image.fromarray(hopper()[:64, :64]).save(tmp_path / "a.jpg", quality=quality)
    jpeg = file_facts(tmp_path / "a.jpg").photo.jpeg
    assert jpeg is not None and (jpeg.quality, jpeg.standard) == (quality, True)
    other = list(jpeg.tables[0])
    other[5] += 1
    assert estimate_quality(tuple(other)) == (quality, False)


def test_c2pa_is_found_across_blocks(tmp_path: Path) -> None:
    mark = b"jumb\0\0\0\x26jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71\x03c2pa\0"
    for before in (10, (1 << 20) - 9):
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(before) + mark + bytes(100))
        assert file_facts(path).c2pa
    path.write_bytes(b"a text on c2pa and jumd")
    assert not file_facts(path).c2pa


def test_the_key_changes_with_whatever_changes_figures() -> None:
    keys = {
        key_of(*what)
        for what in (
            ("a", "m 1", Settings()),
            ("b", "m 1", Settings()),
            ("a", "m 2", Settings()),
            ("a", "m 1", Settings(every=0.5)),
            ("a", "m 1", Settings(), {"score_threshold": 0.5}),
        )
    }
    assert len(keys) == 5 and key_of("a", "m 1", Settings(model="m")) in keys


def test_the_command_repeats_the_settings(examined, photo: Path) -> None:
    command = command_of(examined[1][photo])
    assert command.startswith("tamperlens inspect '") and command.endswith("--every 0.5")


def test_rates_are_those_of_the_cards_pristine_rows() -> None:
    rows = [
        {
            "subset": "pristine: a, as photographed",
            "metric": "called manipulated",
            "value": 0.01,
            "low": 0,
            "high": 1,
            "n": 100,
        },
        {"subset": "pristine: b, as photographed", "metric": "called manipulated", "value": 0.0, "low": 0, "high": 1, "n": 300},
        {"subset": "pristine: a, JPEG 75", "metric": "called manipulated", "value": 0.5, "low": 0, "high": 1, "n": 100},
        {"subset": "swap, uncompressed", "metric": "auc", "value": 0.9, "low": 0, "high": 1, "n": 10},
    ]
    card = ModelCard(name="m", network="fn3", task="seg", map_threshold=0.5, score_threshold=0.5, results={"test": rows})
    rates = rates_of(card, "photo")
    assert rates is not None and rates.count == 400 and rates.called_manipulated == pytest.approx(0.0025)
    assert 0 < rates.low < 0.0025 < rates.high < 0.02
    assert rates_of(card, "video") is None and rates_of(None, "photo") is None


# -------------------------------------------------------------------------------------------------------------------- pages


def test_pages_need_nothing_from_elsewhere_and_are_accessible(examined, photo: Path, video: Path) -> None:
    folder, records = examined
    for path in (photo, video):
        page = (folder / f"{path.stem}.html").read_text()
        for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", page):
            assert address.startswith(("data:", "#")), address[:80]
        assert "http" not in re.sub(r'xmlns="[^"]*"|http://www.videolan[^ ]*', "", page) and "@import" not in page
        assert all(' alt="' in tag for tag in re.findall(r"<img[^>]*>", page.replace("\n", " ")))
        assert '<html lang="en">' in page and "@media print" in page and 'name="viewport"' in page
        assert records[path].file.sha256 in page and records[path].key in page
        assert "<b>camera" not in page and "<photo>" not in page
        assert re.search(r'<input type="range"[^>]*aria-label="Opacity', page.replace("\n", " "))
    assert "<svg" in page and "Frames of the highest scores" in page


def test_no_page_calls_anything_real(examined) -> None:
    for page in examined[0].glob("*.html"):
        words = re.sub(r"<style>.*?</style>|data:[^\"]*", "", page.read_text(), flags=re.S)
        assert not re.search(r"\b(is|as|called) (real|genuine)\b", words)
        assert "That does not show that it is authentic" in words or "no evidence of manipulation" not in words


def test_times_for_people() -> None:
    assert [clock(seconds) for seconds in (0, 61.25, 59.96, 3725.5)] == ["0:00.0", "1:01.2", "1:00.0", "1:02:05.5"]


# ---------------------------------------------------------------------------------------------------------- annotated video


def times_of(path: Path) -> tuple[list[float], float, float | None]:
    with av.open(str(path)) as container:
        audio = container.streams.audio
        sound = float(audio[0].duration * audio[0].time_base) if audio else None
        seconds = [frame.time for frame in container.decode(video=0)]
        return seconds, container.duration / 1e6, sound


def test_the_annotated_video_lasts_as_long_and_keeps_times_and_sound(examined, video: Path) -> None:
    folder, _ = examined
    before, after = times_of(video), times_of(folder / "a.annotated.mp4")
    assert after[0] == pytest.approx(before[0], abs=2e-3)
    assert after[1] == pytest.approx(before[1], abs=0.1) and after[2] == pytest.approx(before[2], abs=0.03)
    drawn = av.open(str(folder / "a.annotated.mp4"))
    plain = av.open(str(video))
    changed = [
        np.abs(a.to_ndarray(format="rgb24").astype(int) - b.to_ndarray(format="rgb24")).mean()
        for a, b in zip(drawn.decode(video=0), plain.decode(video=0), strict=True)
    ]
    assert min(changed) > 0.5  # a box on every frame


def test_redrawing_a_part_and_a_silent_video_of_odd_size(tmp_path: Path, video: Path) -> None:
    redraw(video, tmp_path / "part.mp4", lambda frame: frame.image, start=0.5, end=1.0)
    assert times_of(tmp_path / "part.mp4")[0] == pytest.approx(np.arange(5) / 10, abs=2e-3)
    write_video(tmp_path / "odd.mkv", clips.face_clip(5, 321, 241), 25)
    assert redraw(tmp_path / "odd.mkv", tmp_path / "even.mp4", lambda frame: frame.image) == ()
    with av.open(str(tmp_path / "even.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (320, 240) and not container.streams.audio


# ------------------------------------------------------------------------------------------------------------------ batches


def test_a_batchs_own_files_replace_nobodys() -> None:
    stems = stems_of([Path("index.jpg"), Path("a/summary.png"), Path("b.jpg")])
    assert list(stems.values()) == ["index.jpg", "summary.png", "b"]


def test_a_file_that_breaks_its_decoder_is_a_failure_and_no_end(photo: Path, monkeypatch) -> None:
    examiner = Examiner(Settings(), threads=1)

    def breaking(path: Path):
        raise IndexError("list index out of range")

    monkeypatch.setattr(examiner, "inspect", breaking)
    record = examiner(photo, "a")
    assert isinstance(record, FailureRecord) and record.error == "IndexError: list index out of range"


def test_expected_false_alarms_follow_the_number_of_files(tmp_path: Path) -> None:
    rates = {"photo": Rates(subset="s", called_manipulated=0.01, low=0.002, high=0.03, count=400)}
    rows = [Row(f"=p{k}.jpg", "photo", "no_evidence", 0.1, 1, "r", "", "") for k in range(200)]
    rows += [
        Row("x.jpg", "photo", "inconclusive", None, 0, "no face", "", ""),
        Row("y", "failure", "inconclusive", None, 0, "e", "", ""),
    ]
    (alarms,) = expected_false_alarms(rows, rates)
    assert (alarms.files, alarms.expected, alarms.low, alarms.high) == (200, 2.0, 0.4, 6.0)
    write_summary(rows, [alarms], tmp_path)
    table = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert len(table) == 202 and table[0]["path"] == "./=p0.jpg"
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["files"], summary["failed"], summary["no_evidence"], summary["inconclusive"]) == (202, 1, 200, 2)
    assert "<strong>2</strong>" in (tmp_path / "index.html").read_text()


def test_finished_files_are_not_done_again(photo: Path, tmp_path: Path, monkeypatch) -> None:
    examiner = Examiner(Settings(), tmp_path, threads=1)
    first = examiner(photo, "a")
    monkeypatch.setattr(Examiner, "inspect", lambda self, path: pytest.fail("inspected again"))
    assert examiner(photo, "a") == first
    assert examiner.foreign("a", tmp_path / "a.jpg") and not examiner.foreign("a", photo)
    (tmp_path / "a.mask.png").unlink()
    with pytest.raises(BaseException, match="inspected again"):
        examiner(photo, "a")


# ------------------------------------------------------------------------------------------------------------------- verify


def test_what_has_not_changed_holds(examined, photo: Path, video: Path) -> None:
    for path in (photo, video):
        checks = verify(examined[1][path])
        assert all(check.holds for check in checks), [check for check in checks if not check.holds]
        assert len(checks) > 15


def test_what_has_changed_is_named(examined, photo: Path, tmp_path: Path) -> None:
    record = examined[1][photo]
    other = tmp_path / "other.jpg"
    Image.fromarray(hopper()[::-1].copy()[::-1]).save(other, quality=60)
    wrong = {check.what for check in verify(record, other) if not check.holds}
    assert "file SHA-256" in wrong and "model" not in wrong
    face = record.faces[0].model_copy(update={"score": 0.99, "verdict": "manipulated"})
    forged = record.model_copy(update={"verdict": "manipulated", "score": 0.99, "faces": [face], "model": "m 0"})
    wrong = {check.what for check in verify(forged) if not check.holds}
    assert wrong == {"model", "verdict", "score", "face 1: score", "face 1: verdict"}


def test_every_figure_of_a_record_is_compared(examined, photo: Path, video: Path) -> None:
    record = examined[1][photo]
    faces = [record.faces[0].model_copy(update={"score_range": [0.0, 1.0], "mask_area": 0.9, "box": [0.0, 0.0, 9.0, 9.0]})]
    wrong = {check.what for check in verify(record.model_copy(update={"faces": faces})) if not check.holds}
    assert wrong == {f"face 1: {what}" for what in ("lowest score", "highest score", "marked area", "box")}

    record = examined[1][video]
    frame = record.tracks[0].frames[0].model_copy(update={"seconds": 9.0, "frame": 99})
    track = record.tracks[0].model_copy(update={"raised": [[7.0, 8.0]], "frames": [frame, *record.tracks[0].frames[1:]]})
    rule = replace(record.rule, aggregation="median", doubt_threshold=0.001, score_threshold=0.002, min_frames=99)
    whole = {"every": 7.0, "first": 7.0, "last": 8.0, "frames": 9, "decoded": 99, "complete": not record.complete}
    changed = record.model_copy(update={"tracks": [track], "rule": rule, **whole})
    wrong = {check.what for check in verify(changed) if not check.holds}
    rules = {"rule", "threshold for videos", "doubt threshold for videos"}
    assert wrong == {*whole, *rules, "face 1: raised seconds", "face 1, frame 1: place"}


def test_a_casefile_is_made_without_torch(video: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tamperlens.inspection.casefile.record import Settings\n"
        "from tamperlens.inspection.examiner import Examiner\n"
        "import tamperlens.inspection.batch, tamperlens.inspection.verify, tamperlens.cli\n"
        "record = Examiner(Settings(every=0.5), Path(sys.argv[2]))(Path(sys.argv[1]), 'a')\n"
        "assert record.kind == 'video', record\nassert not {'torch', 'matplotlib', 'pyarrow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(video), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.png")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(path)
    examiner = Examiner(Settings(), tmp_path / "out", threads=1)
    (tmp_path / "out").mkdir()
    record = examiner(path, "a")
    assert record.path.endswith("a\\udcff.png") and (tmp_path / "out" / "a.html").is_file()
    SCHEMA.validate(dump(record))
    path.unlink()
    SCHEMA.validate(dump(examiner(path, "b")))
