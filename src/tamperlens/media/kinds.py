"""What a file is, told by its first bytes: a photo, a video, or something else that has a name.

For choosing a reader, for searching folders, and for words in messages. Nothing is decoded, so a file of a known kind may still
turn out broken.
"""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["HEIF_BRANDS", "Kind", "kind_in", "sniff"]

_HEAD = 4096  # bytes that are looked at

HEIF_BRANDS = {b"ftyp" + brand for brand in (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")}
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


@dataclass(frozen=True)
class Kind:
    """What a file seems to be."""

    reader: Literal["photo", "video", "none", "unknown"]  # who reads it; unknown: worth a try
    words: str  # "a JPEG photo", "a PDF document"
    advice: str = ""  # what to do with it, where nobody reads it


def _photo(words: str) -> Kind:
    return Kind("photo", words)


def _video(words: str) -> Kind:
    return Kind("video", words)


def _other(words: str, advice: str = "convert it to one of these") -> Kind:
    return Kind("none", words, advice)


_RAW = _other("a camera raw picture", "develop it: export a JPEG or a TIFF from it")
_SOUND = _other("a sound file", "pass the video itself")
_REWRAP = "copy its streams into MKV: ffmpeg -i FILE -c copy video.mkv"
_FLASH = _other("a Flash film", "record what it plays")
_HEIF, _MP4 = _photo("an HEIC or AVIF photo"), _video("an MP4 or MOV video")

# First bytes -> kind; longer beginnings stand before shorter ones.
_MAGIC: list[tuple[bytes, Kind]] = [
    (b"\xff\xd8\xff", _photo("a JPEG photo")),
    (b"\x89PNG", _photo("a PNG picture")),
    (b"GIF8", _photo("a GIF picture")),
    (b"II*\0\x10\0\0\0CR", _RAW),  # Canon CR2: a TIFF whose first picture is a preview
    (b"II*\0", _photo("a TIFF or camera raw picture")),
    (b"MM\0*", _photo("a TIFF or camera raw picture")),
    (b"II+\0", _photo("a TIFF picture")),
    (b"MM\0+", _photo("a TIFF picture")),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"IIU\0", _RAW),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"FOVb", _RAW),
    (b"\x1a\x45\xdf\xa3", _video("a Matroska or WebM video")),
    (b"FLV\1", _video("an FLV video")),
    (b"\x1f\x07\x00", _video("a raw DV video")),
    (b"\x00\x00\x01\xba", _video("an MPEG video")),
    (b"\x00\x00\x01\xb3", _video("an MPEG video")),
    (b"\x00\x00\x01\xb0", _video("a raw MPEG-4 video")),
    (b".RMF", _video("a RealMedia video")),
    (b"DKIF", _video("an IVF video")),
    (b"\x12\x00\x0a", _video("a raw AV1 video")),
    (b"DHAV", _video("a DAV video of a surveillance recorder")),
    (b"YUV4MPEG2 ", _video("a YUV4MPEG2 video")),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", _video("an MXF video")),
    (b"%PDF", _other("a PDF document")),
    (b"8BPS", _other("a Photoshop document")),
    (b"PK\3\4", _other("a ZIP archive or office document", "unpack it first")),
    (b"Rar!\x1a\x07", _other("a RAR archive", "unpack it first")),
    (b"7z\xbc\xaf\x27\x1c", _other("a 7-Zip archive", "unpack it first")),
    (b"\x1f\x8b", _other("a gzip archive", "unpack it first")),
    (b"BZh", _other("a bzip2 archive", "unpack it first")),
    (b"\xfd7zXZ\0", _other("an xz archive", "unpack it first")),
    (b"\x28\xb5\x2f\xfd", _other("a Zstandard archive", "unpack it first")),
    (b"FWS", _FLASH),
    (b"CWS", _FLASH),
    (b"ZWS", _FLASH),
    (b"nut/multimedia container", _other("a NUT video", _REWRAP)),
    (b"\xb7\xd8\x00\x20\x37\x49\xda\x11", _other("a recording of Windows Media Center (WTV)", _REWRAP)),
    (b"\0\0\0\x0cjP", _other("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", _other("a JPEG 2000 picture")),
    (b"\0\0\1\0", _other("an icon")),
    (b"\0\0\2\0", _other("a Targa picture or a cursor")),
    (b"\0\0\x0a\0", _other("a Targa picture")),
    (b"\x76\x2f\x31\x01", _other("an OpenEXR picture")),
    (b"DDS ", _other("a DirectDraw surface")),
    (b"\xff\x0a", _other("a JPEG XL picture")),
    (b"\0\0\0\x0cJXL", _other("a JPEG XL picture")),
    (b"ID3", _SOUND),
    (b"fLaC", _SOUND),
    (b"\xd0\xcf\x11\xe0", _other("an old office document or Windows thumbnail cache")),
    (b"SQLite format 3\0", _other("a database")),
    (b"\0\5\x16\7", _other("a side file of macOS", "pass the file that it belongs to")),
    (b"\x7fELF", _other("a program")),
    (b"MZ", _other("a program")),
]

# Words near the beginning of a text -> kind.
_TEXTS: list[tuple[str, Kind]] = [
    (
        r"#EXTM3U",
        _other("a playlist (M3U), which only names the parts of a video", "fetch the video itself, with yt-dlp or ffmpeg -i"),
    ),
    (
        r"(<\?xml[^>]*>\s*)?<MPD\b",
        _other("a playlist (DASH), which only names the parts of a video", "fetch the video itself, with yt-dlp or ffmpeg -i"),
    ),
    (r"(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!doctype svg[^>]*>\s*)*<svg\b", _other("an SVG drawing")),
    (
        r"(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype html|html|head|body)\b",
        _other("a web page, as servers send in place of a file that they do not give", "fetch the file itself again"),
    ),
    (r"<\?xml\b", _other("an XML text", "pass the photo or video itself")),
]


def sniff(path: Path) -> Kind:
    """The kind of a regular file that can be read. Raises ``OSError`` where it cannot."""
    with path.open("rb") as stream:
        return kind_in(stream.read(_HEAD))


def kind_in(head: bytes) -> Kind:
    """The kind of the file that begins with ``head``."""
    if not head:
        return _other("an empty file", "fetch or copy it again")
    found = _boxes(head) or _riff(head) or _ogg_or_asf(head) or _transport_stream(head)
    found = found or next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is None and head[:2] == b"BM" and len(head) >= 18 and head[6:10] == b"\0\0\0\0":
        found = _photo("a BMP picture")
    if found is None and re.match(rb"\x00\x00(\x00)?\x01[\x06\x09\x27\x40\x42\x46\x47\x4e\x67]", head):
        found = _video("a raw H.264 or HEVC video")
    if found is None and head[257:262] == b"ustar":
        found = _other("a tar archive", "unpack it first")
    if found is None and re.match(rb"P[1-7]\s", head):
        found = _other("a Netpbm picture")
    if found is None and re.match(rb"\xff[\xfb\xf3\xf2\xfa\xf1\xf9]", head):
        found = _SOUND
    return found or _text(head) or Kind("unknown", f"of an unknown kind (first bytes {head[:8].hex(' ')})")


def _boxes(head: bytes) -> Kind | None:
    """Files of the ISO base media format and QuickTime: the name of their first box, and the brand."""
    box, brand = head[4:8], head[8:12]
    if head[4:12] in HEIF_BRANDS:
        return _HEIF
    if box == b"ftyp":
        if brand == b"crx ":  # Canon CR3, whose previews video readers take for a video
            return _RAW
        return _SOUND if brand in (b"M4A ", b"M4B ", b"M4P ") else _MP4
    if box in (b"styp", b"sidx", b"moof"):
        return _other(
            "a fragment of a streamed video, without its beginning",
            "join it behind its initialisation segment: cat init.mp4 *.m4s > video.mp4",
        )
    return _MP4 if box in (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot") else None


def _riff(head: bytes) -> Kind | None:
    if head[:4] not in (b"RIFF", b"RF64"):
        return None
    kinds = {b"WEBP": _photo("a WebP picture"), b"AVI ": _video("an AVI video"), b"WAVE": _SOUND}
    return kinds.get(head[8:12])


def _ogg_or_asf(head: bytes) -> Kind | None:
    if head.startswith(b"OggS"):
        sound_only = re.search(rb"\x01vorbis|OpusHead|\x7fFLAC|Speex", head) and not re.search(rb"theora|OVP80|video", head)
        return _SOUND if sound_only else _video("an OGG video")
    if head.startswith(bytes.fromhex("3026b2758e66cf11")):
        return _video("a WMV video") if _ASF_VIDEO in head or len(head) == _HEAD else _SOUND
    return None


def _transport_stream(head: bytes) -> Kind | None:
    """MPEG transport streams: a sync byte every 188 bytes, 192 on Blu-rays, 204 off the air; what comes first may be cut."""
    for step in (188, 192, 204):
        for first in range(min(step, max(0, len(head) - 2 * step))):
            if head[first] == 0x47 == head[first + step] and set(head[first::step]) == {0x47}:
                return _video("an MPEG transport stream")
    return None


def _text(head: bytes) -> Kind | None:
    for encoding in ("utf-8-sig", "utf-16") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        if not any(letter < "\t" or letter == "\x7f" for letter in text):
            begins = text.lstrip()
            kinds = (kind for words, kind in _TEXTS if re.match(words, begins, re.IGNORECASE | re.DOTALL))
            return next(kinds, _other("text", "pass the photo or video itself"))
    return None
