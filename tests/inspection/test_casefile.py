"""Facts of files, reports and annotated videos, on files made here."""

import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper, hopper_face
from tamperlens.forge.whole import forge_face
from tamperlens.inspection.casefile.record import Settings
from tamperlens.inspection.casefile.timeline import clock
from tamperlens.inspection.examiner import Examiner
from tamperlens.media import file_facts, redraw, write_video
from tamperlens.media.facts import estimate_quality

# -------------------------------------------------------------------------------------------------------------------- facts


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


# -------------------------------------------------------------------------------------------------------------------- pages


def test_the_map_of_a_manipulated_face_can_be_laid_over_it(tmp_path: Path) -> None:
    Image.fromarray(forge_face(hopper(), hopper_face(), "resynthesis", 1).image).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    record = Examiner(Settings(), tmp_path / "out")(tmp_path / "a.png", "a")
    page = (tmp_path / "out" / "a.html").read_text()
    assert record.verdict == "manipulated"
    assert re.search(r'<input type="range"[^>]*aria-label="Opacity', page.replace("\n", " "))


def test_pages_need_nothing_from_elsewhere_and_are_accessible(examined, photo: Path, video: Path) -> None:
    folder, records = examined
    for path in (photo, video):
        page = (folder / f"{path.stem}.html").read_text()
        beside = records[path].outputs.get("annotated", "data:")  # played where it lies beside the page, and said where not
        for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", page):
            assert address.startswith(("data:", "#", beside)), address[:80]
        assert "http" not in re.sub(r'xmlns="[^"]*"|http://www.videolan[^ ]*|http-equiv', "", page) and "@import" not in page
        assert all(' alt="' in tag for tag in re.findall(r"<img[^>]*>", page.replace("\n", " ")))
        assert '<html lang="en">' in page and "@media print" in page and 'name="viewport"' in page
        assert records[path].file.sha256 in page and records[path].key in page
        assert "<b>camera" not in page and "<photo>" not in page
        assert "Opacity" not in page and "nothing is marked" in page  # no map is shown of a face that is not called manipulated
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


def test_redrawing_a_part_and_a_silent_video_of_odd_size(tmp_path: Path, video: Path, monkeypatch) -> None:
    redraw(video, tmp_path / "part.mp4", lambda frame: frame.image, start=0.5, end=1.0)
    assert times_of(tmp_path / "part.mp4")[0] == pytest.approx(np.arange(5) / 10, abs=2e-3)
    monkeypatch.chdir(tmp_path)
    Path("at-10:30").mkdir()
    redraw(video, "at-10:30/part.mp4", lambda frame: frame.image, start=0.5, end=0.8)
    write_video("at-10:30/b.mp4", clips.face_clip(2), 25)
    assert Path("at-10:30/part.mp4").is_file() and Path("at-10:30/b.mp4").is_file()
    write_video(tmp_path / "odd.mkv", clips.face_clip(5, 321, 241), 25)
    assert redraw(tmp_path / "odd.mkv", tmp_path / "even.mp4", lambda frame: frame.image) == ()
    with av.open(str(tmp_path / "even.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (320, 240) and not container.streams.audio


# ------------------------------------------------------------------------------------------------------------------ batches


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
