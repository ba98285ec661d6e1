"""FaceForensics++ (Rössler et al., ICCV 2019) and trees in its layout -> Clip records.

Read are the tree of the dataset's download script, with videos or with frames that people extract from them::

    original_sequences/{youtube|actors}/{raw|c0|c23|c40}/{videos|images|frames}/TTT.mp4
    manipulated_sequences/<method folder>/{raw|c0|c23|c40}/{videos|images|frames}/TTT_SSS.mp4
    manipulated_sequences/<method folder>/masks/{videos|images}/TTT_SSS.mp4

and the flat c23 copy that is passed around (``Deepfakes/000_003.mp4``, ``original/000.mp4``, CSV files that are not
needed). TTT is the target, whose video and background are kept, SSS the source. The pristine partner of ``TTT_SSS``
is ``TTT``; of DeepFakeDetection's ``TT_SS__scene__XXXXXXXX`` it is the actors' ``TT__scene``. The lossless level is
called ``raw`` by the downloader and ``c0`` by the dataset's own tools: both are ``raw`` here.
"""

import difflib
import re
from collections.abc import Iterator, Sequence, Set
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
from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.readers.methods import METHODS, PRISTINE, Method, find_methods
from tamperlens.data.readers.splits import Splits, read_splits
from tamperlens.errors import DataError

__all__ = ["READER", "read", "read_official_splits"]

FLAT_COMPRESSION = "c23"  # the flat copy does not say it; c23 is what it was made from

# What identifies the official splits: `Splits.hash` of dataset/splits/*.json (360, 70 and 70 pairs over people 000 to
# 999).
OFFICIAL_HASH = "603b6d4a5862dfa747da2fb6c7e4e2113c0b1e176d85b8efbd93db48abb71d08"

SYNTHESIZED = "synthesized.json"  # in a tree of our own forgeries: what it was made from
_TREE = ("original_sequences", "manipulated_sequences")
_MEDIA_FOLDERS = ("videos", "images", "frames")  # where a name is in several, the first one counts
# No compression level in the download script's paths; the others are older releases and what preprocessing tools write.
_MASK_FOLDERS = tuple(
    f"{level}masks{kind}" for level in ("", "raw/", "c0/", "c23/", "c40/") for kind in ("/videos", "/images", "/frames", "")
)
_NAMES = (
    re.compile(r"(?P<target>\d{3,})(_(?P<source>\d{3,}))?"),
    # Two digits: people of DeepFakeDetection are not those of the YouTube videos.
    re.compile(r"(?P<target>\d{2})(_(?P<source>\d{2}))?__(?P<scene>.+)"),
)
Media = dict[str, tuple[Path, Layout]]


def read(
    root: Path,
    *,
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    left_out: list[LeftOut] | None = None,
) -> tuple[Clip, ...]:
    """The clips of a FaceForensics++ tree; see ``clips.Read``.

    DeepFakeDetection has no official split: its clips belong to none (``split`` is ``None``) unless custom split
    files name its actors (``actor01``). A clip without its original is read with ``original=None``: the doctor lists
    those. Folders of methods that are not known are left out: they are no matter where ``methods`` are asked for.
    """
    wanted = find_methods(methods)
    if compression is not None and compression not in COMPRESSIONS:
        raise DataError(f"unknown compression {compression!r}; FaceForensics++ has {', '.join(COMPRESSIONS)} (c0 is raw here)")
    chosen = read_official_splits(splits, allow_custom=allow_custom_split) if splits else None
    require_folder(root)
    levels = [compression] if compression else list(COMPRESSIONS)
    found: list[LeftOut] = []
    clips = list(_scan(root, levels, wanted, chosen, found))
    found += _unread(root, wanted, everything=methods is None)
    if not clips:
        level = f" at {compression}" if compression else ""
        raise nothing_found(
            root,
            ", ".join(method.code for method in wanted) + level,
            "original_sequences/youtube/c23/videos/000.mp4 and manipulated_sequences/Deepfakes/c23/videos/000_003.mp4, "
            "or the flat copy's original/000.mp4 and Deepfakes/000_003.mp4",
            found,
        )
    refuse_left_out(found, left_out)
    return tuple(sorted(clips, key=lambda clip: clip.id))


def read_official_splits(folder: Path, *, allow_custom: bool = False) -> Splits:
    """The split files of a folder, checked: only pairs, no person in two splits.

    Raises ``DataError`` for anything that is not FaceForensics++'s official split, unless ``allow_custom``: on
    home-made splits published detectors score 10 points more, because source faces cross over.
    """
    found = read_splits(folder)
    wrong = next((group for groups in found.groups.values() for group in groups if len(group) != 2), None)
    if wrong is not None:
        raise DataError(f'{folder}: {list(wrong)} is no pair; FaceForensics++ splits hold pairs, as ["953", "974"]')
    found.refuse_leak()
    if found.hash == OFFICIAL_HASH:
        return Splits(found.groups, official=True)
    if not allow_custom:
        counts = "/".join(str(len(groups)) for groups in found.groups.values())
        raise DataError(
            f"{folder} is not FaceForensics++'s official split of 360/70/70 pairs (it has {counts}, {found.name}); "
            "take the dataset's own splits folder, or allow a custom split (--allow-custom-split): "
            "results are then marked with that name"
        )
    return found


