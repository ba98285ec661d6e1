"""The loss of each model's first ten steps, from fixed weights on fixed crops: a changed start, normalisation, network or
loss shows in them.

    python tests/golden/losses.py                    writes losses.txt anew: only when such a change is meant
    python tests/golden/losses.py --only NAME        writes the line of one model, such as vgg5-seg
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import golden_at_hand
from tamperlens.models.model import Model, model_names

FILE = Path(__file__).with_name("losses.txt")
ABOUT = "Written by tests/golden/losses.py: model, then the losses of its first ten steps."
STEPS = 10
CELLS = 2  # a side: with fewer, batch norms at a large stride would see a single cell of each crop
SIDE = 32


def crops(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """A pristine crop, a gradient with noise, and a manipulated one, whose noise is missing in a square."""
    y, x = np.mgrid[:side, :side] / side
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 3, side, side))
    masks = np.zeros((2, 1, side, side))
    masks[1, :, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    images = np.clip(np.stack([x, y, (x + y) / 2]) + noise * (1 - masks), 0, 1)
    return torch.from_numpy(images).float(), torch.from_numpy(masks).float(), torch.tensor([0.0, 1.0])


def losses(name: str) -> list[float]:
    """The losses of a model's first ten steps, in training mode, with the paper's optimizer but slower."""
    torch.set_num_threads(1)  # so that sums are taken in one order, and a busy machine takes no longer
    torch.manual_seed(0)
    model = Model.create(name).train()
    # Ten times slower than the paper, so that rounding, which differs between processors, grows less.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    images, masks, labels = crops(max(SIDE, CELLS * int(model.network.stride)))
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model.task.loss(model.logit_map(images), masks, labels)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


if __name__ == "__main__":
    golden_at_hand.main(FILE, ABOUT, model_names(), losses, ".6f")
