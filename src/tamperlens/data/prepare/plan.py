"""What preparing is cut into: units of clips that belong together."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tamperlens.data.prepare.masks import RECIPES, Recipe, default_recipe
from tamperlens.data.readers.clips import Clip, Layout, is_picture
from tamperlens.data.store.manifest import PrepareSettings
from tamperlens.types import FaceDetector

__all__ = ["Group", "Task", "Unit", "hash_of", "plan_units", "recipe_of"]

PHOTOS_PER_UNIT = 256


@dataclass(frozen=True)
class Group:
    """An original and the clips that show it or were made from it."""

    original: Path
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Unit:
    """What is done, written and retried as one: one group of videos, or many of photos."""

    name: str  # of its files, without suffix
    groups: tuple[Group, ...]

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips of all groups."""
        return tuple(clip for group in self.groups for clip in group.clips)

    def inputs(self, times: bool = True, sizes: bool = True) -> str:
        """Sixteen hexadecimal digits that change when a clip, its split, or a file's name (or size, or time) does."""
        content = [[_facts(clip), *(_stamp(path, times, sizes) for path in _files(clip))] for clip in self.clips]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _facts(clip: Clip) -> list[object]:
    return [clip.id, clip.method, clip.target, clip.source, clip.compression, clip.split, clip.split_set, clip.persons]


def _files(clip: Clip) -> list[Path]:
    return [path for path in (clip.path, clip.original, clip.released_mask) if path is not None]


def _stamp(path: Path, times: bool, sizes: bool) -> list[object]:
    try:
        files = [file.stat() for file in path.iterdir() if is_picture(file)] if path.is_dir() else [path.stat()]
    except OSError:
        return [path.name, "missing"]
    latest = max((file.st_mtime_ns for file in files), default=0) if times else 0
    return [path.name, len(files), sum(file.st_size for file in files) if sizes else 0, latest]


@dataclass(frozen=True)
class Task:
    """A unit with all that a worker needs to know; can be pickled."""

    unit: Unit
    store: Path
    settings: PrepareSettings
    settings_hash: str  # of all but `accept`
    detector: FaceDetector
    attempts: int  # this one included


def recipe_of(clip: Clip, settings: PrepareSettings) -> Recipe:
    """The mask recipe for a clip."""
    return RECIPES[settings.recipe] if settings.recipe else default_recipe(clip.compression)


def hash_of(text: str) -> str:
    """Eight hexadecimal digits: a file name for anything."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def plan_units(root: Path, clips: Sequence[Clip]) -> list[Unit]:
    """Every clip of the dataset in its unit, in an order that depends on the dataset alone."""
    groups: dict[Path, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.original or clip.path].append(clip)
    units, photos = [], list[Group]()
    for original in sorted(groups):
        group = Group(original, tuple(sorted(groups[original], key=lambda clip: (clip.manipulated, clip.id))))
        if all(clip.layout is Layout.PHOTO for clip in group.clips):
            photos.append(group)
        else:
            # A name alone is not enough: several datasets' folders hold a 000.mp4.
            name = re.sub(r"[^\w-]+", "_", original.stem) + "-" + hash_of(_relative(original, root))
            units.append(Unit(name, (group,)))
    for start in range(0, len(photos), PHOTOS_PER_UNIT):
        units.append(Unit(f"photos-{start // PHOTOS_PER_UNIT:05d}", tuple(photos[start : start + PHOTOS_PER_UNIT])))
    return units


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
