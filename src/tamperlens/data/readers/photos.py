"""A folder of real photos -> Clip records, for training on faces that this package manipulates itself."""

from collections.abc import Sequence
from pathlib import Path

from tamperlens.data.readers.clips import Clip, Layout, LeftOut, Reader, is_partial, refuse_left_out, require_folder
from tamperlens.data.readers.methods import PRISTINE, find_methods
from tamperlens.data.readers.splits import read_custom_splits
from tamperlens.errors import DataError
from tamperlens.files import MEDIA_SUFFIXES, PHOTO_SUFFIXES

__all__ = ["READER", "read"]


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    left_out: list[LeftOut] | None = None,
) -> tuple[Clip, ...]:
    """Every photo under ``root``, at any depth, as a pristine clip; see ``clips.Read``.

    A photo's person, for split files, is its path under ``root`` without suffix, as ``anna/beach``.
    """
    require_folder(root)
    if PRISTINE not in {method.code for method in find_methods(methods)} or compression is not None:
        raise DataError(
            f"a folder of real photos holds only {PRISTINE} and has no compression levels; leave out methods and compression"
        )
    chosen = read_custom_splits(splits, allow=allow_custom_split) if splits else None
    every = [(path.relative_to(root), path) for path in sorted(root.rglob("*"))]
    found = [
        (name, path)
        for name, path in every
        if path.suffix.lower() in PHOTO_SUFFIXES and not any(part.startswith(".") for part in name.parts)
    ]
    if not found:
        raise DataError(f"{root} holds no photos; expected files ending in {', '.join(sorted(PHOTO_SUFFIXES))}")
    partial = [LeftOut.partial(path) for _, path in every if is_partial(path)]
    moving = [path for _, path in every if path.suffix.lower() in MEDIA_SUFFIXES - PHOTO_SUFFIXES and path.is_file()]
    refuse_left_out([*partial, *(LeftOut.unread(path, "only photos are") for path in moving)], left_out)
    return tuple(
        Clip(
            id=f"{PRISTINE}/{name.as_posix()}",
            path=path,
            method=PRISTINE,
            target=(person := name.with_suffix("").as_posix()),
            source=None,
            compression=None,
            split=chosen.split_of([person]) if chosen else None,
            original=None,
            released_mask=None,
            persons=(person,),
            layout=Layout.PHOTO,
            split_set=chosen.name if chosen else None,
        )
        for name, path in found
    )


READER = Reader("photos", read, "a folder of real photos, at any depth")
