"""The model that a run begins with: fresh, made of parts, or from weights that were trained before."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tamperlens.errors import DataError
from tamperlens.models.card import ModelCard
from tamperlens.models.model import Model, load, parse_name
from tamperlens.models.networks import NETWORKS
from tamperlens.models.networks.imagenet import ANCESTORS, from_imagenet
from tamperlens.models.tasks import TASKS
from tamperlens.training.config import TrainConfig

__all__ = ["initial_model", "part_of"]


def initial_model(config: TrainConfig) -> tuple[Model, ModelCard | None]:
    """The model to train, and the card of the weights it begins with, if they have one."""
    if not config.init:
        model = Model.create(config.model)
        for name, path in config.parts.items():
            _load_part(model, name, path)
        return model, None
    weights = Path(config.init)
    if weights.suffix == ".safetensors" and not weights.with_suffix(".json").exists():
        return _from_imagenet(config, weights), None
    model, card = load(config.init)
    if card.name != config.model:
        raise DataError(
            f"init: {config.init} is a {card.name}, but the run trains {config.model}; give weights of the same model"
        )
    return model, card


def part_of(model: Model, name: str, setting: str) -> nn.Module:
    """The part of a model's network of that name; raises `DataError`, with the names there are, for another."""
    try:
        return model.network.get_submodule(name)
    except AttributeError as error:
        parts = ", ".join(part for part, _ in model.network.named_children())
        raise DataError(f"{setting}: the network has no part {name!r}; expected one of {parts}, or a part of those") from error


def _load_part(model: Model, name: str, path: str) -> None:
    """The weights of one part of the network from a file that holds that part alone, or a model made of it."""
    part = part_of(model, name, "parts")
    try:
        part.load_state_dict({key.removeprefix("network."): value for key, value in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"parts: {path} cannot start {name}: {error}") from error


def _from_imagenet(config: TrainConfig, weights: Path) -> Model:
    """A model that begins with an ImageNet classifier's weights and sees images normalised as that did (paper, Table 4)."""
    network, task = parse_name(config.model)
    try:
        fresh = NETWORKS[network]()
        from_imagenet(network, fresh, load_file(weights))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"init: {weights} cannot start {config.model}: {error}") from error
    ancestor = ANCESTORS[network]
    return Model(fresh, TASKS[task], mean=ancestor.mean, std=ancestor.std)
