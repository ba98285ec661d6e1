"""What can be wrong with the files of a clip, as their headers, names and sizes tell it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tamperlens.data.prepare.findings import Finding, Severity
from tamperlens.data.prepare.masks import Recipe
from tamperlens.data.readers.clips import Clip
from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.errors import DataError, MediaError
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.media import read_photo, video_info

__all__ = ["FileChecks", "unreadable"]


@dataclass(frozen=True)
class _Facts:
    """What a file's headers say."""

    size: tuple[int, int]  # width, height
    frames: int | None
    numbers: tuple[int, ...] = ()  # of a frame folder's files
    encoder: str | None = None


def unreadable(path: Path, error: Exception) -> Finding:
    """The finding for a file that cannot be read."""
    return Finding(Severity.ERROR, "unreadable", str(path), str(error), "fetch the file again")


class FileChecks:
    """Checks the files of clip after clip; a file that several clips share is opened once.

    What is wrong with a single file is found for each clip that needs it: prepare refuses every one of them.
    """

    def __init__(self) -> None:
        self._files: dict[Path, tuple[_Facts | None, tuple[Finding, ...]]] = {}

    def check(self, clip: Clip, recipe: Recipe, *, unused: bool = False) -> list[Finding]:
        """What is wrong with a clip's files, and between them. ``unused``: also with a mask that the recipe does without."""
        drawn = clip.released_mask if recipe.needs_released or unused else None
        files = [(clip.path, clip.compression), (clip.original, clip.compression), (drawn, None)]
        looked = [self._look(path, compression) if path else (None, ()) for path, compression in files]
        found = [finding for _, own in looked for finding in own]
        mine, original, mask = (facts for facts, _ in looked)
        if mine and original:
            found += _compare(clip.path, mine, original, "its original")
        if mine and mask:
            found += _compare(clip.path, mine, mask, "its mask", needed=recipe.needs_released)
        if recipe.needs_released and clip.original and not clip.released_mask:
            what = f"recipe {recipe.name!r} needs the dataset's own mask and there is none"
            fix = "fetch its mask, or take another recipe"
            found.append(Finding(Severity.ERROR, "missing-mask", str(clip.path), what, fix))
        return found

    def comparable(self, path: Path, other: Path | None) -> bool:
        """Whether both files, looked at before, can be read and have pictures of one size."""
        facts = [self._files[one][0] if one in self._files else None for one in (path, other)]
        return facts[0] is not None and facts[1] is not None and facts[0].size == facts[1].size

    def _look(self, path: Path, compression: str | None) -> tuple[_Facts | None, tuple[Finding, ...]]:
        if path not in self._files:
            try:
                facts = _read_facts(path)
            except (MediaError, DataError, OSError) as error:
                self._files[path] = None, (unreadable(path, error),)
            else:
                self._files[path] = facts, tuple(_check_codec(path, facts, compression))
        return self._files[path]


def _check_codec(path: Path, facts: _Facts, compression: str | None) -> Iterator[Finding]:
    if compression is None:
        return
    if path.is_dir():
        if compression == "raw" and any(file.suffix.lower() in (".jpg", ".jpeg") for file in frame_files(path).values()):
            what = "a raw clip is kept as JPEG pictures, which lose what raw is for"
            yield Finding(Severity.ERROR, "codec", str(path), what, "extract the frames again as PNG")
        return
    crf = _crf(facts.encoder)
    if crf is None:
        what = "the video does not say how it was encoded, so it was not checked"
        yield Finding(Severity.NOTE, "codec-unknown", str(path), what, "nothing, if it comes from the dataset")
    elif abs(crf - COMPRESSIONS[compression].crf) > 0.5:
        what = f"it lies in a {compression} folder, but its encoder wrote crf={crf:g} into it"
        fix = f"fetch the {compression} file, or move this one to the folder of its own compression"
        yield Finding(Severity.ERROR, "codec", str(path), what, fix)


