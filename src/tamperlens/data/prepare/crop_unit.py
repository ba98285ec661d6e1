"""One unit of preparing: an original and everything made from it -> one shard of crops and masks, and their rows.

Frames stream by: the original is decoded once and its faces are followed; each manipulated frame is met by the
original's frame of the same index and cut with the same box. A file that cannot be used, or not be believed, fails alone,
with its reason.
"""

import math
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data.prepare.alignment import REACH, Thumbnails, is_near
from tamperlens.data.prepare.crop_writer import CropWriter
from tamperlens.data.prepare.file_checks import FileChecks
from tamperlens.data.prepare.findings import Finding, refusals
from tamperlens.data.prepare.masks import mask_of_picture
from tamperlens.data.prepare.pair_check import PairCheck
from tamperlens.data.prepare.pairing import Follower, FrameStream, first_beside, first_number, follow_faces
from tamperlens.data.prepare.plan import Group, Task, recipe_of
from tamperlens.data.prepare.records import ClipResult, UnitRecord
from tamperlens.data.readers import READERS
from tamperlens.data.readers.clips import Clip, Layout
from tamperlens.data.readers.frames import read_frames
from tamperlens.data.store.manifest import PARTS, SHARDS, CropRow, PrepareSettings, Shard, replace_json, write_rows
from tamperlens.data.store.shards import join_tars
from tamperlens.errors import DataError, MediaError, TamperlensError
from tamperlens.faces import crop_face, inside_slices
from tamperlens.types import BoolArray, FaceBox, FaceCrop, Frame, UInt8Array

__all__ = ["crop_unit"]

CHECK_EVERY = 30  # frames between those in which the pair is checked ...
FIRST = 15  # ... after the first frames, which are compared with their neighbours one and all
EARLY = 5  # after this many checked frames a pair that is too noisy is given up
_READING = (MediaError, DataError, OSError)


def crop_unit(task: Task) -> UnitRecord:
    """Makes a unit's shard, rows and record, in this order, so that whoever finds the record finds them all.

    Raises ``DataError`` where the store cannot be written; clips that cannot be used are told in the record.
    """
    started, threads = time.monotonic(), cv2.getNumThreads()
    cv2.setNumThreads(1)  # the processes share the cores already
    try:
        unit, inputs = task.unit, task.unit.inputs()
        files = FileChecks()
        runs = [run for group in unit.groups for run in _crop_group(group, task, files)]
        good, shard = [run for run in runs if not run.reason], None
        rows: list[CropRow] = []
        if good:
            name = f"{unit.name}.tar"
            shifts, size, digest = join_tars([run.writer.path for run in good], task.store / SHARDS / name)
            shard = Shard(file=name, size=size, sha256=digest)
            rows = [row for run, shift in zip(good, shifts, strict=True) for row in run.rows(name, shift)]
        write_rows(rows, task.store / PARTS / f"{unit.name}.parquet", task.settings)
        record = UnitRecord(
            unit=unit.name,
            status="done" if len(good) == len(runs) else "failed",
            attempts=task.attempts,
            settings=task.settings_hash,
            accept=task.settings.accept,
            inputs=inputs,
            seconds=round(time.monotonic() - started, 3),
            clips=tuple(run.result() for run in runs),
            shard=shard,
        )
        replace_json(task.store / PARTS / f"{unit.name}.json", record.model_dump_json() + "\n")
        return record
    finally:
        cv2.setNumThreads(threads)


def _crop_group(group: Group, task: Task, files: FileChecks) -> list["_ClipRun"]:
    names = [f"{task.unit.name}.{uuid.uuid4().hex[:12]}.tmp" for _ in group.clips]
    pairs = zip(group.clips, names, strict=True)
    runs = [_ClipRun(clip, task.settings, task.store / SHARDS / name) for clip, name in pairs]
    try:
        for run in runs:
            run.check_files(files)
        if any(not run.reason for run in runs):
            _read_group(group, task, runs)
        for run in runs:
            run.finish()
    except TamperlensError:  # the store cannot be written, the detector cannot run: nothing to do with this clip
        raise
    except Exception as error:  # one strange file among thousands must not end the run; it is listed, and fails it later
        for run in runs:
            run.fail(f"{type(error).__name__}: {error}")
    finally:
        for run in runs:
            run.close()
    return runs


