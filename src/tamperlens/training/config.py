"""Every setting of a training run, read from TOML; the paper's are the defaults."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tamperlens.data.readers.methods import PRISTINE
from tamperlens.errors import DataError
from tamperlens.forge import FAMILIES
from tamperlens.forge.recipes import RECIPES
from tamperlens.forge.sampler import UNTOUCHED_AFTER, UNTOUCHED_BEFORE
from tamperlens.models.card import ModelCard, paper_policy

__all__ = ["TrainConfig", "changed_settings", "kept_config", "read_config", "read_settings", "settings_of"]

#: What may change when a run is resumed: how long it lasts, how often it is looked at, and on how many cores.
FREE = ("steps", "cooldown", "workers", "threads", "validate_every", "checkpoint_every")

S = TypeVar("S", bound=BaseModel)


class TrainConfig(BaseModel):
    """Every setting of a run. The defaults are the paper's (section 4) where it gives one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "vgg5-seg"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3  # paper: Adam, 1e-3
    betas: tuple[float, float] = (0.9, 0.999)  # paper
    weight_decay: float = 0.0  # paper; decoupled from the gradient (AdamW) where it is not 0
    warmup: Annotated[int, Field(ge=0)] = 0  # steps over which the learning rate rises to its value
    trunk_rate: Annotated[float, Field(gt=0)] = 1.0  # learning rate of parts named trunk, as a factor of the others'
    frozen: tuple[str, ...] = ()  # parts of the network, such as "trunk.stem", held at their first weights and statistics
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0  # decay of the weights' moving average, which is what is judged and kept
    batch_size: Annotated[int, Field(ge=1)] = 64  # paper
    micro_batch: Annotated[int, Field(ge=1)] = 64  # crops at once in memory; batch_size is reached by accumulation
    steps: Annotated[int, Field(ge=1)] = 10_000
    cooldown: Annotated[float, Field(ge=0, le=1)] = 0.0  # last share of the steps over which the learning rate falls to zero
    windows: tuple[int, ...] = (256,)  # paper: random 256 x 256 crops; one size is drawn per micro batch
    # On a store: methods to learn from, P among them (all by default), which of the paper's crop policies (auto: native for
    # seg, resized for cls, as in section 4), and whether windows are mirrored at random.
    methods: tuple[str, ...] = ()
    policy: Literal["auto", "native", "resized"] = "auto"
    mirror: bool = False
    judged_window: Annotated[int, Field(ge=32)] = 256  # side of validation and test crops; also what `resized` resizes to
    validation_crops: Annotated[int, Field(ge=1)] = 200
    # On photos, pairs: whole crops of the sides `windows`, each forged one beside its own pristine one; `families`
    # then names recipes of forge/recipes.py, all by default.
    pairs: bool = False
    # On photos: forgery families made on the fly, share left pristine, odds of no processing before and after the forgery, odds
    # that the finished crop is compressed last, and the side to which larger crops are shrunk, also in use.
    families: tuple[str, ...] = ("self_blend", "swap")
    pristine: Annotated[float, Field(ge=0, le=1)] = 0.4
    untouched: tuple[float, float] = (UNTOUCHED_BEFORE, UNTOUCHED_AFTER)
    compressed: Annotated[float, Field(ge=0, le=1)] = 0.0
    max_side: Annotated[int, Field(ge=32)] = 512
    # Start from these weights instead of random ones: a saved model's, or an ImageNet classifier's state dict, which is a
    # .safetensors file without a card (Table 4; see models/networks/imagenet.py).
    init: str = ""
    # Or parts of the network from files of their own: "trunk" = "FILE.safetensors", with the part's names or a model's.
    parts: dict[str, str] = {}
    seed: int = 0
    workers: Annotated[int, Field(ge=0)] = 1  # processes that make batches; on photos each keeps up to 700 faces (2 GB)
    threads: Annotated[int, Field(ge=0)] = 0  # for arithmetic; 0 leaves the choice to PyTorch
    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"
    validate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 100

    @property
    def crop_policy(self) -> Literal["native", "resized"]:
        """The crop policy on a store: the paper's for the model's task (section 4), unless ``policy`` names one."""
        return self.policy if self.policy != "auto" else paper_policy(self.model.rpartition("-")[2])

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainConfig":
        known = RECIPES if self.pairs else FAMILIES
        if unknown := [name for name in self.families if name not in known]:
            raise ValueError(f"families: {', '.join(unknown)} unknown; expected some of {', '.join(known)}")
        if self.methods and (PRISTINE not in self.methods or set(self.methods) == {PRISTINE}):
            raise ValueError(
                f"methods: a model learns from pristine and from manipulated crops; expected {PRISTINE} and others, got "
                f"{', '.join(self.methods)}"
            )
        if self.pairs and self.micro_batch % 2:
            raise ValueError(f"pairs: micro_batch is {self.micro_batch}, but a pair is two crops; expected an even number")
        if self.batch_size % min(self.micro_batch, self.batch_size):
            raise ValueError(f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch}")
        if not self.windows or min(self.windows) < 32:
            raise ValueError(f"windows are sides in pixels, each at least 32; got {self.windows}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas lie in [0, 1); got {self.betas}")
        return self


def read_config(path: Path | None, **changes: Any) -> TrainConfig:
    """A run's settings: see `read_settings`."""
    return read_settings(TrainConfig, path, "TrainConfig", changes)


def changed_settings(kept: TrainConfig, config: TrainConfig) -> list[str]:
    """The names of settings in which two runs differ, but for those that may change when a run is resumed.

    >>> changed_settings(TrainConfig(), TrainConfig(seed=1, steps=5))
    ['seed']
    """
    return [name for name in TrainConfig.model_fields if name not in FREE and getattr(kept, name) != getattr(config, name)]


def kept_config(path: Path) -> TrainConfig:
    """The settings that a run's ``config.json`` holds; `DataError` where the file is damaged."""
    try:
        return TrainConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"the run's settings {path} cannot be read ({error.strerror}); give another --out") from error
    except ValidationError as error:
        raise DataError(
            f"the run's settings {path} are damaged ({_wrong(error)}); put back those that it began with, which are in "
            "best.json, too, or give another --out"
        ) from error


def settings_of(card: ModelCard, path: Path) -> TrainConfig:
    """The settings of the run that a model is of, as its card in ``path`` has them; `DataError` where it has none."""
    try:
        return TrainConfig.model_validate(card.training.config or None)
    except ValidationError as error:
        raise DataError(
            f"the card {path} has no settings of a run of this version ({_wrong(error)}): give a folder of what it trained"
        ) from error


def _wrong(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors())


def read_settings(kind: type[S], path: Path | None, example: str, changes: Mapping[str, Any]) -> S:
    """Settings from a TOML file, with ``changes`` on top unless empty; `DataError` names the file and what is wrong in it.

    ``example`` is where errors tell people to look.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        return kind.model_validate(values | {name: value for name, value in changes.items() if value})
    except OSError as error:
        raise DataError(f"the settings {path} cannot be read ({error.strerror}); give a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"the settings {path} are not TOML ({error}); correct that line") from error
    except ValidationError as error:
        raise DataError(f"the settings {path or 'given'} are not valid ({_wrong(error)}); see {example}") from error
