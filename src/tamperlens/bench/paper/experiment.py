"""What is trained and judged, read from one TOML file; the paper's own settings are the defaults.

An experiment is a list of runs. A run is a training: a model, the crops it learns from, what it begins with, and a seed. Runs
that differ in their seed alone are one variant, which is what tables have a line for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tamperlens.bench.corruptions import parse_corruptions
from tamperlens.bench.paper.tables import FROM_IMAGENET
from tamperlens.data.footage import SENSOR_NOISE
from tamperlens.data.prepare.findings import check_accepted
from tamperlens.data.prepare.masks import RECIPES
from tamperlens.data.readers.compression import COMPRESSIONS
from tamperlens.data.readers.methods import find_methods
from tamperlens.errors import DataError
from tamperlens.forge.standins import STANDINS
from tamperlens.models.card import paper_policy
from tamperlens.models.model import parse_name
from tamperlens.models.networks.imagenet import ANCESTORS
from tamperlens.training.config import TrainConfig, read_settings

__all__ = ["PAPER_MODELS", "PAPER_NETWORKS", "Experiment", "Run", "Standins", "read_experiment", "variant_name"]

#: The paper's networks, the cheapest to train first.
PAPER_NETWORKS = ("mesoinception4", "fn3", "vgg3", "xception", "vgg5", "vgg8", "unet4x", "unet8x")
#: Its sixteen models.
PAPER_MODELS = tuple(f"{network}-{task}" for network in PAPER_NETWORKS for task in ("seg", "cls"))

PAPER_METHODS = ("DF", "F2F", "FS", "NT")


def variant_name(model: str, policy: str = "", imagenet: bool = False) -> str:
    """The name of a variant: the model's, and in what it departs from the paper's way for its task.

    >>> variant_name("vgg5-seg", "native"), variant_name("vgg5-cls", "native"), variant_name("vgg5-seg", imagenet=True)
    ('vgg5-seg', 'vgg5-cls-native', 'vgg5-seg+imagenet')
    """
    own = paper_policy(parse_name(model)[1])
    return f"{model}{f'-{policy}' if policy not in ('', own) else ''}{FROM_IMAGENET if imagenet else ''}"


@dataclass(frozen=True)
class Run:
    """One training."""

    model: str
    policy: Literal["native", "resized"]  # of the crops it learns from and, unless told otherwise, is judged on
    imagenet: bool
    seed: int

    @property
    def variant(self) -> str:
        """The same whatever the seed."""
        return variant_name(self.model, self.policy, self.imagenet)

    @property
    def name(self) -> str:
        """Of its folder and files."""
        return f"{self.variant}.seed{self.seed}"

    @property
    def is_drawn(self) -> bool:
        """Whether robustness curves and figures are drawn of it: of each model as the paper has it, once."""
        return self.seed == 0 and self.variant == self.model

    @property
    def network(self) -> str:
        """Its network's name."""
        return parse_name(self.model)[0]

    @property
    def task(self) -> str:
        """``seg`` or ``cls``."""
        return parse_name(self.model)[1]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Standins(_Settings):
    """How stand-ins are made where FaceForensics++ is not at hand; see `data.synthesize`."""

    people: Annotated[int, Field(ge=6)] = 240
    frames: Annotated[int, Field(ge=1)] = 8
    side: Annotated[int, Field(ge=64)] = 480
    noise: Annotated[float, Field(ge=0)] = SENSOR_NOISE
    seed: int = 0


