"""The loss of each model's first steps, from fixed weights on fixed crops: a changed start, normalisation, network or loss
shows in them.

In float64 throughout: the rounding of float32 differs between processors, and batch norms over a few cells each let it grow
from step to step, to two percent after ten.

    python tests/golden/losses.py                    writes losses.txt anew: only when such a change is meant
    python tests/golden/losses.py --only NAME        writes the line of one model, such as vgg5-seg
"""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import golden_at_hand
from tamperlens.models.model import Model, model_names

FILE = Path(__file__).with_name("losses.txt")
ABOUT = "Written by tests/golden/losses.py: model, then the losses of its first steps, in float64."
STEPS = 4
CELLS = 2  # a side: with fewer, batch norms at a large stride would see a single cell of each crop
SIDE = 32


def crops(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """A pristine crop, a gradient with noise, and a manipulated one, whose noise is missing in a square."""
    y, x = np.mgrid[:side, :side] / side
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 3, side, side))
    masks = np.zeros((2, 1, side, side))
    masks[1, :, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    images = np.clip(np.stack([x, y, (x + y) / 2]) + noise * (1 - masks), 0, 1)
    return torch.from_numpy(images), torch.from_numpy(masks), torch.tensor([0.0, 1.0], dtype=torch.float64)


@patch.object(Tensor, "float", Tensor.double)  # what the tasks ask for, so that bfloat16 ends there
def losses(name: str) -> list[float]:
    """The losses of a model's first steps, in training mode, with the paper's optimizer."""
    torch.set_num_threads(1)  # so that sums are taken in one order, and a busy machine takes no longer
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # of the first weights, too
    try:
        model = Model.create(name).train().double()
    finally:
        torch.set_default_dtype(torch.float32)
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
    golden_at_hand.main(FILE, ABOUT, model_names(), losses, ".9f")
