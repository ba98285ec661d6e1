"""What every reader gives (clips, and what was left out), and the little that readers share."""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tamperlens.data.readers.methods import METHODS
from tamperlens.data.readers.splits import find_splits
from tamperlens.errors import DataError
from tamperlens.files import MEDIA_SUFFIXES, PHOTO_SUFFIXES, VIDEO_SUFFIXES

__all__ = [
    "Clip",
    "Layout",
    "LeftOut",
    "Read",
    "Reader",
    "is_partial",
    "is_picture",
    "list_media",
    "nothing_found",
    "refuse_left_out",
    "require_folder",
    "unread_media",
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


@dataclass(frozen=True)
class LeftOut:
    """Something in a dataset's folders of which no clip was made, though it may hold one."""

    code: str  # as the doctor names it: misnamed, partial-download, unread-folder
    path: Path
    message: str
    fix: str

    @classmethod
    def partial(cls, path: Path) -> "LeftOut":
        """A file or folder whose name says that a download did not end."""
        return cls("partial-download", path, "it is a download that did not end", "let the download end, or remove it")

    @classmethod
    def misnamed(cls, path: Path, expected: str) -> "LeftOut":
        """A media file or folder whose name does not say which clip it is."""
        what = f"its name does not say which clip it is; this dataset names clips {expected}"
        return cls("misnamed", path, what, "rename it, or move it elsewhere")

    @classmethod
    def unread(cls, path: Path, known: str) -> "LeftOut":
        """A file or folder with media in a place that the reader does not look at; ``known``: those that it does."""
        return cls("unread-folder", path, f"nothing here is read: {known}", "rename it, or move it elsewhere")


class Read(Protocol):
    """Reads one kind of dataset."""

    def __call__(
        self,
        root: Path,
        *,
        methods: Sequence[str] | None = None,
        compression: str | None = None,
        splits: Path | None = None,
        allow_custom_split: bool = False,
        left_out: list[LeftOut] | None = None,
    ) -> tuple[Clip, ...]:
        """The clips under ``root``, in id order.

        ``methods``: codes to keep (``P`` is one of them), all by default. ``compression``: the level to keep, all by
        default. ``splits``: a folder of split files; those that are not the dataset's own need
        ``allow_custom_split``. ``left_out``: a list to which everything is appended that may be a clip and was not
        read; without it that is a ``DataError``: nothing is skipped silently. Raises ``DataError`` where nothing fits.
        """
        ...


@dataclass(frozen=True)
class Reader:
    """One kind of dataset: how it is read, and what is known of all datasets of this kind."""

    name: str
    read: Read
    help: str  # what it reads, in a few words
    official_hash: str | None = None  # `Splits.hash` of the split that everybody compares on, where there is one
    finds_splits: bool = True  # whether split files that lie in the dataset's folder are used without being asked for
    paired: bool = True  # whether manipulated clips have originals; without them there are labels and no masks

    def splits_folder(self, root: Path, given: Path | None) -> Path | None:
        """The split files that count: those given, or else those that came with the dataset."""
        return given or (find_splits(root) if self.finds_splits else None)


def require_folder(root: Path) -> None:
    """Raises ``DataError`` where ``root`` is no folder."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the folder that holds the dataset")


def nothing_found(root: Path, wanted: str, expected: str, left_out: Sequence[LeftOut]) -> DataError:
    """What to raise where a folder holds no clips, with a word on what it does hold."""
    named = "; ".join(f"{one.path.relative_to(root)}: {one.message}" for one in left_out[:3])
    return DataError(f"{root} holds no clips of {wanted}; expected {expected}" + (f". Not read: {named}" if named else ""))


def refuse_left_out(found: Sequence[LeftOut], asked: list[LeftOut] | None) -> None:
    """Hands what was left out to the caller who asked for it; raises ``DataError`` where nobody did."""
    if asked is not None:
        asked.extend(found)
    elif found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise DataError(f"{found[0].path}{more} would be left out: {found[0].message}; {found[0].fix}")


# ---------------------------------------------------------------------------------------------------------- folders

#: What browsers and downloaders append to the name of a file that is not all there yet.
_PARTIAL = re.compile(
    r"\.(part(-frag\d+)?|partial|crdownload|download|opdownload|filepart|aria2|ytdl|!ut|!qb|bc!|tmp|temp)$", re.IGNORECASE
)
#: rsync's temporary name for 000_003.mp4 is .000_003.mp4.Xy12ab
_RSYNC = re.compile(rf"\..+({'|'.join(map(re.escape, sorted(MEDIA_SUFFIXES)))})\.\w{{6}}", re.IGNORECASE)


def is_partial(path: Path) -> bool:
    """Whether a name says that a download did not end."""
    return bool(_PARTIAL.search(path.name) or _RSYNC.fullmatch(path.name))


def is_picture(path: Path) -> bool:
    """Whether a name is that of a picture that is meant to be seen."""
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")


def list_media(folder: Path, left_out: list[LeftOut]) -> dict[str, tuple[Path, Layout]]:
    """What lies directly in a folder: name without suffix -> path and layout; only media, nothing hidden.

    A folder of pictures may carry the suffix of the video that they were extracted from. What may be a clip and cannot
    be taken as one is appended to ``left_out``. Raises ``DataError`` where two share a name: which of them is meant
    cannot be told.
    """
    found: dict[str, tuple[Path, Layout]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        suffix, video = path.suffix.lower(), path.suffix.lower() in VIDEO_SUFFIXES
        if is_partial(path):
            left_out.append(LeftOut.partial(path))
            continue
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not any(map(is_picture, path.iterdir())):
                what = "this folder is no clip: no pictures lie directly in it"
                left_out.append(LeftOut("unread-folder", path, what, "extract its frames, or move it elsewhere"))
                continue
            layout, name = Layout.FRAMES, path.stem if video else path.name
        elif video:
            layout, name = Layout.VIDEO, path.stem
        elif suffix in PHOTO_SUFFIXES:
            layout, name = Layout.PHOTO, path.stem
        elif suffix in MEDIA_SUFFIXES:
            what = f"files ending in {suffix} are not read as clips"
            fix = "convert it to one of " + ", ".join(sorted(VIDEO_SUFFIXES)) + " without loss, or move it elsewhere"
            left_out.append(LeftOut("misnamed", path, what, fix))
            continue
        else:
            continue
        if name in found:
            raise DataError(f"{path} and {found[name][0].name} share the name {name!r}; keep one of them here")
        found[name] = (path, layout)
    return found


def unread_media(folder: Path, known: Set[Path]) -> Iterator[Path]:
    """What under ``folder`` holds media and is not read: the topmost folders, and the first file of those that lie loose.

    ``known``: the folders that are read, or are not to be read on purpose; nothing in them is looked at.
    """
    loose = False
    for path in sorted(folder.iterdir()):
        if path in known or path.name.startswith("."):
            continue
        if not path.is_dir():
            if not loose and _is_media(path):
                loose = True
                yield path
        elif any(other.is_relative_to(path) for other in known):
            yield from unread_media(path, known)
        elif any(map(_is_media, path.rglob("*"))):
            yield path


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in MEDIA_SUFFIXES or is_partial(path)
