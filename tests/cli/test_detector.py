"""A face detector added as one row is reached by every command that detects faces."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import clips_at_hand as clips
from faces_at_hand import hopper
from tamperlens import cli
from tamperlens.errors import ModelError
from tamperlens.faces import DETECTORS, SCALES, YuNet, detector_for
from tamperlens.types import FaceBox


class Corner:
    """Sees one face, in the picture's upper left corner."""

    def __init__(self, asked: list[str], purpose: str) -> None:
        asked.append(purpose)

    def __call__(self, image: np.ndarray) -> list[FaceBox]:
        points = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], np.float32)
        return [FaceBox(10, 10, 110, 110, 0.9, points)]


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The purposes for which the new row was asked for a detector."""
    purposes: list[str] = []
    monkeypatch.setitem(DETECTORS, "corner", lambda purpose: Corner(purposes, purpose))
    return purposes


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(hopper()).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_inspect_uses_it_in_photos_and_videos_and_the_record_says_so(asked, photo: Path, tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(8), [number / 8 for number in range(8)])
    records = [json.loads(line) for line in run("inspect", photo, clip, "--json", "--detector", "corner").splitlines()]
    assert [face["box"] for face in records[0]["faces"]] == [[10, 10, 110, 110]]
    assert {tuple(frame["box"]) for track in records[1]["tracks"] for frame in track["frames"]} == {(10, 10, 110, 110)}
    assert all(record["settings"]["detector"] == "corner" for record in records) and sorted(asked) == ["photo", "video"]
    usual = json.loads(run("inspect", photo, "--json"))
    assert usual["settings"]["detector"] == "" and usual["key"] != records[0]["key"]


def test_forge_uses_it(asked, photo: Path, tmp_path: Path) -> None:
    _, truth = run("forge", photo, "--out", tmp_path / "out", "--detector", "corner").split()
    assert asked == ["photo"]
    marked = np.argwhere(np.asarray(Image.open(truth)) > 0)
    assert marked.max() < 130  # around the corner's face, not the person's


def test_datasets_are_prepared_with_it_or_not_at_all(asked, tmp_path: Path) -> None:
    for command in ("doctor", "prepare"):
        arguments = [
            command,
            str(tmp_path),
            "--detector",
            "corner",
            *(["--out", str(tmp_path / "s")] if command == "prepare" else []),
        ]
        CliRunner().invoke(cli.app, arguments)
    assert asked == ["dataset", "dataset"]


def test_an_unknown_detector_is_refused_by_name(photo: Path) -> None:
    result = CliRunner().invoke(cli.app, ["inspect", str(photo), "--detector", "wonder"])
    assert result.exit_code == 2 and "no face detector is called 'wonder'; expected one of yunet" in result.stderr
    with pytest.raises(ModelError, match="wonder"):
        detector_for("photo", "wonder")


def test_purposes_have_the_settings_that_stores_and_results_were_made_with() -> None:
    """A prepared store's settings hash holds its detector's words."""
    scales = {"photo": (480, 1280, 2560), "video": (640,), "dataset": (640,), "portrait": (480,)}
    assert scales == SCALES
    for purpose, own in scales.items():
        assert repr(detector_for(purpose)) == repr(YuNet(scales=own))
    assert repr(detector_for("dataset")) == "YuNet(scales=(640,), confidence=0.7, overlap=0.3)"
