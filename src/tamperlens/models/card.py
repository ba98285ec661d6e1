"""The model card: the JSON file beside a model's weights that says what it is, how it is used and how well it does.

Reading it needs no torch, so that every engine can. Code reads fields only: what a row of results is of stands in its fields,
and the label that people see is made of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator

from tamperlens.errors import ModelError
from tamperlens.metrics import wilson
from tamperlens.metrics.calibration import NEAREST, Calibration
from tamperlens.models.agreement import Reference
from tamperlens.models.old_card import upgraded
from tamperlens.types import ResultRow, VideoRule

__all__ = [
    "AS_PHOTOGRAPHED",
    "CALLED_MANIPULATED",
    "FACES_CALLED_MANIPULATED",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "AlarmRate",
    "CardRow",
    "FalseAlarms",
    "Families",
    "ModelCard",
    "Origin",
    "Quantised",
    "StoreUsed",
    "Training",
    "paper_policy",
    "rows_of_card",
]

#: Mean and standard deviation of ImageNet's RGB values in [0, 1]: every model's normalisation unless its card differs.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: The control of photos that nothing was done to, and the metrics from which the rate of false alarms is told.
AS_PHOTOGRAPHED = "as photographed"
CALLED_MANIPULATED, FACES_CALLED_MANIPULATED = "called manipulated", "faces called manipulated"

MOST_AUC_LOST, MOST_MIOU_LOST = 0.005, 0.005  # by int8, for a model that may be shipped

_Threshold = Annotated[float, Field(gt=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Policy = Literal["native", "resized"]


def paper_policy(task: str) -> _Policy:
    """The paper's crop policy (section 4): segmentation on native crops, classification on resized ones."""
    return "native" if task == "seg" else "resized"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Families(_Part):
    """Forgery families, as `forge.FAMILIES` names them."""

    trained: tuple[str, ...] = ()  # learned from
    unseen: tuple[str, ...] = ()  # measured, but never learned from


class AlarmRate(_Part):
    """How many pristine faces were called manipulated, of how many judged."""

    called_manipulated: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(gt=0)]
    #: What was counted. "files": each file with a judged face counts as one face, which portraits and our clips have.
    counted: Literal["faces", "files"] = "faces"
    sources: tuple[str, ...] = ()  # whose pictures, and what was done to them

    @model_validator(mode="after")
    def _is_a_part(self) -> "AlarmRate":
        if self.called_manipulated > self.count:
            raise ValueError(f"called_manipulated is {self.called_manipulated}, more than the count {self.count}")
        return self

    @property
    def rate(self) -> float:
        """The share called manipulated."""
        return self.called_manipulated / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson's)."""
        return wilson(self.called_manipulated, self.count)


class FalseAlarms(_Part):
    """The rates of false alarms that reports tell; null where not measured."""

    photo: AlarmRate | None = None
    video: AlarmRate | None = None


class CardRow(_Part):
    """One measured figure. Which of the fields that name its subject are filled depends on the table."""

    table: Literal["crops", "photos", "groups", "clips"]
    subset: str = ""  # forgery family or stand-in method, "pristine", or "all" or "average" of these
    source: str = ""  # whose pictures: "test people", "lfw"
    delivery: str = ""  # how crops and clips were compressed after all else: "JPEG 75"
    control: str = ""  # what was done to whole pristine photos: "as photographed", "blurred 1.0"
    group: str = ""  # of people: "glasses"
    metric: str
    value: float | None  # None where undefined, as low and high where there is no interval
    low: float | None = None  # 95 % interval
    high: float | None = None
    n: Annotated[int, Field(ge=0)]  # what was counted: crops, photos, faces or clips

    @classmethod
    def of(cls, row: ResultRow, table: str, **subject: str) -> "CardRow":
        """A measured row with its subject in fields; the row's own subset is left aside where one is given."""
        value, low, high = (None if number != number else round(number, 4) for number in (row.value, row.low, row.high))
        fields = {"subset": row.subset, "metric": row.metric, "value": value, "low": low, "high": high, "n": row.count}
        return cls.model_validate(fields | {"table": table} | subject)

    @property
    def label(self) -> str:
        """The subject in words, for tables."""
        whose = f"{self.subset}: {self.source}" if self.source else self.subset
        counted = ", by face" if self.metric == FACES_CALLED_MANIPULATED else ""
        return {
            "crops": f"{self.subset}, {self.delivery}",
            "photos": f"{whose}, {self.control}{counted}",
            "groups": f"{self.group}, {self.control}",
            "clips": f"{whose}, {self.delivery}",
        }[self.table]

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: Any) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value != ""}


class Origin(_Part):
    """Weights made elsewhere from which training began."""

    part: str = ""  # of the network, such as "trunk"; empty: all of it
    name: str  # what they are, and where they came from
    terms: str  # under which they may be used
    sha256: _Sha256 | None = None  # of the file that they were read from


class StoreUsed(_Part):
    """The prepared store that a model learned from."""

    settings: str  # their hash
    inputs: str = ""  # what tells its clips from others; not in cards of before
    masks: tuple[str, ...]  # recipes
    splits: str | None
    crops: dict[str, dict[str, int]]  # split -> method -> crops


