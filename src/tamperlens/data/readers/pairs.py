"""A folder of originals and a folder of manipulated files of the same name -> Clip records.

The least that any editor's output can be brought into, photos or videos::

    original/beach.png    manipulated/beach.png    masks/beach.png (where there are any)
"""

from collections.abc import Sequence
from pathlib import Path

from tamperlens.data.readers.clips import (
    Clip,
    LeftOut,
    Reader,
    list_media,
    nothing_found,
    refuse_left_out,
    require_folder,
    unread_media,
)
from tamperlens.data.readers.methods import PRISTINE, find_methods
from tamperlens.data.readers.splits import read_custom_splits
from tamperlens.errors import DataError

__all__ = ["READER", "read"]

ORIGINALS, MANIPULATED, MASKS = "original", "manipulated", "masks"


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    left_out: list[LeftOut] | None = None,
) -> tuple[Clip, ...]:
    """The clips of a folder of pairs; see ``clips.Read``.

    A file's name without suffix is its person, since nothing else is known: in split files, put the names of all
    pairs that show one person into one group. Files may differ in suffix (``a.jpg`` beside ``a.png``), and a name in
    only one folder is read too: a manipulated file without its original has ``original=None``.
    """
    require_folder(root)
    wanted = {method.code for method in find_methods(methods)}
    if compression is not None:
        raise DataError("a folder of pairs has no compression levels; leave out compression")
    chosen = read_custom_splits(splits, allow=allow_custom_split) if splits else None
    found: list[LeftOut] = []
    folders = [root / name for name in (ORIGINALS, MANIPULATED, MASKS)]
    originals, manipulated, masks = (list_media(folder, found) for folder in folders)
    for path in unread_media(root, set(folders)):
        found.append(LeftOut.unread(path, f"the folders of pairs are {ORIGINALS}, {MANIPULATED} and {MASKS}"))
    clips = [
        Clip(
            id=f"{code}/{name}",
            path=path,
            method=code,
            target=name,
            source=None,
            compression=None,
            split=chosen.split_of([name]) if chosen else None,
            original=originals.get(name, (None,))[0] if code != PRISTINE else None,
            released_mask=masks.get(name, (None,))[0] if code != PRISTINE else None,
            persons=(name,),
            layout=layout,
            split_set=chosen.name if chosen else None,
        )
        for code, media in (("EDIT", manipulated), (PRISTINE, originals))
        for name, (path, layout) in media.items()
        if code in wanted
    ]
    if not clips:
        expected = f"photos or videos of the same names in {root / ORIGINALS} and {root / MANIPULATED}"
        raise nothing_found(root, ", ".join(sorted(wanted)), expected, found)
    refuse_left_out(found, left_out)
    return tuple(sorted(clips, key=lambda clip: clip.id))


READER = Reader("pairs", read, "a folder of originals beside one of manipulated files of the same names")
