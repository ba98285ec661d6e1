"""A dataset's clips -> a prepared store of crops, masks and their table.

The work is cut into units (an original with everything made from it); each leaves a shard, its rows and a record of
what came of it, every one written beside and renamed. So a run can be killed at any moment: the next one does what has
no record yet, tries again what failed, and ends with the bytes of an undisturbed run. Machines share a store the same
way.
"""

import hashlib
import json
import os
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tamperlens.data.prepare.dataset_checks import check_tree
from tamperlens.data.prepare.findings import check_accepted, refusals
from tamperlens.data.prepare.locks import LOCK, finishing, locked
from tamperlens.data.prepare.masks import RECIPES
from tamperlens.data.prepare.plan import Task, Unit, plan_units, recipe_of
from tamperlens.data.prepare.records import ClipResult, UnitRecord
from tamperlens.data.prepare.workers import Results, run_here, run_on_ray, run_processes
from tamperlens.data.readers import Clip, LeftOut, find_reader
from tamperlens.data.readers.faceforensics import SYNTHESIZED
from tamperlens.data.readers.methods import PRISTINE
from tamperlens.data.store.manifest import (
    INFO,
    MANIFEST,
    PARTS,
    SHARDS,
    VERSION,
    ClipFailure,
    PrepareSettings,
    StoreInfo,
    join_tables,
    read_info,
    replace_json,
    settings_hash,
    write_info,
)
from tamperlens.data.store.shards import writing
from tamperlens.errors import DataError
from tamperlens.types import FaceDetector

__all__ = ["Execution", "PrepareSettings", "Progress", "Report", "checked_clips", "prepare"]

ATTEMPTS = 3


@dataclass(frozen=True)
class Progress:
    """How far a run is, after each unit; the first one counts what earlier runs left."""

    done: int  # clips, whether they failed or not
    total: int  # clips of this run: of its part of the work, where several machines share a store
    crops: int
    failed: tuple[ClipFailure, ...]  # of this unit


@dataclass(frozen=True)
class Report:
    """What a run leaves."""

    store: Path
    complete: bool  # False: units of other machines' parts are still to come
    clips: int  # in the store, or in this part of the work
    crops: int
    failed: tuple[ClipFailure, ...]
    notes: tuple[str, ...]  # what was not as it should be, and was used anyway


@dataclass(frozen=True)
class Execution:
    """How a run does its work; none of it changes what the store holds."""

    workers: int = 1  # processes
    ray: str | None = None  # address of a Ray cluster, or "local"
    part: tuple[int, int] = (1, 1)  # (i, n): only the i-th of n parts of the work; the run that ends last completes the store
    keep_going: bool = False  # complete the store without the clips that failed, which otherwise fail the run at its end
    attempts: int = ATTEMPTS  # how often what failed is tried, over all runs, until its files change
    progress: Callable[[Progress], None] = lambda progress: None


