"""Training: the paper's settings as defaults, one loop on Lightning Fabric, checkpoints that resume exactly.

A run folder holds ``config.json``, ``log.csv`` and the same for TensorBoard, ``checkpoint.safetensors`` (weights, optimizer
moments, step), and the best model by validation mIoU as ``best.safetensors`` with its card.
"""

import copy
import csv
import ctypes
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tamperlens.errors import DataError, ModelError
from tamperlens.models.card import Families, ModelCard, Training
from tamperlens.models.model import Model, load, parse_name, save
from tamperlens.models.networks import NETWORKS
from tamperlens.models.networks.imagenet import ANCESTORS, from_imagenet
from tamperlens.models.tasks import TASKS
from tamperlens.training.batch import Batch
from tamperlens.training.config import TrainConfig

__all__ = ["Progress", "TrainConfig", "card_of", "keep_memory", "layout_of", "leads", "share", "train"]

# Networks of dense convolutions. Without AVX-512 the gradients of such weights take longer in channels-last than in PyTorch's
# own layout (oneDNN); networks of depthwise or dilated convolutions learn faster in channels-last there, too.
DENSE = ("mesoinception4", "unet8x", "unet4x", "vgg8", "vgg5", "vgg3", "fn3")


class Progress(BaseModel):
    """One line of a run's log."""

    step: int
    loss: float
    learning_rate: float
    crops_per_second: float
    validation: dict[str, float] = {}


