"""The prepared store's table, one row per crop, and the page beside it that says what the store is.

A store is a folder::

    store.json         version, settings, counts, shards; `complete` is true only once everything is there
    manifest.parquet   one row per crop: opens in pandas, DuckDB and Hugging Face datasets
    shards/*.tar       crops, masks and their rows as WebDataset samples
    parts/             while the store is being made, and as long as clips of it have failed

"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tamperlens.data.store.shards import replacing_file
from tamperlens.errors import DataError

__all__ = [
    "VERSION",
    "ClipFailure",
    "CropPlace",
    "CropRow",
    "JsonRecord",
    "PrepareSettings",
    "Shard",
    "StoreInfo",
    "join_tables",
    "read_info",
    "replace_json",
    "settings_hash",
    "write_info",
    "write_rows",
]

VERSION = 1  # of the store's layout; whoever changes what is written raises it
INFO, MANIFEST, SHARDS, PARTS = "store.json", "manifest.parquet", "shards", "parts"


@dataclass(frozen=True)
class CropPlace:
    """One crop as it is cut: where it comes from, where it lies in its frame, and what is known of its pixels."""

    clip: str  # Clip.id
    method: str  # a code of data/readers/methods.py
    target: str
    source: str | None
    compression: str | None
    split: str | None
    split_set: str | None  # which splits `split` speaks of: official, custom-<hash>
    persons: list[str]
    frame: int  # index in the video
    seconds: float
    left: int  # of the crop's first pixel in the frame; negative where the crop reaches beyond it
    top: int
    side: int  # pixels
    face_x0: float  # the face box, smoothed over time, in frame pixels
    face_y0: float
    face_x1: float
    face_y1: float
    label: int  # 1 where the mask holds a manipulated pixel, or where the clip is manipulated and there is no mask
    mask_pixels: int | None  # None where only the label is known: the clip has no original
    recipe: str | None  # how the mask was made; None without one, and for pristine clips, whose masks are empty
    recipe_version: int | None
    recipe_hash: str | None


@dataclass(frozen=True)
class CropRow(CropPlace):
    """One crop of a finished store: what was known when it was cut, and what only its whole clip and shard tell."""

    noise_median: float | None  # how much clip and original differ outside the face, of 255: median over the clip
    noise_p99: float | None
    shard: str  # file under shards/
    image_offset: int  # of the PNG's first byte in the shard
    image_length: int
    mask_offset: int
    mask_length: int  # 0 where there is no mask
    accepted: str | None = None  # findings in spite of which the clip is used, as asked for (`PrepareSettings.accept`)


_TYPES = {
    **dict.fromkeys(["frame", "left", "top", "side", "mask_pixels", "recipe_version"], pa.int32()),
    **dict.fromkeys(["image_offset", "image_length", "mask_offset", "mask_length"], pa.int64()),
    **dict.fromkeys(["face_x0", "face_y0", "face_x1", "face_y1", "noise_median", "noise_p99"], pa.float32()),
    "seconds": pa.float64(),
    "label": pa.int8(),
    "persons": pa.list_(pa.string()),
}
SCHEMA = pa.schema(
    [(field.name, _TYPES.get(field.name, pa.string())) for field in fields(CropRow)],
    metadata={"tamperlens_store_version": str(VERSION)},
)


class JsonRecord(BaseModel):
    """A frozen record that is kept as JSON; unknown entries are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PrepareSettings(JsonRecord):
    """What decides the bytes of a store, beside the clips themselves."""

    reader: str = "faceforensics"
    methods: tuple[str, ...] | None = None  # manipulation methods; None: all. Their originals always come along
    compression: str | None = None
    recipe: str | None = None  # of data/prepare/masks.py; None: the one that fits each clip's compression
    every_train: int = Field(default=1, ge=1)  # paper: all frames for training ...
    every_eval: int = Field(default=10, ge=1)  # ... and every 10th otherwise
    detect_every: int = Field(default=5, ge=1)  # frames; the boxes in between are interpolated
    enlarge: float = Field(default=2.0, ge=1.0)  # paper: the face box times two
    # Findings of the doctor in spite of which clips are used; their rows name them. Left out of files where there are none, so
    # that these stores are the same bytes as before there was a choice.
    accept: tuple[str, ...] = Field(default=(), exclude_if=lambda codes: not codes)
    # Splits of which clips are cut, all by default: what is only tested on needs no training crops. Left out like `accept`.
    only: tuple[str, ...] = Field(default=(), exclude_if=lambda splits: not splits)