def prepare(
    root: Path,
    out: Path,
    settings: PrepareSettings,
    detector: FaceDetector,
    *,
    splits: Path | None = None,
    allow_custom_split: bool = False,
    execution: Execution = Execution(),
) -> Report:
    """Prepares the dataset under ``root`` in the folder ``out``; continues what is there.

    ``splits``: a folder of split files, by default those that came with the dataset. Before anything is written the tree is
    checked, and every pair while it is cut, as the doctor does it: errors that ``settings.accept`` does not name are refused.
    A store that is not complete, or lacks clips that failed, goes on where more is accepted than before.

    Raises ``DataError`` for such errors, for clips that failed, a store of other settings or another version, a store that
    another run is working on, and a store folder that cannot be written.
    """
    if settings.recipe is not None and settings.recipe not in RECIPES:
        raise DataError(f"unknown mask recipe {settings.recipe!r}; known are {', '.join(RECIPES)}")
    check_accepted(settings.accept)
    number, count = execution.part
    if not 1 <= number <= count:
        raise DataError(f"a part of the work is i/n with i from 1 to n, as 1/4; got {number}/{count}")
    units = plan_units(root, checked_clips(root, settings, splits, allow_custom_split))
    info = _initial_info(root, units, settings, _describe_detector(detector))
    if (existing := _existing_store(out, info)) is not None and existing.complete and not existing.failed:
        if (out / PARTS).exists():  # a run was killed while it tidied up
            with locked(out, (1, 1)):
                _remove_parts(out)
        return _report(out, existing)
    with writing(out):
        for folder in (out, out / SHARDS, out / PARTS):
            folder.mkdir(parents=True, exist_ok=True)
    with locked(out, execution.part):
        existing = _existing_store(out, info)
        if existing is None or (existing.inputs_hash, existing.settings_hash) != (info.inputs_hash, info.settings_hash):
            write_info(out, info)
        own = units[number - 1 :: count]
        own_records = _run(own, out, info, detector, execution)
        results = [result for record in own_records.values() for result in record.clips]
        failed = _failures(results)
        if failed and not execution.keep_going:
            raise DataError(_failure_message(failed, out, len(results)))
        notes = _collect_notes(results)
        records = [record for unit in units if (record := own_records.get(unit.name) or _finished_record(out, unit, info))]
        if len(records) == len(units):
            return _report(out, _finish(out, info, records, set(own_records), execution.keep_going), notes)
        if (now := read_info(out)).complete:  # a run of another part has completed the store meanwhile
            return _report(out, now, notes)
        return Report(out, False, len(results) - len(failed), sum(result.crops for result in results), failed, notes)


def checked_clips(root: Path, settings: PrepareSettings, splits: Path | None, allow_custom_split: bool) -> tuple[Clip, ...]:
    """The dataset's clips that a store of these settings holds.

    Raises ``DataError`` for what is wrong with the tree as a whole and was not accepted, and where no clip is left.
    """
    reader, left_out = find_reader(settings.reader), list[LeftOut]()
    clips = reader.read(
        root,
        methods=None if settings.methods is None else list(dict.fromkeys([PRISTINE, *settings.methods])),
        compression=settings.compression,
        splits=reader.splits_folder(root, splits),
        allow_custom_split=allow_custom_split,
        left_out=left_out,
    )
    if refused := refusals(check_tree(clips, left_out), settings.accept):
        listed = "; ".join(f"{one.path}: {one.refusal}" for one in refused[:5])
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        raise DataError(f"{root} is not as it should be ({listed}{more}); see tamperlens doctor")
    wanted = tuple(clip for clip in clips if not settings.only or clip.split in settings.only)
    if not wanted:
        raise DataError(f"{root} has no clips in {' or '.join(settings.only)}; give split files that name some (--splits)")
    return wanted


def _collect_notes(results: Iterable[ClipResult]) -> tuple[str, ...]:
    """Each thing that was noted, once, with the clips it was noted of."""
    clips: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            clips.setdefault(note, []).append(result.clip)
    return tuple(f"{own[0]}{f' and {len(own) - 1} more' if len(own) > 1 else ''}: {note}" for note, own in clips.items())


def _report(out: Path, info: StoreInfo, notes: tuple[str, ...] = ()) -> Report:
    return Report(out, info.complete, info.clips, info.crops, info.failed, notes)


def _failures(results: Sequence[ClipResult]) -> tuple[ClipFailure, ...]:
    return tuple(ClipFailure(clip=one.clip, reason=one.reason) for one in results if one.status == "failed")


def _failure_message(failed: Sequence[ClipFailure], out: Path, total: int) -> str:
    listed = "; ".join(f"{failure.clip}: {failure.reason}" for failure in failed[:10])
    more = f"; and {len(failed) - 10} more, listed in {out / PARTS}" if len(failed) > 10 else ""
    return (
        f"{len(failed)} of {total} clips failed ({listed}{more}); mend or remove them and start again, which does only "
        "what is left, or complete the store without them (--keep-going); what failed often is tried again once its "
        "files change, or with more --attempts"
    )


