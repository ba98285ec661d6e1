"""What is looked at is what people see: one test for each way in which a file may ask to be shown."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media import (
    Photo,
    VideoSampler,
    file_facts,
    frames,
    open_source,
    read_photo,
    redraw,
    video_info,
    write_video,
)
from tamperlens.media.colours import WHITE, Colours, ToSrgb, to_srgb
from tamperlens.media.display import Display, settle_colours, shown_size
from tamperlens.types import UInt8Array


def gradient(height: int = 64, width: int = 96) -> UInt8Array:
    """Smooth; every corner another colour."""
    y, x = np.mgrid[:height, :width]
    red, green = 40 + 180 * x // width, 40 + 180 * y // height
    return np.stack([red, green, 230 - red // 2], axis=-1).astype(np.uint8)


def apart(a: UInt8Array, b: UInt8Array) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def encode(
    path: Path,
    pictures: Sequence[Any],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    *,
    options: dict[str, str] | None = None,
    colours: tuple[int, int, int] | None = None,
    ratio: Fraction | None = None,
) -> Path:
    """A video at 25 a second of RGB arrays or PyAV pictures; ``colours``: primaries, transfer, matrix by ITU-T H.273."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"x265-params": "log-level=none", **(options or {})})
        first = pictures[0]
        stream.height, stream.width = first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        if ratio:
            context.sample_aspect_ratio = ratio
        if colours:
            context.color_primaries, context.color_trc, context.colorspace = colours
            context.color_range = 1
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24") if isinstance(picture, np.ndarray) else picture
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# ------------------------------------------------------------------------------------------------------------------ HDR


def hdr_signal(light: "np.ndarray[Any, Any]", transfer: int) -> "np.ndarray[Any, Any]":
    """Light in cd/m2 as PQ or HLG signal, by BT.2100's formulas in the other direction."""
    if transfer == 16:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = (light / 10_000) ** m1
        return ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    luminance = light @ np.array([0.2627, 0.6780, 0.0593]) / 1000
    scene = light / 1000 * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def sdr_as_hdr(image: UInt8Array, transfer: int) -> "np.ndarray[Any, Any]":
    """An sRGB picture as an HDR signal in BT.2020, its white at 203 cd/m2."""
    signal = image / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    to_bt2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    return hdr_signal(WHITE * light @ to_bt2020.T, transfer)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_video_is_tone_mapped_to_sdr(tmp_path: Path, transfer: int) -> None:
    image = gradient()
    image[:16, :16] = 255
    signal = np.rint(65535 * np.clip(sdr_as_hdr(image, transfer), 0, 1)).astype(np.uint16)
    hdr = av.VideoFrame.from_ndarray(signal, format="rgb48le").reformat(
        format="yuv420p10le", dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG
    )
    path = encode(tmp_path / "a.mp4", [hdr] * 3, "libx265", "yuv420p10le", options={"crf": "5"}, colours=(9, transfer, 9))
    sampler = VideoSampler(path)
    shown = [frame.image for frame in sampler]
    assert len(shown) == 3
    assert apart(shown[0][20:], image[20:]) < 4  # what is below SDR's white comes back as it was
    assert shown[0][4:12, 4:12].min() > 240  # and white is white
    name = {16: "PQ", 18: "HLG"}[transfer]
    assert any(f"HDR ({name}); it was tone-mapped to SDR" in note for note in sampler.notes)
    facts = file_facts(path).video
    assert facts is not None and facts.transfer == name
    assert apart(next(frames(path)).image, shown[0]) == 0  # datasets see the same


def test_highlights_keep_their_order_and_sdr_stays_as_it_is() -> None:
    light = np.repeat(np.array([[100.0], [203.0], [300.0], [1000.0]]), 3, axis=1)
    for transfer in (16, 18):
        shown = to_srgb(np.clip(hdr_signal(light, transfer), 0, 1), Colours(transfer, 9))[:, 1]
        assert (np.diff(shown) > 0).all() and shown[1] > 0.95 and shown[-1] <= 1
    grey = np.linspace(0, 1, 50)[:, None].repeat(3, 1)
    assert np.allclose(to_srgb(grey, Colours(1, 1)), grey, atol=1e-6)