def train(
    config: TrainConfig,
    data: Dataset[Batch],
    out: Path,
    *,
    validate: Callable[[Model], dict[str, float]] = lambda model: {},
    report: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train ``config.model`` on ``data`` (item i is micro batch i) in the folder ``out``; continues a run that is there.

    ``validate`` maps a model in eval mode to figures, of which "miou" (else "auc") chooses the best, without it the last.
    Returns the path stem of the kept model. Raises `DataError` when ``out`` holds a run of other settings.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    fabric = _fabric(config)
    torch.manual_seed(config.seed)
    model, first = _initial_model(config)
    layout = layout_of(parse_name(config.model)[0], fabric.device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = _optimizer(config, model)
    averaged = _Average(model, config.average) if config.average else None
    with fabric.rank_zero_first():
        out.mkdir(parents=True, exist_ok=True)
        _check_settings(out, config)
    forward, optimizer = fabric.setup(model, optimizer)
    forward.mark_forward_method("logit_map")
    start, best = _resume(out, model, optimizer, averaged)
    # A step's micro batches are shared out among the processes: the same crops whatever their number.
    parts = max(1, config.batch_size // config.micro_batch)
    own = share(parts, fabric.global_rank, fabric.world_size, config)
    loader: Any = DataLoader(
        data,
        batch_size=None,
        sampler=[step * parts + part for step in range(start, config.steps) for part in own],
        num_workers=config.workers,
        worker_init_fn=_quiet_worker,
        prefetch_factor=4 if config.workers else None,
        # Forked workers can hang in locks that threads of this process hold.
        multiprocessing_context="spawn" if config.workers else None,
    )
    batches: Iterator[Batch] = iter(  # the batch moves itself
        cast(Iterable[Batch], fabric.setup_dataloaders(loader, use_distributed_sampler=False, move_to_device=False))
    )
    board = TensorBoardLogger(out, name="", version="tensorboard")
    losses: list[float] = []
    seen, clock = 0, time.perf_counter()
    for step in range(start, config.steps):
        rate = _rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        forward.train()
        for held in _held(model, config):
            held.eval()
        optimizer.zero_grad()
        for part in own:
            batch = next(batches).to(fabric.device)
            images = batch.images.to(memory_format=layout).float() / 255
            with fabric.no_backward_sync(forward, enabled=part != own[-1]):
                loss: Tensor = model.task.loss(forward.logit_map(images), batch.masks.float(), batch.labels)
                fabric.backward(loss / len(own))
            losses.append(loss.item())
            seen += len(images) * fabric.world_size
        optimizer.step()
        done = step + 1
        if averaged:
            averaged.update(done)
        last = done == config.steps
        if done % config.checkpoint_every == 0 or last:
            mean_loss = float(cast(Tensor, fabric.all_reduce(torch.tensor(losses).mean(), reduce_op="mean")))
            if fabric.is_global_zero:
                validation = {}
                if done % config.validate_every == 0 or last:
                    judged = averaged.model if averaged else model
                    validation = validate(judged.eval())
                    figure = validation.get("miou", validation.get("auc", float(done)))
                    if figure >= best:
                        best = figure
                        save(judged, out / "best", _trained_card(judged, config, done, parts, validation, first))
                progress = Progress(
                    step=done,
                    loss=mean_loss,
                    learning_rate=rate,
                    crops_per_second=seen / (time.perf_counter() - clock),
                    validation=validation,
                )
                _checkpoint(out, model, optimizer, averaged, done, best)
                _log(out / "log.csv", progress)
                board.log_metrics(progress.model_dump(exclude={"step", "validation"}) | validation, done)
                report(progress)
            fabric.barrier()
            losses, seen, clock = [], 0, time.perf_counter()
    board.finalize("success")
    return out / "best"


class _Average:
    """A copy of a model that follows it slowly: its weights' exponential moving average."""

    def __init__(self, model: Model, decay: float) -> None:
        self.model, self._source, self._decay = copy.deepcopy(model), model, decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps: faster at first, when the start says nothing yet."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for own, new in zip(self.model.parameters(), self._source.parameters(), strict=True):
            own.lerp_(new, 1 - decay)
        for kept, value in zip(self.model.buffers(), self._source.buffers(), strict=True):
            kept.copy_(value)


def _optimizer(config: TrainConfig, model: Model) -> torch.optim.Optimizer:
    """Adam, or AdamW where weights decay; a part named ``trunk`` learns at a rate of its own, frozen parts not at all."""
    trunks = [part for name, part in model.network.named_modules() if name.split(".")[-1] == "trunk"]
    for name in config.frozen:
        _part(model, name, "frozen").requires_grad_(False)
    own = {id(parameter) for trunk in trunks for parameter in trunk.parameters()}
    groups = [
        {"params": [p for p in model.parameters() if p.requires_grad and (id(p) in own) == of_trunk], "factor": factor}
        for of_trunk, factor in ((False, 1.0), (True, config.trunk_rate))
    ]
    kind = torch.optim.AdamW if config.weight_decay else torch.optim.Adam
    return kind(
        [g for g in groups if g["params"]], lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )


def _held(model: Model, config: TrainConfig) -> list[nn.Module]:
    """Parts that keep their batch statistics: what is frozen and, where crops come in pairs, every batch norm.

    Half of every batch of pairs is forged, each crop beside its own pristine one. Statistics of such a batch tell which is
    which: a network learns to read them, is right on nearly every crop of a batch, and not much better than chance on one.
    """
    parts = [_part(model, name, "frozen") for name in config.frozen]
    return parts + [part for part in model.network.modules() if config.pairs and isinstance(part, nn.BatchNorm2d)]


def _part(model: Model, name: str, setting: str) -> nn.Module:
    try:
        return model.network.get_submodule(name)
    except AttributeError as error:
        parts = ", ".join(part for part, _ in model.network.named_children())
        raise DataError(f"{setting}: the network has no part {name!r}; expected one of {parts}, or a part of those") from error


def _load_part(model: Model, name: str, path: str) -> None:
    """The weights of one part of the network from a file that holds that part alone, or a model made of it."""
    part = _part(model, name, "parts")
    try:
        part.load_state_dict({key.removeprefix("network."): value for key, value in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"parts: {path} cannot start {name}: {error}") from error


def _initial_model(config: TrainConfig) -> tuple[Model, ModelCard | None]:
    """The model to train, and the card of the weights it begins with, if they have one."""
    if not config.init:
        model = Model.create(config.model)
        for name, path in config.parts.items():
            _load_part(model, name, path)
        return model, None
    weights = Path(config.init)
    if weights.suffix == ".safetensors" and not weights.with_suffix(".json").exists():
        return _from_imagenet(config, weights), None
    model, card = load(config.init)
    if card.name != config.model:
        raise DataError(
            f"init: {config.init} is a {card.name}, but the run trains {config.model}; give weights of the same model"
        )
    return model, card


def _from_imagenet(config: TrainConfig, weights: Path) -> Model:
    """A model that begins with an ImageNet classifier's weights and sees images normalised as that did (paper, Table 4)."""
    network, task = parse_name(config.model)
    try:
        fresh = NETWORKS[network]()
        from_imagenet(network, fresh, load_file(weights))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"init: {weights} cannot start {config.model}: {error}") from error
    ancestor = ANCESTORS[network]
    return Model(fresh, TASKS[task], mean=ancestor.mean, std=ancestor.std)


def _fabric(config: TrainConfig) -> Fabric:
    """One process on the best device, or as many as the launcher (torchrun) has started: its environment says how many."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    fabric = Fabric(
        accelerator="auto",
        strategy="ddp" if world > 1 else "auto",
        devices=here,
        num_nodes=world // here,
        precision=_precision(config),
    )
    fabric.launch()
    return fabric


def leads() -> bool:
    """Whether this process is the first of those that the launcher (torchrun) started: it alone writes the run's files."""
    return int(os.environ.get("RANK", 0)) == 0


def keep_memory() -> None:
    """Have this process keep memory it has once had, where the C library is glibc; a no-op elsewhere.

    By default glibc returns large tensors to the system after every step and asks for them anew, page by page, which costs
    up to a fifth of the time on a processor. Programs call this once, before they train; it holds for the whole process.
    """
    try:
        set_option = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    set_option(-4, 0)  # M_MMAP_MAX: no mapping of its own for any block
    set_option(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, in bytes: the largest there is


def layout_of(network: str, device: torch.device) -> torch.memory_format:
    """The memory layout in which a network learns fastest on a device, by measurement (``benchmarks/train.py``)."""
    slow = device.type == "cpu" and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    return torch.contiguous_format if slow and network in DENSE else torch.channels_last


def share(parts: int, rank: int, world: int, config: TrainConfig) -> range:
    """Which of a step's micro batches a process computes."""
    if parts % world:
        raise DataError(
            f"a batch of {config.batch_size} in {parts} micro batches of {config.micro_batch} cannot be shared by {world} "
            f"processes; set micro_batch so that batch_size / micro_batch is a multiple of {world}"
        )
    return range(rank * parts // world, (rank + 1) * parts // world)


def _precision(config: TrainConfig) -> Any:
    if config.precision != "auto":
        return config.precision
    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


def _quiet_worker(index: int) -> None:
    torch.set_num_threads(1)


def _rate(config: TrainConfig, step: int) -> float:
    """The learning rate: constant as in the paper, after a linear rise and before a linear fall to zero, if there are any."""
    tail = config.cooldown * config.steps
    rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return config.learning_rate * rise * (min(1.0, (config.steps - step) / tail) if tail else 1.0)


def _check_settings(out: Path, config: TrainConfig) -> None:
    """Refuse to resume under other settings; only duration and parallelism may change."""
    path, free = out / "config.json", {"steps", "cooldown", "workers", "threads", "validate_every", "checkpoint_every"}
    if path.exists():
        kept = TrainConfig.model_validate_json(path.read_text())
        changed = [
            name for name in TrainConfig.model_fields if name not in free and getattr(kept, name) != getattr(config, name)
        ]
        if changed:
            raise DataError(
                f"{out} holds a run with another {', '.join(changed)}: give another --out, or the settings in {path}"
            )
    path.write_text(config.model_dump_json(indent=2) + "\n")


def card_of(model: Model, config: TrainConfig) -> ModelCard:
    """What a run's settings say of its model."""
    network, task = parse_name(config.model)
    return ModelCard(
        name=config.model,
        network=network,
        task=task,
        map_threshold=model.map_threshold,
        score_threshold=model.score_threshold,
        max_side=config.max_side,
        crop_policy=config.crop_policy,
    )


def _trained_card(
    model: Model, config: TrainConfig, steps: int, parts: int, validation: dict[str, float], first: ModelCard | None
) -> ModelCard:
    before = None
    if first:
        kept = {name: getattr(first.training, name) for name in ("steps", "crops_seen", "config", "before")}
        before = Training(weights_sha256=first.weights_sha256, **kept)
    training = Training(
        steps=steps,
        crops_seen=steps * parts * min(config.micro_batch, config.batch_size),
        config=config.model_dump(mode="json"),
        before=before,
    )
    earlier = first.families.trained if first else ()
    families = Families(trained=tuple(dict.fromkeys((*earlier, *config.families))))
    return card_of(model, config).model_copy(update={"training": training, "validation": validation, "families": families})


def _checkpoint(out: Path, model: Model, optimizer: Any, averaged: _Average | None, step: int, best: float) -> None:
    """Weights and optimizer moments, written beside and renamed, so that a cut leaves the previous checkpoint whole."""
    tensors = {f"model.{key}": value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if averaged:
        tensors |= {f"average.{key}": value.detach().cpu().contiguous() for key, value in averaged.model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value.detach().cpu().contiguous() for key, value in state.items()}
    temporary = out / "checkpoint.tmp"
    save_file(tensors, temporary, metadata={"state": json.dumps({"step": step, "best": best})})
    os.replace(temporary, out / "checkpoint.safetensors")


def _resume(out: Path, model: Model, optimizer: Any, averaged: _Average | None) -> tuple[int, float]:
    path = out / "checkpoint.safetensors"
    if not path.exists():
        return 0, float("-inf")
    tensors = load_file(path)
    try:
        model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
        if averaged:
            averaged.model.load_state_dict({key[8:]: value for key, value in tensors.items() if key.startswith("average.")})
    except RuntimeError as error:
        raise ModelError(f"the checkpoint {path} does not fit its network ({error}): give another --out") from error
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    state = json.loads(header["__metadata__"]["state"])
    return int(state["step"]), float(state["best"])


def _log(path: Path, progress: Progress) -> None:
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
