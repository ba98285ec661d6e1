"""What came of clips and units of clips: the lines of a store's parts/*.json."""

from typing import Literal

from tamperlens.data.store.manifest import JsonRecord, Shard

__all__ = ["ClipResult", "UnitRecord"]


class ClipResult(JsonRecord):
    """What came of one clip."""

    clip: str
    status: Literal["done", "failed"]
    frames: int = 0  # looked at
    crops: int = 0
    without_face: int = 0  # frames left out because the face was not found in them
    reason: str = ""
    notes: tuple[str, ...] = ()


class UnitRecord(JsonRecord):
    """What came of one unit: the line in its parts/*.json."""

    unit: str
    status: Literal["done", "failed"]  # failed where any clip did
    attempts: int
    settings: str  # hash of what decides the unit's bytes, beside `accept`
    accept: tuple[str, ...] = ()  # what was accepted (`PrepareSettings.accept`): of a unit that is done, more changes nothing
    inputs: str
    seconds: float
    clips: tuple[ClipResult, ...]
    shard: Shard | None = None  # None where no clip is left
