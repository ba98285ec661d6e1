"""How fast the training loop is, data loading included, beside a plain float32 loop of the same network in the same run.

    python benchmarks/train.py                 a small store made from matplotlib's sample photograph
    python benchmarks/train.py STORE           the train split of a prepared store
    python benchmarks/train.py --networks fn3,vgg5 --seconds 30

The plain loop is what one would write first: float32, PyTorch's own memory layout, one batch that is already in memory. The
share of the peak counts what the convolutions multiply and add, forwards and backwards, and is of the fastest matrix product
measured here. A machine that does other work at the same time makes all figures smaller, and unsteady.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import torch
from prepare import build
from torch.utils.flop_counter import FlopCounterMode

from tamperlens.data.prepare.run import prepare
from tamperlens.data.store import Store
from tamperlens.data.store.manifest import PrepareSettings
from tamperlens.faces import detector_for
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.model import Model
from tamperlens.training.batch import Batch
from tamperlens.training.config import TrainConfig
from tamperlens.training.loop import train
from tamperlens.training.machine import keep_memory
from tamperlens.training.store_batches import StoreCrops

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SPLITS = {"train": [["000", "003"]], "val": [["001", "002"]], "test": [["004", "005"]]}


def small_store(folder: Path) -> Path:
    """A store of 20 crops, of one person and in lossless quality: enough for decoding to cost what it does."""
    root = build(folder / "root", 4, 854, 480, "raw")
    (root / "splits").mkdir()
    for name, groups in SPLITS.items():
        (root / "splits" / f"{name}.json").write_text(json.dumps(groups))
    settings = PrepareSettings(compression="raw", every_train=1)
    prepare(root, folder / "store", settings, detector_for("dataset"), splits=root / "splits", allow_custom_split=True)
    return folder / "store"


def peak(dtype: torch.dtype, seconds: float) -> float:
    """Operations a second of a matrix product: the fastest of as many, of growing size, as fit into the time.

    Growing, since a processor without arithmetic of the type takes minutes for a large one.
    """
    best, end, side = 0.0, time.perf_counter() + seconds, 256
    while time.perf_counter() < end:
        a, b = (torch.randn(side, side).to(DEVICE, dtype) for _ in range(2))
        for _ in range(5):
            began = time.perf_counter()
            (a @ b)[0, 0].item()  # waits for the result
            best = max(best, 2 * side**3 / (time.perf_counter() - began))
            if time.perf_counter() > end:
                break
        side = min(2 * side, 2048)
    return best


def operations(name: str, window: int) -> float:
    """Of one crop, forwards and backwards; a multiplication and an addition are two."""
    model = Model.create(name)
    with FlopCounterMode(display=False) as counter:
        logits = model.logit_map(torch.rand(1, 3, window, window))
        torch.autograd.backward([part.mean() for part in (logits if isinstance(logits, tuple) else (logits,))])
    return float(counter.get_total_flops())


def plain_rate(name: str, batch: Batch, seconds: float) -> float:
    """Crops a second of the plain loop, its first step left out."""
    torch.manual_seed(0)
    model = Model.create(name).to(DEVICE).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batch = batch.to(DEVICE)
    images, masks, seen, began = batch.images.float() / 255, batch.masks.float(), -len(batch.images), time.perf_counter()
    while seen <= 0 or time.perf_counter() - began < seconds:
        optimizer.zero_grad()
        loss = model.task.loss(model.logit_map(images), masks, batch.labels)
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()  # waits for the device
        seen += len(images)
        if seen == 0:
            began = time.perf_counter()
    return seen / (time.perf_counter() - began)


def loop_rate(name: str, data: StoreCrops, steps: int, out: Path) -> float:
    """Crops a second of the project's loop over the second half of its steps; the first half starts workers and kernels."""
    rates: list[float] = []
    config = TrainConfig(
        model=name,
        steps=2 * steps,
        checkpoint_every=steps,
        batch_size=data.batch_size,
        micro_batch=data.batch_size,
        windows=data.windows,
    )
    train(config, data, out, report=lambda progress: rates.append(progress.crops_per_second))
    return rates[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument("--networks", default="fn3,vgg5,contrast")
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10, help="about how long each loop is measured")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(options.store or small_store(folder))
        peaks = {kind: peak(getattr(torch, kind), min(2, options.seconds)) for kind in ("float32", "bfloat16")}
        fastest = max(peaks.values())
        print(", ".join(f"{kind} {value / 1e9:.0f} GFLOP/s" for kind, value in peaks.items()), f"on {DEVICE.type}\n")
        columns = ("plain float32, crops/s", "our loop, crops/s", "ratio", "share of peak, plain", "share of peak, ours")
        print(table_head("network", *columns), end="")
        networks, windows = options.networks.split(","), (options.window,)
        data = StoreCrops(store, "train", batches=1, batch_size=options.batch, windows=windows)
        plain_rates = {network: plain_rate(f"{network}-seg", data[0], options.seconds) for network in networks}
        keep_memory()  # what `tamperlens train` does, and a plain loop does not
        for network, plain in plain_rates.items():
            model = f"{network}-seg"
            steps = max(2, round(options.seconds * plain / options.batch))
            ours = loop_rate(model, data, steps, folder / network)
            shares = [rate * operations(model, options.window) / fastest for rate in (plain, ours)]
            cells = (f"{plain:.1f}", f"{ours:.1f}", f"{ours / plain:.2f}", *(f"{share:.0%}" for share in shares))
            print(table_line(network, *cells), end="", flush=True)


if __name__ == "__main__":
    main()
