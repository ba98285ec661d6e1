"""The doctor's checks of single files and of pairs: what their headers say, and what a few of their frames show."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from tamperlens.data.prepare.masks import (
    RECIPES,
    NoiseFloor,
    default_recipe,
    looks_inverted,
    mask_of_picture,
    noise_floor,
    refuse_noise,
)
from tamperlens.data.readers.clips import Clip, frame_files
from tamperlens.data.readers.frames import read_frames
from tamperlens.errors import DataError, MediaError
from tamperlens.faces import crop_face, inside_slices
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.media import read_photo, video_info
from tamperlens.types import BoolArray, FaceBox, FaceDetector, Frame

__all__ = ["ClipChecks", "Finding", "Severity"]

EVERY = 10  # frames between those looked at
QUICK_FRAMES = 3
CRF = {"raw": 0.0, "c23": 23.0, "c40": 40.0}  # what FaceForensics++ was encoded with
INSIDE = 0.5  # the crop of the right face holds at least this share of the manipulated pixels


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # wrong labels or masks, or a clip that cannot be prepared
    WARNING = "warning"  # usable, but not as it should be
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, and what to do about it."""

    severity: Severity
    code: str  # one word per kind of finding
    path: str
    message: str
    fix: str


@dataclass(frozen=True)
class _Facts:
    """What a file's headers say."""

    size: tuple[int, int]  # width, height
    frames: int | None
    numbers: tuple[int, ...] = ()  # of a frame folder's files
    encoder: str | None = None


@dataclass
class _Seen:
    """What was seen of one pair: one entry, or one more, per frame looked at."""

    compared: int = 0  # frames, with those of the original
    floors: list[NoiseFloor] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)  # share of the manipulated pixels in the largest face's crop
    sought: int = 0  # frames in which a face was looked for
    unchanged: int = 0
    masks: int = 0
    empty: int = 0
    inverted: int = 0


