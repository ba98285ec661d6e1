"""A run's folder on disk: the settings it began with, the checkpoint that it resumes from, the log that grows with it."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tamperlens.errors import DataError, ModelError
from tamperlens.training.config import TrainConfig, changed_settings

__all__ = ["Progress", "alone_in", "append_log", "keep_settings", "read_checkpoint", "write_checkpoint"]


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


def keep_settings(out: Path, config: TrainConfig) -> None:
    """Write the run's settings, or refuse to resume it under others; see `changed_settings`."""
    path = out / "config.json"
    kept = TrainConfig.model_validate_json(path.read_text()) if path.exists() else config
    if changed := changed_settings(kept, config):
        raise DataError(f"{out} holds a run with another {', '.join(changed)}: give another --out, or the settings in {path}")
    path.write_text(config.model_dump_json(indent=2) + "\n")


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
    os.replace(temporary, out / "checkpoint.safetensors")


def read_checkpoint(out: Path, models: Mapping[str, nn.Module], optimizer: Any) -> tuple[int, float]:
    """Load what the last checkpoint holds, if there is one: how many steps were done, and the best figure until then."""
    path = out / "checkpoint.safetensors"
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
