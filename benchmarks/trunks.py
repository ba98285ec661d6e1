"""Which pretrained trunk the pyramid should stand on: EfficientNet-Lite0 or MobileNetV2, by short runs alike in all else.

    python benchmarks/trunks.py PHOTOS... --weights FOLDER --out FOLDER [--steps 400]

--weights holds efficientnet-lite0.safetensors and mobilenet-v2.safetensors of runs/imagenet_weights.py. Each run trains
`pyramid-joint` from those by the settings of runs/twostream-joint.toml with nothing held, on the same pairs in the same order;
"from scratch" is the first without its weights. Judged on the same pairs of validation people; "gained" is AUC beside
the first. A run that was cut goes on.
"""

import time
from pathlib import Path

import numpy as np
import torch
from leave_one_out import figures_of, pairs_of, scores_of
from people import parser_of, people_of
from rich.console import Console
from torch import Tensor, nn

from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.networks import NETWORKS
from tamperlens.models.networks.pyramid import PYRAMID, Pyramid
from tamperlens.models.runtime import load
from tamperlens.training.config import TrainConfig, read_config
from tamperlens.training.runs import train_on_photos

SETTINGS = Path(__file__).parents[1] / "runs" / "twostream-joint.toml"
# expansion, outputs, repeats, stride of the first block: Sandler et al. 2018, Table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
TAPPED = {3: 24, 6: 32, 13: 96, 17: 320}  # index of the last block of strides 4, 8, 16 and 32: its channels


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel // 2
    filters = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(filters, nn.BatchNorm2d(outputs, momentum=0.01), nn.ReLU6())


class InvertedResidual(nn.Module):
    """As in EfficientNet-Lite0, with torchvision's names and symmetric padding."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = [convolution(inputs, wide)] if expansion > 1 else []
        layers += [convolution(wide, wide, 3, stride, wide), nn.Conv2d(wide, outputs, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outputs, momentum=0.01))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv(features)
        return features + result if self.residual else result


class MobileNetV2(nn.Module):
    """The trunk of MobileNetV2: features of strides 4, 8, 16 and 32 from normalised images."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 32, 3, 2)]
        width = 32
        for expansion, outputs, repeats, stride in STAGES:
            for number in range(repeats):
                layers.append(InvertedResidual(width, outputs, stride if number == 0 else 1, expansion))
                width = outputs
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, tapped = images, []
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in TAPPED:
                tapped.append(features)
        return tapped


def on_mobilenet() -> Pyramid:
    """The pyramid on the other trunk."""
    pyramid = Pyramid()
    pyramid.trunk = MobileNetV2()  # type: ignore[assignment]
    pyramid.lateral = nn.ModuleList(nn.Conv2d(width, PYRAMID, 1) for width in TAPPED.values())
    return pyramid


def settings(steps: int, weights: Path | None) -> TrainConfig:
    parts = {"trunk": str(weights)} if weights else {}
    changes = {"frozen": (), "parts": parts, "average": max(0.0, 1 - 5 / steps), "precision": "32-true", "cooldown": 0.3}
    of_file = read_config(SETTINGS, model="pyramid-joint", steps=steps, validate_every=steps)
    return of_file.model_copy(update=changes)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--per-recipe", type=int, default=24)
    arguments = parser.parse_args()
    console, photos = Console(stderr=True), list(arguments.photos)
    crops = pairs_of(people_of(arguments)["val"], arguments.per_recipe)
    first = None
    variants = (
        ("EfficientNet-Lite0", Pyramid, arguments.weights / "efficientnet-lite0.safetensors"),
        ("MobileNetV2", on_mobilenet, arguments.weights / "mobilenet-v2.safetensors"),
        ("EfficientNet-Lite0 from scratch", Pyramid, None),
    )
    for number, (name, network, weights) in enumerate(variants):
        NETWORKS["pyramid"] = network
        out = arguments.out / name.replace(" ", "-")
        best = train_on_photos(photos, out, settings(arguments.steps, weights), console)
        model = load(best.with_suffix(".safetensors"), threads=1)
        scores = scores_of(model, crops)
        figures = figures_of(scores, crops, first)
        first = scores if first is None else first
        image = np.zeros((320, 320, 3), np.uint8)
        started = time.process_time()
        for _ in range(20):
            model(image)
        figures |= {
            "parameters": f"{sum(tensor.numel() for tensor in network().parameters()):,}",
            "ms of a processor a crop of 320 px, PyTorch": f"{50 * (time.process_time() - started):.0f}",
        }
        print((table_head("trunk", *figures) if number == 0 else "") + table_line(name, *figures.values()), end="", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
