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

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tamperlens.data.readers.clips import Clip, Layout, list_media, report_strays, require_folder
from tamperlens.data.readers.methods import METHODS, PRISTINE, Method, find_methods
from tamperlens.data.readers.splits import Splits, read_splits
from tamperlens.errors import DataError

__all__ = ["COMPRESSIONS", "read", "read_official_splits"]

COMPRESSIONS = {"raw": ("raw", "c0"), "c23": ("c23",), "c40": ("c40",)}  # level -> its folder's names
FLAT_COMPRESSION = "c23"  # the flat copy does not say it; c23 is what it was made from

# What identifies the official splits: `Splits.hash` of dataset/splits/*.json (360, 70 and 70 pairs over people 000 to
# 999).
OFFICIAL_HASH = "603b6d4a5862dfa747da2fb6c7e4e2113c0b1e176d85b8efbd93db48abb71d08"

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
    strays: list[Path] | None = None,
) -> tuple[Clip, ...]:
    """The clips of a FaceForensics++ tree; see ``clips.Reader``.

    DeepFakeDetection has no official split: its clips belong to none (``split`` is ``None``) unless custom split
    files name its actors (``actor01``). A clip without its original is read with ``original=None``: the doctor lists
    those.
    """
    wanted = find_methods(methods)
    if compression is not None and compression not in COMPRESSIONS:
        raise DataError(f"unknown compression {compression!r}; FaceForensics++ has {', '.join(COMPRESSIONS)} (c0 is raw here)")
    chosen = read_official_splits(splits, allow_custom=allow_custom_split) if splits else None
    misnamed: list[Path] = []
    require_folder(root)
    levels = [compression] if compression else list(COMPRESSIONS)
    clips = list(_scan(root, levels, wanted, chosen, misnamed))
    report_strays(misnamed, strays, "TTT.mp4 or TTT_SSS.mp4")
    if not clips:
        level = f" at {compression}" if compression else ""
        raise DataError(
            f"{root} holds no clips of {', '.join(method.code for method in wanted)}{level}; expected "
            "original_sequences/youtube/c23/videos/000.mp4 and manipulated_sequences/Deepfakes/c23/videos/000_003.mp4, "
            "or the flat copy's original/000.mp4 and Deepfakes/000_003.mp4"
        )
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


def _scan(root: Path, levels: list[str], wanted: list[Method], splits: Splits | None, strays: list[Path]) -> Iterator[Clip]:
    flat = not any((root / name).is_dir() for name in ("original_sequences", "manipulated_sequences"))
    for level in levels:
        if flat and level != FLAT_COMPRESSION:
            continue
        originals = {
            folder: _flat_originals(root) if flat else _level(root / "original_sequences" / folder, level)
            for folder in dict.fromkeys(method.originals for method in METHODS.values())
        }
        for method in wanted:
            if method.code == PRISTINE:
                found = {name: entry for media in originals.values() for name, entry in media.items()}
                masks: Media = {}
            elif not method.folder:
                continue
            else:
                base = root / method.folder if flat else root / "manipulated_sequences" / method.folder
                found = list_media(base) if flat else _level(base, level)
                masks = _masks(base) if found else {}
            for name, (path, layout) in found.items():
                match = next((match for pattern in _NAMES if (match := pattern.fullmatch(name))), None)
                if match is None or layout is Layout.PHOTO or bool(match["source"]) != method.manipulated:
                    strays.append(path)
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


def _level(base: Path, level: str) -> Media:
    """Everything of one compression level; a name that is there as video and as frames counts once, as video."""
    found: Media = {}
    for folder in COMPRESSIONS[level]:
        for kind in _MEDIA_FOLDERS:
            for name, entry in list_media(base / folder / kind).items():
                found.setdefault(name, entry)
    return found


def _masks(base: Path) -> Media:
    found: Media = {}
    for folder in _MASK_FOLDERS:
        for name, entry in list_media(base / folder).items():
            found.setdefault(name, entry)
    return found


def _flat_originals(root: Path) -> Media:
    folder = next((path for path in sorted(root.iterdir()) if path.name.lower() == "original"), None)
    return list_media(folder) if folder and folder.is_dir() else {}