class Training(_Part):
    """What a model learned from, and for how long. Empty where it is not known."""

    steps: int = 0
    crops_seen: int = 0
    #: The run's settings as they were, a TrainConfig's, or the file that held them: for people and for repeating the run.
    #: What the product reads has a field of the card.
    config: dict[str, Any] | str = {}
    data: dict[str, str] = {}  # data set -> origin and terms
    photos: dict[str, int] = {}  # split -> photos; no person is in two splits
    store: StoreUsed | None = None
    date: str = ""
    commit: str = ""  # of the code
    thresholds: str = ""  # how they were chosen
    operating_points: dict[str, float] = {}
    weights_sha256: _Sha256 | None = None  # of an earlier run's result, where a later run went on from it
    before: "Training | None" = None  # the run that this one went on from


class Quantised(_Part):
    """What int8 costs a model: the same crops of test people, judged before and after."""

    auc_before: float
    auc: float
    miou_before: float
    miou: float
    crops: Annotated[int, Field(gt=0)]
    calibrated_on: Annotated[int, Field(gt=0)]  # crops of other people

    @property
    def fit(self) -> bool:
        """Whether it may be shipped: AUC falls by less than 0.005 and mIoU by less than half a point."""
        return self.auc_before - self.auc < MOST_AUC_LOST and self.miou_before - self.miou < MOST_MIOU_LOST

    def in_words(self) -> str:
        """One sentence with the figures."""
        return (
            f"int8: AUC {self.auc_before:.4f} before, {self.auc:.4f} after; mIoU {100 * self.miou_before:.2f} before, "
            f"{100 * self.miou:.2f} after, on {self.crops} crops of test people; calibrated on {self.calibrated_on} crops of "
            f"others; {'fit' if self.fit else 'NOT fit'} to ship"
        )


class ModelCard(_Part):
    """What a model is, its thresholds, preprocessing, training, measured results and known limits.

    card = ModelCard.load("contrast-seg.json")
    card.false_alarms.photo.rate, card.families.unseen
    """

    format: Literal["tamperlens.card/2"] = "tamperlens.card/2"
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
    crop_policy: _Policy  # of crops of a store, as training saw them; where not given, the paper's for the task
    weights_sha256: _Sha256 | None = None  # of the safetensors file
    precision: Literal["float32", "int8"] = "float32"  # of the weights and of what flows between layers
    quantised: Quantised | None = None  # of int8 models, where it was measured
    reference: Reference | None = None  # what the model gives for a fixed crop; engines are held against it
    initialised_from: tuple[Origin, ...] = ()
    families: Families = Families()
    false_alarms: FalseAlarms = FalseAlarms()
    calibration_error: float | None = None  # expected calibration error on validation crops
    validation: dict[str, float] = {}  # figures on validation crops during training, by metric
    training: Training = Training()
    results: tuple[CardRow, ...] = ()
    limits: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        new = upgraded(values)
        if new is not values:
            rows = [CardRow.model_validate(row) for row in new["results"]]
            new |= {"results": rows, "false_alarms": _false_alarms(rows)}
        return new if "crop_policy" in new else new | {"crop_policy": paper_policy(str(new.get("task")))}

    @model_validator(mode="after")
    def _thresholds_can_be_told_from_zero(self) -> "ModelCard":
        thresholds = [value for value in (self.score_threshold, self.doubt_threshold) if value is not None]
        if self.calibration and min(thresholds) <= NEAREST:
            raise ValueError(f"with a calibration, score thresholds must lie above {NEAREST}, below which scores are one")
        return self

    def rows(self, table: str) -> list[ResultRow]:
        """The results of one table, under their labels."""
        return rows_of_card([row for row in self.results if row.table == table], self.name)

    def with_results(self, rows: Sequence[CardRow], **entries: Any) -> "ModelCard":
        """The card with measured rows in place of what it held in their tables, and the rates of false alarms that they give.

        ``entries``: other entries of the card that change with them.
        """
        tables = {row.table for row in rows}
        results = [*(row for row in self.results if row.table not in tables), *rows]
        return self.model_validate(self.model_dump() | entries | {"results": results, "false_alarms": _false_alarms(results)})

    def save(self, path: Path | str) -> None:
        """Write the card as indented JSON."""
        Path(path).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "ModelCard":
        """Read a card, also one of the first format; `ModelError` names the file, the entries that are wrong and the fix."""
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


def rows_of_card(rows: Sequence[CardRow], model: str) -> list[ResultRow]:
    """Rows for printing, under their labels."""
    return [ResultRow(model, row.label, row.metric, _nan(row.value), _nan(row.low), _nan(row.high), row.n) for row in rows]


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _false_alarms(rows: Sequence[CardRow]) -> FalseAlarms:
    return FalseAlarms(photo=_alarm_rate(rows, "photos"), video=_alarm_rate(rows, "clips"))


def _alarm_rate(rows: Sequence[CardRow], table: Literal["photos", "clips"]) -> AlarmRate | None:
    """All pristine photos as photographed, or clips, of all sources together; of faces where these were counted."""
    pristine = [row for row in rows if row.table == table and row.subset == "pristine" and row.n]
    pristine = [row for row in pristine if table == "clips" or row.control == AS_PHOTOGRAPHED]
    of_faces = [row for row in pristine if row.metric == FACES_CALLED_MANIPULATED]
    counted = of_faces or [row for row in pristine if row.metric == CALLED_MANIPULATED]
    if not counted:
        return None
    return AlarmRate(
        called_manipulated=sum(round((row.value or 0.0) * row.n) for row in counted),
        count=sum(row.n for row in counted),
        counted="faces" if of_faces else "files",
        sources=tuple(f"{row.source}, {row.control or row.delivery}" for row in counted),
    )
