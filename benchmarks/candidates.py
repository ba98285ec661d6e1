"""Which network for the shipped model? Every candidate learns from the same crops for the same processor time.

    python benchmarks/candidates.py PHOTOS... --out FOLDER [--minutes 8] [--only contrast vgg5]

A pool of training crops is made once, as `runs/contrast-seg.toml` makes them. Each candidate then trains on one thread for
``--minutes`` of processor time (so a large network sees fewer crops), with Adam at 1e-3 and a cooldown over the last 30 %.
Judged on validation people: map thresholds are chosen on one half of them, figures are of the other half. ``reenact`` and
``autoencode`` are never trained on. A run that was stopped goes on.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from people import parser_of, people_of
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from tamperlens.bench.held_out import delivered
from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto
from tamperlens.forge import FAMILIES
from tamperlens.metrics.outcomes import PRISTINE, judge
from tamperlens.metrics.results import rows_of
from tamperlens.metrics.rows import cell_of, table_head, table_line
from tamperlens.metrics.thresholds import best_map_threshold
from tamperlens.models.model import Model, load
from tamperlens.models.networks import NETWORKS
from tamperlens.models.networks.contrast import HIGH_PASS
from tamperlens.models.runtime import TorchPredictor
from tamperlens.training.batch import Batch
from tamperlens.training.config import TrainConfig, read_config
from tamperlens.training.loop import train
from tamperlens.training.photo_batches import LiveCrops
from tamperlens.types import LabelledCrop

WINDOW, BATCH = 128, 8
DELIVERIES = ("uncompressed", "JPEG 75")
UNSEEN = ("reenact", "autoencode")  # families that no candidate learns from


class HighPass(nn.Module):
    """A network that sees, instead of colours, three fixed high-pass residuals of the luminance (as in SRM)."""

    kernels: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.stride = network, network.stride
        self.register_buffer("kernels", torch.tensor(HIGH_PASS, dtype=torch.float32)[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        residuals = functional.conv2d(images.mean(dim=1, keepdim=True), self.kernels, padding=1)
        logits: Tensor = self.network(torch.tanh(4 * residuals))
        return logits


class Plain(nn.Module):
    """Convolutions of (width, stride, dilation) with batch norm, and a classifier."""

    def __init__(self, layers: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        body: list[nn.Module] = []
        inputs, self.stride = 3, 1
        for width, stride, dilation in layers:
            convolution = nn.Conv2d(inputs, width, 3, stride, dilation, dilation, bias=False)
            body += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            inputs, self.stride = width, self.stride * stride
        self.body, self.classifier = nn.Sequential(*body), nn.Conv2d(inputs, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.body(images))
        return logits


class _ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.mlp = nn.Sequential(nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1))

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = features + self.mlp(self.norm(self.depthwise(features)))
        return out


class ConvNeXt(nn.Module):
    """A compact modern localiser: six ConvNeXt blocks (Liu et al. 2022) of width 48 at stride 4, then 96 at stride 8."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2), nn.GELU(), nn.Conv2d(32, 48, 3, 2, 1), nn.GroupNorm(1, 48))
        self.fine = nn.Sequential(*(_ConvNeXtBlock(48) for _ in range(3)))
        self.down = nn.Conv2d(48, 96, 2, 2)
        self.coarse = nn.Sequential(*(_ConvNeXtBlock(96) for _ in range(3)))
        self.classifier = nn.Conv2d(48 + 96, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(self.stem(images))
        padded = functional.pad(fine, (0, fine.shape[3] % 2, 0, fine.shape[2] % 2), mode="replicate")
        coarse = functional.interpolate(self.coarse(self.down(padded)), size=fine.shape[2:], mode="bilinear")
        logits: Tensor = self.classifier(torch.cat([fine, coarse], dim=1))
        return logits


VGG5_BN = ((64, 1, 1), (64, 2, 1), (128, 1, 1), (128, 1, 1))
DILATED = ((64, 1, 1), (64, 2, 1), (64, 2, 1), (64, 1, 2), (64, 1, 4), (64, 1, 8), (64, 1, 16))
CANDIDATES: dict[str, Callable[[], nn.Module]] = {
    "contrast": NETWORKS["contrast"],
    "vgg5": NETWORKS["vgg5"],
    "vgg5-bn": partial(Plain, VGG5_BN),
    "dilated": partial(Plain, DILATED),
    "convnext": ConvNeXt,
    "fn3": NETWORKS["fn3"],
    "vgg8": NETWORKS["vgg8"],
    "vgg5-bn-highpass": lambda: HighPass(Plain(VGG5_BN)),
    "dilated-highpass": lambda: HighPass(Plain(DILATED)),
    "fn3-highpass": lambda: HighPass(NETWORKS["fn3"]()),
    "vgg5-highpass": lambda: HighPass(NETWORKS["vgg5"]()),
    "vgg8-highpass": lambda: HighPass(NETWORKS["vgg8"]()),
}


class Pool(Dataset[Batch]):
    """Batches of crops that were made once, drawn anew in every epoch."""

    def __init__(self, images: Tensor, masks: Tensor) -> None:
        self.images, self.masks = images, masks

    def __getitem__(self, index: int) -> Batch:
        epoch, place = divmod(index * BATCH, len(self.images) // BATCH * BATCH)
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(epoch))
        chosen = order[place : place + BATCH]
        masks = self.masks[chosen]
        return Batch(self.images[chosen], masks, masks.flatten(1).any(dim=1).float(), ("",) * BATCH)


def pool_of(photos: list[FacePhoto], size: int, path: Path) -> Pool:
    """The training crops, kept in ``path``."""
    if not path.exists():
        recipe = read_config(Path("runs/contrast-seg.toml"))
        data = LiveCrops(
            photos,
            recipe.families,
            batches=size // BATCH,
            batch_size=BATCH,
            windows=(WINDOW,),
            pristine=recipe.pristine,
            untouched=recipe.untouched,
        )
        batches = [data[index] for index in range(size // BATCH)]
        images = np.concatenate([batch.images.numpy() for batch in batches])
        np.savez(path, images=images, masks=np.concatenate([batch.masks.numpy() for batch in batches]))
    kept = np.load(path)
    return Pool(torch.from_numpy(kept["images"]), torch.from_numpy(kept["masks"]))


def seconds_a_step(name: str) -> float:
    """Processor time of a training step, the median of five."""
    model = Model.create(f"{name}-seg").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = torch.rand(BATCH, 3, WINDOW, WINDOW).to(memory_format=torch.channels_last)
    masks, times = torch.zeros(BATCH, 1, WINDOW, WINDOW), []
    for _ in range(7):
        start = time.process_time()
        optimizer.zero_grad()
        model.task.loss(model.logit_map(images), masks, masks[:, 0, 0, 0]).backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return float(np.median(times[2:]))


def figures_of(
    stem: Path, config: TrainConfig, choosing: list[LabelledCrop], judging: dict[str, list[LabelledCrop]]
) -> list[str]:
    """The table's cells: AUC, Fg-IoU of trained and unseen families and false area, of each delivery."""
    model, card = load(stem)
    predictor = TorchPredictor(model, card)
    threshold = best_map_threshold([predictor(crop.image).pixel_map for crop in choosing], choosing)
    # The score is the mean of the surest pixels, as shipped.
    card = card.model_copy(update={"map_threshold": threshold, "peak_share": 0.01})
    cells = []
    for crops in judging.values():
        outcomes = judge(TorchPredictor(model, card), crops)
        for kept in (set(config.families), set(UNSEEN)):
            own = outcomes.where(np.isin(outcomes.subsets, [*kept, PRISTINE]))
            rows = {(row.subset, row.metric): row for row in rows_of("", own, 0.5)}
            for key in (("all", "auc"), ("all", "fg_iou")):
                cells.append(cell_of(rows[key]))
        cells.append(f"{rows[PRISTINE, 'false_area'].value:.3f}")
    return cells


def main(arguments: argparse.Namespace) -> None:
    """Train and judge what is not yet judged, then print the table."""
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    people = people_of(arguments)
    pool = pool_of(people["train"], arguments.pool, arguments.out / "pool.npz")
    families, (choosers, judges) = list(FAMILIES), (people["val"][::2], people["val"][1::2])
    choosing = [crop for delivery in DELIVERIES for crop in delivered(choosers, families, 6, delivery, seeds.NETWORK_CHOICE[0])]
    judging = {d: list(delivered(judges, families, arguments.per_family, d, seeds.NETWORK_CHOICE[1])) for d in DELIVERIES}
    heads = [f"{kind}, {d}" for d in DELIVERIES for kind in ("AUC", "Fg-IoU", "AUC unseen", "Fg-IoU unseen", "false area")]
    count = len(judging[DELIVERIES[0]])
    print(f"{len(pool.images)} training crops; judged on {count} crops of {len(judges)} people\n")
    print(table_head("network", "parameters", "crops seen", *heads), end="")
    for name in arguments.only:
        NETWORKS[name] = CANDIDATES[name]
        kept = arguments.out / f"{name}.json"
        if not kept.exists():
            steps = round(60 * arguments.minutes / seconds_a_step(name))
            config = TrainConfig(
                model=f"{name}-seg",
                batch_size=BATCH,
                micro_batch=BATCH,
                steps=steps,
                cooldown=0.3,
                windows=(WINDOW,),
                families=tuple(family for family in FAMILIES if family not in UNSEEN),
                workers=0,
                threads=1,
            )
            stem = train(config, pool, arguments.out / name)
            size = sum(parameter.numel() for parameter in CANDIDATES[name]().parameters())
            row = [name, f"{size:,}", f"{steps * BATCH:,}", *figures_of(stem, config, choosing, judging)]
            kept.write_text(json.dumps(row) + "\n")
        print(table_line(*json.loads(kept.read_text())), end="", flush=True)


if __name__ == "__main__":
    own = parser_of(__doc__)
    own.add_argument("--out", type=Path, required=True)
    own.add_argument("--minutes", type=float, default=8.0)
    own.add_argument("--pool", type=int, default=8000, help="training crops")
    own.add_argument("--per-family", type=int, default=20)
    own.add_argument("--only", nargs="+", default=list(CANDIDATES), choices=list(CANDIDATES))
    main(own.parse_args())