def _compare(path: Path, mine: _Facts, theirs: _Facts, other: str, needed: bool = False) -> Iterator[Finding]:
    """What differs between two files that are to be met frame by frame. ``needed``: where it is the mask that is used."""

    def finding(severity: Severity, code: str, what: str, fix: str) -> Finding:
        return Finding(severity, code, str(path), what, fix)

    if mine.size != theirs.size:
        what = f"it is {mine.size[0]}x{mine.size[1]} and {other} {theirs.size[0]}x{theirs.size[1]}"
        yield finding(Severity.ERROR, "size", what, "fetch both from the same release, not resized")
        return
    counts = f"it has {mine.frames} frames and {other} {theirs.frames}"
    ours, others = set(mine.numbers), set(theirs.numbers)
    if ours and others:
        lone, beyond = ours - others, mine.numbers[-1] > theirs.numbers[-1] or mine.numbers[0] < theirs.numbers[0]
        shifted = beyond and mine.numbers[0] != theirs.numbers[0] and others - ours
        same = "extract both with the same tool, so that the same number means the same frame"
        if not ours & others or shifted:
            what = (
                f"its frames are numbered from {mine.numbers[0]} to {mine.numbers[-1]} and those of {other} from "
                f"{theirs.numbers[0]} to {theirs.numbers[-1]}: frames of one number need not be the same frame"
            )
            yield finding(Severity.ERROR, "frame-numbers", what, same)
        elif needed and lone:
            yield finding(Severity.ERROR, "missing-mask", f"{other} has no frame {min(lone)}", "fetch the mask again")
        elif ours != others:
            what = f"{counts}; those of the same number are compared, {len(ours & others)} of them"
            yield finding(Severity.WARNING, "frame-count", what, "fetch both again if the difference is large")
    elif mine.frames and theirs.frames and mine.frames != theirs.frames:
        if needed and theirs.frames < mine.frames:
            what = f"{counts}: it has no frame {theirs.frames}"
            yield finding(Severity.ERROR, "missing-mask", what, "fetch the mask again, or use a difference recipe")
        else:
            what = f"{counts}; the shorter one counts"
            yield finding(Severity.WARNING, "frame-count", what, "fetch both again if the difference is large")


def _read_facts(path: Path) -> _Facts:
    files = frame_files(path) if path.is_dir() else {}
    if path.is_dir() and not files:
        raise DataError(f"{path}: this folder holds no pictures; extract the clip's frames into it")
    if empty := next((file for file in files.values() if not file.stat().st_size), None):
        raise MediaError(f"{empty}: the file is empty; extract the frame again")
    picture = next(iter(files.values()), path)
    if picture.suffix.lower() in PHOTO_SUFFIXES:
        height, width = read_photo(picture).image.shape[:2]
        return _Facts((width, height), len(files) or 1, tuple(files))
    info = video_info(path)
    if missing := _missing_bytes(path):
        raise MediaError(f"{path}: the video is truncated: {missing} bytes that its index promises are missing")
    return _Facts((info.width, info.height), info.frames, encoder=info.encoder)


def _missing_bytes(path: Path) -> int:
    """How many bytes an MP4 or MOV file falls short of its last box's end; 0 for other files."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as stream:
        while position + 8 <= size:
            stream.seek(position)
            header = stream.read(16)
            if position == 0 and header[4:8] != b"ftyp":
                return 0
            length = int.from_bytes(header[:4], "big")
            if length == 1:  # then it is the 64-bit number behind the name
                length = int.from_bytes(header[8:16], "big")
            if length < 8:  # 0: up to the end of the file
                return 0
            position += length
    return max(0, position - size)


def _crf(encoder: str | None) -> float | None:
    """The constant rate factor in x264's settings; lossless coding is written as qp=0."""
    for pattern in (r"\bcrf=([\d.]+)", r"\bqp=(\d+)\b"):
        if match := re.search(pattern, encoder or ""):
            return float(match[1])
    return None