def test_ffmpegs_table_gives_what_the_formulas_give() -> None:
    image = np.random.default_rng(0).integers(0, 150, (64, 64, 3)).astype(np.uint8)  # within SDR's part of PQ
    for colours in (Colours(16, 9), Colours(18, 9), Colours(1, 12)):
        expected = np.rint(255 * to_srgb(image / 255, colours))
        assert np.abs(ToSrgb(colours).image(image) - expected).mean() < 1.0


def test_display_p3_video_is_brought_to_srgb(tmp_path: Path) -> None:
    red = np.full((64, 64, 3), (200, 60, 60), np.uint8)
    plain = encode(tmp_path / "a.mp4", [red], colours=(1, 1, 1))
    wide = encode(tmp_path / "b.mp4", [red], colours=(12, 1, 1))
    difference = next(frames(wide)).image.astype(int) - next(frames(plain)).image
    assert difference[..., 0].mean() > 5 and difference[..., 1].mean() < -5  # more saturated than sRGB's
    assert all("HDR" not in note for note in next(frames(wide)).notes)


def with_colours(path: Path, primaries: int, transfer: int) -> Path:
    """An AVIF or HEIC file that says how its colours are coded."""
    data = bytearray(path.read_bytes())
    place = data.index(b"colrnclx") + 8
    data[place : place + 4] = bytes([0, primaries, 0, transfer])
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_stills_are_tone_mapped_too(tmp_path: Path, transfer: int) -> None:
    image = gradient()
    signal = np.rint(255 * np.clip(sdr_as_hdr(image, transfer), 0, 1)).astype(np.uint8)
    Image.fromarray(signal).save(tmp_path / "a.avif", quality=95, subsampling="4:4:4")
    path = with_colours(tmp_path / "a.avif", 9, transfer)
    frame = read_photo(path)
    assert apart(frame.image, image) < 5 and "tone-mapped" in frame.notes[0]
    facts = file_facts(path).photo
    assert facts is not None and facts.transfer == {16: "PQ", 18: "HLG"}[transfer]
    Image.fromarray(signal).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    cicp = b"\0\0\0\4cICP" + bytes([9, transfer, 0, 1]) + b"\0\0\0\0"
    cicp = cicp[:-4] + zlib.crc32(cicp[4:-4]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data[:33] + cicp + data[33:])
    frame = read_photo(tmp_path / "a.png")
    assert apart(frame.image, image) < 4 and "tone-mapped" in frame.notes[0]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_heic_is_tone_mapped_at_eight_and_ten_bits(tmp_path: Path, transfer: int) -> None:
    image = gradient()
    signal = np.clip(sdr_as_hdr(image, transfer), 0, 1)
    said = {"color_primaries": 9, "transfer_characteristics": transfer, "matrix_coefficients": 9, "full_range_flag": 1}
    for mode, pixels in (
        ("RGB", np.rint(255 * signal).astype(np.uint8)),
        ("RGB;16", np.rint(65535 * signal).astype(np.uint16)),
    ):
        pillow_heif.from_bytes(mode, image.shape[1::-1], pixels.tobytes()).save(tmp_path / "a.heic", quality=95, **said)
        frame = read_photo(tmp_path / "a.heic")
        assert apart(frame.image, image) < 6 and "tone-mapped" in frame.notes[0], mode


