"""The record that every reader makes, and the little that readers share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tamperlens.data.readers.methods import METHODS
from tamperlens.errors import DataError
from tamperlens.files import PHOTO_SUFFIXES, VIDEO_SUFFIXES

__all__ = [
    "Clip",
    "Layout",
    "Reader",
    "frame_files",
    "list_media",
    "report_strays",
    "require_folder",
]


class Layout(StrEnum):
    """What a clip is on disk."""

    VIDEO = "video"
    FRAMES = "frames"  # a folder of numbered pictures
    PHOTO = "photo"


@dataclass(frozen=True)
class Clip:
    """One video, frame folder or photo of a dataset."""

    id: str  # one value per clip of a dataset: code/compression/name, never only the file's name
    path: Path
    method: str  # a code of data/readers/methods.py
    target: str  # who is to be seen, as the dataset names people; video and background are this clip's
    source: str | None  # whose face or expression was brought in
    compression: str | None  # raw, c23 or c40; None where the dataset has no levels
    split: str | None  # train, val, test; None: belongs to none
    original: Path | None  # the pristine partner, frame by frame; None where there is none, as for pristine clips
    released_mask: Path | None  # the dataset's own mask video, folder or picture
    persons: tuple[str, ...]  # everyone whose face went in: a split is closed over these
    layout: Layout
    split_set: str | None = None  # which splits `split` speaks of: official, custom-<hash>

    @property
    def manipulated(self) -> bool:
        """Whether somebody manipulated it."""
        return METHODS[self.method].manipulated


class Reader(Protocol):
    """Reads one kind of dataset."""

    def __call__(
        self,
        root: Path,
        *,
        methods: Sequence[str] | None = None,
        compression: str | None = None,
        splits: Path | None = None,
        allow_custom_split: bool = False,
        strays: list[Path] | None = None,
    ) -> tuple[Clip, ...]:
        """The clips under ``root``, in id order.

        ``methods``: codes to keep (``P`` is one of them), all by default. ``compression``: the level to keep, all by
        default. ``splits``: a folder of split files; those that are not the dataset's own need
        ``allow_custom_split``. ``strays``: a list to which media files with names that say nothing are appended;
        without it they are a ``DataError``, never skipped. Raises ``DataError`` where nothing fits.
        """
        ...


def require_folder(root: Path) -> None:
    """Raises ``DataError`` where ``root`` is no folder."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the folder that holds the dataset")


def report_strays(found: list[Path], strays: list[Path] | None, expected: str) -> None:
    """Hands misnamed files to the caller who asked for them; raises ``DataError`` where nobody did."""
    if strays is not None:
        strays.extend(found)
    elif found:
        raise DataError(
            f"{len(found)} media files are not named as this dataset names them ({expected}), the first is {found[0]}; "
            "rename them or move them elsewhere"
        )


def list_media(folder: Path) -> dict[str, tuple[Path, Layout]]:
    """What lies directly in a folder: name without suffix -> path and layout; only media, nothing hidden.

    Raises ``DataError`` where two share a name: which of them is meant cannot be told.
    """
    found: dict[str, tuple[Path, Layout]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        suffix = path.suffix.lower()
        if path.is_dir():
            if not any(file.suffix.lower() in PHOTO_SUFFIXES for file in path.iterdir()):
                continue
            layout, name = Layout.FRAMES, path.name
        elif suffix in VIDEO_SUFFIXES:
            layout, name = Layout.VIDEO, path.stem
        elif suffix in PHOTO_SUFFIXES:
            layout, name = Layout.PHOTO, path.stem
        else:
            continue
        if name in found:
            raise DataError(f"{path} and {found[name][0].name} share the name {name!r}; keep one of them here")
        found[name] = (path, layout)
    return found


def frame_files(folder: Path) -> dict[int, Path]:
    """The numbered pictures of a frame folder: number in the file's name -> path, in order of number."""
    numbered = {
        int(match[0]): path
        for path in folder.iterdir()
        if path.suffix.lower() in PHOTO_SUFFIXES and (match := re.search(r"\d+$", path.stem))
    }
    return dict(sorted(numbered.items()))
