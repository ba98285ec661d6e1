"""TIFF files that hold a picture more than once: the whole picture is found, a preview or a thumbnail never passes for it.

Camera raw files (DNG, NEF, ARW, PEF) are TIFFs, too: their first picture is a thumbnail, and the photo itself is the sensor's
values, which nobody can look at without developing them.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from tamperlens.errors import UnsupportedMedia

__all__ = ["PREVIEW", "whole_pages", "whole_picture"]

PREVIEW = "preview"  # key in an image's info: the file says of its only picture that it is one
_KIND, _OLD_KIND, _SUBS, _WIDTH, _HEIGHT = 254, 255, 330, 256, 257  # NewSubfileType, SubfileType, SubIFDs (TIFF 6.0; TIFF/EP)
_NOT_WHOLE = 1 | 4  # bits of NewSubfileType: a smaller version; a transparency mask
_DNG_VERSION = 50706
_MOST = 200  # directories of a file that are looked at


def whole_picture(file: Path, image: TiffImageFile) -> Image.Image:
    """``image``, or, where it is but a preview, the largest picture of the file that is none.

    Raises `UnsupportedMedia` for a camera raw picture and where there are only previews.
    """
    if not _reduced(image.tag_v2):
        return image
    data = file.read_bytes()
    found = list(_directories(data))
    if len(found) == 1 and _DNG_VERSION not in image.tag_v2:
        image.info[PREVIEW] = True  # there is nothing else to look at: it is read, and said
        return image
    image.close()
    whole = [(place, tags) for place, tags in found if not _reduced(tags)]
    for place, _ in sorted(whole, key=lambda one: -_area(one[1])):
        if (picture := _at(data, place)) is not None:
            return picture
    kind = "a camera raw picture" if whole or _DNG_VERSION in image.tag_v2 else "a TIFF that holds a preview only"
    raise UnsupportedMedia(
        f"{file}: this is {kind}, and only a preview of {image.width}x{image.height} pixels can be read, expected the photo "
        "itself; develop it: export a JPEG or a TIFF from it"
    )


def whole_pages(image: TiffImageFile) -> int:
    """How many pages of an opened TIFF are pictures of their own; the first always counts."""
    count = getattr(image, "n_frames", 1)
    if count == 1:
        return 1
    fp: Any = image.fp
    before, header = fp.tell(), _header(image)
    fp.seek(0)
    pages = [tags for _, tags in _chain(fp, header, _first(header))]
    fp.seek(before)
    return int(count) - sum(_reduced(page) for page in pages[1:count])


def _reduced(tags: Any) -> bool:
    return bool(_number(tags, _KIND) & _NOT_WHOLE) or _number(tags, _OLD_KIND) == 2


def _area(tags: Any) -> int:
    return _number(tags, _WIDTH) * _number(tags, _HEIGHT)


def _number(tags: Any, tag: int) -> int:
    value = tags.get(tag, 0)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else 0


def _header(image: TiffImageFile) -> bytes:
    fp: Any = image.fp
    fp.seek(0)
    return bytes(fp.read(16))


def _first(header: bytes) -> int:
    order: Any = "big" if header[:1] == b"M" else "little"
    return int.from_bytes(header[8:16] if _is_big(header) else header[4:8], order)


def _is_big(header: bytes) -> bool:
    return 43 in header[2:4]


def _directories(data: bytes) -> Iterator[tuple[int, Any]]:
    """Place and tags of every picture of a file: its pages, and what lies below them."""
    header, fp = data[:16], io.BytesIO(data)
    waiting, seen = [_first(header)], set[int]()
    while waiting and len(seen) < _MOST:
        for place, tags in _chain(fp, header, waiting.pop(0)):
            if place in seen or len(seen) >= _MOST:
                break
            seen.add(place)
            yield place, tags
            below = tags.get(_SUBS, ())
            waiting += [sub for sub in (below if isinstance(below, tuple) else (below,)) if isinstance(sub, int)]


def _chain(fp: Any, header: bytes, place: int) -> Iterator[tuple[int, Any]]:
    for _ in range(_MOST):
        if not place:
            return
        tags = ImageFileDirectory_v2(header[:16] if _is_big(header) else header[:8])
        try:
            fp.seek(place)
            tags.load(fp)
        except Exception:  # a damaged directory ends the chain
            return
        if not len(tags):
            return
        yield place, tags
        place = tags.next or 0


def _at(data: bytes, place: int) -> Image.Image | None:
    """The picture of one directory: a copy of the file in memory whose header names that directory as the first."""
    order: Any = "big" if data[:1] == b"M" else "little"
    if _is_big(data[:16]):
        turned = data[:8] + place.to_bytes(8, order) + data[16:]
    else:
        turned = data[:4] + place.to_bytes(4, order) + data[8:]
    try:
        return Image.open(io.BytesIO(turned), formats=("TIFF",))
    except Exception:  # sensor values, or a coding that is not read
        return None
