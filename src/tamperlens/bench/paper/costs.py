"""What a model costs here: parameters, multiplications, and how many crops a second it learns from and judges, measured."""

import json
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tamperlens.files import replace_text
from tamperlens.models.model import Model, parse_name
from tamperlens.models.networks import NETWORKS
from tamperlens.training.config import TrainConfig
from tamperlens.training.machine import layout_of

__all__ = ["Cost", "cost_of", "costs_of", "device_name", "measured_costs"]


@dataclass(frozen=True)
class Cost:
    """Of one network, whichever task: the loss is next to nothing beside it."""

    parameters: int
    gmac: float  # 10^9 multiplications and additions for one training window
    trained: float  # crops of a training window a second: forward, backward, Adam
    judged: float  # crops of the window judged on a second, one at a time


def costs_of(
    networks: list[str], config: TrainConfig, file: Path, log: Callable[[str], None] = lambda text: None
) -> dict[str, Cost]:
    """The costs of networks under these settings; what ``file`` holds of the same settings and device is not measured again."""
    for network in networks:
        if network not in measured_costs(config, file):
            log(f"measuring a step of {network}")
            cost = cost_of(network, config)
            kept = _kept(config, file)  # what another process has measured since stays
            kept["networks"][network] = asdict(cost)
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(file, json.dumps(kept, indent=1) + "\n", durable=True)
    found = measured_costs(config, file)
    return {network: found[network] for network in networks}


def measured_costs(config: TrainConfig, file: Path) -> dict[str, Cost]:
    """The costs that ``file`` holds of networks under these settings on this device; nothing is measured."""
    return {network: Cost(**cost) for network, cost in _kept(config, file)["networks"].items()}


def _kept(config: TrainConfig, file: Path) -> dict[str, Any]:
    about = {
        "window": max(config.windows),
        "judged_window": config.judged_window,
        "batch": min(config.batch_size, config.micro_batch),
        "threads": config.threads or torch.get_num_threads(),
        "device": device_name(),
    }
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return kept if kept.get("about") == about else {"about": about, "networks": {}}


def device_name() -> str:
    """What costs are measured on: a GPU's name, or a processor's and its vector instructions."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    file = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", file.read_text(encoding="utf-8") if file.exists() else "", re.MULTILINE)
    return f"{named[1] if named else platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cost_of(network: str, config: TrainConfig, repeats: int = 1) -> Cost:
    """A network's cost, by ``repeats`` steps after one that is not counted."""
    if config.threads:
        torch.set_num_threads(config.threads)
    device, window = _device(), max(config.windows)
    model, layout = Model.create(f"{network}-{parse_name(config.model)[1]}").to(device), layout_of(network, device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)
    batch = min(config.batch_size, config.micro_batch)
    images = torch.rand(batch, 3, window, window, device=device).to(memory_format=layout)
    masks, labels = torch.zeros(batch, 1, window, window, device=device), torch.zeros(batch, device=device)

    def learn() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(model.task.loss(model.logit_map(images), masks, labels))
        optimizer.step()

    one = torch.rand(1, 3, config.judged_window, config.judged_window, device=device)

    @torch.no_grad()
    def judge() -> None:
        model(one)

    model.train()
    trained = batch / _seconds(learn, repeats)
    model.eval()
    judged = 1 / _seconds(judge, repeats)
    return Cost(
        sum(p.numel() for p in model.parameters()), round(gmac_of(network, window), 4), round(trained, 3), round(judged, 3)
    )


def _seconds(action: Callable[[], None], repeats: int) -> float:
    """The median duration, after one that is not counted; on processors what it would be were they not shared with others."""
    took = []
    for _ in range(repeats + 1):
        if torch.cuda.is_available():
            started = time.perf_counter()
            action()
            torch.cuda.synchronize()
            took.append(time.perf_counter() - started)
        else:
            started = time.process_time()
            action()
            took.append((time.process_time() - started) / torch.get_num_threads())
    return float(np.median(took[1:]))


def gmac_of(network: str, side: int) -> float:
    """10^9 multiplications and additions of the convolutions for one picture of ``side`` pixels; nothing is computed."""
    total = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        places = output if isinstance(module, nn.Conv2d) else inputs[0]  # where the kernel is applied
        total += module.get_parameter("weight").numel() * places[0, 0].numel()

    with torch.device("meta"):
        built = NETWORKS[network]()
        for module in built.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.register_forward_hook(count)
        built.eval()(torch.empty(1, 3, side, side))
    return total / 1e9
