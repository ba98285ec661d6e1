"""Does a model judge crops, or the batch they come in? Its AUC on pairs with kept and with each batch's own statistics.

    python benchmarks/batch_statistics.py PHOTOS... --model MODEL.safetensors [--batches 8] [--side 224]

A batch of pairs is half forged, each crop beside its own pristine one, and batch norms in training mode see all of it. A
network that is better with a batch's own statistics than with the kept ones, and at chance in batches of one class, reads the
batch.
"""

from pathlib import Path

import numpy as np
import torch
from people import parser_of, people_of
from torch import Tensor, nn

from tamperlens.data import seeds
from tamperlens.metrics import area_under_roc
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.model import Model, load
from tamperlens.training.pair_batches import LivePairs

BATCH = 16


def judged(model: Model, batches: list[Tensor]) -> np.ndarray:
    """The images' logits, batch by batch."""
    with torch.no_grad():
        logits = [model.logit_map(images.float() / 255)[1] for images in batches]
    return torch.cat(logits).numpy()


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="path of a model with an image head")
    parser.add_argument("--split", choices=("train", "val"), default="val")
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--side", type=int, default=224)
    arguments = parser.parse_args()
    model, card = load(arguments.model.with_suffix(""))
    photos = people_of(arguments)[arguments.split]
    pairs = LivePairs(photos, batches=arguments.batches, batch_size=BATCH, sides=(arguments.side,), seed=seeds.VALIDATION)
    mixed = [pairs[number].images for number in range(arguments.batches)]
    images = torch.cat(mixed)
    apart = [*torch.split(images[0::2], BATCH), *torch.split(images[1::2], BATCH)]  # pristine batches, then forged ones
    forged = np.arange(len(images)) % 2 == 1
    forged_apart = np.arange(len(images)) >= len(images) // 2
    kept = area_under_roc(judged(model.eval(), mixed), forged)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()
    own = area_under_roc(judged(model, mixed), forged)
    one_class = area_under_roc(judged(model, apart), forged_apart)
    print(f"{card.name}, {len(images)} crops of {arguments.split} people\n")
    print(table_head("statistics", "AUC"), end="")
    rows = {"kept": kept, "each batch's own, pairs": own, "each batch's own, batches of one class": one_class}
    for words, value in rows.items():
        print(table_line(words, f"{value:.3f}"), end="")


if __name__ == "__main__":
    main()