class Shard(JsonRecord):
    """One tar file under shards/."""

    file: str
    size: int  # bytes
    sha256: str


class ClipFailure(JsonRecord):
    """A clip that is not in the store, and why."""

    clip: str
    reason: str


class StoreInfo(JsonRecord):
    """What a store is: the content of store.json."""

    version: int
    complete: bool
    settings: PrepareSettings
    settings_hash: str
    detector: str
    split_set: str | None = None
    inputs_hash: str = ""  # of the clips, their splits and sizes
    # Of the clips, their splits and what their tree was synthesized from. Left out of stores of other trees.
    synthesized_hash: str = Field(default="", exclude_if=lambda digest: not digest)
    recipes: tuple[str, ...] = ()
    clips: int = 0
    crops: int = 0
    counts: Mapping[str, Mapping[str, int]] = {}  # split -> method -> crops
    failed: tuple[ClipFailure, ...] = ()
    shards: tuple[Shard, ...] = ()

    @property
    def clips_hash(self) -> str:
        """What tells the clips from others on any machine: codecs of another write synthesized ones at other sizes."""
        return self.synthesized_hash or self.inputs_hash


def settings_hash(settings: PrepareSettings, detector: str) -> str:
    """Twelve hexadecimal digits over everything that decides a store's bytes."""
    content = json.dumps([VERSION, settings.model_dump(), detector], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def write_info(folder: Path, info: StoreInfo) -> None:
    """Writes store.json, whole or not at all."""
    replace_json(folder / INFO, json.dumps(info.model_dump(mode="json"), indent=1) + "\n")


def replace_json(path: Path, text: str) -> None:
    """Writes a small file, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_info(folder: Path) -> StoreInfo:
    """The content of store.json, whether complete or not. Raises ``DataError`` where it is not of this version."""
    path = folder / INFO
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} is no prepared store ({INFO} is missing); make one with: tamperlens prepare") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the store again in an empty folder") from error
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise DataError(
            f"{path}: the store is of version {version}, this tamperlens reads version {VERSION}; prepare it again in "
            "another folder, or use the tamperlens that made it"
        )
    try:
        return StoreInfo.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise DataError(f"{path} is damaged ({wrong}); prepare the store again in an empty folder") from error


def schema_of(settings: PrepareSettings) -> Any:
    """The table's schema: the column of what was accepted is there only where something may have been."""
    return SCHEMA if settings.accept else SCHEMA.remove(SCHEMA.get_field_index("accepted"))


def write_rows(rows: Iterable[CropRow], path: Path, settings: PrepareSettings) -> None:
    """Writes rows as Parquet, whole or not at all."""
    table = pa.Table.from_pylist([vars(row) for row in rows], schema=schema_of(settings))
    with replacing_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def join_tables(parts: Sequence[Path], path: Path, settings: PrepareSettings) -> dict[str, dict[str, int]]:
    """Joins Parquet files of rows, one after the other, and returns their number by split and method."""
    counts: dict[str, dict[str, int]] = {}
    schema = schema_of(settings)
    with replacing_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        waiting: list[Any] = []
        for part in parts:
            waiting.append(table := pq.read_table(part, schema=schema))
            for split, method in zip(table["split"].to_pylist(), table["method"].to_pylist(), strict=True):
                own = counts.setdefault(split or "none", {})
                own[method] = own.get(method, 0) + 1
            if sum(len(one) for one in waiting) > 100_000:  # rows: memory stays bounded
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return {split: dict(sorted(own.items())) for split, own in sorted(counts.items())}
