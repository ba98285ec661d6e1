"""How often a file is opened on its way from a path to a record and a casefile."""

from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper
from tamperlens.inspection.casefile.record import Settings
from tamperlens.inspection.examiner import Examiner


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who opened which file for reading, in order."""
    openings: list[str] = []
    pillow, pyav = Image.open, av.open

    def by_pillow(file: Any, *arguments: Any, **options: Any) -> Any:
        openings.append(f"Pillow {Path(getattr(file, 'name', file)).name}")
        return pillow(file, *arguments, **options)

    def by_pyav(file: Any, mode: str | None = None, *arguments: Any, **options: Any) -> Any:
        if mode != "w":
            openings.append(f"PyAV {Path(file).name}")
        return pyav(file, mode, *arguments, **options)

    monkeypatch.setattr(Image, "open", by_pillow)
    monkeypatch.setattr(av, "open", by_pyav)
    return openings


def test_a_photo_is_opened_once_and_a_clip_once_for_each_reading(tmp_path: Path, opened: list[str]) -> None:
    Image.fromarray(hopper()).save(tmp_path / "a.jpg")
    clip = clips.write_clip(tmp_path / "b.mp4", clips.face_clip(12), [number / 10 for number in range(12)], sound=True)
    (tmp_path / "out").mkdir()
    examiner = Examiner(Settings(every=0.5), tmp_path / "out", threads=1)
    opened.clear()
    assert examiner(tmp_path / "a.jpg", "a").verdict
    assert opened == ["Pillow a.jpg"]
    opened.clear()
    record = examiner(clip, "b")
    assert record.kind == "video" and "annotated" in record.outputs
    assert opened == ["PyAV b.mp4"] * 3  # inspected; drawn over; and its sound, beside the pictures
    opened.clear()
    assert examiner(clip, "b") == record  # nothing is done again
    assert opened == ["PyAV b.mp4"]
