"""A model: normalisation, a network, a task and the task's thresholds; and its two files, weights and card.

    images in [0, 1] -> normalise -> network -> logit map -> task -> pixel map and score

Weights are safetensors, never pickles.
"""

import copy
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from tamperlens.errors import ModelError
from tamperlens.files import replacing
from tamperlens.models.agreement import Reference, reference_of
from tamperlens.models.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from tamperlens.models.networks import NETWORKS, WITH_IMAGE_HEAD
from tamperlens.models.tasks import TASKS, Logits, Task
from tamperlens.types import FloatArray

__all__ = ["Model", "load", "model_names", "parse_name", "reference", "save"]


class Model(nn.Module):
    """One of the paper's models, as in ``Model.create("vgg5-seg")``; "vgg5" is a network, "seg" a task."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        *,
        map_threshold: float | None = None,
        score_threshold: float | None = None,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        """Thresholds lie in (0, 1], ``None`` takes the task's; ``mean`` and ``std`` are of RGB values in [0, 1]."""
        super().__init__()
        self.network = network
        self.task = task
        self.map_threshold = _threshold("map_threshold", task.map_threshold if map_threshold is None else map_threshold)
        self.score_threshold = _threshold(
            "score_threshold", task.score_threshold if score_threshold is None else score_threshold
        )
        # The card holds them, the weights file need not.
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def create(cls, name: str) -> "Model":
        """A model with fresh weights by its name, ``<network>-<task>``; raises ``ModelError`` for an unknown one."""
        network, task = parse_name(name)
        return cls(NETWORKS[network](), TASKS[task])

    def logit_map(self, images: Tensor) -> Logits:
        """Logit map ``(B, 1, h, w)`` at the network's resolution, for the task's loss; images as for ``forward``.

        Of a network with an image head, a pair: the map and the images' logits ``(B,)``.
        """
        logits: Logits = self.network((images - self.mean) / self.std)
        return logits

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel map and score of face crops.

        ``images`` are float32 RGB in [0, 1], ``(B, 3, H, W)``. Returns the pixel map, float32 ``(B, 1, H, W)`` in
        [0, 1], and the raw (uncalibrated) score, float32 ``(B,)`` in [0, 1].
        """
        return self.read(self.logit_map(images), (images.shape[-2], images.shape[-1]))

    def read(self, logit_map: Logits, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Pixel map ``(B, 1, H, W)`` and score ``(B,)`` that a logit map stands for; ``size`` is the crop's (H, W)."""
        pixel_map = self.task.pixel_map(logit_map, size)
        return pixel_map, self.task.score(logit_map, pixel_map, self.map_threshold)


def model_names() -> list[str]:
    """Every name that ``Model.create`` takes."""
    return [f"{network}-{task}" for network in NETWORKS for task in TASKS if task != "joint" or network in WITH_IMAGE_HEAD]


def parse_name(name: str) -> tuple[str, str]:
    """Split "vgg5-seg" into ("vgg5", "seg"); raises ``ModelError`` that lists what would have worked."""
    network, _, task = name.rpartition("-")
    if network not in NETWORKS or task not in TASKS:
        raise ModelError(
            f"no model is called {name!r}: expected <network>-<task>, such as vgg5-seg, "
            f"with a network of {', '.join(NETWORKS)} and a task of {', '.join(TASKS)}"
        )
    if task == "joint" and network not in WITH_IMAGE_HEAD:
        raise ModelError(f"{name}: the task joint needs a network with an image head, such as {WITH_IMAGE_HEAD[0]}-joint")
    return network, task


