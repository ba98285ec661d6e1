"""Whether a record still holds: the file is the same, the model is the same, and inspecting again gives the same figures.

Every field of a record is compared, whatever fields it has; `Compared` in casefile/record.py says how near is equal, and what
only explains a difference.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tamperlens.inspection.casefile.record import NOT_COMPARED, Compared, PhotoRecord, VideoRecord, path_of
from tamperlens.inspection.examiner import Examiner
from tamperlens.media import fetched, file_facts

__all__ = ["Check", "compare", "verify"]


@dataclass(frozen=True)
class Check:
    """One figure of a record beside what was found now."""

    what: str  # where it stands in the record, as ``faces[0].score``
    recorded: str
    found: str
    holds: bool
    decisive: bool = True  # False for what explains a difference, but is none by itself


def verify(record: PhotoRecord | VideoRecord, path: Path | None = None) -> list[Check]:
    """Every figure of a record, computed again from its file (or from ``path``, where the file lies elsewhere now).

    Raises `MediaError` where the file cannot be read and `ModelError` where the model cannot be loaded.
    """
    examiner = Examiner(record.settings)
    with fetched(path or path_of(record)) as file:
        return compare(record, examiner.record(examiner.inspect(file), file_facts(file)))


def compare(record: PhotoRecord | VideoRecord, again: PhotoRecord | VideoRecord) -> list[Check]:
    """Every figure of a record beside the same of another one of the same file."""
    if type(record) is not type(again):
        return [Check("kind", record.kind, again.kind, False)]
    return list(_compare("", record, again, Compared()))


def _compare(where: str, was: Any, now: Any, how: Compared) -> Iterator[Check]:
    if how == NOT_COMPARED:
        return
    if type(was) is type(now) and (isinstance(was, BaseModel) or dataclasses.is_dataclass(was)):
        for name, own, label in _fields(was):
            if name not in how.but:
                own = own if how.decisive else dataclasses.replace(own, decisive=False)
                yield from _compare(f"{where}.{label}".lstrip("."), getattr(was, name), getattr(now, name), own)
    elif isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*was, *now]):
            yield from _compare(f"{where}.{key}", was.get(key), now.get(key), how)
    elif _is_list(was) and _is_list(now) and not all(map(_is_plain, [*was, *now])):
        if len(was) != len(now):
            yield Check(f"{where}, number", str(len(was)), str(len(now)), False, how.decisive)
        for index, (one, other) in enumerate(zip(was, now, strict=False)):
            yield from _compare(f"{where}[{index}]", one, other, how)
    else:
        yield Check(where, *_in_words(was, now), _equal(was, now, how.within), how.decisive)


def _fields(part: Any) -> Iterator[tuple[str, Compared, str]]:
    """Name of each field, how it is compared, and its name in the record."""
    if isinstance(part, BaseModel):
        for name, field in type(part).model_fields.items():
            yield name, _how(field), field.alias or name
    else:
        yield from ((field.name, Compared(), field.name) for field in dataclasses.fields(part))


def _how(field: FieldInfo) -> Compared:
    marks = [*field.metadata, *_marks(field.annotation)]
    return next((mark for mark in marks if isinstance(mark, Compared)), Compared())


def _marks(annotation: Any) -> Iterator[object]:
    """What is annotated anywhere within a type, as in ``list[Seconds] | None``."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _marks(inner)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _equal(was: Any, now: Any, within: float) -> bool:
    if _is_list(was) and _is_list(now):
        return len(was) == len(now) and all(_equal(one, other, within) for one, other in zip(was, now, strict=True))
    if (isinstance(was, float) or isinstance(now, float)) and None not in (was, now):
        return bool(abs(was - now) <= within)
    return bool(was == now)


def _in_words(was: Any, now: Any) -> tuple[str, str]:
    """Both values; of two lists of words only what the other has not."""
    if _is_list(was) and _is_list(now) and was != now and all(isinstance(one, str) for one in (*was, *now)):
        return _only(was, now), _only(now, was)
    return _value_as_text(was), _value_as_text(now)


def _only(mine: Sequence[str], other: Sequence[str]) -> str:
    return "; ".join(one for one in mine if one not in other) or "none"


def _value_as_text(value: Any) -> str:
    if _is_list(value):
        return ", ".join(map(_value_as_text, value)) or "none"
    return "none" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
