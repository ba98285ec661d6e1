"""What is wrong with a dataset, before days are spent on it. Everything is only read, nothing is printed.

The checks are those of prepare (``data/prepare/*_check*.py``), asked of a sample: whatever prepare would refuse in it is an
error here. The quick look takes file headers and three frames of each video's first second; the full one reads every video
to its end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tamperlens.data.doctor.sample import ClipSample
from tamperlens.data.prepare.dataset_checks import check_methods, check_partners, check_splits, check_tree
from tamperlens.data.prepare.findings import Finding, Severity
from tamperlens.data.prepare.masks import RECIPES, default_recipe
from tamperlens.data.readers import LeftOut, find_reader
from tamperlens.errors import DataError
from tamperlens.types import FaceDetector

__all__ = ["examine", "exit_code"]


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
    recipe: str | None = None,
    splits: Path | None = None,
    detector: FaceDetector | None = None,
    quick: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """Everything that is wrong with the dataset under ``root``, worst first.

    ``reader``, ``methods``, ``compression``: as for the readers. ``recipe``: the mask recipe that is to be prepared with, by
    default the one that fits each clip's compression. ``splits``: a folder of split files; by default those that prepare
    would use. ``detector``: finds faces, for the check that a face lies where pixels were changed; without it that check is
    left out. ``progress`` is told the clips done and their number.

    Raises ``DataError`` for an unknown reader or recipe. A root that cannot be read as that dataset is a finding.
    """
    if recipe is not None and recipe not in RECIPES:
        raise DataError(f"unknown mask recipe {recipe!r}; known are {', '.join(RECIPES)}")
    chosen, left_out = find_reader(reader), list[LeftOut]()
    try:
        clips = chosen.read(root, methods=methods, compression=compression, left_out=left_out)
    except DataError as error:
        return [Finding(Severity.ERROR, "layout", str(root), str(error), "arrange the files as the message says")]
    sample, found = ClipSample(detector, quick), list[Finding]()
    found += check_tree(clips, left_out)
    found += check_methods(clips)
    found += check_partners(clips, chosen)
    found += check_splits(root, clips, chosen, splits)
    # Clips of one original in a row, so that faces are looked for once.
    for done, clip in enumerate(sorted(clips, key=lambda clip: (str(clip.original or clip.path), clip.id)), start=1):
        found += sample.findings(clip, RECIPES[recipe] if recipe else default_recipe(clip.compression))
        progress(done, len(clips))
    order = list(Severity)
    return sorted(_told_once(found), key=lambda finding: (order.index(finding.severity), finding.path, finding.code))


def _told_once(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Each finding once, though several clips share the file; of notes of one kind the first, with their number."""
    once = list(dict.fromkeys(findings))
    for finding in once:
        alike = [one for one in once if one.code == finding.code]
        if finding.severity is not Severity.NOTE or len(alike) == 1:
            yield finding
        elif finding == alike[0]:
            yield replace(finding, message=f"{finding.message}; the same is true of {len(alike) - 1} more")