def _read_group(group: Group, task: Task, runs: list["_ClipRun"]) -> None:
    """Reads the original and, beside it, the clips that have not failed; cuts what is to be cut."""
    step, detect_every = math.gcd(*(run.step for run in runs)), task.settings.detect_every
    follower, small = Follower(), Thumbnails()
    paired = any(run.clip.original for run in runs)
    try:
        first = first_number(group.original, [run.clip.path for run in runs if run.clip.original and not run.reason])
        for run in runs:
            run.open(first, small)
        frames = _watched(group.original, math.gcd(step, detect_every), first, small if paired else None)
        for frame, faces in follow_faces(frames, task.detector, step, detect_every):
            due = [run for run in runs if run.read(frame)]
            # Masks that are known to be wrong must not lead away from the face that the other clips show.
            masks = [run.mask for run in due if run.mask is not None and not run.doubtful]
            face, there = follower.choose(faces, masks)
            for run in due:
                run.keep(frame, face, there=there)
            small.forget(frame.index - 2 * REACH)
            if all(run.reason for run in runs):
                return
    except _READING as error:
        for run in runs:
            run.fail_of(group.original, str(error))


def _watched(original: Path, spacing: int, first: int | None, small: Thumbnails | None) -> Iterator[Frame]:
    """Every ``spacing``-th frame of the original and, for ``small`` pictures, those that pairs are compared with."""
    if small is None:
        yield from read_frames(original, every=spacing, first=first)
        return

    def compared(index: int) -> bool:
        return index <= FIRST + REACH or is_near(index, CHECK_EVERY)

    for frame in read_frames(original, due=lambda index: index % spacing == 0 or compared(index), first=first):
        if compared(frame.index):
            small.add(frame.index, frame.image)
        yield frame


