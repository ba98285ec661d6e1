"""The model card: the JSON file beside a model's weights that says what it is, how it is used and how well it does.

Reading it needs no torch, so that every engine can.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tamperlens.errors import ModelError
from tamperlens.metrics.calibration import NEAREST, Calibration
from tamperlens.types import VideoRule

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ModelCard", "paper_policy"]

#: Mean and standard deviation of ImageNet's RGB values in [0, 1]: every model's normalisation unless its card differs.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_Threshold = Annotated[float, Field(gt=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]


def paper_policy(task: str) -> Literal["native", "resized"]:
    """The paper's crop policy (section 4): segmentation on native crops, classification on resized ones."""
    return "native" if task == "seg" else "resized"


class ModelCard(BaseModel):
    """What a model is, its thresholds, preprocessing, training, measured results and known limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str  # for people; any name, such as "vgg5-seg"
    network: str  # a key of NETWORKS
    task: str  # a key of TASKS
    map_threshold: _Threshold  # tau 1: a pixel whose map value reaches it is called manipulated
    score_threshold: _Threshold  # tau 2: a crop whose raw score reaches it is called manipulated
    doubt_threshold: _Threshold | None = None  # from this raw score on, below tau 2, a crop is inconclusive
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of RGB values in [0, 1]
    std: tuple[_Positive, _Positive, _Positive] = IMAGENET_STD
    max_side: Annotated[int, Field(ge=32)] | None = None  # pixels; larger crops are shrunk to it before the network
    #: The raw score is the mean of this share of a crop's surest pixels; None: the task's own score (Eq. 6 for seg).
    peak_share: Annotated[float, Field(gt=0, le=1)] | None = None
    calibration: Calibration | None = None  # None: scores are not calibrated
    video: VideoRule | None = None  # how a face's frames are judged together, on calibrated scores; None: the default's way
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of the safetensors file
    training: dict[str, Any] = {}
    results: dict[str, Any] = {}
    limits: list[str] = []

    @model_validator(mode="after")
    def _thresholds_can_be_told_from_zero(self) -> "ModelCard":
        thresholds = [value for value in (self.score_threshold, self.doubt_threshold) if value is not None]
        if self.calibration and min(thresholds) <= NEAREST:
            raise ValueError(f"with a calibration, score thresholds must lie above {NEAREST}, below which scores are one")
        return self

    @property
    def crop_policy(self) -> str:
        """The crop policy that a model trained on a store has seen: the paper's for its task unless its settings name one."""
        told = self.training.get("config", {}).get("policy", "auto")
        return str(told) if told != "auto" else paper_policy(self.task)

    def with_results(self, **results: Any) -> "ModelCard":
        """The card with these measured results in place of what it held under their names."""
        return self.model_validate(self.model_dump() | {"results": self.results | results})

    def save(self, path: Path | str) -> None:
        """Write the card as indented JSON."""
        Path(path).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "ModelCard":
        """Read a card; raises ``ModelError`` naming the file, the entries that are wrong and the fix."""
        path = Path(path)
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"no model card at {path}: keep the card's JSON file beside the weights") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"the model card {path} cannot be read ({error}): expected a UTF-8 JSON file") from error
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}" for problem in error.errors()
            )
            raise ModelError(
                f"the model card {path} is not valid ({wrong}): correct these entries; a card has {', '.join(cls.model_fields)}"
            ) from error
