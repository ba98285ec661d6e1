"""Records: written by typed code, by the published schema, able to grow; and whether all of a record still holds."""

import copy
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper
from tamperlens.inspection.casefile.record import (
    Compared,
    FailureRecord,
    PhotoRecord,
    Rates,
    Settings,
    dump,
    json_schema,
    key_of,
    parse_record,
    path_of,
)
from tamperlens.inspection.casefile.words import alarms_in_words, command_of, rate_in_words, sentence_of
from tamperlens.inspection.examiner import Examiner
from tamperlens.inspection.verify import compare, verify
from tamperlens.models.card import AlarmRate

SCHEMA = jsonschema.Draft202012Validator(json_schema())


def test_records_follow_the_published_schema(examined, photo: Path, video: Path) -> None:
    folder, records = examined
    jsonschema.Draft202012Validator.check_schema(json_schema())
    for path in (photo, video):
        values = json.loads((folder / f"{path.stem}.json").read_text())
        SCHEMA.validate(values)
        assert parse_record(values) == records[path] and dump(records[path]) == values
        assert set(values["outputs"].values()) <= {file.name for file in folder.iterdir()} and values["not_written"] == {}
    missing = Examiner(Settings(), threads=1)(folder / "missing.jpg", "missing")
    assert isinstance(missing, FailureRecord) and "no such file" in missing.error
    SCHEMA.validate(dump(missing))
    wrong = dump(records[photo]) | {"verdict": "real"}
    assert not SCHEMA.is_valid(wrong)
    with pytest.raises(ValueError, match="verdict"):
        parse_record(wrong)