def _scan(
    root: Path, levels: list[str], wanted: list[Method], splits: Splits | None, left_out: list[LeftOut]
) -> Iterator[Clip]:
    flat = _is_flat(root)
    for level in levels:
        if flat and level != FLAT_COMPRESSION:
            continue
        own: list[LeftOut] = []
        originals = {
            folder: _flat_originals(root, own) if flat else _level(root / "original_sequences" / folder, level, own)
            for folder in dict.fromkeys(method.originals for method in METHODS.values())
        }
        left_out += dict.fromkeys(own)  # in the flat copy all originals lie in one folder
        for method in wanted:
            if method.code == PRISTINE:
                found = {name: entry for media in originals.values() for name, entry in media.items()}
                masks: Media = {}
            elif not method.folder:
                continue
            else:
                base = root / method.folder if flat else root / "manipulated_sequences" / method.folder
                found = list_media(base, left_out) if flat else _level(base, level, left_out)
                masks = _masks(base, left_out) if found else {}
            for name, (path, layout) in found.items():
                match = next((match for pattern in _NAMES if (match := pattern.fullmatch(name))), None)
                if match is None or layout is Layout.PHOTO or bool(match["source"]) != method.manipulated:
                    left_out.append(LeftOut.misnamed(path, "TTT.mp4 or TTT_SSS.mp4"))
                    continue
                partner = _partner(name, match) if method.manipulated else ""
                persons = _persons(match)
                yield Clip(
                    id=f"{method.code}/{level}/{name}",
                    path=path,
                    method=method.code,
                    target=persons[0],
                    source=persons[1] if len(persons) > 1 else None,
                    compression=level,
                    split=splits.split_of(persons, str(path)) if splits else None,
                    original=originals[method.originals].get(partner, (None,))[0],
                    released_mask=masks.get(name, (None,))[0],
                    persons=persons,
                    layout=layout,
                    split_set=splits.name if splits else None,
                )


def _partner(name: str, match: re.Match[str]) -> str:
    if "__" not in name:
        return match["target"]
    return f"{match['target']}__{match['scene'].rpartition('__')[0]}"


def _persons(match: re.Match[str]) -> tuple[str, ...]:
    prefix = "actor" if "scene" in match.groupdict() else ""
    return tuple(prefix + match[role] for role in ("target", "source") if match[role])


def _is_flat(root: Path) -> bool:
    return not any((root / name).is_dir() for name in _TREE)


def _level(base: Path, level: str, left_out: list[LeftOut]) -> Media:
    """Everything of one compression level; a name that is there as video and as frames counts once, as video."""
    found: Media = {}
    for folder in COMPRESSIONS[level].folders:
        for kind in _MEDIA_FOLDERS:
            for name, entry in list_media(base / folder / kind, left_out).items():
                found.setdefault(name, entry)
    return found


def _masks(base: Path, left_out: list[LeftOut]) -> Media:
    found: Media = {}
    for folder in _MASK_FOLDERS:
        beside: list[LeftOut] = []
        for name, entry in list_media(base / folder, beside).items():
            found.setdefault(name, entry)
        # Folders without pictures are those of other kinds of masks, which are listed on their own.
        left_out += [one for one in beside if one.code == "partial-download" and one not in left_out]
    return found


def _flat_originals(root: Path, left_out: list[LeftOut]) -> Media:
    folder = _flat_original(root)
    return list_media(folder, left_out) if folder else {}


def _flat_original(root: Path) -> Path | None:
    return next((path for path in sorted(root.iterdir()) if path.name.lower() == "original" and path.is_dir()), None)


def _unread(root: Path, wanted: list[Method], everything: bool) -> Iterator[LeftOut]:
    """Media in folders that this reader does not know, as those of methods under other names.

    ``everything``: whether all methods are asked for, so that an unknown one is missing.
    """
    folders = {method.folder for method in METHODS.values() if method.folder}
    if _is_flat(root):
        known = {root / folder for folder in folders} | {path for path in [_flat_original(root)] if path}
        found = list(unread_media(root, known)) if everything else []
    else:
        kinds = [f"{level}/{kind}" for row in COMPRESSIONS.values() for level in row.folders for kind in _MEDIA_FOLDERS]
        originals = {method.originals for method in METHODS.values()}
        known = {root / "original_sequences" / folder / kind for folder in originals for kind in kinds}
        known |= {root / "manipulated_sequences" / folder / kind for folder in folders for kind in (*kinds, *_MASK_FOLDERS)}
        asked = [root / "manipulated_sequences" / method.folder for method in wanted if method.folder]
        bases = [root / name for name in _TREE] if everything else asked
        found = [path for base in bases if base.is_dir() for path in unread_media(base, known)]
        if everything:  # a method's folder on the wrong level of the tree
            beside = unread_media(root, {root / name for name in _TREE})
            found += [path for path in beside if path.is_dir() and _meant(path.name, folders)]
    yield from (_not_known(path, folders) for path in found)


def _not_known(path: Path, folders: Set[str]) -> LeftOut:
    meant = _meant(path.name, folders)
    what = "nothing here is read: " + ("no such folder is known" if path.is_dir() else "the file lies in none of the folders")
    hint = f"rename it to {meant}, if that is meant" if meant else "give it the name that FaceForensics++ gives it"
    return LeftOut("unread-folder", path, what, f"{hint}, name the methods you want, or move it elsewhere")


def _meant(name: str, folders: Set[str]) -> str | None:
    """The known folder that a name resembles: face2face, NeuralTexture, FaceSwap_c23."""

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    known = {plain(folder): folder for folder in folders}
    inside = max((one for one in known if one in plain(name)), key=len, default=None)
    close = [inside] if inside else difflib.get_close_matches(plain(name), list(known), 1, cutoff=0.8)
    return known[close[0]] if close else None


READER = Reader(
    "faceforensics",
    read,
    "FaceForensics++ and trees in its layout, as the download script or the flat copy has them",
    official_hash=OFFICIAL_HASH,
)