class _ClipRun:
    """One clip on its way into the shard: read beside its original, checked, cut; failed with a reason, or done."""

    def __init__(self, clip: Clip, settings: PrepareSettings, path: Path) -> None:
        self.clip = clip
        self.step = settings.every_train if clip.split == "train" else settings.every_eval
        self.recipe = recipe_of(clip, settings)
        self.writer = CropWriter(clip, self.recipe, path)
        self.reason = ""
        self.image: UInt8Array | None = None  # of the frame at hand
        self.mask: BoolArray | None = None  # None for pristine clips, and where there is no original
        self.doubtful = False  # whether what was seen so far will fail the clip in the end
        self._settings = settings
        self._check = PairCheck(clip, self.recipe)
        self._frames: FrameStream | None = None  # None where the clip is what the group reads: its own original
        self._masks: FrameStream | None = None
        self._originals = Thumbnails()
        self._drawn: UInt8Array | None = None  # the released mask of the frame at hand
        self._accepted: list[str] = []  # findings in spite of which the clip is used
        self._notes: list[str] = []
        self._looked = self._missing = self._without_face = self._elsewhere = 0

    def check_files(self, files: FileChecks) -> None:
        """Refuses a clip whose files are not as they should be."""
        if self._label_only and READERS[self._settings.reader].paired:
            if "missing-partner" in self._settings.accept:
                self._accepted.append("missing-partner")
            else:
                self.fail("its original is not there; fetch it, or leave this clip out (--accept missing-partner: labels only)")
        if self.clip.original is not None or self.clip.layout is not Layout.PHOTO:  # a photo is looked at when it is read
            self._judge(files.check(self.clip, self.recipe))

    @property
    def _label_only(self) -> bool:
        return self.clip.manipulated and self.clip.original is None

    def open(self, first: int | None, originals: Thumbnails) -> None:
        """Opens the clip beside its original, whose small pictures will be in ``originals``."""
        self._originals = originals
        if (original := self.clip.original) is None or self.reason:
            return

        def stream(path: Path) -> FrameStream:
            return FrameStream(read_frames(path, every=self.step, first=first_beside(path, original, first)))

        self._frames = stream(self.clip.path)
        if self.recipe.needs_released and self.clip.released_mask:
            self._masks = stream(self.clip.released_mask)

    def read(self, frame: Frame) -> bool:
        """Takes the clip's own frame beside the original's and makes its mask; False where there is nothing to crop."""
        if self.reason or frame.index % self.step:
            return False
        try:
            if self._frames is None:
                self.image = frame.image
            else:
                own = self._frames.at(frame.index)
                if own is None:
                    self._missing += 1
                    return False
                self._drawn = self._released(frame.index)
                self.image, self.mask = own.image, self.recipe(own.image, frame.image, self._drawn)
                self._check.see_made(self.mask)
                if frame.index <= FIRST or frame.index % CHECK_EVERY == 0:
                    self._check.alignment.see(frame.index, own.image)
                self._check.alignment.settle(self._originals)
        except _READING as error:
            self.fail(str(error))
            return False
        self._looked += 1
        return True

    def _released(self, index: int) -> UInt8Array | None:
        if self._masks is None:
            return None
        if (drawn := self._masks.at(index)) is None:
            raise DataError(f"{self.clip.released_mask} has no frame {index}; fetch the mask again, or use a difference recipe")
        return mask_of_picture(drawn.image)

    def keep(self, frame: Frame, face: FaceBox | None, *, there: bool) -> None:
        """Cuts and writes crop and mask of the frame at hand. ``there``: whether the face is where pixels were changed."""
        if self.reason or self.image is None:
            return
        try:
            crop = crop_face(self.image, face, self._settings.enlarge) if face else None
        except ValueError:  # the box lies outside the picture
            crop = None
        if crop is not None and self.mask is not None and (frame.index % CHECK_EVERY == 0 or not self._check.floors):
            self._check.see(self.image, frame.image, face, self._drawn)
            self.doubtful = bool(refusals(self._check.findings(whole=False), self._settings.accept))
            if len(self._check.floors) == EARLY and not self._judge(self._check.noise()):
                return
        if crop is None or not there:
            self._without_face += 1
            self._elsewhere += crop is not None
            return
        self.writer.add(frame, crop, self._mask_in(crop))

    def _mask_in(self, crop: FaceCrop) -> BoolArray | None:
        if self._label_only:
            return None
        if self.mask is None:
            return np.zeros(crop.image.shape[:2], np.bool_)
        # Beyond the frame the crop repeats border pixels, and so does its mask.
        whole, own = inside_slices(crop, *self.mask.shape)
        return np.pad(self.mask[whole], [(s.start, crop.side - s.stop) for s in own], mode="edge")

    def finish(self) -> None:
        """Looks at what is left of the clip's files and judges the whole."""
        if self.reason:
            return
        try:
            extra = self._frames.rest() if self._frames else 0
        except _READING as error:
            self.fail(str(error))
            return
        self._check.alignment.settle(self._originals, ended=True)
        if self._missing or extra:
            what = f"{self._missing} frames fewer" if self._missing else f"{extra} frames more"
            self._notes.append(f"{what} than its original; those that both have are used")
        if self._frames is not None:
            self._judge(self._check.findings())
        if not self._looked:
            what = f"none of the frames that are wanted, every {self.step}th, is in both it and its original"
            self.fail(f"{self.clip.path}: {what}; ask for more frames, or leave this clip out")
        elif not len(self.writer):
            what = "no face was found" if not self._elsewhere else "no face lies where pixels were changed"
            self.fail(f"{self.clip.path}: {what} in the {self._looked} frames looked at; leave this clip out")

    def _judge(self, findings: Iterable[Finding]) -> bool:
        """Fails the clip for findings that nobody has accepted, and remembers those that were; whether it can be used."""
        found = list(findings)
        for finding in refusals(found, self._settings.accept):
            self.fail_of(Path(finding.path), finding.refusal)
        self._accepted += sorted({one.code for one in refusals(found, ())} - set(self._accepted))
        return not self.reason

    def fail_of(self, path: Path, reason: str) -> None:
        """Gives the clip up because of one of its files."""
        self.fail(reason if path in (self.clip.path, self.clip.released_mask) else f"its original cannot be used: {reason}")

    def fail(self, reason: str) -> None:
        """Gives the clip up; the first reason stays."""
        self.reason = self.reason or " ".join(reason.split())

    def close(self) -> None:
        """Closes the clip's part of the shard, and removes it where the clip failed."""
        self.writer.close(keep=not self.reason)
        self._frames = self._masks = self.image = self.mask = self._drawn = None

    def rows(self, shard: str, shift: int) -> Iterator[CropRow]:
        """The clip's rows, as they are in the joined shard."""
        return self.writer.rows(shard, shift, self._check.floor, ", ".join(sorted(self._accepted)) or None)

    def result(self) -> ClipResult:
        """What came of the clip."""
        notes = [f"used in spite of {code}" for code in self._accepted]
        return ClipResult(
            clip=self.clip.id,
            status="failed" if self.reason else "done",
            frames=self._looked,
            crops=0 if self.reason else len(self.writer),
            without_face=self._without_face,
            reason=self.reason,
            notes=(*self._notes, *notes),
        )
