"""Celeb-DF v2 (Li et al., CVPR 2020) -> Clip records.

The layout, 590 + 300 real and 5639 manipulated videos::

    Celeb-real/idA_YYYY.mp4                 YouTube-real/NNNNN.mp4
    Celeb-synthesis/idA_idB_YYYY.mp4        List_of_testing_videos.txt

The pristine partner of ``idA_idB_YYYY`` is ``Celeb-real/idA_YYYY``: its video with the face of idB. The list names
the official test videos, one a line, as ``1 YouTube-real/00170.mp4`` (1 is real, 0 manipulated).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
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
from tamperlens.errors import DataError

__all__ = ["READER", "read"]

TEST_LIST = "List_of_testing_videos.txt"
_FOLDERS = (  # folder, method, what its files are called
    ("Celeb-real", PRISTINE, re.compile(r"(?P<target>id\d+)_(?P<take>\d+)")),
    ("YouTube-real", PRISTINE, re.compile(r"(?P<target>\d+)")),
    ("Celeb-synthesis", "CDF", re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<take>\d+)")),
)


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    left_out: list[LeftOut] | None = None,
) -> tuple[Clip, ...]:
    """The clips of a Celeb-DF v2 folder; see ``clips.Read``.

    With the list of testing videos they are ``test``; of the others, those that show nobody from the test videos are
    ``train`` and the rest belongs to no split, because the official list separates videos, not people.
    """
    require_folder(root)
    wanted = {method.code for method in find_methods(methods)}
    if compression is not None or splits is not None:
        raise DataError(f"Celeb-DF comes at one compression and with its own {TEST_LIST}; leave out compression and splits")
    tested = _read_list(root / TEST_LIST)
    clips, found = [], list[LeftOut]()
    media = {folder: list_media(root / folder, found) for folder, _, _ in _FOLDERS}
    originals = media["Celeb-real"]
    for folder, code, pattern in _FOLDERS:
        for name, (path, layout) in media[folder].items():
            match = pattern.fullmatch(name)
            if match is None or layout is Layout.PHOTO:
                found.append(LeftOut.misnamed(path, "idA_YYYY.mp4, idA_idB_YYYY.mp4 or NNNNN.mp4"))
                continue
            parts = match.groupdict()
            # A YouTube video is one person nobody named.
            target = parts["target"] if code != PRISTINE or "take" in parts else f"youtube{parts['target']}"
            source = parts.get("source")
            partner = originals.get(f"{target}_{parts['take']}") if source else None
            clips.append(
                Clip(
                    id=f"{code}/{folder}/{name}",
                    path=path,
                    method=code,
                    target=target,
                    source=source,
                    compression=None,
                    split="test" if f"{folder}/{name}" in tested else None,
                    original=partner[0] if partner else None,
                    released_mask=None,
                    persons=(target, source) if source else (target,),
                    layout=layout,
                    split_set="official" if tested else None,
                )
            )
    for path in unread_media(root, {root / folder for folder in media}):
        found.append(LeftOut.unread(path, f"Celeb-DF v2's folders are {', '.join(media)}"))
    kept = [clip for clip in _with_train(clips) if clip.method in wanted]
    if not kept:
        raise nothing_found(root, ", ".join(sorted(wanted)), f"Celeb-DF v2's folders {', '.join(media)}", found)
    refuse_left_out(found, left_out)
    return tuple(sorted(kept, key=lambda clip: clip.id))


def _with_train(clips: list[Clip]) -> list[Clip]:
    seen = {person for clip in clips if clip.split == "test" for person in clip.persons}
    free = [clip.split is None and clip.split_set is not None and seen.isdisjoint(clip.persons) for clip in clips]
    return [replace(clip, split="train") if is_free else clip for clip, is_free in zip(clips, free, strict=True)]


def _read_list(path: Path) -> frozenset[str]:
    """``folder/name`` of the test videos, without suffix; empty where there is no list."""
    if not path.is_file():
        return frozenset()
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = next((line for line in lines if len(line) != 2 or line[0] not in "01"), None)
    if wrong is not None:
        raise DataError(f"{path}: {' '.join(wrong)!r} should read like '1 YouTube-real/00170.mp4'; download the list again")
    return frozenset(name.rpartition(".")[0] for _, name in lines)


READER = Reader("celebdf", read, "Celeb-DF v2 with its list of testing videos", finds_splits=False)
