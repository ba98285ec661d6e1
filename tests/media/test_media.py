"""Every kind of file that people bring, good and bad, made on the fly."""

import gc
import io
import struct
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageFile

from tamperlens.errors import MediaError, UnsupportedMedia
from tamperlens.media import VideoSampler, frames, kind_of, moves, read_photo, video_info, write_png, write_video
from tamperlens.types import UInt8Array

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp", "GIF": "gif", "AVIF": "avif"}


@pytest.fixture(autouse=True)
def pillow_is_left_as_it_was() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    yield
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def picture(height: int = 64, width: int = 96) -> UInt8Array:
    """Smooth, so that lossy formats keep it; every corner another colour."""
    y, x = np.mgrid[:height, :width]
    red, green = 40 + 180 * x // width, 40 + 180 * y // height
    return np.stack([red, green, 230 - red // 2], axis=-1).astype(np.uint8)


def noise(height: int = 64, width: int = 96, seed: int = 0) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def close(a: UInt8Array, b: UInt8Array, most: float = 4) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b.astype(int)).mean()) <= most


def save(path: Path, array: UInt8Array, format: str, **options: Any) -> Path:
    if format == "HEIF":
        pillow_heif.from_pillow(Image.fromarray(array)).save(path, quality=95, **options)
    else:
        Image.fromarray(array).save(path, format=format, **options)
    return path


def png_16_bits(array: "np.ndarray[Any, np.dtype[np.uint16]]") -> bytes:
    """Pillow cannot write 16-bit colour; PNG is simple enough."""
    height, width, channels = array.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# -------------------------------------------------------------------------------------------------------------- photos


@pytest.mark.parametrize("format", [*SUFFIXES, "HEIF"])
def test_every_photo_format_whatever_its_name(tmp_path: Path, format: str) -> None:
    path = save(tmp_path / f"a.{SUFFIXES.get(format, 'heic')}", picture(), format)
    renamed = path.rename(tmp_path / "a.mp4")
    assert kind_of(renamed) == "photo"
    frame = read_photo(renamed)
    assert (frame.index, frame.seconds, frame.notes) == (0, 0.0, ())
    assert frame.image.dtype == np.uint8
    assert close(frame.image, picture(), 10 if format == "GIF" else 4)
    if format in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(frame.image, picture())
    with pytest.raises(UnsupportedMedia, match="this is a photo, expected a video"):
        next(frames(renamed))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_picture_of_an_animation(tmp_path: Path, format: str) -> None:
    others = [Image.fromarray(255 - picture())] * 2
    path = save(tmp_path / "a", picture(), format, save_all=True, append_images=others)
    frame = read_photo(str(path))
    assert close(frame.image, picture(), 10)
    assert "only the first was read" in frame.notes[0]
    assert kind_of(path) == "photo"


