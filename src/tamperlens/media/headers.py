"""What an opened photo's headers say besides what Pillow tells: EXIF wherever it lies, XMP, and how colours are coded."""

import os
import re
import struct
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from tamperlens.media.colours import Colours

__all__ = ["colours_of_photo", "exif_of", "history_of", "software_of", "xmp_of"]

_BOXES = 1 << 20  # bytes at the beginning of an AVIF or HEIC file in which its properties lie
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
    """How an opened photo codes its colours where it says so by the numbers of ITU-T H.273 and has no ICC profile."""
    if image.format == "PNG":
        codes = png_chunk(file, b"cICP") or b""
        return Colours(codes[1], codes[0]) if len(codes) == 4 else Colours()
    if image.format in ("AVIF", "HEIF") and not image.info.get("icc_profile"):
        with file.open("rb") as stream:
            head = stream.read(_BOXES)
        place = head.find(b"colrnclx")
        if place >= 0 and len(head) >= place + 12:
            primaries, transfer = struct.unpack(">HH", head[place + 8 : place + 12])
            return Colours(transfer, primaries)
    return Colours()
