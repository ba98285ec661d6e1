"""One unit of preparing: an original and everything made from it -> one shard of crops and masks, and their rows.

Frames stream by: the original is decoded once and its faces are followed; each manipulated frame is met by the
original's frame of the same index and cut with the same box. A file that cannot be used fails alone, with its reason.
"""

import json
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from tamperlens.data.prepare.masks import NoiseFloor, mask_of_picture, noise_floor, refuse_noise
from tamperlens.data.prepare.pairing import Follower, FrameStream, follow_faces
from tamperlens.data.prepare.plan import Group, Task, recipe_of
from tamperlens.data.prepare.records import ClipResult, UnitRecord
from tamperlens.data.readers.clips import Clip
from tamperlens.data.store.manifest import PARTS, SHARDS, CropRow, PrepareSettings, Shard, replace_page, write_rows
from tamperlens.data.store.shards import TarWriter, encode_crop, encode_mask, join_tars
from tamperlens.errors import DataError, MediaError, TamperlensError
from tamperlens.faces import crop_face, inside_slices
from tamperlens.types import BoolArray, FaceBox, Frame, UInt8Array

__all__ = ["crop_unit"]

FLOOR_EVERY = 30  # frames between those whose noise floor is measured ...
EARLY = 5  # ... and after how many of them a pair that is too noisy is given up
_READING = (MediaError, DataError, OSError)


def crop_unit(task: Task) -> UnitRecord:
    """Makes a unit's shard, rows and record, in this order, so that whoever finds the record finds them all.

    Raises ``DataError`` where the store cannot be written; clips that cannot be used are told in the record.
    """
    started, threads = time.monotonic(), cv2.getNumThreads()
    cv2.setNumThreads(1)  # the processes share the cores already
    try:
        unit, inputs = task.unit, task.unit.inputs()
        runs = [run for group in unit.groups for run in _crop_group(group, task)]
        good, shard = [run for run in runs if not run.reason], None
        rows: list[CropRow] = []
        if good:
            name = f"{unit.name}.tar"
            shifts, size, digest = join_tars([run.path for run in good], task.store / SHARDS / name)
            shard = Shard(file=name, size=size, sha256=digest)
            rows = [row for run, shift in zip(good, shifts, strict=True) for row in run.finished_rows(name, shift)]
        write_rows(rows, task.store / PARTS / f"{unit.name}.parquet")
        record = UnitRecord(
            unit=unit.name,
            status="done" if len(good) == len(runs) else "failed",
            attempts=task.attempts,
            settings=task.settings_hash,
            inputs=inputs,
            seconds=round(time.monotonic() - started, 3),
            clips=tuple(run.result() for run in runs),
            shard=shard,
        )
        replace_page(task.store / PARTS / f"{unit.name}.json", record.model_dump_json() + "\n")
        return record
    finally:
        cv2.setNumThreads(threads)


def _crop_group(group: Group, task: Task) -> list["_ClipRun"]:
    names = [f"{task.unit.name}.{uuid.uuid4().hex[:12]}.tmp" for _ in group.clips]
    pairs = zip(group.clips, names, strict=True)
    runs = [_ClipRun(clip, task.settings, task.store / SHARDS / name) for clip, name in pairs]
    step = math.gcd(*(run.step for run in runs))
    follower = Follower()
    frames = follow_faces(group.original, task.detector, step, task.settings.detect_every)
    try:
        while any(not run.reason for run in runs):
            try:
                item = next(frames, None)
            except _READING as error:
                for run in runs:
                    run.fail(f"{error}" if run.clip.path == group.original else f"its original cannot be used: {error}")
                break
            if item is None:
                break
            frame, faces = item
            due = [run for run in runs if run.read(frame)]
            face = follower.choose(faces, [run.mask for run in due if run.mask is not None])
            for run in due:
                run.keep(frame, face)
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


