"""FaceForensics++'s levels of compression: how each is encoded, called in trees, and turned into masks. One row each."""

from dataclasses import dataclass

__all__ = ["COMPRESSIONS", "Compression"]


@dataclass(frozen=True)
class Compression:
    """One level."""

    name: str
    folders: tuple[str, ...]  # what its folder is called
    codec: str  # FFmpeg's encoder
    crf: int  # constant rate factor; with libx264rgb 0 loses nothing
    recipe: str  # of data/prepare/masks.py: the one that fits


# In the order of loss. The lossless level is called raw by the dataset's downloader and c0 by its own tools.
COMPRESSIONS: dict[str, Compression] = {
    row.name: row
    for row in (
        Compression("raw", ("raw", "c0"), "libx264rgb", 0, "absdiff-exact"),
        Compression("c23", ("c23",), "libx264", 23, "absdiff-smooth"),
        Compression("c40", ("c40",), "libx264", 40, "released"),
    )
}
