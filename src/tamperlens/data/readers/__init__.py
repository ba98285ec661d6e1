"""Datasets in: the readers. A new dataset is one file beside this one and one row here; a new method code, a row of methods.py.

`clips.py` says what a reader is given and gives back; `photos.py` is the shortest one.
"""

from tamperlens.data.readers import celebdf, faceforensics, pairs, photos, unpaired
from tamperlens.data.readers.clips import Clip, Layout, LeftOut, Reader
from tamperlens.errors import DataError

__all__ = ["READERS", "Clip", "Layout", "LeftOut", "Reader", "find_reader"]

# The only list of readers.
READERS: dict[str, Reader] = {
    row.name: row for row in (faceforensics.READER, celebdf.READER, pairs.READER, photos.READER, unpaired.READER)
}


def find_reader(name: str) -> Reader:
    """The reader of this name. Raises ``DataError`` for one that is not known."""
    if name not in READERS:
        raise DataError(f"unknown dataset reader {name!r}; known are {', '.join(READERS)}")
    return READERS[name]
