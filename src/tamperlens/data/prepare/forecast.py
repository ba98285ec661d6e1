"""How long preparing a dataset will take and how much room its store needs: a few of its units are done for it, elsewhere.

Nothing of the store is written. Time and bytes of the sampled units are carried over to the rest: time by frames that are read,
separately for clips of which many frames are cut (training) and of which few are, bytes by crops.
"""

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tamperlens.data.prepare.crop_unit import crop_unit
from tamperlens.data.prepare.plan import Task, Unit
from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.data.store.manifest import PARTS, SHARDS, PrepareSettings
from tamperlens.errors import DataError, MediaError
from tamperlens.media import video_info
from tamperlens.types import FaceDetector

__all__ = ["Forecast", "forecast_store"]

SAMPLES = 2  # units of training clips, and as many of all others


@dataclass(frozen=True)
class Forecast:
    """What preparing will take."""

    clips: int
    frames: int  # to be read, of all files
    crops: Mapping[str, int]  # by split
    seconds: float  # of one core
    size: int  # bytes of the store
    failed: tuple[str, ...]  # sampled clips that cannot be used, and why


def forecast_store(
    units: Sequence[Unit], settings: PrepareSettings, detector: FaceDetector, samples: int = SAMPLES
) -> Forecast:
    """The estimate for these units of `plan_units`; unreadable files count as none.

    Raises ``DataError`` where no sampled clip can be used.
    """
    kinds: dict[bool, list[Unit]] = defaultdict(list)
    for unit in units:
        kinds[any(clip.split == "train" for clip in unit.clips)].append(unit)
    frames, crops = 0, dict[str, int]()
    seconds = size = 0.0
    failed: list[str] = []
    for own in kinds.values():
        lengths = {unit.name: {clip.id: _length(clip.path) for clip in unit.clips} for unit in own}
        due = {unit.name: _crops_due(unit, lengths[unit.name], settings) for unit in own}
        picked = [own[round(place * (len(own) - 1) / max(1, samples - 1))] for place in range(min(samples, len(own)))]
        read = cut = planned = 0
        took = written = 0.0
        with tempfile.TemporaryDirectory() as folder:
            for name in (SHARDS, PARTS):
                (Path(folder) / name).mkdir()
            for unit in picked:
                started = time.process_time()  # others who use the machine meanwhile do not count
                record = crop_unit(Task(unit, Path(folder), settings, "estimate", detector, 1))
                took += time.process_time() - started
                failed += [f"{clip.clip}: {clip.reason}" for clip in record.clips if clip.status == "failed"]
                read += sum(lengths[unit.name].values())
                planned += sum(due[unit.name].values())
                cut += sum(clip.crops for clip in record.clips)
                written += record.shard.size if record.shard else 0
        total = sum(sum(lengths[unit.name].values()) for unit in own)
        share = cut / planned if planned else 0.0  # of the crops that were due: some frames show no face, some clips fail
        expected = Counter[str]()
        for one in due.values():
            expected.update(one)
        frames += total
        crops |= {split: crops.get(split, 0) + round(share * count) for split, count in expected.items()}
        seconds += took * total / read if read else 0.0
        size += written * share * expected.total() / cut if cut else 0.0
    if units and not any(crops.values()):
        raise DataError(f"none of the sampled clips can be used ({'; '.join(failed[:3]) or 'no face was found'})")
    return Forecast(sum(len(unit.clips) for unit in units), frames, crops, seconds, round(size), tuple(failed))


def _crops_due(unit: Unit, lengths: Mapping[str, int], settings: PrepareSettings) -> Counter[str]:
    """How many crops a unit makes of each split where every frame shows the face."""
    due = Counter[str]()
    for clip in unit.clips:
        step = settings.every_train if clip.split == "train" else settings.every_eval
        due[clip.split or "none"] += -(-lengths[clip.id] // step)
    return due


def _length(path: Path) -> int:
    try:
        return len(frame_files(path)) if path.is_dir() else video_info(path).frames or 0
    except (MediaError, DataError, OSError):
        return 0
