"""A photo and a clip, and their casefiles, for everything that is asked of records, reports and folders."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper
from tamperlens.inspection.casefile.record import Settings
from tamperlens.inspection.examiner import Examiner


@pytest.fixture(scope="session")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "ann's <photo>.jpg"
    exif = Image.Exif()
    exif[0x0110] = "A <b>camera</b>"
    Image.fromarray(hopper()).save(path, quality=87, exif=exif)
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    times = [*np.arange(12) * 0.1, 1.6, 1.7, 2.0]
    return clips.write_clip(tmp_path_factory.mktemp("video") / "a.mp4", clips.face_clip(15), times, sound=True)


@pytest.fixture(scope="session")
def examined(photo: Path, video: Path, tmp_path_factory) -> tuple[Path, dict]:
    """A folder with both casefiles, which nobody changes, and the records by path."""
    folder = tmp_path_factory.mktemp("out")
    examiner = Examiner(Settings(every=0.5), folder, threads=1)
    return folder, {path: examiner(path, path.stem) for path in (photo, video)}