class _ClipRun:
    """One clip on its way into the shard."""

    def __init__(self, clip: Clip, settings: PrepareSettings, path: Path) -> None:
        self.clip, self.path = clip, path
        self.step = settings.every_train if clip.split == "train" else settings.every_eval
        self.recipe = recipe_of(clip, settings)
        partnerless = clip.manipulated and clip.original is None
        self.reason = "its original is not there; fetch it, or leave this clip out" if partnerless else ""
        self.image: UInt8Array | None = None  # of the frame at hand
        self.mask: BoolArray | None = None  # None for pristine clips
        self._enlarge = settings.enlarge
        self._frames = FrameStream(clip.path, self.step) if clip.manipulated else None
        drawn = clip.released_mask if self.recipe.needs_released and clip.manipulated else None
        self._drawn = FrameStream(drawn, self.step) if drawn else None
        self._writer: TarWriter | None = None
        self._rows: list[CropRow] = []
        self._floors: list[NoiseFloor | None] = []  # None: the face fills the frame
        self._notes: list[str] = []
        self._looked = self._missing = self._without_face = 0

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
                self.image, self.mask = own.image, self.recipe(own.image, frame.image, self._released(frame.index))
        except _READING as error:
            self.fail(str(error))
            return False
        self._looked += 1
        return True

    def _released(self, index: int) -> UInt8Array | None:
        if self._drawn is None:
            return None
        drawn = self._drawn.at(index)
        if drawn is None:
            raise DataError(f"{self.clip.released_mask} has no frame {index}; fetch the mask again, or use a difference recipe")
        return mask_of_picture(drawn.image)

    def keep(self, frame: Frame, face: FaceBox | None) -> None:
        """Cuts and writes crop and mask of the frame at hand."""
        if self.reason or self.image is None:
            return
        try:
            crop = crop_face(self.image, face, self._enlarge) if face else None
        except ValueError:  # the box lies outside the picture
            crop = None
        if face is None or crop is None:
            self._without_face += 1
            return
        if self.mask is not None and (frame.index % FLOOR_EVERY == 0 or not self._floors):
            # Decoding a released mask for this alone would take longer than it is worth.
            self._floors.append(noise_floor(self.image, frame.image, face, self.mask if self._drawn else None))
            if len(self._floors) == EARLY and not self._quiet():
                return
        mask = np.zeros(crop.image.shape[:2], np.bool_)
        if self.mask is not None:
            # Beyond the frame the crop repeats border pixels, and so does its mask.
            whole, own = inside_slices(crop, *self.mask.shape)
            mask = np.pad(self.mask[whole], [(s.start, crop.side - s.stop) for s in own], mode="edge")
        self._write(frame, face, encode_crop(crop.image), mask, crop.left, crop.top, crop.side)

    def _write(self, frame: Frame, face: FaceBox, image: bytes, mask: BoolArray, left: int, top: int, side: int) -> None:
        clip, recipe = self.clip, self.recipe if self.mask is not None else None
        pixels = int(np.count_nonzero(mask))
        row = CropRow(
            clip=clip.id,
            method=clip.method,
            target=clip.target,
            source=clip.source,
            compression=clip.compression,
            split=clip.split,
            split_set=clip.split_set,
            persons=list(clip.persons),
            frame=frame.index,
            seconds=round(frame.seconds, 4),
            left=left,
            top=top,
            side=side,
            face_x0=round(face.x0, 2),
            face_y0=round(face.y0, 2),
            face_x1=round(face.x1, 2),
            face_y1=round(face.y1, 2),
            label=int(pixels > 0),
            mask_pixels=pixels,
            recipe=recipe.name if recipe else None,
            recipe_version=recipe.version if recipe else None,
            recipe_hash=recipe.hash if recipe else None,
            noise_median=None,
            noise_p99=None,
            shard="",
            image_offset=0,
            image_length=0,
            mask_offset=0,
            mask_length=0,
        )
        self._writer = self._writer or TarWriter(self.path)
        # WebDataset takes a key's first dot for its end.
        key = f"{quote(clip.id, safe='/ ').replace('.', '%2E')}_{frame.index:05d}"
        image_offset, image_length = self._writer.add(f"{key}.crop.png", image)
        mask_offset, mask_length = self._writer.add(f"{key}.mask.png", encode_mask(mask))
        told = {name: value for name, value in vars(row).items() if name not in _LATER}
        self._writer.add(f"{key}.json", json.dumps(told, ensure_ascii=False).encode())
        row = replace(row, image_offset=image_offset, image_length=image_length)
        self._rows.append(replace(row, mask_offset=mask_offset, mask_length=mask_length))

    def _quiet(self) -> bool:
        """Whether the pair is quiet enough for its recipe; fails the clip where it is not."""
        if floor := self._floor():
            try:
                refuse_noise(str(self.clip.path), floor, self.recipe)
            except DataError as error:
                self.fail(str(error))
        return not self.reason

    def _floor(self) -> NoiseFloor | None:
        """The middle of what was measured, None where nothing could be."""
        measured = [(floor.median, floor.p99) for floor in self._floors if floor]
        return NoiseFloor(*np.median(measured, axis=0).tolist()) if measured else None

    def finish(self) -> None:
        """Looks at what is left of the clip's files and judges the whole."""
        if self.reason:
            return
        try:
            extra = self._frames.rest() if self._frames else 0
        except _READING as error:
            self.fail(str(error))
            return
        if self._missing or extra:
            what = f"{self._missing} frames fewer" if self._missing else f"{extra} frames more"
            self._notes.append(f"{what} than its original; those that both have are used")
        if not self._rows:
            self.fail(f"{self.clip.path}: no face was found in the {self._looked} frames looked at; leave this clip out")
        elif self._quiet() and self._floors and not self._floor():
            self._notes.append("the face fills the frame, so the noise floor cannot be measured")

    def fail(self, reason: str) -> None:
        """Gives the clip up; the first reason stays."""
        self.reason = self.reason or " ".join(reason.split())

    def close(self) -> None:
        """Closes the clip's part of the shard, and removes it where the clip failed."""
        if self._writer is not None:
            self._writer.close()
        if self.reason:
            self.path.unlink(missing_ok=True)
        self._frames = self._drawn = self.image = self.mask = None

    def finished_rows(self, shard: str, shift: int) -> Iterator[CropRow]:
        """The clip's rows, as they are in the joined shard."""
        floor = self._floor()
        for row in self._rows:
            yield replace(
                row,
                noise_median=floor.median if floor else None,
                noise_p99=floor.p99 if floor else None,
                shard=shard,
                image_offset=row.image_offset + shift,
                mask_offset=row.mask_offset + shift,
            )

    def result(self) -> ClipResult:
        """What came of the clip."""
        crops = 0 if self.reason else len(self._rows)
        return ClipResult(
            clip=self.clip.id,
            status="failed" if self.reason else "done",
            frames=self._looked,
            crops=crops,
            without_face=self._without_face,
            reason=self.reason,
            notes=tuple(self._notes),
        )


# Known only when the clip is done and its part is joined to the shard.
_LATER = {"noise_median", "noise_p99", "shard", "image_offset", "image_length", "mask_offset", "mask_length"}