class Experiment(_Settings):
    """Every setting of the paper's experiments."""

    training: TrainConfig = TrainConfig()  # of every run alike; model, policy, init and seed are the runs' own
    standins: Standins | None = None  # None: the source is a tree or a store
    methods: tuple[str, ...] = ()  # by default the paper's four, or their stand-ins
    compressions: tuple[str, ...] = ("raw", "c23")  # the first is trained on; under all of them it is judged
    recipes: tuple[str, ...] = ("absdiff-exact", "absdiff-smooth", "dssim", "released")  # of masks, for the same test crops
    every_train: Annotated[int, Field(ge=1)] = 1  # paper: all frames
    every_eval: Annotated[int, Field(ge=1)] = 10  # paper: every 10th
    accept: tuple[str, ...] = ()  # findings of the doctor in spite of which clips are used, as `prepare --accept` takes them
    models: tuple[str, ...] = PAPER_MODELS
    #: Trainings by network; of all others there is one. The paper's claims are about these four.
    seeds: dict[str, Annotated[int, Field(ge=1)]] = {"vgg3": 3, "vgg5": 3, "fn3": 3, "xception": 3}
    crossed: tuple[str, ...] = ("vgg5", "xception", "fn3")  # both tasks on native and on resized crops
    imagenet: tuple[str, ...] = ("vgg3", "vgg5", "vgg8", "xception")  # segmentation from ImageNet weights too, where at hand
    test_crops: Annotated[int, Field(ge=0)] = 0  # judged at most, evenly spread; 0: all
    degraded: str = "jpeg:70"  # corruptions under which every run is judged, as `evaluate --corruptions` takes them
    curves: str = "jpeg:90..30,resize,blur,h264"  # and those of the robustness curves, of each model's first seed
    curve_crops: Annotated[int, Field(ge=1)] = 100

    @model_validator(mode="after")
    def _names_are_known(self) -> "Experiment":
        known: Sequence[tuple[str, Sequence[str], Sequence[str]]] = (
            ("models", self.models, PAPER_MODELS),
            ("seeds", tuple(self.seeds), PAPER_NETWORKS),
            ("crossed", self.crossed, PAPER_NETWORKS),
            ("imagenet", self.imagenet, tuple(ANCESTORS)),
            ("compressions", self.compressions, tuple(COMPRESSIONS)),
            ("recipes", self.recipes, tuple(RECIPES)),
        )
        for what, given, names in known:
            if unknown := [name for name in given if name not in names]:
                raise ValueError(f"{what}: {', '.join(unknown)} unknown; expected some of {', '.join(names)}")
        for what, value, usual in (("model", self.training.model, "vgg5-seg"), ("init", self.training.init, "")):
            if value != usual:
                raise ValueError(f"training.{what} is the runs' own; leave it out")
        if self.training.policy != "auto" or self.training.seed:
            raise ValueError("training.policy and training.seed are the runs' own; leave them out")
        if not self.models or not self.compressions:
            raise ValueError("give at least one model and one compression")
        try:
            find_methods(self.methods)
            check_accepted(self.accept)
            parse_corruptions(",".join((self.degraded, self.curves)))
        except DataError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def manipulations(self) -> tuple[str, ...]:
        """Codes of the methods that are read from a tree."""
        return self.methods or (tuple(STANDINS) if self.standins else PAPER_METHODS)

    def runs(self, from_imagenet: Sequence[str] = ()) -> list[Run]:
        """All runs in the order in which they are done: what a run cut short can tell most from comes first.

        ``from_imagenet``: the networks whose ImageNet weights are at hand.
        """
        found = []
        for model in self.models:
            network, task = parse_name(model)
            own = paper_policy(task)
            for seed in range(self.seeds.get(network, 1)):
                found.append(Run(model, own, False, seed))
                if network in self.crossed:
                    found.append(Run(model, "resized" if own == "native" else "native", False, seed))
                if task == "seg" and network in self.imagenet and network in from_imagenet:
                    found.append(Run(model, own, True, seed))

        def urgency(run: Run) -> tuple[object, ...]:
            departs = run.imagenet + 2 * (run.policy != paper_policy(run.task))
            return run.network.startswith("unet"), run.seed, departs, PAPER_NETWORKS.index(run.network), run.task == "cls"

        return sorted(found, key=urgency)

    def settings(self, run: Run, weights: Path | None = None) -> TrainConfig:
        """A run's training settings. ``weights``: the ImageNet classifier's, where the run begins with them."""
        changes = {"model": run.model, "policy": run.policy, "seed": run.seed, "init": str(weights) if run.imagenet else ""}
        return self.training.model_copy(update=changes)


def read_experiment(path: Path | None, **changes: Any) -> Experiment:
    """An experiment's settings: see `read_settings`."""
    return read_settings(Experiment, path, "runs/paper-faceforensics.toml", changes)
