"""A folder of originals and a folder of manipulated files of the same name -> Clip records.

The least that any editor's output can be brought into, photos or videos::

    original/beach.png    manipulated/beach.png    masks/beach.png (where there are any)
"""

from collections.abc import Sequence
from pathlib import Path

from tamperlens.data.readers.clips import Clip, list_media, require_folder
from tamperlens.data.readers.methods import PRISTINE, find_methods
from tamperlens.data.readers.splits import read_custom_splits
from tamperlens.errors import DataError

__all__ = ["read"]

ORIGINALS, MANIPULATED, MASKS = "original", "manipulated", "masks"


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    strays: list[Path] | None = None,
) -> tuple[Clip, ...]:
    """The clips of a folder of pairs; see ``clips.Reader``.

    A file's name without suffix is its person, since nothing else is known: in split files, put the names of all
    pairs that show one person into one group. Files may differ in suffix (``a.jpg`` beside ``a.png``), and a name in
    only one folder is read too: a manipulated file without its original has ``original=None``.
    """
    require_folder(root)
    wanted = {method.code for method in find_methods(methods)}
    if compression is not None:
        raise DataError("a folder of pairs has no compression levels; leave out compression")
    chosen = read_custom_splits(splits, allow=allow_custom_split) if splits else None
    originals, manipulated, masks = (list_media(root / folder) for folder in (ORIGINALS, MANIPULATED, MASKS))
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
        for code, found in (("EDIT", manipulated), (PRISTINE, originals))
        for name, (path, layout) in found.items()
        if code in wanted
    ]
    if not clips:
        raise DataError(
            f"{root} holds no pairs of {', '.join(sorted(wanted))}; expected photos or videos of the same names in "
            f"{root / ORIGINALS} and {root / MANIPULATED}"
        )
    return tuple(sorted(clips, key=lambda clip: clip.id))