def profile_with(primaries: int, transfer: int) -> bytes:
    """An sRGB profile with a cicp tag."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = int.from_bytes(plain[128:132], "big")
    tags = [struct.unpack_from(">4sII", plain, 132 + 12 * tag) for tag in range(count)]
    rows = [(name, place + 12, size) for name, place, size in tags] + [(b"cicp", len(plain) + 12, 12)]
    table = struct.pack(">I", len(rows)) + b"".join(struct.pack(">4sII", *row) for row in rows)
    whole = plain[:128] + table + plain[132 + 12 * count :] + b"cicp\0\0\0\0" + bytes([primaries, transfer, 0, 1])
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("format", ["jpeg", "png", "avif"])
def test_hdr_that_a_colour_profile_names_is_tone_mapped(tmp_path: Path, format: str) -> None:
    image = gradient()
    path = tmp_path / f"a.{format}"
    for transfer in (16, 18):
        signal = np.rint(255 * np.clip(sdr_as_hdr(image, transfer), 0, 1)).astype(np.uint8)
        Image.fromarray(signal).save(path, quality=98, icc_profile=profile_with(9, transfer))
        frame = read_photo(path)
        assert apart(frame.image, image) < 7 and "tone-mapped" in frame.notes[0], transfer
    Image.fromarray(image).save(path, quality=98, icc_profile=profile_with(1, 13))
    assert read_photo(path).notes == ()


def test_colours_of_a_gain_map_are_not_those_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.fromarray(gradient()).save(path, quality=95)
    data = path.read_bytes()
    place = data.index(b"ipco") + 4  # one more property, of no item, before all others
    foreign = struct.pack(">I4s4sHHHB", 19, b"colr", b"nclx", 9, 16, 9, 128)
    data = data[:place] + foreign + data[place:]
    for box in (b"meta", b"iprp", b"ipco"):
        at = data.index(box) - 4
        data = data[:at] + (int.from_bytes(data[at : at + 4], "big") + 19).to_bytes(4, "big") + data[at + 4 :]
    at = data.index(b"ipma") + 4
    assert data[at : at + 12] == b"\0\0\0\0\0\0\0\1\0\1\4\1"
    one_up = bytes([number + 1 for number in data[at + 11 : at + 15]])
    data = data[: at + 11] + one_up + data[at + 15 :]
    at = data.index(b"iloc") + 4 + 14  # where its pixels lie
    begin = int.from_bytes(data[at : at + 4], "big")
    path.write_bytes(data[:at] + (begin + 19).to_bytes(4, "big") + data[at + 4 :])
    frame = read_photo(path)
    assert apart(frame.image, gradient()) < 4 and frame.notes == ()


# ------------------------------------------------------------------------------------------- fields, pixels, matrix, alpha


def moving_bar(count: int, height: int = 96, width: int = 128) -> Iterator[UInt8Array]:
    """A bright bar that moves by 6 pixels from field to field."""
    for number in range(count):
        image = gradient(height, width)
        image[:, 10 + 6 * number : 26 + 6 * number] = 250
        yield image


def interlaced_clip(path: Path, count: int = 8) -> Path:
    fields = list(moving_bar(2 * count))
    woven = []
    for number in range(count):
        image = fields[2 * number].copy()
        image[1::2] = fields[2 * number + 1][1::2]
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        woven.append(frame)
    return encode(path, woven, "mpeg2video", options={"flags": "+ildct+ilme", "top": "1", "q": "2"})


def combing(image: UInt8Array) -> float:
    """How much neighbouring rows differ beyond rows two apart."""
    grey = image.astype(int).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean() - np.abs(grey[2:] - grey[:-2]).mean() / 2)


def test_interlaced_video_is_deinterlaced_and_told(tmp_path: Path) -> None:
    path = interlaced_clip(tmp_path / "a.ts")
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0) if frame.interlaced_frame]
    assert len(stored) == 8 and combing(stored[3]) > 3
    sampler = VideoSampler(path)
    shown = list(sampler)
    assert len(shown) == sampler.decoded == 8 and [frame.seconds for frame in shown] == pytest.approx(np.arange(8) / 25)
    assert combing(shown[3].image) < 0.2 * combing(stored[3])
    assert any("interlaced; it was deinterlaced" in note for note in sampler.notes)
    facts = file_facts(path).video
    assert facts is not None and facts.interlaced
    progressive = encode(tmp_path / "b.ts", list(moving_bar(4)), "mpeg2video")
    sampler = VideoSampler(progressive)
    assert len(list(sampler)) == 4 and sampler.notes == ()


@pytest.mark.parametrize(
    ("size", "ratio", "shown"),
    [
        ((128, 64), Fraction(2, 1), (256, 64)),
        ((128, 64), Fraction(1, 2), (128, 128)),
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((1280, 720), Fraction(4319, 4320), (1280, 720)),  # rounding
        ((1280, 720), Fraction(1, 900), (1280, 720)),  # nonsense
        ((1280, 720), None, (1280, 720)),
    ],
)
def test_the_size_at_which_players_show_a_picture(
    size: tuple[int, int], ratio: Fraction | None, shown: tuple[int, int]
) -> None:
    assert shown_size(*size, ratio) == shown


def test_pixels_that_are_not_square_are_shown_and_written_square(tmp_path: Path) -> None:
    squeezed = np.ascontiguousarray(gradient(64, 128)[:, ::2])
    path = encode(tmp_path / "a.mp4", [squeezed] * 5, ratio=Fraction(2, 1), options={"crf": "5"})
    sampler = VideoSampler(path)
    shown = [frame.image for frame in sampler]
    assert apart(shown[0], gradient(64, 128)) < 4
    assert any("pixels are not square (2:1); 64x64 is shown as 128x64" in note for note in sampler.notes)
    info = video_info(path)
    assert (info.width, info.height, info.stored) == (128, 64, (64, 64))
    redraw(path, tmp_path / "b.mp4", lambda frame: frame.image)
    written = video_info(tmp_path / "b.mp4")
    assert (written.width, written.height, written.pixel_ratio) in [(128, 64, None), (128, 64, 1)]
    assert apart(next(frames(tmp_path / "b.mp4")).image, gradient(64, 128)) < 5
    square = encode(tmp_path / "c.mp4", [squeezed] * 2, ratio=Fraction(4319, 4320))
    assert next(frames(square)).notes == ()


def test_pixels_whose_shape_changes_midway_are_shown_as_they_ask(tmp_path: Path) -> None:
    parts = [encode(tmp_path / f"{n}.ts", [gradient()] * 6, ratio=Fraction(n, 3), options={"bf": "0"}) for n in (3, 4)]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    sampler = VideoSampler(path)
    assert [frame.image.shape[1] for frame in sampler] == [96] * 6 + [128] * 6
    assert any("shape of the pixels changes from 1:1 to 4:3" in note for note in sampler.notes)


def test_a_picture_for_each_eye_and_a_sphere_are_told(tmp_path: Path) -> None:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    path = encode(tmp_path / "a.mp4", [gradient()] * 3, options={"x264-params": "frame-packing=3"})
    sampler = VideoSampler(path)
    assert len(list(sampler)) == 3 and "a picture for each eye" in sampler.notes[0]
    data = encode(tmp_path / "b.mp4", [gradient()] * 3).read_bytes()
    sphere = box(b"sv3d", box(b"svhd", b"\0\0\0\0x\0") + box(b"proj", box(b"prhd", bytes(16)) + box(b"equi", bytes(20))))
    movie, place = data.index(b"moov"), data.index(b"avcC") - 4
    place += int.from_bytes(data[place : place + 4], "big")
    data = data[:place] + sphere + data[place:]
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = data.index(name, movie) - 4
        data = data[:at] + (int.from_bytes(data[at : at + 4], "big") + len(sphere)).to_bytes(4, "big") + data[at + 4 :]
    path.write_bytes(data)
    sampler = VideoSampler(path)
    assert len(list(sampler)) == 3 and "360 degree" in sampler.notes[0]


@pytest.mark.parametrize(("height", "width", "matrix"), [(720, 1280, Colorspace.ITU709), (480, 640, Colorspace.ITU601)])
def test_untagged_colours_are_taken_as_players_take_them(tmp_path: Path, height: int, width: int, matrix: int) -> None:
    image = np.full((height, width, 3), (40, 200, 60), np.uint8)
    stored = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )
    stored.colorspace, stored.color_range = 2, 0
    path = encode(tmp_path / "a.mp4", [stored], options={"crf": "5"})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 2  # says nothing
    assert apart(next(frames(path)).image, image) < 3
    write_video(tmp_path / "b.mp4", [image], 25, codec="libx264", crf=5)  # and what is written is read so, too
    assert apart(next(frames(tmp_path / "b.mp4")).image, image) < 3
    redraw(path, tmp_path / "c.mp4", lambda frame: frame.image)
    assert apart(next(frames(tmp_path / "c.mp4")).image, image) < 4


def test_a_transparent_video_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.concatenate([gradient(), np.full((64, 96, 1), 255, np.uint8)], axis=2)
    rgba[:, :48, 3] = 0
    frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
    path = encode(tmp_path / "a.mov", [frame] * 2, "qtrle", "argb")
    shown = VideoSampler(path)
    image = next(iter(shown)).image
    assert (image[:, :48] == 255).all() and apart(image[:, 48:], gradient()[:, 48:]) < 1
    assert any("partly transparent and was laid on white" in note for note in shown.notes)


def test_a_transparent_webm_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.concatenate([gradient(), np.full((64, 96, 1), 255, np.uint8)], axis=2)
    rgba[:, :48, 3] = 0
    frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
    path = encode(tmp_path / "a.webm", [frame] * 4, "libvpx-vp9", "yuva420p", options={"b": "2M"})
    shown = VideoSampler(path)
    images = [frame.image for frame in shown]
    assert len(images) == shown.decoded == 4
    assert images[2][:, :40].min() > 250 and apart(images[2][:, 56:], gradient()[:, 56:]) < 6
    assert any("partly transparent and was laid on white" in note for note in shown.notes)


# ---------------------------------------------------------------------------------------------------------------- streams


def two_streams(path: Path, default: int) -> Path:
    with av.open(str(path), "w") as container:
        streams = []
        for number, (height, width) in enumerate([(32, 48), (64, 96)]):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = 1 if number == default else 0
            streams.append(stream)
        for _ in range(5):
            for stream in streams:
                image = gradient(stream.height, stream.width)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_stream_is_shown_and_the_others_are_told(tmp_path: Path, default: int) -> None:
    path = two_streams(tmp_path / "a.mkv", default)
    sampler = VideoSampler(path)
    shown = list(sampler)
    assert len(shown) == 5 and shown[0].image.shape[:2] == [(32, 48), (64, 96)][default]
    other = ["stream 1 (96x64, h264)", "stream 0 (48x32, h264)"][default]
    assert any("2 video streams" in note and other in note for note in sampler.notes)
    facts = file_facts(path).video
    assert facts is not None and facts.other_streams == (other,)


# ----------------------------------------------------------------------------------------------------------------- photos


def test_orientation_in_xmp_alone_turns_nothing(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for format, options in (("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        path = tmp_path / f"a.{format.lower()}"
        if format == "PNG":
            told = PngInfo()
            told.add_itxt("XML:com.adobe.xmp", xmp.decode())
            Image.fromarray(gradient()).save(path, format, pnginfo=told)
        elif format == "TIFF":
            Image.fromarray(gradient()).save(path, format, tiffinfo={700: xmp})
        else:
            Image.fromarray(gradient()).save(path, format, xmp=xmp, **options)
        frame = read_photo(path)
        assert apart(frame.image, gradient()) < 4, format
        facts = file_facts(path).photo
        assert facts is not None and facts.xmp
    assert "XMP asks for orientation 6" in read_photo(tmp_path / "a.jpeg").notes[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient()).save(tmp_path / "b.jpg", exif=exif, xmp=xmp, quality=95)
    frame = read_photo(tmp_path / "b.jpg")
    assert frame.image.shape == (96, 64, 3) and frame.notes == ()


def test_the_film_of_a_motion_photo_is_mentioned(tmp_path: Path) -> None:
    for xmp in (b'<rdf:Description GCamera:MotionPhoto="1"/>', b"<GCamera:MicroVideo>1</GCamera:MicroVideo>"):
        Image.fromarray(gradient()).save(tmp_path / "a.jpg", xmp=xmp)
        assert "not the film behind it" in read_photo(tmp_path / "a.jpg").notes[0]


def test_what_lies_behind_a_jpeg_is_mentioned_if_it_is_a_film_or_another_picture(tmp_path: Path) -> None:
    first, other, small = (io.BytesIO() for _ in range(3))
    Image.fromarray(gradient()).save(first, "JPEG", progressive=True)
    Image.fromarray(gradient()[::-1].copy()).save(other, "JPEG")
    Image.fromarray(gradient(16, 24)).save(small, "JPEG")
    film = b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + b"\0\0\0\x18ftypmp42"  # as Samsung's cameras write it, without XMP
    tails = {
        film: ["the file is a motion photo: only its picture was inspected, not the film behind it"],
        other.getvalue(): ["another picture of its size or larger lies behind the first in the file; only the first was read"],
        small.getvalue(): [],
        bytes(20_000): [],
        b"\xff\xd8\xff": [],
        b"": [],
    }
    for tail, notes in tails.items():
        (tmp_path / "a.jpg").write_bytes(first.getvalue() + tail)
        assert list(read_photo(tmp_path / "a.jpg").notes) == notes, tail[:20]
    write_video(tmp_path / "a.mjpeg", [gradient()] * 3, 25, codec="mjpeg", pix_fmt="yuvj420p")
    assert "lies behind the first" in read_photo(tmp_path / "a.mjpeg").notes[0]


def test_an_mpo_of_two_photos_says_so_and_one_with_a_preview_does_not(tmp_path: Path) -> None:
    photo, other = Image.fromarray(gradient()), Image.fromarray(gradient()[::-1].copy())
    for name, second, told in (("stereo", other, 1), ("preview", other.resize((24, 16)), 0)):
        photo.save(tmp_path / name, format="MPO", save_all=True, append_images=[second])
        notes = read_photo(tmp_path / name).notes
        assert notes == ("the file holds 2 pictures; only the first was read",) * told


def test_png_gamma_is_applied_as_browsers_do(tmp_path: Path) -> None:
    values = np.repeat(np.arange(256, dtype=np.uint8)[None], 8, axis=0)
    shown = {}
    for gamma in (45455, 100000):
        told = PngInfo()
        told.add(b"gAMA", gamma.to_bytes(4, "big"))
        Image.fromarray(values).save(tmp_path / "a.png", pnginfo=told)
        shown[gamma] = read_photo(tmp_path / "a.png").image[0, :, 0].astype(int)
    assert np.array_equal(shown[45455], np.arange(256))
    assert np.abs(shown[100000] - 255 * (np.arange(256) / 255) ** (1 / 2.2)).max() <= 1


def tiff(pages: Sequence[tuple[UInt8Array, dict[int, int]]], below: Sequence[tuple[UInt8Array, dict[int, int]]] = ()) -> bytes:
    """A TIFF (little-endian) of uncompressed RGB pictures with further tags; those ``below`` are the first page's SubIFDs."""
    parts = [(image, tags, True) for image, tags in pages] + [(image, tags, False) for image, tags in below]
    place, strips = 8, []
    for image, _, _ in parts:
        strips.append(place)
        place += image.nbytes
    sizes = [2 + 12 * (10 + len(tags) + (number == 0 and bool(below))) + 4 for number, (_, tags, _) in enumerate(parts)]
    at = [place + sum(sizes[:number]) + 6 * number for number in range(len(parts))]
    subs = at[len(pages) :]
    assert len(subs) <= 1
    out = b"II*\0" + struct.pack("<I", at[0]) + b"".join(image.tobytes() for image, _, _ in parts)
    for number, (image, more, page) in enumerate(parts):
        height, width = image.shape[:2]
        tags = {256: width, 257: height, 259: 1, 262: 2, 273: strips[number], 277: 3, 278: height, 279: image.nbytes}
        tags |= {258: at[number] + sizes[number], 284: 1, **more, **({330: subs[0]} if number == 0 and subs else {})}
        out += struct.pack("<H", len(tags))
        for tag in sorted(tags):
            out += struct.pack("<HHII", tag, 4 if tag != 258 else 3, 3 if tag == 258 else 1, tags[tag])
        follows = at[number + 1] if page and number + 1 < len(pages) else 0
        out += struct.pack("<I", follows) + struct.pack("<HHH", 8, 8, 8)
    return out


