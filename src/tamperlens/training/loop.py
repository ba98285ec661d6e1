"""Training: the paper's settings as defaults, one loop on Lightning Fabric, checkpoints that resume exactly.

A run folder holds ``config.json``, ``learned_from.json``, ``log.csv`` and the same for TensorBoard, ``checkpoint.safetensors``
(weights, optimizer moments, step), and the best model by validation mIoU as ``best.safetensors`` with its card.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tamperlens.errors import DataError
from tamperlens.models.card import Families, ModelCard, Training
from tamperlens.models.model import Model, parse_name, save
from tamperlens.training.batch import Batch
from tamperlens.training.config import TrainConfig
from tamperlens.training.initial import initial_model, part_of
from tamperlens.training.machine import layout_of, quiet_worker, share, start_fabric
from tamperlens.training.run_folder import (
    LearnedFrom,
    Progress,
    append_log,
    keep_settings,
    read_checkpoint,
    write_checkpoint,
)

__all__ = ["Progress", "TrainConfig", "card_of", "train"]


def train(
    config: TrainConfig,
    data: Dataset[Batch],
    out: Path,
    *,
    validate: Callable[[Model], dict[str, float]] = lambda model: {},
    report: Callable[[Progress], None] = lambda progress: None,
    source: LearnedFrom | None = None,
) -> Path:
    """Train ``config.model`` on ``data`` (item i is micro batch i) in the folder ``out``; continues a run that is there.

    ``validate`` maps a model in eval mode to figures, of which "miou" (else "auc") chooses the best, without it the last.
    ``source``: what ``data`` is made of. Returns the path stem of the kept model. Raises `DataError` when ``out`` holds a run
    of other settings, or one that learned from something else, and where training diverges.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    fabric = start_fabric(config)
    torch.manual_seed(config.seed)
    model, first = initial_model(config)
    layout = layout_of(parse_name(config.model)[0], fabric.device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = _optimizer(config, model)
    averaged = _Average(model, config.average) if config.average else None
    with fabric.rank_zero_first():
        out.mkdir(parents=True, exist_ok=True)
        keep_settings(out, config, source)
    forward, optimizer = fabric.setup(model, optimizer)
    forward.mark_forward_method("logit_map")
    models = {"model": model} | ({"average": averaged.model} if averaged else {})
    start, best = read_checkpoint(out, models, optimizer)
    # A step's micro batches are shared out among the processes: the same crops whatever their number.
    parts = max(1, config.batch_size // config.micro_batch)
    own = share(parts, fabric.global_rank, fabric.world_size, config)
    loader: Any = DataLoader(
        data,
        batch_size=None,
        sampler=[step * parts + part for step in range(start, config.steps) for part in own],
        num_workers=config.workers,
        worker_init_fn=quiet_worker,
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
        validated = done % config.validate_every == 0 or last
        if done % config.checkpoint_every == 0 or validated:
            mean_loss = float(cast(Tensor, fabric.all_reduce(torch.tensor(losses).mean(), reduce_op="mean")))
            finite = all(bool(weights.isfinite().all()) for weights in model.state_dict().values())
            if not (finite and math.isfinite(mean_loss)):  # before anything is written: what is kept was well when looked at
                raise DataError(
                    f"training of {config.model} diverged: up to step {done} the mean loss is {mean_loss} and weights are "
                    f"{'numbers' if finite else 'infinite or no numbers'}; give a learning_rate below {config.learning_rate:g} "
                    "and another --out"
                )
            if fabric.is_global_zero:
                validation = {}
                if validated:
                    judged = averaged.model if averaged else model
                    validation = validate(judged.eval())
                    figure = validation.get("miou", validation.get("auc", float(done)))
                    figure = float("-inf") if math.isnan(figure) else figure  # of one class there is no AUC: the last is kept
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
                append_log(out, progress)  # first: a line that is repeated does no harm, one that is lacking would be missed
                write_checkpoint(out, models, optimizer, done, best)
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
        part_of(model, name, "frozen").requires_grad_(False)
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
    parts = [part_of(model, name, "frozen") for name in config.frozen]
    return parts + [part for part in model.network.modules() if config.pairs and isinstance(part, nn.BatchNorm2d)]


def _rate(config: TrainConfig, step: int) -> float:
    """The learning rate: constant as in the paper, after a linear rise and before a linear fall to zero, if there are any."""
    tail = config.cooldown * config.steps
    rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return config.learning_rate * rise * (min(1.0, (config.steps - step) / tail) if tail else 1.0)


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