def objects_in(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(part)


def test_fields_of_a_later_program_are_passed_over_wherever_they_stand(examined, photo: Path, video: Path) -> None:
    free = ("exif", "tags", "versions", "outputs", "not_written")  # any name may stand there, and is kept
    for path in (photo, video):
        record = examined[1][path]
        values = copy.deepcopy(dump(record))
        open_ended = [id(part) for own in objects_in(values) for name, part in own.items() if name in free]
        fixed = [own for own in objects_in(values) if id(own) not in open_ended]
        for own in fixed:
            own["sharpness"] = {"of a later version": [1.5]}
        assert len(fixed) > 6
        assert parse_record(values) == record == parse_record(json.dumps(values))
        SCHEMA.validate(values)


def test_the_key_changes_with_whatever_changes_figures() -> None:
    keys = {
        key_of(*what)
        for what in (
            ("a", "m 1", Settings()),
            ("b", "m 1", Settings()),
            ("a", "m 2", Settings()),
            ("a", "m 1", Settings(every=0.5)),
            ("a", "m 1", Settings(), {"score_threshold": 0.5}),
        )
    }
    assert len(keys) == 5 and key_of("a", "m 1", Settings(model="m")) in keys


def test_the_command_repeats_the_settings(examined, photo: Path) -> None:
    record = examined[1][photo]
    assert shlex.split(command_of(record)) == ["tamperlens", "inspect", str(photo), "--every", "0.5"]
    odd = record.model_copy(update={"path": "/tmp/a\\udce9'\x1b\n.jpg", "settings": Settings(end=2.0)})
    assert command_of(odd) == r"tamperlens inspect $'/tmp/a\xe9\x27\x1b\x0a.jpg' --to 2.0"
    assert command_of(record.model_copy(update={"path": "-x.jpg"})).startswith("tamperlens inspect ./-x.jpg")
    computed = record.model_copy(update={"path": "a.jpg", "settings": Settings(runtime="openvino", precision="bf16")})
    assert command_of(computed) == "tamperlens inspect a.jpg --runtime openvino --precision bf16"
    assert len(command_of(record.model_copy(update={"path": 200 * "顔" + ".jpg"}))) > 200  # no file has so long a name


def test_text_that_no_file_can_hold_is_spelled_out(examined, photo: Path) -> None:
    record = examined[1][photo].model_copy(update={"settings": Settings(model="m\udce9.onnx"), "versions": {"a\udce9": "1"}})
    text = json.dumps(dump(record))
    assert parse_record(text.encode()).settings.model == "m\\udce9.onnx" and "\\\\udce9" in text


def test_more_faces_than_are_named_are_counted(examined, photo: Path) -> None:
    record = examined[1][photo]
    face = record.faces[0].model_copy(update={"verdict": "manipulated"})
    many = record.model_copy(update={"faces": [face] * 12, "verdict": "manipulated"})
    assert "in faces 1, 2, 3, 4, 5, 6, 7, 8 and 4 more of this photo" in sentence_of(many)


# -------------------------------------------------------------------------------------------------------- false-alarm rates


def test_a_rate_is_told_for_the_faces_that_were_judged() -> None:
    alarms = AlarmRate(called_manipulated=1, count=400, counted="files", sources=("a, as photographed", "b, c"))
    rates = Rates.of(alarms, "photo", 46)
    assert (rates.count, rates.called_manipulated) == (400, 0.0025) and 0 < rates.low < 0.0025 < rates.high < 0.02
    assert rates.subset == "pristine photos (a, as photographed; b, c)"
    assert (rates.faces, rates.expected) == (46, pytest.approx(46 * 0.0025))
    assert rates.at_least_one == pytest.approx(1 - 0.9975**46, abs=1e-5)  # 10.9 %
    assert rates.expected_low < rates.expected < rates.expected_high and rates.at_least_one_high < 1
    assert "of 400 pristine photos (a, as photographed; b, c), 0.2 % were wrongly called manipulated" in rate_in_words(rates)
    words = alarms_in_words(rates, "in this photo")
    assert words.startswith("If none of the 46 judged faces in this photo is manipulated, about 0.12 (0.02 to 0.65) of them")
    assert "at least one would be is about 10.9 % (2.0 % to 47.8 %)" in words
    one = Rates.of(alarms, "photo", 1)
    assert one.expected == one.at_least_one == 0.0025 and "the one judged face in x" in alarms_in_words(one, "in x")
    assert Rates.of(AlarmRate(called_manipulated=0, count=9), "video", 2).subset == "faces of pristine videos ()"
    assert alarms_in_words(Rates.of(alarms, "photo", 0), "in this photo") == ""


def test_a_picture_of_many_faces_says_what_they_mean(tmp_path: Path) -> None:
    """Case B2: 46 faces in one picture were told the rate of one."""
    person = np.asarray(Image.fromarray(hopper()).resize((256, 300)))
    Image.fromarray(np.tile(person, (2, 3, 1))).save(tmp_path / "six.png")
    record = Examiner(Settings(), tmp_path, threads=1)(tmp_path / "six.png", "six")
    assert isinstance(record, PhotoRecord) and record.false_alarms is not None
    judged = sum(face.score is not None for face in record.faces)
    rate = record.false_alarms
    assert judged == rate.faces == 6 and rate.expected == pytest.approx(6 * rate.called_manipulated, abs=1e-5)
    assert rate.at_least_one == pytest.approx(1 - (1 - rate.called_manipulated) ** 6, abs=1e-5)
    assert "If none of the 6 judged faces in this photo is manipulated" in (tmp_path / "six.html").read_text()


# ------------------------------------------------------------------------------------------------------------------- verify


def test_what_has_not_changed_holds(examined, photo: Path, video: Path) -> None:
    for path in (photo, video):
        checks = verify(examined[1][path])
        assert all(check.holds for check in checks), [check for check in checks if not check.holds]
        assert len(checks) > 15


def test_what_has_changed_is_named(examined, photo: Path, tmp_path: Path) -> None:
    record = examined[1][photo]
    other = tmp_path / "other.jpg"
    Image.fromarray(hopper()[::-1].copy()[::-1]).save(other, quality=60)
    wrong = {check.what for check in verify(record, other) if not check.holds and check.decisive}
    assert "file.sha256" in wrong and "file.photo.jpeg.quality" in wrong and not {"model", "file.name"} & wrong
    face = record.faces[0].model_copy(update={"score": 0.99, "verdict": "manipulated"})
    forged = record.model_copy(update={"verdict": "manipulated", "score": 0.99, "faces": [face], "model": "m 0"})
    wrong = {check.what for check in compare(forged, record) if not check.holds}
    assert wrong == {"model", "verdict", "score", "faces[0].score", "faces[0].verdict"}
    near = record.model_copy(update={"score": record.score + 0.004, "key": "another", "reasons": []})
    assert [check.what for check in compare(near, record) if not check.holds and check.decisive] == []
    assert [check.what for check in compare(near, record) if not check.holds] == ["reasons", "key"]


def leaves(value: Any, where: tuple = ()) -> Iterator[tuple]:
    """The place of every plain value of a record's JSON."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from leaves(part, (*where, name))
    if not isinstance(value, dict | list):
        yield where


def changed(value: Any) -> list[Any]:
    """Other values, of which one is valid wherever the value was."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 9, value + 0.3, value - 0.3]
    return [f"{value}x", "manipulated", "no_evidence", "onnx", "bf16", 0.3, 9, [0.1, 0.2], {"a": "b"}]


#: What may differ between two records of one file without a word. Whoever adds to it says why.
APART = {"schema", "kind", "path", "outputs", "not_written", "file.name", "settings.model"}


def test_every_figure_of_a_record_is_compared(examined, photo: Path, video: Path) -> None:
    """Asked of every value that stands in a record, so that a new field is asked for, too."""
    for path in (photo, video):
        record = examined[1][path]
        asked, unnamed = 0, []
        for where in leaves(dump(record)):
            names = ".".join(str(name) for name in where)
            if any(names == apart or names.startswith(f"{apart}.") for apart in APART):
                continue
            found = None
            for other in changed(_at(dump(record), where)):
                values = dump(record)
                _at(values, where[:-1])[where[-1]] = other
                try:
                    found = parse_record(values)
                except ValueError:
                    continue
                if found != record:
                    break
            if found is None or found == record:
                assert _at(dump(record), where) is None  # an object that is not there
                continue
            wrong = [check.what for check in compare(found, record) if not check.holds]
            asked += 1
            unnamed += [] if len(wrong) == 1 and _is_part(wrong[0], where) else [(names, wrong)]
        assert not unnamed and asked > 60
        assert not [check for check in compare(record, record) if not check.holds]
        shorter = copy.deepcopy(dump(record))
        for own in objects_in(shorter):
            own |= {name: part[:-1] for name, part in own.items() if name in ("faces", "tracks") and isinstance(part, list)}
        assert {"faces, number", "tracks, number"} & {c.what for c in compare(parse_record(shorter), record) if not c.holds}


def _at(values: Any, where: tuple) -> Any:
    for name in where:
        values = values[name]
    return values


def _is_part(named: str, where: tuple) -> bool:
    """Whether a check names a value, or the list it stands in."""
    words = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in where).lstrip(".")
    return words.startswith(named.removesuffix(", number"))


