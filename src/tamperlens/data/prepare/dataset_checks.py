"""What can be wrong with a dataset as a whole: what was left out, partners and masks that are missing, copies, splits."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tamperlens.data.prepare.findings import Finding, Severity
from tamperlens.data.readers.clips import Clip, Layout, LeftOut, Reader, is_picture
from tamperlens.data.readers.frames import content_hash
from tamperlens.data.readers.splits import read_splits
from tamperlens.errors import DataError

__all__ = ["check_methods", "check_partners", "check_splits", "check_tree"]


def check_tree(clips: Sequence[Clip], left_out: Sequence[LeftOut]) -> Iterator[Finding]:
    """Clips that would be missing, and clips that are there twice."""
    for one in left_out:
        yield Finding(Severity.ERROR, one.code, str(one.path), one.message, one.fix)
    by_size: dict[tuple[int, int], list[Clip]] = defaultdict(list)
    for clip in clips:
        files = [path for path in clip.path.iterdir() if is_picture(path)] if clip.path.is_dir() else [clip.path]
        by_size[len(files), sum(file.stat().st_size for file in files)].append(clip)
    same: dict[str, list[Clip]] = defaultdict(list)
    for alike in by_size.values():
        for clip in alike if len(alike) > 1 else ():
            try:
                same[content_hash(clip.path)].append(clip)
            except (DataError, OSError):
                continue  # that it cannot be read is said of the clip
    for first, *others in same.values():
        for clip in others:
            what = f"its content is the same as that of {first.path}"
            # A photo twice is only counted twice; anything else is some other file than it is called.
            harmless = clip.layout is first.layout is Layout.PHOTO and clip.manipulated == first.manipulated
            severity, fix = Severity.WARNING if harmless else Severity.ERROR, "fetch the right file, or remove one of the two"
            yield Finding(severity, "duplicate", str(clip.path), what, fix)


def check_methods(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Methods that lack clips which others of the same videos have, as where a download of one method ended early."""
    of_level: dict[str | None, dict[str, dict[str, Clip]]] = defaultdict(lambda: defaultdict(dict))
    for clip in clips:
        if clip.manipulated:
            of_level[clip.compression][clip.method][clip.id.rpartition("/")[2]] = clip
    for level, methods in of_level.items():
        for method, own in methods.items():
            kin = [names.keys() for names in methods.values() if names.keys() & own.keys()]
            if lacking := sorted(set[str]().union(*kin) - own.keys()):
                has = f"{len(own)} clip{'s' if len(own) > 1 else ''}{f' at {level}' if level else ''}"
                more = f"{len(lacking)} more of the same videos, such as {lacking[0]}"
                what = f"{method} has {has}, and other methods {more}"
                folder = next(iter(own.values())).path.parent
                yield Finding(Severity.WARNING, "fewer-clips", str(folder), what, "fetch the others, or go on without them")


def check_partners(clips: Sequence[Clip], reader: Reader) -> Iterator[Finding]:
    """Manipulated clips without original, or without the mask that others of their method have."""
    masked = {(clip.method, clip.compression) for clip in clips if clip.released_mask}
    for clip in clips:
        if reader.paired and clip.manipulated and clip.original is None:
            level = f" at {clip.compression}" if clip.compression else ""
            what = f"the original of target {clip.target} is not there{level}"
            fix = "fetch it at the same compression, or leave this clip out"
            yield Finding(Severity.ERROR, "missing-partner", str(clip.path), what, fix)
        if (clip.method, clip.compression) in masked and clip.released_mask is None:
            what = f"other clips of {clip.method} have a released mask and this one has none"
            yield Finding(Severity.WARNING, "missing-mask", str(clip.path), what, "fetch its mask, or take differences")


def check_splits(root: Path, clips: Sequence[Clip], reader: Reader, given: Path | None) -> Iterator[Finding]:
    """Split files that are broken, that share people, or that are not the dataset's own: those that prepare would use."""
    folder = reader.splits_folder(root, given)
    if folder is None:
        return
    fix = "put every person into one split, and people who share a clip into the same one"
    try:
        splits = read_splits(folder)
    except DataError as error:
        yield Finding(Severity.ERROR, "splits", str(folder), str(error), "take the dataset's own split files")
        return
    if splits.shared:
        who = "; ".join(f"{person} in {' and '.join(names)}" for person, names in splits.shared.items())
        yield Finding(Severity.ERROR, "split-leak", str(folder), f"splits share people: {who}", fix)
        return
    leaks = 0
    for clip in clips:
        try:
            splits.split_of(clip.persons, str(clip.path))
        except DataError as error:
            leaks += 1
            yield Finding(Severity.ERROR, "split-leak", str(clip.path), str(error), fix)
    if leaks:
        return
    try:  # whatever else prepare would say of them
        reader.read(root, splits=folder, allow_custom_split=True, left_out=[])
    except DataError as error:
        yield Finding(Severity.ERROR, "splits", str(folder), str(error), "take the dataset's own split files")
        return
    if splits.hash != reader.official_hash:
        what = f"these are not the official splits; results will be marked {splits.name}"
        if reader.official_hash is None:
            what = f"this dataset has no official splits; results will be marked {splits.name}"
        how = "take the official ones to compare with the literature; to use these, allow them (--allow-custom-split)"
        yield Finding(Severity.NOTE, "custom-split", str(folder), what, how)
