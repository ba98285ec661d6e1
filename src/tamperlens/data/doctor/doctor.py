"""What is wrong with a dataset, before days are spent on it. Everything is only read, nothing is printed.

The quick look takes file headers and three frames of each video's first second; the full one reads every video to its
end.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tamperlens.data.doctor.checks import ClipChecks, Finding, Severity
from tamperlens.data.readers import READERS
from tamperlens.data.readers.clips import Clip, frame_files
from tamperlens.data.readers.faceforensics import OFFICIAL_HASH
from tamperlens.data.readers.frames import content_hash
from tamperlens.data.readers.splits import find_splits, read_splits
from tamperlens.errors import DataError
from tamperlens.types import FaceDetector

__all__ = ["Finding", "Severity", "examine", "exit_code"]


def exit_code(findings: Iterable[Finding]) -> int:
    """2 where there is an error, 1 where there is a warning, 0 otherwise."""
    severities = {finding.severity for finding in findings}
    return 2 if Severity.ERROR in severities else 1 if Severity.WARNING in severities else 0


def examine(
    root: Path,
    *,
    reader: str = "faceforensics",
    methods: Sequence[str] | None = None,
    compression: str | None = None,
    splits: Path | None = None,
    detector: FaceDetector | None = None,
    quick: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """Everything that is wrong with the dataset under ``root``, worst first.

    ``reader``, ``methods``, ``compression``: as for the readers. ``splits``: a folder of split files; by default
    those that came with the dataset, if any. ``detector``: finds faces, for the check that the manipulated face is
    the one that would be cropped; without it that check is left out. ``progress`` is told the clips done and their
    number.

    Raises ``DataError`` for an unknown reader. A root that cannot be read as that dataset is a finding.
    """
    if reader not in READERS:
        raise DataError(f"unknown dataset reader {reader!r}; known are {', '.join(READERS)}")
    checks = ClipChecks(detector, quick)
    strays: list[Path] = []
    try:
        clips = READERS[reader](root, methods=methods, compression=compression, strays=strays)
    except DataError as error:
        checks.report(Severity.ERROR, "layout", root, str(error), "arrange the files as the message says")
        return checks.findings
    for path in strays:
        what = "its name does not say which clip it is"
        checks.report(Severity.ERROR, "misnamed", path, what, "rename it, or move it elsewhere")
    _check_completeness(clips, checks)
    _check_duplicates(clips, checks)
    if folder := splits or find_splits(root):
        _check_splits(clips, folder, checks, official=reader == "faceforensics")
    # Clips of one original in a row, so that faces are looked for once.
    for done, clip in enumerate(sorted(clips, key=lambda clip: (str(clip.original or clip.path), clip.id)), start=1):
        checks.check(clip)
        progress(done, len(clips))
    checks.finish()
    order = list(Severity)
    return sorted(checks.findings, key=lambda finding: (order.index(finding.severity), finding.path, finding.code))


def _check_completeness(clips: Sequence[Clip], checks: ClipChecks) -> None:
    masked = {(clip.method, clip.compression) for clip in clips if clip.released_mask}
    for clip in clips:
        if clip.manipulated and clip.original is None:
            what = f"the original of target {clip.target} is not there" + (
                f" at {clip.compression}" if clip.compression else ""
            )
            fix = "fetch it at the same compression, or leave this clip out"
            checks.report(Severity.ERROR, "missing-partner", clip.path, what, fix)
        if (clip.method, clip.compression) in masked and clip.released_mask is None:
            what = f"other clips of {clip.method} have a released mask and this one has none"
            checks.report(Severity.WARNING, "missing-mask", clip.path, what, "fetch its mask, or take differences")


def _check_duplicates(clips: Sequence[Clip], checks: ClipChecks) -> None:
    by_size: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for clip in clips:
        files = list(frame_files(clip.path).values()) if clip.path.is_dir() else [clip.path]
        by_size[len(files), sum(file.stat().st_size for file in files)].append(clip.path)
    same: dict[str, list[Path]] = defaultdict(list)
    for paths in by_size.values():
        for path in paths if len(paths) > 1 else ():
            same[content_hash(path)].append(path)
    for first, *others in same.values():
        for path in others:
            what = f"its content is the same as that of {first}"
            checks.report(Severity.ERROR, "duplicate", path, what, "fetch the right file, or remove one of the two")


def _check_splits(clips: Sequence[Clip], folder: Path, checks: ClipChecks, official: bool) -> None:
    fix = "put every person into one split, and people who share a clip into the same one"
    try:
        splits = read_splits(folder)
    except DataError as error:
        checks.report(Severity.ERROR, "splits", folder, str(error), "take the dataset's own split files")
        return
    if splits.shared:
        who = "; ".join(f"{person} in {' and '.join(names)}" for person, names in splits.shared.items())
        checks.report(Severity.ERROR, "split-leak", folder, f"splits share people: {who}", fix)
        return
    for clip in clips:
        try:
            splits.split_of(clip.persons, str(clip.path))
        except DataError as error:
            checks.report(Severity.ERROR, "split-leak", clip.path, str(error), fix)
    if official and splits.hash != OFFICIAL_HASH:
        what = f"these are not the official splits; results will be marked {splits.name}"
        checks.report(Severity.NOTE, "custom-split", folder, what, "take the official ones to compare with the literature")