WHOLE, PREVIEW = {254: 0}, {254: 1}


def test_the_picture_is_read_and_never_its_preview(tmp_path: Path) -> None:
    small, large, path = gradient(32, 48), gradient(), tmp_path / "a.tif"
    for data in (tiff([(small, PREVIEW), (large, WHOLE)]), tiff([(small, PREVIEW)], [(large, WHOLE)])):
        path.write_bytes(data)
        with open_source(path) as source:
            assert isinstance(source, Photo) and source.size == (96, 64)
            frame = source.read()
        assert np.array_equal(frame.image, large) and frame.notes == ()
    path.write_bytes(tiff([(large, WHOLE), (small, PREVIEW)]))
    frame = read_photo(path)
    assert np.array_equal(frame.image, large) and frame.notes == ()  # nothing is claimed of a second picture
    path.write_bytes(tiff([(large, WHOLE), (small, WHOLE)]))
    assert "2 pictures; only the first was read" in read_photo(path).notes[0]
    path.write_bytes(tiff([(small, PREVIEW)]))
    assert "is a preview of another" in read_photo(path).notes[0]


def test_camera_raw_is_refused_by_name(tmp_path: Path) -> None:
    small, sensor, path = gradient(32, 48), gradient(), tmp_path / "a.dng"
    path.write_bytes(tiff([(small, {**PREVIEW, 50706: 1})], [(sensor, {**WHOLE, 262: 32803})]))
    with pytest.raises(UnsupportedMedia, match=r"a camera raw picture, .* preview of 48x32 .* export a JPEG"):
        read_photo(path)
    path.write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(100))
    with pytest.raises(MediaError, match="camera raw picture"):
        open_source(path)
    path.write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(100))
    with pytest.raises(UnsupportedMedia, match="this is a camera raw picture"):
        open_source(path)