def test_a_new_figure_is_compared_without_a_change_to_verify(examined, photo: Path) -> None:
    class Later(PhotoRecord):
        sharpness: float
        spans: Annotated[list[float], Compared(within=2.0)]

    values = dict(examined[1][photo])
    old, new = Later(**values, sharpness=12.0, spans=[1.0]), Later(**values, sharpness=15.0, spans=[2.5])
    assert [check.what for check in compare(old, new) if not check.holds] == ["sharpness"]
    new = Later(**values, sharpness=12.004, spans=[3.5])
    assert [check.what for check in compare(old, new) if not check.holds] == ["spans"]


def test_a_record_of_another_kind_is_one_difference(examined, photo: Path, video: Path) -> None:
    (check,) = compare(examined[1][photo], examined[1][video])
    assert (check.what, check.recorded, check.found, check.holds) == ("kind", "photo", "video", False)


def test_a_file_whose_name_is_no_text_is_found_again(tmp_path: Path, examined, photo: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    path.touch()
    record = examined[1][photo]
    assert path_of(record.model_copy(update={"path": str(tmp_path / "caf\\udce9.jpg")})) == path
    spelled = tmp_path / "caf\\udce9.png"  # a name may hold these very letters
    spelled.touch()
    assert path_of(record.model_copy(update={"path": str(spelled)})) == spelled
