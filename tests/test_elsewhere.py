"""The bench of other people's manipulations, on two made-up pairs, a made-up clip and a predictor that says what it is told."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper
from predictor_at_hand import FakePredictor
from tamperlens.media import write_png
from tamperlens.types import UInt8Array


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
        yield importlib.import_module("elsewhere")


def changed(image: UInt8Array) -> UInt8Array:
    """With a lighter square in the left half of the face's crop."""
    fake = image.copy()
    fake[90:140, 90:130] += 40
    return fake


def test_pairs_and_pristine_pictures_are_judged(script, tmp_path, monkeypatch, capsys):
    photo = np.ascontiguousarray(hopper()[::2, ::2] // 2)
    folders = [tmp_path / name for name in ("foreign", "ghost", "real")]
    for folder in folders:
        folder.mkdir()
    foreign, ghost, real = folders
    for name in ("tool_1", "infoswap_2"):
        write_png(foreign / f"{name}_original.png", photo)
        write_png(foreign / f"{name}_fake.png", changed(photo))
    for name, image in {"orig": photo, "elon": changed(photo), "khabenskii": photo, "mark": photo}.items():
        frames = [image.copy() for _ in range(7)]
        for number, frame in enumerate(frames):
            frame[:8, :8] = 20 * number  # equal frames would be stored as one
        first, *others = map(Image.fromarray, frames)
        first.save(ghost / f"{name}.webp", save_all=True, append_images=others, lossless=True, method=0)
    write_png(ghost / "beckham.jpg", photo)
    write_png(ghost / "result.png", changed(photo))
    write_png(real / "photo.png", np.pad(photo, ((10, 10), (10, 10), (0, 0))))
    write_png(real / "nobody.png", np.full((100, 100, 3), 128, np.uint8))
    (real / "terms.txt").write_text("not a picture")

    # original before fake; infoswap_2, tool_1, ghost photo, two frames of an original and three fakes; the rest
    scores = [0.5, 0.3, 0.2, 0.9, 0.1, 0.4, *(0.4, 0.6, 0.3, 0.4), *(0.4, 0.5, 0.3, 0.4), 0.7]
    monkeypatch.setattr(script, "load", lambda name, threads: FakePredictor(*scores))
    out = tmp_path / "scores.json"
    arguments = ["--foreign", foreign, "--ghost", ghost, "--pristine", real, "--limit", "5", "--border", "real=10", "--mean"]
    monkeypatch.setattr(sys, "argv", ["elsewhere.py", *map(str, arguments), "--json", str(out)])
    script.main()

    rows = json.loads(out.read_text())
    assert len(rows) == 2 + 2 + 2 + 2 * 4 + 2
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    cells = {tuple(line[:2]): line[2:] for line in lines}
    for model in (FakePredictor.name, script.MEAN):
        assert cells[model, "tool"][1:5:2] == ["1.000", "1.000"]
        assert cells[model, "infoswap"][3] == "0.000" and cells[model, "infoswap"][5].endswith("(rough)")
        assert cells[model, "ghost clips"][0] == "3" and cells[model, "ghost clips"][3:5] == ["0.500", "0.500"]
        assert cells[model, "all"][0] == "6"
        assert cells[model, "real"][:3] == ["2", "2", "1"]
    assert cells[FakePredictor.name, "real"][3:5] == ["1 (100.0%)", "0 (0.0%)"]
    assert cells[script.MEAN, "real"][3:5] == ["-", "-"]
    fake = next(row for row in rows if row["file"] == "tool_1_fake.png")
    assert fake["scores"][script.MEAN] == pytest.approx(0.9) and 0 < fake["fg_iou"][FakePredictor.name] < 0.5


def test_the_truth_is_what_visibly_differs(script):
    original = np.full((120, 120, 3), 100, np.uint8)
    fake = original + np.random.default_rng(0).integers(0, 20, original.shape, np.uint8)
    fake[20:60, 30:80, 1] = 160
    fake[30:40, 40:50] = original[30:40, 40:50]  # a hole
    fake[100, 100] = 255  # a speck
    truth = np.zeros((120, 120), np.bool_)
    truth[20:60, 30:80] = True
    assert np.array_equal(script.difference(fake, original), truth)
    assert not script.difference(original, original).any()
