"""A file is opened once, its length and codecs are told as they are, limits hold for whatever moves, kinds are by content."""

import io
import re
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import GifImagePlugin, Image, PngImagePlugin, WebPImagePlugin

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media import (
    Photo,
    Video,
    VideoSampler,
    file_facts,
    frames,
    kind_in,
    moving_length,
    open_source,
    read_photo,
    redraw,
    video_info,
)
from tamperlens.media.headers import history_of, software_of
from tamperlens.types import UInt8Array


def gradient(shift: int = 0, height: int = 64, width: int = 96) -> UInt8Array:
    y, x = np.mgrid[:height, :width]
    red, green = 40 + 180 * ((x + shift) % width) // width, 40 + 180 * y // height
    return np.stack([red, green, 230 - red // 2], axis=-1).astype(np.uint8)


def write(
    path: Path,
    count: int,
    codec: str = "libx264",
    *,
    first: float = 0.0,
    sound: str = "",
    format: str | None = None,
    options: dict[str, str] | None = None,
    coding: dict[str, str] | None = None,
) -> Path:
    """A clip at 25 a second whose first time stamp is ``first`` seconds, on request with sound of the same length."""
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=coding or {})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream(sound, rate=44100) if sound else None
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(gradient(number), format="rgb24")
            frame.pts, frame.time_base = number + round(25 * first), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            for start in range(0, int(44100 * count / 25), 1152):
                tone = np.sin(np.arange(start, start + 1152) / 20).astype(np.float32)[None] / 8
                block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                block.sample_rate, block.pts = 44100, start + round(44100 * first)
                container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


# --------------------------------------------------------------------------------------------------------------- one source


def test_a_source_gives_kind_facts_length_and_pictures(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "a.mp4", "PNG")
    with open_source(tmp_path / "a.mp4") as source:
        assert isinstance(source, Photo) and str(source) == str(tmp_path / "a.mp4") and source.size == (96, 64)
        assert source.facts.photo is not None and source.facts.photo.format == "PNG"
        assert np.array_equal(source.read().image, gradient())
        assert np.array_equal(source.read().image, gradient())  # again, from the file
    path = write(tmp_path / "a.jpg.mp4", 50).rename(tmp_path / "a.jpg")
    with open_source(path) as source:
        assert isinstance(source, Video) and source.seconds == pytest.approx(2) and source.facts.video is not None
        for _ in range(2):  # goes on where opening stopped, then from the file
            assert [frame.index for frame in VideoSampler(source, every=1.0)] == [0, 25]
        assert moving_length(source) == pytest.approx(2)
        assert len(list(frames(source))) == 50
    animated = [Image.fromarray(gradient(9 * number)) for number in range(3)]
    animated[0].save(tmp_path / "a.gif", save_all=True, append_images=animated[1:], duration=500)
    with open_source(tmp_path / "a.gif") as source:
        assert isinstance(source, Video) and source.seconds == pytest.approx(1.5) and source.facts.photo is not None
        assert [frame.seconds for frame in VideoSampler(source)] == [0, 0.5, 1.0]
    with pytest.raises(UnsupportedMedia, match="this is a photo, expected a video"):
        next(iter(VideoSampler(tmp_path / "a.mp4")))


def count_openings(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    opened = {"pillow": 0, "pyav": 0}
    pillow, pyav = Image.open, av.open

    def by_pillow(*arguments: Any, **options: Any) -> Any:
        opened["pillow"] += 1
        return pillow(*arguments, **options)

    def by_pyav(file: Any, mode: str | None = None, *arguments: Any, **options: Any) -> Any:
        opened["pyav"] += mode != "w"
        return pyav(file, mode, *arguments, **options)

    monkeypatch.setattr(Image, "open", by_pillow)
    monkeypatch.setattr(av, "open", by_pyav)
    return opened


def test_facts_length_and_pictures_come_of_one_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(gradient()).save(tmp_path / "a.jpg")
    write(tmp_path / "a.mp4", 50)
    opened = count_openings(monkeypatch)
    with open_source(tmp_path / "a.jpg") as photo:
        assert isinstance(photo, Photo) and photo.facts.photo and photo.read().complete
    assert opened == {"pillow": 1, "pyav": 0}
    with open_source(tmp_path / "a.mp4") as video:
        assert isinstance(video, Video) and video.facts.video and video.seconds and list(VideoSampler(video, every=0.5))
    assert opened == {"pillow": 1, "pyav": 1}


# ------------------------------------------------------------------------------------------------------- claims that are so


@pytest.mark.parametrize(
    ("suffix", "codec", "sound"),
    [(suffix, "libx264", sound) for suffix in ("mkv", "mp4", "mov", "ts", "flv") for sound in ("", "aac")]
    + [("webm", "libvpx-vp9", "")],
)
def test_a_video_that_starts_late_is_whole(tmp_path: Path, suffix: str, codec: str, sound: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 50, codec, first=3.0, sound=sound)
    sampler = VideoSampler(path)
    assert len(list(sampler)) == 50 and sampler.complete and sampler.notes == ()
    assert moving_length(path) == pytest.approx(2, abs=0.1)
    assert len(list(frames(path))) == 50


@pytest.mark.parametrize("first", [0.0, 3.0])
def test_a_matroska_file_that_is_cut_off_is_not_whole(tmp_path: Path, first: float) -> None:
    path = write(tmp_path / "a.mkv", 100, first=first, coding={"g": "10"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    sampler = VideoSampler(path)
    assert 50 < len(list(sampler)) < 90 and not sampler.complete
    assert any("truncated" in note for note in sampler.notes)


CONTAINERS_WITHOUT_A_LENGTH = [
    ("webm", "libvpx-vp9", None, {"live": "1"}),  # as MediaRecorder writes
    ("mkv", "libx264", None, {"live": "1"}),
    ("h264", "libx264", "h264", {}),
    ("hevc", "libx265", "hevc", {}),
    ("m2v", "mpeg2video", "mpeg2video", {}),
    ("ts", "libx264", None, {}),
    ("mpg", "mpeg2video", "mpeg", {}),
    ("flv", "libx264", None, {"flvflags": "no_duration_filesize"}),
    ("mp4", "libx264", None, {"movflags": "frag_keyframe+empty_moov"}),
]


@pytest.mark.parametrize(("suffix", "codec", "format", "options"), CONTAINERS_WITHOUT_A_LENGTH)
def test_a_length_in_the_header_is_not_needed(
    tmp_path: Path, suffix: str, codec: str, format: str | None, options: dict[str, str]
) -> None:
    coding = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write(tmp_path / f"a.{suffix}", 50, codec, format=format, options=options, coding=coding)
    assert moving_length(path) == pytest.approx(2, abs=0.1)
    sampler = VideoSampler(path, every=0.2)
    assert len(list(sampler)) == 10 and sampler.complete and sampler.decoded == 50 and sampler.notes == ()


def test_a_length_that_a_header_makes_up_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", 50)
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # Duration, eight bytes
    for seconds in (0.1, 100_000.0):
        path.write_bytes(data[:place] + struct.pack(">d", 1000 * seconds) + data[place + 8 :])
        assert moving_length(path) == pytest.approx(2, abs=0.1)
        sampler = VideoSampler(path)
        assert len(list(sampler)) == 50 and sampler.complete and sampler.notes == ()


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_picture_that_is_shown_for_hours_makes_no_long_video(tmp_path: Path, suffix: str) -> None:
    """Judged once a second then, a clip of a second was hardly judged at all."""
    with av.open(str(tmp_path / f"a.{suffix}"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(gradient(number), format="rgb24")
            frame.pts, frame.time_base = 40 * number + (36_000_000 if number > 20 else 0), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert moving_length(tmp_path / f"a.{suffix}") == pytest.approx(11, abs=0.1)
    assert len(list(VideoSampler(tmp_path / f"a.{suffix}", every=0.2))) == 6


def test_pictures_that_an_edit_list_hides_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", 20, coding={"bf": "0"})
    data = bytearray(path.read_bytes())
    scale = int.from_bytes(data[(at := data.index(b"mdhd") + 16) : at + 4], "big")
    at = data.index(b"elst") + 16  # where the picture begins that is shown first
    data[at : at + 4] = (scale * 8 // 25).to_bytes(4, "big")
    path.write_bytes(data)
    sampler = VideoSampler(path)
    assert len(list(sampler)) == 12
    assert sampler.notes == ("the file's edit list hides 8 stored pictures from players; they were not inspected",)


def test_an_encrypted_video_is_refused_by_name(tmp_path: Path) -> None:
    keys = {"encryption_key": 32 * "7", "encryption_kid": 32 * "a"}
    path = write(tmp_path / "a.mp4", 5, options={"encryption_scheme": "cenc-aes-ctr", **keys})
    with pytest.raises(UnsupportedMedia, match="encrypted"):
        video_info(path)


OLD_AND_RARE = [
    ("rm", "rv20", "rm"),
    ("ivf", "libvpx-vp9", "ivf"),
    ("obu", "libsvtav1", "obu"),
    ("m4v", "mpeg4", "m4v"),
]


@pytest.mark.parametrize(("suffix", "codec", "format"), OLD_AND_RARE)
def test_old_and_rare_containers_are_read(tmp_path: Path, suffix: str, codec: str, format: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 10, codec, format=format)
    sampler = VideoSampler(path)
    found = list(sampler)
    assert [frame.seconds for frame in found] == pytest.approx([number / 25 for number in range(10)], abs=2e-3)
    assert sampler.complete and np.abs(found[0].image.astype(int) - gradient(0)).mean() < 8


def test_sound_that_goes_on_makes_the_pictures_no_longer(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=44100)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gradient(number), format="rgb24")))
        container.mux(stream.encode())
        for start in range(0, 8 * 44100, 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 44100, start
            container.mux(audio.encode(block))
        container.mux(audio.encode())
    assert moving_length(tmp_path / "a.mkv") == pytest.approx(1, abs=0.1)


def test_a_recording_that_begins_between_two_key_frames_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", 100, coding={"g": "50", "bf": "0", "sc_threshold": "0"})
    data = path.read_bytes()
    keep = len(data) * 2 // 5 // 188 * 188
    path.write_bytes(data[:376] + data[keep:])  # the tables, then what was received
    sampler = VideoSampler(path)
    seen = list(sampler)
    assert 10 < len(seen) <= 50
    assert any("begins between two key frames: its first" in note for note in sampler.notes), sampler.notes


def test_codecs_are_called_by_their_names_and_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", 25, sound="libmp3lame")
    facts = file_facts(path).video
    assert facts is not None and (facts.codec, facts.audio) == ("h264", ("mp3",))
    assert redraw(path, tmp_path / "b.mp4", lambda frame: frame.image) == ()
    assert video_info(tmp_path / "b.mp4").audio == ("mp3",)
    av1 = write(tmp_path / "a.mp4", 5, "libsvtav1", coding={"svtav1-params": "lp=1", "preset": "12"})
    assert video_info(av1).codec == "av1"


# ------------------------------------------------------------------------------------------------------------------- limits


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), *chunks, (b"IEND", b"")]
    made = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def huge(kind: str) -> bytes:
    """The beginning of a moving picture of 20000 x 20000, or as near as the format goes."""
    if kind == "PNG":
        control = struct.pack(">IIIIIHHBB", 0, 20_000, 20_000, 0, 0, 1, 10, 0, 0)
        return png(20_000, 20_000, (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", control), (b"IDAT", zlib.compress(b"\0" * 9)))
    if kind == "GIF":
        out = io.BytesIO()
        small = [Image.new("L", (4, 4), number) for number in (0, 200)]
        small[0].save(out, "GIF", save_all=True, append_images=small[1:])
        return out.getvalue()[:6] + struct.pack("<HH", 20_000, 20_000) + out.getvalue()[10:]
    if kind == "WEBP":
        out = io.BytesIO()
        small = [Image.new("RGB", (4, 4), (number, 0, 0)) for number in (0, 200)]
        small[0].save(out, "WEBP", save_all=True, append_images=small[1:])
        data = out.getvalue()
        side = (16_382).to_bytes(3, "little")
        return data[:24] + side + side + data[30:]
    raise ValueError(kind)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_a_moving_picture_that_is_too_large_is_refused_before_it_is_decoded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(huge(kind))

    def decoded(*_: object) -> None:
        pytest.fail("it was decoded")

    for plugin in (PngImagePlugin.PngImageFile, GifImagePlugin.GifImageFile, WebPImagePlugin.WebPImageFile):
        monkeypatch.setattr(plugin, "load", decoded)
    for reader in (open_source, moving_length, lambda file: next(iter(VideoSampler(file)))):
        with pytest.raises(UnsupportedMedia, match="million; make it smaller"):
            reader(path)


def test_the_limit_holds_for_videos_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", 5)
    monkeypatch.setattr("tamperlens.media.opening.MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(UnsupportedMedia, match="96x64 pixels"):
        open_source(path)


# -------------------------------------------------------------------------------------------------------------------- kinds

KINDS = [
    (b"\xff\xd8\xff\xe0", "photo", "JPEG"),
    (b"II*\0\x10\0\0\0CR\2\0", "none", "camera raw"),
    (b"\0\0\0\x18ftypcrx ", "none", "camera raw"),
    (b"\0\0\0\x18ftypavif", "photo", "HEIC or AVIF"),
    (b"\0\0\0\x18ftypisom", "video", "MP4"),
    (b"\0\0\0\x18ftypM4A ", "none", "sound"),
    (b"\0\0\0\x18stypmsdh", "none", "fragment of a streamed video"),
    (b"\0\0\0\x18moofaaaa", "none", "fragment of a streamed video"),
    (b"RIFF\0\0\0\0WAVEfmt ", "none", "sound"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "photo", "WebP"),
    (b"OggS\0\2" + bytes(22) + b"\x01vorbis", "none", "sound"),
    (b"OggS\0\2" + bytes(22) + b"\x80theora", "video", "OGG"),
    ((b"G" + bytes(187)) * 20, "video", "transport stream"),
    ((bytes(4) + b"G" + bytes(187)) * 20, "video", "transport stream"),
    (bytes(50) + (b"G" + bytes(187)) * 20, "video", "transport stream"),
    (b"\0\0\0\1\x67\x42\0\x1e", "video", "raw H.264"),
    (b"#EXTM3U\n#EXTINF:10,\na.ts\n", "none", "playlist .M3U."),
    (b'<?xml version="1.0"?>\n<MPD xmlns="urn">', "none", "playlist .DASH."),
    (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "none", "web page"),
    (b"<!-- saved --><html><body>404", "none", "web page"),
    (b'<?xml version="1.0"?><svg width="1">', "none", "SVG"),
    (b"\x1f\x07\x00\xbf" + bytes(80), "video", "raw DV"),
    (b"P6\n256 300\n255\n" + bytes(80), "none", "Netpbm"),
    (bytes((0, 0, 1, 0, 1, 0)) + bytes(80), "none", "icon"),
    (bytes((0, 0, 2, 0)) + bytes(80), "none", "Targa"),
    (b"hello\n", "none", "text"),
    ("hällo".encode("utf-16"), "none", "text"),
    (b"%PDF-1.7", "none", "PDF"),
    (b"cmyk.jpg" + bytes(249) + b"ustar\0" + bytes(80), "none", "tar archive"),
    (b"BZh91AY&SY", "none", "bzip2 archive"),
    (b"\xfd7zXZ\0\0\4", "none", "xz archive"),
    (b"\x28\xb5\x2f\xfd\0\0", "none", "Zstandard archive"),
    (b"FWS\6\0\0\0\0", "none", "Flash"),
    (b"nut/multimedia container\0", "none", "NUT"),
    (b".RMF\0\0\0\x12", "video", "RealMedia"),
    (b"DHAV\xfd\0\0\0", "video", "surveillance"),
    (b"", "none", "empty"),
    (b"\x01\x02\x03" * 200, "unknown", "unknown kind"),
    (b"GOOD MORNING " * 200, "none", "text"),
]


@pytest.mark.parametrize(("head", "reader", "words"), KINDS)
def test_what_a_file_is_by_its_first_bytes(head: bytes, reader: str, words: str) -> None:
    kind = kind_in(head)
    assert kind.reader == reader and re.search(words, kind.words), kind


def test_what_cannot_be_inspected_is_refused_with_advice(tmp_path: Path) -> None:
    cases = {
        "part.m4s": (b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix", "fragment of a streamed video.*join it behind its init"),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:10,\na.ts\n", "playlist.*yt-dlp or ffmpeg"),
        "clip.mp4": (b"<!DOCTYPE html><html><body>Not found", "a web page.*fetch the file itself again"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        for reader in (open_source, read_photo):
            with pytest.raises(UnsupportedMedia, match=words) as caught:
                reader(tmp_path / name)
            assert "\n" not in str(caught.value)
    for name, words in (
        ("-", "standard input is not read"),
        ("https://example.org/a.mp4", "an address, and nothing is fetched"),
        (str(Path("https://example.org/a.mp4")), "an address, and nothing is fetched"),
        ("nowhere.jpg", "there is no such file"),
    ):
        with pytest.raises(MediaError, match=words):
            open_source(name)


def test_xmp_tells_software_and_history(tmp_path: Path) -> None:
    xmp = """<x:xmpmeta><rdf:Description xmp:CreatorTool="Photo Program 3"><xmpMM:History><rdf:Seq>
    <rdf:li stEvt:action="created" stEvt:softwareAgent="Photo Program 3" stEvt:when="2024-01-05"/>
    <rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action></rdf:li>
    </rdf:Seq></xmpMM:History></rdf:Description></x:xmpmeta>"""
    assert software_of(xmp) == "Photo Program 3"
    assert history_of(xmp) == ("created, Photo Program 3, 2024-01-05", "saved")
    assert (software_of(""), history_of("<xmpMM:History>")) == (None, ())
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", xmp=xmp.encode())
    facts = file_facts(tmp_path / "a.jpg").photo
    assert facts is not None and facts.software == "Photo Program 3" and len(facts.history) == 2


def animated(path: Path, milliseconds: list[int], **options: Any) -> Path:
    """A moving picture whose pictures differ, shown for these times."""
    pictures = [Image.fromarray(gradient(4 * number)) for number in range(len(milliseconds))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, **options)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif"])
def test_how_long_an_animated_picture_lasts_is_the_sum_of_its_pictures(tmp_path: Path, suffix: str) -> None:
    """The first picture is often shown longer; taken for all of them, few were judged."""
    path = animated(tmp_path / f"a{suffix}", [5000, 40, 40, 40])
    with open_source(path) as source:
        assert isinstance(source, Video) and source.seconds == pytest.approx(5.12)
    assert [frame.seconds for frame in VideoSampler(path)] == pytest.approx([0, 5, 5.04, 5.08])
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])
    if suffix in (".webp", ".avif"):  # libwebp and libavif open no part of one
        return
    with open_source(cut) as source:  # damage ends neither counting nor reading
        assert isinstance(source, Video) and 0 < source.seconds <= 20


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_an_animated_picture_is_turned_by_its_exif_as_a_still_one(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = animated(tmp_path / f"a{suffix}", [100, 100], exif=exif, lossless=True)
    still = tmp_path / f"b{suffix}"
    Image.fromarray(gradient()).save(still, exif=exif, lossless=True)
    frames = list(VideoSampler(path))
    assert [frame.image.shape for frame in frames] == [(96, 64, 3)] * 2
    assert (frames[0].image == read_photo(still).image).all()


def test_a_raw_dv_video_is_read_at_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "tape.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for number in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gradient(8 * number, 576, 720), format="rgb24")))
        container.mux(stream.encode())
    sampler = VideoSampler(path)
    assert [round(frame.seconds, 2) for frame in sampler] == [0, 0.04, 0.08, 0.12] and sampler.rate == 25