# EXIF 2.32: where the stored row 0 and column 0 are in the picture as seen.
ROW_0_AND_COLUMN_0 = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(upright: UInt8Array, orientation: int) -> UInt8Array:
    row, column = ROW_0_AND_COLUMN_0[orientation]
    array = upright if row in ("top", "bottom") else upright.swapaxes(0, 1)
    array = array[::-1] if row in ("bottom", "right") else array
    return np.ascontiguousarray(array[:, ::-1] if column in ("bottom", "right") else array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_exif_orientation(tmp_path: Path, format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a", stored(picture(), orientation), format, exif=exif)
    image = read_photo(path).image
    assert close(image, picture())
    if format in ("PNG", "TIFF"):
        assert np.array_equal(image, picture())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    heif = pillow_heif.from_pillow(Image.fromarray(stored(picture(), orientation)))
    heif.info["exif"] = exif.tobytes()
    heif.save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    assert close(read_photo(tmp_path / "a.heic").image, picture())


def test_broken_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12broken")
    assert close(read_photo(path).image, picture())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, channels: int) -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16, 1) * 257
    array = np.repeat(values, channels, axis=2)
    if channels == 4:
        array[..., 3] = 65535
    (tmp_path / "a.png").write_bytes(png_16_bits(array))
    frame = read_photo(tmp_path / "a.png")
    assert np.array_equal(frame.image, np.repeat(values // 257, 3, axis=2).astype(np.uint8))
    assert frame.notes == ()


@pytest.mark.parametrize("big_endian", [False, True])
def test_sixteen_bit_tiff(tmp_path: Path, big_endian: bool) -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    big = Image.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes())
    image = big if big_endian else Image.fromarray(values)
    image.save(tmp_path / "a.tif")
    assert np.array_equal(read_photo(tmp_path / "a.tif").image[..., 1], values // 257)


def test_grey_palette_and_one_bit(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(read_photo(tmp_path / "grey.png").image, np.repeat(grey[..., None], 3, 2))
    Image.fromarray(picture()).quantize(256).save(tmp_path / "palette.png")
    assert close(read_photo(tmp_path / "palette.png").image, picture(), 6)
    Image.fromarray(grey > 128).save(tmp_path / "bits.png")
    assert np.array_equal(read_photo(tmp_path / "bits.png").image[..., 2], (grey > 128) * 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colour_spaces(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(picture())
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
        assert converted is not None
        image = converted
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.tif")
    assert close(read_photo(tmp_path / "a.tif").image, picture())


def test_cmyk_jpeg_is_not_a_negative(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).convert("CMYK")
    image.save(tmp_path / "adobe.jpg", quality=95)  # Pillow writes the Adobe way: inks inverted
    assert b"Adobe" in (tmp_path / "adobe.jpg").read_bytes()
    assert close(read_photo(tmp_path / "adobe.jpg").image, picture())


def test_transparency_is_laid_on_white_and_told(tmp_path: Path) -> None:
    alpha = np.full((64, 96, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([picture(), alpha], 2)).save(tmp_path / "solid.png")
    assert read_photo(tmp_path / "solid.png").notes == ()
    assert np.array_equal(read_photo(tmp_path / "solid.png").image, picture())
    alpha[:, :48] = 0
    alpha[:, 48:60] = 128
    Image.fromarray(np.concatenate([picture(), alpha], 2)).save(tmp_path / "half.png")
    frame = read_photo(tmp_path / "half.png")
    assert (frame.image[:, :48] == 255).all() and np.array_equal(frame.image[:, 60:], picture()[:, 60:])
    assert close(frame.image[:, 48:60], (picture()[:, 48:60].astype(int) * 128 + 255 * 127) // 255, 1)
    assert "transparent" in frame.notes[0]
    grey = np.concatenate([picture()[..., :1], alpha], 2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    frame = read_photo(tmp_path / "grey.png")
    assert (frame.image[:, :48] == 255).all() and np.array_equal(frame.image[:, 60:, 0], picture()[:, 60:, 0])
    palette = Image.fromarray(picture()).quantize(16)
    palette.save(tmp_path / "palette.png", transparency=0)
    frame = read_photo(tmp_path / "palette.png")
    assert (frame.image[np.asarray(palette) == 0] == 255).all() and "transparent" in frame.notes[0]


def test_colour_profiles(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")  # red is blue
    assert swapped != srgb
    exact = read_photo(save(tmp_path / "srgb.png", noise(), "PNG", icc_profile=srgb))
    assert np.array_equal(exact.image, noise()) and exact.notes == ()
    other = read_photo(save(tmp_path / "other.png", picture(), "PNG", icc_profile=swapped))
    assert close(other.image, picture()[..., ::-1], 1) and other.notes == ()
    for profile in (b"no profile at all", swapped[:300]):
        broken = read_photo(save(tmp_path / "broken.png", picture(), "PNG", icc_profile=profile))
        assert np.array_equal(broken.image, picture()) and "profile" in broken.notes[0]
    grey = io.BytesIO()
    Image.fromarray(picture()[..., 0]).save(grey, "PNG", icc_profile=srgb)  # made for another kind of picture
    (tmp_path / "grey.png").write_bytes(grey.getvalue())
    frame = read_photo(tmp_path / "grey.png")
    assert np.array_equal(frame.image[..., 0], picture()[..., 0]) and "profile" in frame.notes[0]


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_truncated_photo_gives_what_is_there(tmp_path: Path, format: str) -> None:
    data = save(tmp_path / "a", noise(400, 300), format).read_bytes()
    (tmp_path / "b").write_bytes(data[: int(len(data) * 0.6)])
    frame = read_photo(tmp_path / "b")
    assert close(frame.image[:200], noise(400, 300)[:200], 0 if format == "PNG" else 50)
    assert frame.image.shape == (400, 300, 3)
    assert "truncated" in frame.notes[0] and "% of it is missing" in frame.notes[0]
    assert 30 <= int(frame.notes[0].split("about ")[1].split(" %")[0]) <= 50


def test_truncated_progressive_jpeg(tmp_path: Path) -> None:
    data = save(tmp_path / "a", noise(400, 300), "JPEG", progressive=True).read_bytes()
    (tmp_path / "b").write_bytes(data[: int(len(data) * 0.6)])
    assert "truncated" in read_photo(tmp_path / "b").notes[0]


@pytest.mark.parametrize("format", [*SUFFIXES, "HEIF"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.9])
def test_no_truncation_gets_past_unnoticed(tmp_path: Path, format: str, keep: float) -> None:
    data = save(tmp_path / "a.heic", noise(200, 200), format).read_bytes()
    (tmp_path / "b").write_bytes(data[: int(len(data) * keep)])
    try:
        assert "truncated" in read_photo(tmp_path / "b").notes[0]
    except MediaError as error:
        assert "\n" not in str(error)


def test_jpeg_without_a_single_pixel(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", noise(), "JPEG").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data[: data.index(b"\xff\xda") + 14])
    with pytest.raises(MediaError, match="this is a photo, but no pixels can be read"):
        read_photo(tmp_path / "b.jpg")


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("héllo\n" * 200)
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:10,\nother.mp4\n")
    (folder / "concat.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    (folder / "random.png").write_bytes(bytes([1, 0, 200] * 500))
    (folder / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "a.pdf").write_bytes(b"%PDF-1.7\n\xff\xfe")
    return {
        "missing": (folder / "nowhere.jpg", "there is no such file"),
        "folder": (folder, "this is a folder, expected one photo or video"),
        "empty": (folder / "empty.jpg", "the file is empty, expected a photo"),
        "text": (folder / "text.jpg", "this is text, expected a photo"),
        "playlist": (folder / "playlist.mp4", "this is a playlist .M3U., .*, expected a photo"),
        "concat": (folder / "concat.mp4", "this is text, expected a photo"),
        "random": (folder / "random.png", "of an unknown kind .first bytes 01 00 c8.*expected a photo"),
        "pdf": (folder / "a.pdf", "a PDF document, expected a photo"),
        "header": (folder / "header.png", "a PNG picture"),
    }


@pytest.mark.parametrize("reader", [read_photo, kind_of, lambda path: next(frames(path)), video_info])
@pytest.mark.parametrize(
    "name", sorted(["missing", "folder", "empty", "text", "playlist", "concat", "random", "pdf", "header"])
)
def test_bad_files_are_named_in_one_line(tmp_path: Path, name: str, reader: Any) -> None:
    path, words = bad_files(tmp_path)[name]
    with pytest.raises(MediaError, match=words) as caught:
        reader(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert isinstance(caught.value, UnsupportedMedia) == (name in ("pdf", "text", "playlist", "concat"))


def test_very_large_pictures(tmp_path: Path) -> None:
    Image.new("L", (12_000, 8_000), 77).save(tmp_path / "wide.png", compress_level=1)
    frame = read_photo(tmp_path / "wide.png")
    assert frame.image.shape == (8_000, 12_000, 3) and (frame.image[::1000, ::1000] == 77).all()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\x01IDAT0"
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(UnsupportedMedia, match="20000x20000 pixels, expected at most 200 million"):
        read_photo(tmp_path / "huge.png")


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnsupportedMedia, match="floating-point"):
        read_photo(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(tmp_path / "b.tif")
    with pytest.raises(UnsupportedMedia, match="70000, expected 8 or 16 bits"):
        read_photo(tmp_path / "b.tif")


def test_write_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for array in (noise(), noise()[..., 0]):
        write_png(path, array)
        assert np.array_equal(np.asarray(Image.open(path)), array)
    mask = noise()[..., 0] > 128
    write_png(path, mask)
    assert np.array_equal(np.asarray(Image.open(path)), mask * np.uint8(255))
    wrongs: list[Any] = [noise().astype(np.float32), noise()[..., :2], np.zeros((0, 4), np.uint8)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="a PNG is made from"):
            write_png(path, wrong)
    with pytest.raises(OSError):
        write_png(tmp_path / "nowhere" / "a.png", mask)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


# -------------------------------------------------------------------------------------------------------------- videos


def clip(count: int = 12, height: int = 64, width: int = 96) -> list[UInt8Array]:
    return [noise(height, width, seed) // 4 + picture(height, width) // 2 for seed in range(count)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov"])
def test_lossless_video_comes_back_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert write_video(path, iter(clip()), 25) == 12
    assert kind_of(path) == "video"
    back = list(frames(path))
    assert [frame.index for frame in back] == list(range(12))
    assert [frame.seconds for frame in back] == pytest.approx([index / 25 for index in range(12)], abs=1e-3)
    for frame, image in zip(back, clip(), strict=True):
        assert np.array_equal(frame.image, image) and frame.notes == ()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_odd_sizes_every_and_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clip(10, 33, 51), 30000 / 1001)
    back = list(frames(path, every=4, threads=2))
    assert [frame.index for frame in back] == [0, 4, 8]
    assert back[2].seconds == pytest.approx(8 * 1001 / 30000, abs=1e-4)
    assert np.array_equal(back[2].image, clip(10, 33, 51)[8])
    with pytest.raises(ValueError, match="at least 1; got every=0"):
        next(frames(path, every=0))


def test_video_info_and_encoder_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clip(), 25, codec="libx264", crf=23, metadata={"comment": "made of noise", "recipe": "v1"})
    info = video_info(path)
    assert (info.width, info.height, info.fps, info.frames) == (96, 64, 25.0, 12)
    assert (info.codec, info.pixel_format, info.rotation) == ("h264", "yuv420p", 0)
    assert info.seconds == pytest.approx(0.48)
    assert info.encoder is not None and info.encoder.startswith("x264 - core") and " crf=23.0 " in info.encoder
    assert info.tags["comment"] == "made of noise" and info.tags["recipe"] == "v1"
    assert close(next(frames(path)).image, clip()[0], 20)
    write_video(tmp_path / "b.webm", clip(), 25, codec="libvpx-vp9", crf=30)
    info = video_info(tmp_path / "b.webm")
    assert (info.codec, info.encoder, info.frames) == ("vp9", None, None)


def test_write_video_refuses_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="at least one picture"):
        write_video(path, [], 25)
    with pytest.raises(ValueError, match="picture 1 is 48x64, the first was 96x64"):
        write_video(path, [noise(), noise()[:, :48]], 25)
    with pytest.raises(ValueError, match="even sides; got 95x64"):
        write_video(path, [noise(64, 95)], 25, codec="libx264")
    with pytest.raises(ValueError, match="RGB uint8"):
        write_video(path, [noise()[..., 0]], 25)
    assert list(tmp_path.iterdir()) == []


# x' = a x + c y, y' = b x + d y in 16.16 fixed point, with EXIF's number for the same turn
MATRICES = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1)}
MATRICES |= {5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_and_mirrored_video(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [stored(picture(), orientation)] * 3, 25)
    data = path.read_bytes()
    unity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    a, b, c, d = (value * 65536 for value in MATRICES[orientation])
    track = data.index(unity, data.index(b"tkhd"))
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:track] + turned + data[track + len(turned) :])
    back = list(frames(path))
    assert len(back) == 3 and all(np.array_equal(frame.image, picture()) for frame in back)
    info = video_info(path)
    assert (info.width, info.height) == (96, 64)
    if orientation in (1, 3, 6, 8):
        assert info.rotation == {1: 0, 3: 180, 6: 90, 8: 270}[orientation]
        with av.open(str(path)) as container:  # PyAV counts the other way round
            assert -next(container.decode(video=0)).rotation % 360 == info.rotation


def test_uneven_timestamps_from_a_late_start(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    times = [0, 40, 200, 240, 1000]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
        for time, image in zip(times, clip(5), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert [frame.seconds for frame in frames(path)] == pytest.approx([t / 1000 for t in times], abs=0.002)
    write_video(tmp_path / "late.ts", clip(5), 25, codec="libx264")  # a transport stream's clock starts after zero
    assert [frame.seconds for frame in frames(tmp_path / "late.ts")] == pytest.approx(np.arange(5) / 25)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_truncated_video_gives_what_is_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, clip(60), 25, codec="libx264", crf=18)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    count = 0
    with pytest.raises(MediaError, match="truncated or damaged") as caught:
        for _ in frames(path):
            count += 1
    assert 20 < count < 50 and f": {count} frames could be read" in str(caught.value)


def test_video_without_its_index(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clip(), 25)
    path.write_bytes(path.read_bytes()[:100])
    for reader in (kind_of, read_photo, video_info, lambda file: next(frames(file))):
        with pytest.raises(MediaError, match="looks like an MP4 or MOV video, but it is cut off"):
            reader(path)


def test_a_video_is_no_photo_and_sound_is_no_video(tmp_path: Path) -> None:
    write_video(tmp_path / "a.jpg.mp4", clip(), 25)
    video = (tmp_path / "a.jpg.mp4").rename(tmp_path / "a.jpg")
    assert kind_of(video) == "video"
    with pytest.raises(UnsupportedMedia, match="this is a video, expected a photo"):
        read_photo(video)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for reader in (kind_of, lambda file: next(frames(file))):
        with pytest.raises(UnsupportedMedia, match="has audio but no moving picture"):
            reader(tmp_path / "sound.mp4")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(8000))
    with pytest.raises(MediaError):
        kind_of(tmp_path / "sound.wav")


def test_streaming_stops_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clip(), 25)
    stream = frames(path)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    path.unlink()


def test_pictures_are_let_go_one_by_one(tmp_path: Path) -> None:
    """Without waiting for the garbage collector, which looks at numbers of objects and not at their megabytes."""
    write_video(tmp_path / "a.mp4", clip(), 25)
    gc.collect()
    gc.disable()
    try:
        before = {id(kept) for kept in gc.get_objects() if type(kept) is av.VideoFrame}
        assert sum(1 for _ in frames(tmp_path / "a.mp4")) == len(clip())
        pictures = [kept for kept in gc.get_objects() if type(kept) is av.VideoFrame and id(kept) not in before]
        assert len(pictures) <= 1
    finally:
        gc.enable()


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_damage_anywhere_is_told_and_never_a_crash(tmp_path: Path, format: str) -> None:
    pictures = [Image.fromarray(np.roll(picture(), 9 * shift, axis=1)) for shift in range(4)]
    pictures[0].save(tmp_path / "whole", format, save_all=True, append_images=pictures[1:])
    data = np.frombuffer((tmp_path / "whole").read_bytes(), np.uint8)
    path, told = tmp_path / "damaged", 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = data.copy()
        damaged[rng.integers(12, min(len(data), 4000), size=8)] = rng.integers(0, 256, size=8)
        path.write_bytes(damaged.tobytes())
        try:
            for _ in VideoSampler(path) if moves(path) else [read_photo(path)]:
                pass
        except MediaError:
            told += 1
    assert told < 40  # what can be read, is