@pytest.mark.parametrize("moving", [3, 1])
def test_the_hidden_picture_of_an_animated_png_is_not_shown(tmp_path: Path, moving: int) -> None:
    hidden = Image.new("RGB", (96, 64), "grey")
    shown = [Image.fromarray(np.roll(gradient(), 9 * number, axis=1)) for number in range(moving)]
    path = tmp_path / "a.png"
    hidden.save(path, save_all=True, default_image=True, append_images=shown, duration=200)
    if moving == 1:
        assert np.array_equal(read_photo(path).image, gradient()) and read_photo(path).notes == ()
        return
    found = list(VideoSampler(path))
    assert [frame.seconds for frame in found] == pytest.approx([0, 0.2, 0.4])
    assert np.array_equal(found[0].image, gradient())
    facts = file_facts(path).photo
    assert facts is not None and facts.pictures == 3


def test_colours_that_cannot_be_read_are_told_and_end_nothing() -> None:
    image = np.full((32, 32, 3), 90, np.uint8)
    for matrix, words in ((0, None), (3, None), (255, None), (8, "YCgCo"), (14, "ICtCp"), (15, "Dolby Vision")):
        picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        picture.colorspace = matrix
        told = settle_colours(picture, (2, 2, 2))
        assert (told is None) == (words is None) and (words or "") in (told or "")
        assert apart(Display(None)(picture)[0], image) < 3
        assert picture.reformat(format="gray").to_ndarray().shape == (32, 32)


def test_what_the_picture_leaves_open_its_container_may_say() -> None:
    picture = av.VideoFrame(32, 32, "yuv420p10le")
    settle_colours(picture, (16, 9, 9))
    assert (picture.color_trc, picture.color_primaries, picture.colorspace) == (16, 9, 9)
    picture = av.VideoFrame(32, 32, "yuv420p10le")
    settle_colours(picture, (18, 2, 2))
    assert (picture.color_trc, picture.color_primaries, picture.colorspace) == (18, 9, 9)