def save(model: Model, path_stem: Path | str, card: ModelCard) -> ModelCard:
    """Write ``<path_stem>.safetensors`` and ``<path_stem>.json``.

    What the model itself knows (task, thresholds, normalisation, its answer to the fixed crop) and the weights' hash are filled
    in; all else is taken from ``card``, but for undefined (NaN) validation figures and operating points. Returns the card
    as written. Raises ``ModelError`` when the card's network is not the model's.
    """
    weights_path, card_path = _paths(path_stem)
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    _check_shapes(weights, card.network, f"the model to be saved at {weights_path}")
    data = save_tensors(weights)
    training = card.training.model_copy(update={"operating_points": _defined(card.training.operating_points)})
    card = ModelCard.model_validate(
        card.model_dump()
        | {
            "validation": _defined(card.validation),
            "training": training.model_dump(),
            "task": model.task.name,
            "map_threshold": model.map_threshold,
            "score_threshold": model.score_threshold,
            "mean": _values(model.mean),
            "std": _values(model.std),
            "weights_sha256": hashlib.sha256(data).hexdigest(),
            "reference": reference(model),
        }
    )
    with replacing(weights_path) as weights_file, replacing(card_path) as card_file:  # a cut leaves the previous pair whole
        weights_file.write_bytes(data)
        card.save(card_file)
    return card


def reference(model: Model) -> Reference | None:
    """What PyTorch gives for the fixed crop, in float32 on the CPU; None where that is no number, as of a run that diverged."""
    alone = copy.deepcopy(model).cpu().float().eval()

    def run(images: FloatArray) -> tuple[FloatArray, FloatArray]:
        with torch.no_grad():
            pixel_map, score = alone(torch.from_numpy(images))
        return pixel_map.numpy(), score.numpy()

    try:
        return reference_of(run)
    except ValueError:
        return None


def load(path: Path | str) -> tuple[Model, ModelCard]:
    """Read a model, in eval mode on the CPU, and its card, from their common path stem or the path of either file.

    Raises ``ModelError`` when a file is missing, the weights are not the card's, or its network or task is unknown.
    """
    weights_path, card_path = _paths(path)
    card = ModelCard.load(card_path)
    parse_name(f"{card.network}-{card.task}")
    try:
        data = weights_path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"no weights at {weights_path}: the card {card_path} needs them beside it") from None
    found = hashlib.sha256(data).hexdigest()
    if card.weights_sha256 is not None and found != card.weights_sha256:
        raise ModelError(
            f"the weights {weights_path} have SHA-256 {found}, but their card says {card.weights_sha256}: "
            f"copy both files again from the same place"
        )
    try:
        weights = load_tensors(data)
    except SafetensorError as error:
        raise ModelError(f"{weights_path} is not a safetensors file ({error}): copy it again") from error
    _check_shapes(weights, card.network, str(weights_path))
    model = Model(
        NETWORKS[card.network](),
        TASKS[card.task],
        map_threshold=card.map_threshold,
        score_threshold=card.score_threshold,
        mean=card.mean,
        std=card.std,
    )
    model.load_state_dict(weights)
    return model.eval(), card


def _paths(path: Path | str) -> tuple[Path, Path]:
    stem = Path(path)
    if stem.suffix in (".safetensors", ".json"):
        stem = stem.with_suffix("")
    # Not with_suffix: a stem such as "vgg5-seg-v0.1" has a dot of its own.
    return stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")


def _threshold(name: str, value: float) -> float:
    if not 0 < value <= 1:
        raise ModelError(f"{name} is {value}: expected a number above 0 and at most 1")
    return float(value)


def _defined(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _values(buffer: Tensor) -> list[float]:
    # float32 has seven digits; more would turn 0.485 into 0.48500001430511475.
    return [float(f"{value:.7g}") for value in buffer.flatten().tolist()]


def _check_shapes(weights: dict[str, Tensor], network: str, where: str) -> None:
    """Raise ``ModelError`` unless the weights have the network's names and shapes."""
    if network not in NETWORKS:
        raise ModelError(f"no network is called {network!r}: expected one of {', '.join(NETWORKS)}")
    with torch.device("meta"):
        expected = {f"network.{key}": value.shape for key, value in NETWORKS[network]().state_dict().items()}
    found = {key: value.shape for key, value in weights.items()}
    if found != expected:
        key = min(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        came, wanted = (tuple(of[key]) if key in of else "nothing" for of in (found, expected))
        raise ModelError(
            f"{where} does not fit the network {network}: {key} is {came}, expected {wanted}; "
            f"the card's entry 'network' must name the network the weights were trained with"
        )
