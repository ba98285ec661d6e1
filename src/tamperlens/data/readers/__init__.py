"""Datasets in: the readers. A new dataset is one file beside this one and one row here."""

from tamperlens.data.readers import celebdf, faceforensics, pairs, photos
from tamperlens.data.readers.clips import Clip, Layout, Reader

__all__ = ["READERS", "Clip", "Layout", "Reader"]

# The only list of readers.
READERS: dict[str, Reader] = {
    "faceforensics": faceforensics.read,
    "celebdf": celebdf.read,
    "pairs": pairs.read,
    "photos": photos.read,
}
