"""What training asks of the machine: device, processes, precision, memory layout, memory."""

import ctypes
import os
from typing import Any

import torch
from lightning_fabric import Fabric

from tamperlens.errors import DataError
from tamperlens.training.config import TrainConfig

__all__ = ["keep_memory", "layout_of", "leads", "precision_of", "quiet_worker", "share", "start_fabric"]

# Networks of dense convolutions. Without AVX-512 the gradients of such weights take longer in channels-last than in PyTorch's
# own layout (oneDNN); networks of depthwise or dilated convolutions learn faster in channels-last there, too.
DENSE = ("mesoinception4", "unet8x", "unet4x", "vgg8", "vgg5", "vgg3", "fn3")


def start_fabric(config: TrainConfig) -> Fabric:
    """One process on the best device, or as many as the launcher (torchrun) has started: its environment says how many."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    fabric = Fabric(
        accelerator="auto",
        strategy="ddp" if world > 1 else "auto",
        devices=here,
        num_nodes=world // here,
        precision=precision_of(config),
    )
    fabric.launch()
    return fabric


def precision_of(config: TrainConfig) -> Any:
    """The precision of a run's arithmetic, as Fabric names it: bfloat16 where the device has it, float32 elsewhere."""
    if config.precision != "auto":
        return config.precision
    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


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


def quiet_worker(index: int) -> None:
    """Keep a data loader's worker process to one thread: there are as many of them as there are cores to fill."""
    torch.set_num_threads(1)
