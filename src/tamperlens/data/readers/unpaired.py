"""Folders of real and of fake clips that are no pairs -> Clip records with a label and no mask.

The least that a dataset for detection can be brought into (WildDeepfake and many others): videos, frame folders or
photos, at any depth, with or without a folder for each split::

    real/a.mp4    fake/b.mp4
    train/real/a.mp4    train/fake/b.mp4    val/real/...    test/fake/...

There are no originals, so nobody can tell which pixels were manipulated: what is made of such data trains and tests
classification.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tamperlens.data.readers.clips import (
    Clip,
    Layout,
    LeftOut,
    Reader,
    list_media,
    nothing_found,
    refuse_left_out,
    require_folder,
    unread_media,
)
from tamperlens.data.readers.methods import PRISTINE, find_methods
from tamperlens.data.readers.splits import SPLIT_NAMES, read_custom_splits
from tamperlens.errors import DataError

__all__ = ["READER", "read"]

_FOLDERS = {"real": PRISTINE, "fake": "FAKE"}
BY_FOLDER = "folders"  # the split set of data that lie in a folder for each split


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    left_out: list[LeftOut] | None = None,
) -> tuple[Clip, ...]:
    """The clips of folders of real and fake; see ``clips.Read``.

    Nothing is known of people: a clip's person, for split files, is its path under ``real`` or ``fake`` without suffix,
    with that folder in front, as ``fake/show/0012``.
    """
    require_folder(root)
    wanted = {method.code for method in find_methods(methods)}
    if compression is not None:
        raise DataError("folders of real and fake have no compression levels; leave out compression")
    places: dict[str | None, Path] = {
        name: root / name for name in SPLIT_NAMES if any((root / name / kind).is_dir() for kind in _FOLDERS)
    }
    if places and splits:
        raise DataError(f"{root} has a folder for each split ({', '.join(map(str, places))}); leave out {splits}")
    chosen = read_custom_splits(splits, allow=allow_custom_split) if splits else None
    found: list[LeftOut] = []
    clips, read_folders = [], set[Path]()
    for split, place in (places or {None: root}).items():
        for kind, code in _FOLDERS.items():
            read_folders.add(place / kind)
            for name, path, layout in _clips_in(place / kind, "", found):
                person = f"{split}/{kind}/{name}" if split else f"{kind}/{name}"
                clips.append(
                    Clip(
                        id=f"{code}/{split or 'all'}/{name}",
                        path=path,
                        method=code,
                        target=person,
                        source=None,
                        compression=None,
                        split=split or (chosen.split_of([person]) if chosen else None),
                        original=None,
                        released_mask=None,
                        persons=(person,),
                        layout=layout,
                        split_set=BY_FOLDER if split else chosen.name if chosen else None,
                    )
                )
    for path in unread_media(root, read_folders):
        found.append(LeftOut.unread(path, "clips lie in real/ and fake/, or in those of train/, val/ and test/"))
    kept = [clip for clip in clips if clip.method in wanted]
    if not kept:
        expected = f"clips in {root / 'real'} and {root / 'fake'}, or in train/real and so on"
        raise nothing_found(root, ", ".join(sorted(wanted)), expected, found)
    refuse_left_out(found, left_out)
    return tuple(sorted(kept, key=lambda clip: clip.id))


def _clips_in(folder: Path, prefix: str, left_out: list[LeftOut]) -> Iterator[tuple[str, Path, Layout]]:
    """Name, path and layout of the clips in a folder, and in its folders that hold no pictures themselves."""
    beside: list[LeftOut] = []
    for name, (path, layout) in list_media(folder, beside).items():
        yield prefix + name, path, layout
    for one in beside:
        if one.code == "unread-folder":
            yield from _clips_in(one.path, f"{prefix}{one.path.name}/", left_out)
        else:
            left_out.append(one)


READER = Reader("unpaired", read, "folders real and fake without originals: labels and no masks", paired=False)
