"""A run's folder on disk: the settings it began with, the checkpoint that it resumes from, the log that grows with it."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tamperlens.data.portraits import FacePhoto, by_split, fingerprint, kept_photos
from tamperlens.data.store import Store
from tamperlens.errors import DataError, ModelError
from tamperlens.files import replace_text
from tamperlens.training.config import TrainConfig, changed_settings, kept_config

__all__ = [
    "LearnedFrom",
    "Progress",
    "alone_in",
    "append_log",
    "keep_settings",
    "kept_source",
    "read_checkpoint",
    "splits_learned",
    "write_checkpoint",
]

FACES, SOURCE, CHECKPOINT = "faces.json", "learned_from.json", "checkpoint.safetensors"


class Progress(BaseModel):
    """One line of a run's log."""

    step: int
    loss: float
    learning_rate: float
    crops_per_second: float
    validation: dict[str, float] = {}


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keeps other processes from training in the same folder, where the system has locks; ``DataError`` where one does."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    out.mkdir(parents=True, exist_ok=True)
    with (out / "train.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process trains in {out}; wait for it, stop it, or give another --out") from None
        yield


class LearnedFrom(BaseModel):
    """What a run learns from: a prepared store, by its hashes, or photos, by what tells them from others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: str = ""  # hash of the store's settings
    inputs: str = ""  # what tells its clips from others; empty where the store does not say
    photos: dict[str, dict[str, list[str]]] = {}  # split -> person -> fingerprints

    @classmethod
    def store(cls, store: Store) -> "LearnedFrom":
        """Of a prepared store."""
        return cls(settings=store.info.settings_hash, inputs=store.info.clips_hash)

    @classmethod
    def people(cls, people: Mapping[str, Sequence[FacePhoto]]) -> "LearnedFrom":
        """Of the photos of each split's people; photos that are no longer there are left out."""
        photos: dict[str, dict[str, list[str]]] = {split: {} for split in people}
        for split, own in people.items():
            for photo in own:
                with suppress(FileNotFoundError):
                    photos[split].setdefault(photo.person, []).append(fingerprint(photo))
        return cls(photos=photos)

    def splits(self) -> dict[str, set[str]]:
        """The splits of each photo, by fingerprint: more than one where copies of it are called different people."""
        found: dict[str, set[str]] = {}
        for split, own in self.photos.items():
            for mark in (mark for marks in own.values() for mark in marks):
                found.setdefault(mark, set()).add(split)
        return found

    def other_than(self, kept: "LearnedFrom") -> str:
        """In words, what this is that ``kept`` is not; empty where both are the same."""
        if self.settings != kept.settings:
            return f"a store of the settings {kept.settings or '(none)'}, not {self.settings or '(none)'}"
        if self.inputs and kept.inputs and self.inputs != kept.inputs:
            return "other clips than those of the store at hand, or others of the same names"
        new, old = self.splits(), kept.splits()
        counts = {
            "are missing or changed": len(old.keys() - new.keys()),
            "are new": len(new.keys() - old.keys()),
            "were in another split": sum(new[mark] != old[mark] for mark in new.keys() & old.keys()),
        }
        return "other photos: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n) if any(counts.values()) else ""


def kept_source(run: Path) -> LearnedFrom | None:
    """What the run in this folder learned from; None where it does not say, as those of earlier versions."""
    path = run / SOURCE
    try:
        return LearnedFrom.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}, which says what the run learned from, is damaged ({error}); give another --out") from error


def splits_learned(run: Path) -> dict[str, set[str]]:
    """The splits in which a run had each photo, by fingerprint; of a run of before as far as its list of faces tells."""
    kept = kept_source(run)
    return (kept or LearnedFrom.people(by_split(kept_photos(run / FACES)))).splits()


def keep_settings(out: Path, config: TrainConfig, source: LearnedFrom | None = None) -> None:
    """Write the run's settings and what it learns from, or refuse to resume it under others; see `changed_settings`.

    A run of earlier versions, which does not say what it learned from, is resumed as it is.
    """
    path, begun = out / "config.json", (out / "config.json").exists()
    if changed := changed_settings(kept_config(path), config) if begun else []:
        raise DataError(f"{out} holds a run with another {', '.join(changed)}: give another --out, or the settings in {path}")
    if source and begun:
        kept = kept_source(out)
        if kept and (other := source.other_than(kept)):
            raise DataError(f"{out} holds a run that learned from {other}: give another --out, or what it began with")
    elif source:
        replace_text(out / SOURCE, source.model_dump_json(exclude_defaults=True) + "\n")
    text = config.model_dump_json(indent=2) + "\n"
    if not begun or path.read_text(encoding="utf-8") != text:
        replace_text(path, text)


def write_checkpoint(out: Path, models: Mapping[str, nn.Module], optimizer: Any, step: int, best: float) -> None:
    """Weights and optimizer moments, written beside and renamed, so that a cut leaves the previous checkpoint whole."""
    tensors = {
        f"{kind}.{key}": value.detach().cpu().contiguous()
        for kind, model in models.items()
        for key, value in model.state_dict().items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value.detach().cpu().contiguous() for key, value in state.items()}
    temporary = out / "checkpoint.tmp"
    save_file(tensors, temporary, metadata={"state": json.dumps({"step": step, "best": best})})
    os.replace(temporary, out / CHECKPOINT)


def read_checkpoint(out: Path, models: Mapping[str, nn.Module], optimizer: Any) -> tuple[int, float]:
    """Load what the last checkpoint holds, if there is one: how many steps were done, and the best figure until then."""
    path = out / CHECKPOINT
    if not path.exists():
        return 0, float("-inf")
    with safe_open(path, "pt") as file:
        tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no mapping
        state = json.loads(file.metadata()["state"])
    try:
        for kind, model in models.items():
            model.load_state_dict({key[len(kind) + 1 :]: t for key, t in tensors.items() if key.startswith(f"{kind}.")})
    except RuntimeError as error:
        raise ModelError(f"the checkpoint {path} does not fit its network ({error}): give another --out") from error
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(state["step"]), float(state["best"])


def append_log(out: Path, progress: Progress) -> None:
    """Add a line to ``log.csv``; figures of a validation that was not made are left empty."""
    path = out / "log.csv"
    new = not path.exists()
    names: Sequence[str] = ("miou", "auc", "fg_iou", "bg_iou", "false_area")
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "learning_rate", "crops_per_second", *names])
        writer.writerow(
            [progress.step, f"{progress.loss:.5f}", f"{progress.learning_rate:.3g}", f"{progress.crops_per_second:.2f}"]
            + [f"{progress.validation[name]:.4f}" if name in progress.validation else "" for name in names]
        )