def _describe_detector(detector: FaceDetector) -> str:
    """The detector with its settings, where it tells them."""
    kind = type(detector)
    return repr(detector) if kind.__repr__ is not object.__repr__ else kind.__qualname__


def _initial_info(root: Path, units: Sequence[Unit], settings: PrepareSettings, detector: str) -> StoreInfo:
    """What store.json says before anything is done."""
    synthesized, made_from = "", root / SYNTHESIZED
    if made_from.exists():
        names = [unit.inputs(times=False, sizes=False) for unit in units]
        synthesized = _digest([made_from.read_text(encoding="utf-8"), *names])
    return StoreInfo(
        version=VERSION,
        complete=False,
        settings=settings,
        settings_hash=settings_hash(settings, detector),
        detector=detector,
        inputs_hash=_digest([unit.inputs(times=False) for unit in units]),
        synthesized_hash=synthesized,
        split_set=next((clip.split_set for unit in units for clip in unit.clips if clip.split_set), None),
        recipes=tuple(sorted({str(recipe_of(clip, settings)) for unit in units for clip in unit.clips if clip.original})),
    )


def _digest(content: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _existing_store(out: Path, wanted: StoreInfo) -> StoreInfo | None:
    """What store.json says of the store that is there, if any. Raises ``DataError`` where it cannot become the wanted one."""
    if not (out / INFO).exists():
        ours = {LOCK, SHARDS, PARTS, *(path.name for path in out.glob(f"{INFO}.*.tmp"))}
        if out.is_dir() and (others := sorted({path.name for path in out.iterdir()} - ours)):
            raise DataError(f"{out} holds other things ({', '.join(others[:3])}) and no store; give an empty or a new folder")
        return None
    found = read_info(out)
    if found.settings_hash != wanted.settings_hash and not _accepts_more(found, wanted):
        before, now = ({**dict(info.settings), "detector": info.detector} for info in (found, wanted))
        changed = ", ".join(f"{name} {before[name]} and not {now[name]}" for name in now if before[name] != now[name])
        raise DataError(f"{out} was prepared with other settings ({changed}); give these, or another store folder")
    if found.complete and not found.failed and found.inputs_hash != wanted.inputs_hash:
        raise DataError(f"{out} is complete, and made from other clips or splits than are here now; give another store folder")
    return found


def _accepts_more(found: StoreInfo, wanted: StoreInfo) -> bool:
    """Whether a store with clips that failed, or that is not complete yet, is to go on with more errors accepted."""
    more = set(found.settings.accept) < set(wanted.settings.accept)
    return more and not (found.complete and not found.failed) and _unit_settings(found) == _unit_settings(wanted)


def _run(
    own: Sequence[Unit], out: Path, info: StoreInfo, detector: FaceDetector, execution: Execution
) -> dict[str, UnitRecord]:
    """Does what of these units has no record yet, or failed and may be tried again; returns all records by name."""
    tasks, finished = list[Task](), dict[str, UnitRecord]()
    for unit in own:
        record = _finished_record(out, unit, info)
        if record is None or (record.status == "failed" and record.attempts < execution.attempts):
            attempts = record.attempts + 1 if record else 1
            tasks.append(Task(unit, out, info.settings, _unit_settings(info), detector, attempts))
        else:
            finished[unit.name] = record
    done, crops = sum(len(record.clips) for record in finished.values()), _crops(finished.values())
    total = sum(len(unit.clips) for unit in own)
    execution.progress(Progress(done, total, crops, ()))
    if tasks and read_info(out).complete:  # from here on its table and its shards may not fit together
        write_info(out, read_info(out).model_copy(update={"complete": False}))
    for task, outcome in _results(tasks, execution):
        record = _crash_record(task, outcome) if isinstance(outcome, str) else outcome
        finished[task.unit.name] = record
        done, crops = done + len(record.clips), crops + _crops([record])
        execution.progress(Progress(done, total, crops, _failures(record.clips)))
    return {unit.name: finished[unit.name] for unit in own}


def _results(tasks: Sequence[Task], execution: Execution) -> Results:
    if not tasks:
        return iter(())
    if execution.ray is not None:
        return run_on_ray(tasks, execution.ray, execution.workers)
    return run_processes(tasks, execution.workers) if execution.workers > 1 else run_here(tasks)


def _crops(records: Iterable[UnitRecord]) -> int:
    return sum(result.crops for record in records for result in record.clips)


def _crash_record(task: Task, reason: str) -> UnitRecord:
    record = UnitRecord(
        unit=task.unit.name,
        status="failed",
        attempts=task.attempts,
        settings=task.settings_hash,
        accept=task.settings.accept,
        inputs=task.unit.inputs(),
        seconds=0,
        clips=tuple(ClipResult(clip=clip.id, status="failed", reason=reason) for clip in task.unit.clips),
    )
    replace_json(task.store / PARTS / f"{task.unit.name}.json", record.model_dump_json() + "\n")
    return record


def _unit_settings(info: StoreInfo) -> str:
    """The hash of what decides a unit's bytes, beside what is accepted."""
    return settings_hash(info.settings.model_copy(update={"accept": ()}), info.detector)


def _finished_record(out: Path, unit: Unit, info: StoreInfo) -> UnitRecord | None:
    """What came of a unit; None where it is still to be done, also as its files have changed or more is accepted now."""
    try:
        record = UnitRecord.model_validate_json((out / PARTS / f"{unit.name}.json").read_bytes())
        before, now = set(record.accept), set(info.settings.accept)
        fits = before == now or (before < now and record.status == "done")
        if not fits or record.settings != _unit_settings(info) or record.inputs != unit.inputs():
            return None
        shard = record.shard
        whole = shard is None or (out / SHARDS / shard.file).stat().st_size == shard.size
        return record if whole else None
    except (FileNotFoundError, ValidationError):
        return None


def _finish(out: Path, info: StoreInfo, records: Sequence[UnitRecord], own: Container[str], keep_going: bool) -> StoreInfo:
    """Joins the tables, tidies up and declares the store complete, last of all. ``own``: units of this run's part."""
    with finishing(out):
        results = [result for record in records for result in record.clips]
        failed = _failures(results)
        found = read_info(out)
        # Another machine's run ended at the same time; of what failed before, this one may have mended some since.
        if found.complete and {one.clip for one in found.failed} <= {one.clip for one in failed}:
            return found
        if failed and not keep_going:  # another machine's part
            raise DataError(_failure_message(failed, out, len(results)))
        shards = [record.shard for record in records if record.shard]
        if not shards:
            raise DataError(_failure_message(failed, out, len(results)))
        parts = [out / PARTS / f"{record.unit}.parquet" for record in records if record.shard]
        counts = join_tables(parts, out / MANIFEST, info.settings)
        with writing(out / SHARDS):
            strays = set((out / SHARDS).iterdir()) - {out / SHARDS / shard.file for shard in shards}
            # What failed in another part may be tried again just now.
            tried = tuple(f"{record.unit}." for record in records if record.status == "failed" and record.unit not in own)
            for path in (*(stray for stray in strays if not stray.name.startswith(tried)), *out.glob("*.tmp")):
                path.unlink()  # left behind by killed runs, or of clips that are gone
        info = info.model_copy(
            update={
                "complete": True,
                "clips": len(results) - len(failed),
                "crops": _crops(records),
                "counts": counts,
                "failed": failed,
                "shards": tuple(shards),
            }
        )
        write_info(out, info)
        if not failed:
            _remove_parts(out)
        return info


def _remove_parts(out: Path) -> None:
    """Records are for going on; a complete store needs none."""
    with writing(out / PARTS):
        for path in (out / PARTS).iterdir():
            path.unlink()
        os.rmdir(out / PARTS)