class ClipChecks:
    """Checks clip after clip and keeps what is wrong in ``findings``. Clips of one original are best given in a row."""

    def __init__(self, detector: FaceDetector | None, quick: bool) -> None:
        self.findings: list[Finding] = []
        self._detector = detector
        self._limit = QUICK_FRAMES if quick else None
        self._facts: dict[Path, _Facts | None] = {}
        self._unreadable: set[Path] = set()
        self._faces: dict[tuple[Path, int], list[FaceBox]] = {}
        self._silent: list[Path] = []  # videos without encoder settings
        self._filled: list[Path] = []  # clips in which nothing beside the face is left to measure

    def report(self, severity: Severity, code: str, path: Path, message: str, fix: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(severity, code, str(path), message, fix))

    def check(self, clip: Clip) -> None:
        """Looks at one clip, and at its original and its released mask beside it."""
        mine = self._inspect(clip.path, clip.compression)
        original = self._inspect(clip.original, clip.compression) if clip.original else None
        mask = self._inspect(clip.released_mask, None) if clip.released_mask else None
        if mine is None:
            return
        beside = [
            path if path and facts and self._same_form(clip.path, what, mine, facts) else None
            for path, facts, what in ((clip.original, original, "its original"), (clip.released_mask, mask, "its mask"))
        ]
        seen = self._look(clip, *beside)
        self._judge_masks(clip, seen)
        self._judge_difference(clip, seen)
        self._judge_faces(clip, seen)

    def finish(self) -> None:
        """Adds what can only be said at the end."""
        if self._silent:
            what = f"{len(self._silent)} videos do not say how they were encoded, so it was not checked; this is the first"
            self.report(Severity.NOTE, "codec-unknown", self._silent[0], what, "nothing, if they come from the dataset")
        if self._filled:
            what = (
                f"in {len(self._filled)} clips the face fills the frame, so their noise floor cannot be measured; "
                "this is the first"
            )
            self.report(Severity.NOTE, "noise-unknown", self._filled[0], what, "nothing, if all was encoded alike")

    # ---------------------------------------------------------------------------------------------------------- files

    def _inspect(self, path: Path, compression: str | None) -> _Facts | None:
        """What a file's headers say; ``None`` where it cannot be read. What is wrong with it is reported once."""
        if path not in self._facts:
            try:
                self._facts[path] = facts = _read_facts(path)
            except (MediaError, DataError) as error:
                self._facts[path] = None
                self._report_unreadable(path, error)
            else:
                if compression in CRF:
                    self._check_codec(path, facts, compression)
        return self._facts[path]

    def _report_unreadable(self, path: Path, error: Exception) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            self.report(Severity.ERROR, "unreadable", path, str(error), "fetch the file again")

    def _check_codec(self, path: Path, facts: _Facts, compression: str) -> None:
        if path.is_dir():
            if compression == "raw" and any(file.suffix.lower() in (".jpg", ".jpeg") for file in frame_files(path).values()):
                what = "a raw clip is kept as JPEG pictures, which lose what raw is for"
                self.report(Severity.ERROR, "codec", path, what, "extract the frames again as PNG")
            return
        crf = _crf(facts.encoder)
        if crf is None:
            self._silent.append(path)
        elif abs(crf - CRF[compression]) > 0.5:
            what = f"it lies in a {compression} folder, but its encoder wrote crf={crf:g} into it"
            fix = f"fetch the {compression} file, or move this one to the folder of its own compression"
            self.report(Severity.ERROR, "codec", path, what, fix)

    def _frames(self, path: Path | None) -> Iterator[Frame]:
        """Every tenth frame, as many as are to be looked at; an unreadable one is reported and ends them."""
        try:
            yield from islice(read_frames(path, every=EVERY), self._limit) if path else ()
        except MediaError as error:
            assert path is not None
            self._report_unreadable(path, error)

    # ---------------------------------------------------------------------------------------------------------- pairs

    def _same_form(self, path: Path, other: str, mine: _Facts, theirs: _Facts) -> bool:
        """Whether two files can be compared frame by frame; what differs is reported."""
        if mine.size != theirs.size:
            what = f"it is {mine.size[0]}x{mine.size[1]} and {other} {theirs.size[0]}x{theirs.size[1]}"
            self.report(Severity.ERROR, "size", path, what, "fetch both from the same release, not resized")
            return False
        if mine.frames and theirs.frames and mine.frames != theirs.frames:
            what = f"it has {mine.frames} frames and {other} {theirs.frames}; the shorter one counts"
            self.report(Severity.WARNING, "frame-count", path, what, "fetch both again if the difference is large")
        elif mine.numbers and theirs.numbers and mine.numbers[0] != theirs.numbers[0]:
            what = f"its frames are numbered from {mine.numbers[0]} and those of {other} from {theirs.numbers[0]}"
            fix = "extract both with the same tool, so that the same number means the same frame"
            self.report(Severity.WARNING, "frame-numbers", path, what, fix)
        return True

    def _look(self, clip: Clip, original: Path | None, mask: Path | None) -> _Seen:
        seen = _Seen()
        threshold = dict(RECIPES["released"].parameters)["threshold"]
        for frame, partner, drawn in zip_longest(self._frames(clip.path), self._frames(original), self._frames(mask)):
            if frame is None:
                continue  # the others are read to their end too
            area = mask_of_picture(drawn.image) > threshold if drawn else None
            if area is not None:
                seen.masks += 1
                seen.empty += not area.any()
                seen.inverted += looks_inverted(area)
            if partner is not None and original is not None:
                faces = self._find_faces(original, partner)
                released = None if area is None or looks_inverted(area) else area
                floor = noise_floor(frame.image, partner.image, faces[0] if faces else None, released)
                seen.compared += 1
                seen.floors += [floor] if floor else []
                seen.unchanged += bool((frame.image == partner.image).all())
                recipe = default_recipe(clip.compression)
                if floor and floor.p99 <= recipe.max_noise and not recipe.needs_released:
                    area = recipe(frame.image, partner.image)  # better than a released mask: what really changed
                if self._detector is not None and area is not None and area.any():
                    seen.sought += 1
                    seen.inside += [_share_in_crop(area, partner, faces[0])] if faces else []
        return seen

    def _find_faces(self, path: Path, frame: Frame) -> list[FaceBox]:
        """Faces of an original's frame, largest first; remembered for the other clips of this original."""
        if self._detector is None:
            return []
        if not any(known == path for known, _ in self._faces):
            self._faces.clear()
        if (path, frame.index) not in self._faces:
            self._faces[path, frame.index] = list(self._detector(frame.image))
        return self._faces[path, frame.index]

    def _judge_masks(self, clip: Clip, seen: _Seen) -> None:
        path = clip.released_mask or clip.path
        if seen.masks and seen.empty == seen.masks:
            what = f"the released mask is black in all {seen.masks} frames looked at"
            self.report(Severity.ERROR, "mask-empty", path, what, "fetch the mask again, or use a difference recipe")
        elif seen.inverted > seen.masks / 2:
            what = "the released mask is white where nothing was manipulated: it is inverted"
            self.report(Severity.ERROR, "mask-inverted", path, what, "invert it: white means manipulated")

    def _judge_difference(self, clip: Clip, seen: _Seen) -> None:
        if not seen.compared:
            return
        if seen.unchanged == seen.compared:
            what = f"all {seen.compared} frames looked at equal the original: nothing was manipulated"
            self.report(Severity.ERROR, "unchanged", clip.path, what, "fetch the manipulated file")
            return
        if not seen.floors:
            self._filled.append(clip.path)
            return
        recipe, severity = default_recipe(clip.compression), Severity.ERROR
        if recipe.needs_released:
            recipe, severity = default_recipe(None), Severity.WARNING  # nobody has to take differences here
        median, p99 = np.median([(floor.median, floor.p99) for floor in seen.floors], axis=0)
        try:
            refuse_noise(clip.id, NoiseFloor(float(median), float(p99)), recipe)
        except DataError as error:
            fix = "use another mask recipe, or originals that were encoded alike"
            self.report(severity, "noise-floor", clip.path, str(error), fix)

    def _judge_faces(self, clip: Clip, seen: _Seen) -> None:
        if seen.sought and not seen.inside:
            what = f"no face was found in the {seen.sought} frames of the original that were looked at"
            self.report(Severity.WARNING, "no-face", clip.path, what, "look at it; leave it out if it shows no face")
        elif seen.inside and (share := float(np.median(seen.inside))) < INSIDE:
            what = f"the largest face's crop holds {share:.0%} of the manipulated pixels: another face was manipulated"
            self.report(Severity.ERROR, "wrong-face", clip.path, what, "crop the face under the manipulated pixels")


def _share_in_crop(area: BoolArray, frame: Frame, face: FaceBox) -> float:
    try:
        inside, _ = inside_slices(crop_face(frame.image, face), *area.shape)
    except ValueError:  # the box lies outside the picture
        return 0.0
    return float(area[inside].sum() / area.sum())


def _read_facts(path: Path) -> _Facts:
    files = frame_files(path) if path.is_dir() else {}
    if path.is_dir() and not files:
        raise DataError(f"{path}: the pictures in this folder carry no numbers; name them 0000.png, 0001.png, ...")
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
