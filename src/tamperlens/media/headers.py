"""What an opened photo's headers say besides what Pillow tells: EXIF wherever it lies, XMP, and how colours are coded."""

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from tamperlens.media.colours import Colours

__all__ = ["colours_of_photo", "exif_of", "history_of", "software_of", "xmp_of"]

_HEADERS = 1 << 20  # bytes at the beginning of an AVIF or HEIC file in which its properties lie
_XMP = 1 << 20  # characters of an XMP packet that are looked at
_STEPS = 20  # of the editing history that are listed
_LONGEST = 120  # characters of one value


def exif_of(file: Path, image: Image.Image) -> Image.Exif:
    """An opened picture's EXIF, also where a PNG keeps it behind its pixels; raises anything where it is broken."""
    if isinstance(image, TiffImageFile):
        return image.getexif()
    exif = Image.Exif()
    data = image.info.get("exif") or (png_chunk(file, b"eXIf") if image.format == "PNG" else None)
    if data:
        exif.load(data)
    return exif


def png_chunk(file: Path, name: bytes) -> bytes | None:
    """The content of a PNG's first chunk of a name; None where it has none."""
    with file.open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == name:
                return stream.read(length)
            stream.seek(length + 4, os.SEEK_CUR)
    return None


def xmp_of(image: Image.Image) -> str:
    """An opened picture's XMP packet; empty where it has none."""
    packet = image.info.get("xmp packet", b"")
    return (packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet))[:_XMP]


def software_of(xmp: str) -> str | None:
    """The program that an XMP packet names as the creator."""
    found = re.search(r"""xmp:CreatorTool(?:=["']|>)([^"'<]+)""", xmp)
    return found[1].strip()[:_LONGEST] if found else None


def history_of(xmp: str) -> tuple[str, ...]:
    """The steps of the editing history that an XMP packet keeps (xmpMM:History): "saved, Adobe Photoshop 25.1, 2024-01-05"."""
    history = re.search(r"<xmpMM:History>(.*?)</xmpMM:History>", xmp, re.DOTALL)
    steps = re.findall(r"<rdf:li\b(.*?)(?:/>|</rdf:li>)", history[1], re.DOTALL) if history else []
    lines = []
    for step in steps[:_STEPS]:
        values = (re.search(rf"""stEvt:{name}(?:=["']|>)([^"'<]+)""", step) for name in ("action", "softwareAgent", "when"))
        lines.append(", ".join(value[1].strip() for value in values if value)[:_LONGEST])
    return tuple(step for step in lines if step)


def colours_of_photo(file: Path, image: Image.Image) -> Colours:
    """How an opened photo codes its colours where it says so by the numbers of ITU-T H.273.

    As browsers take them: a PNG's chunk before all, then an ICC profile, which may hold such numbers itself; these count where
    they say HDR, which the rest of such a profile tells only to who knows them. Else what an AVIF or HEIC file says.
    """
    if image.format == "PNG" and len(codes := png_chunk(file, b"cICP") or b"") == 4:
        return Colours(codes[1], codes[0])
    if profile := image.info.get("icc_profile"):
        coded = _colours_in_profile(profile)
        return coded if coded.hdr else Colours()
    if image.format in ("AVIF", "HEIF"):
        with file.open("rb") as stream:
            return _colours_of_main_picture(stream.read(_HEADERS))
    return Colours()


def _colours_in_profile(profile: bytes) -> Colours:
    """The numbers in an ICC profile's cicp tag (ICC.1:2022, 9.2.17)."""
    for tag in range(min(100, int.from_bytes(profile[128:132], "big"))):
        name, place = struct.unpack_from(">4sI", profile.ljust(2000, b"\0"), 132 + 12 * tag)
        if name == b"cicp" and len(profile) >= place + 12:
            return Colours(profile[place + 9], profile[place + 8])
    return Colours()


def _colours_of_main_picture(head: bytes) -> Colours:
    """The numbers in the nclx box of an AVIF or HEIC file's main picture: gain maps and previews have boxes of their own."""
    meta = _inner_boxes(head, 0, len(head)).get(b"meta", (0, 0))
    boxes = _inner_boxes(head, meta[0] + 4, meta[1])  # behind version and flags
    kinds = _inner_boxes(head, *boxes.get(b"iprp", (0, 0)))
    properties = list(_boxes(head, *kinds.get(b"ipco", (0, 0))))
    try:
        wanted = _properties_of(head, kinds[b"ipma"][0], _main_item(head, boxes[b"pitm"][0]))
        coded = [properties[number - 1] for number in wanted if 0 < number <= len(properties)]
    except (KeyError, struct.error, IndexError):  # a sequence, or damaged
        coded = []
    for name, start, end in coded or properties:
        if name == b"colr" and head[start : start + 4] == b"nclx" and end - start >= 8:
            primaries, transfer = struct.unpack_from(">HH", head, start + 4)
            return Colours(transfer, primaries)
    return Colours()


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, beginning and end of the content of each box (ISO/IEC 14496-12)."""
    while start + 8 <= min(end, len(data)):
        length = int.from_bytes(data[start : start + 4], "big")
        if length < 8:  # to the end of the file, or longer than is looked at
            return
        yield data[start + 4 : start + 8], start + 8, min(start + length, end)
        start += length


def _inner_boxes(data: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    return {name: (first, last) for name, first, last in reversed(list(_boxes(data, start, end)))}


def _main_item(data: bytes, place: int) -> int:
    """The number in a pitm box (ISO/IEC 14496-12, 8.11.4)."""
    return int(struct.unpack_from(">I" if data[place] else ">H", data, place + 4)[0])


def _properties_of(data: bytes, place: int, item: int) -> list[int]:
    """The numbers, from 1, of an item's properties in an ipma box (ISO/IEC 23008-12, 9.3.1)."""
    version, wide = data[place], data[place + 3] & 1
    (count,) = struct.unpack_from(">I", data, place + 4)
    place += 8
    for _ in range(count):
        number, size = struct.unpack_from(">IB" if version else ">HB", data, place)
        place += 5 if version else 3
        if number == item:
            found = struct.unpack_from(f">{size}{'H' if wide else 'B'}", data, place)
            return [one & (0x7FFF if wide else 0x7F) for one in found]
        place += size * (2 if wide else 1)
    return []
