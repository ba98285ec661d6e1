"""The video rule's clips: whose they are, and which kept scores are theirs."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tamperlens.bench import video_rule
from tamperlens.bench.video_rule import Clips, judged_clips
from tamperlens.data.portraits import FacePhoto
from tamperlens.errors import DataError


def test_clips_are_of_one_photo_a_person_and_kept_scores_of_the_same_clip(tmp_path, monkeypatch) -> None:
    names = [(f"p{person}", number) for person in range(4) for number in range(3)]
    photos = [FacePhoto(f"x/{person}/{number}.jpg", f"x/{person}", (0, 0, 1, 1), ()) for person, number in names]
    filmed: list[tuple[str, str]] = []

    def images(target: str, donor: str, kind: str, number: int) -> None:
        filmed.append((target, donor))

    def inspected(*_) -> SimpleNamespace:
        seen = SimpleNamespace(finding=SimpleNamespace(score=len(filmed) / 100))
        return SimpleNamespace(tracks=[SimpleNamespace(sightings=[seen] * 5)])

    monkeypatch.setattr(video_rule, "footage_of", lambda path, *_, **__: Path(path).parent.name)
    monkeypatch.setattr(video_rule, "_images", images)
    monkeypatch.setattr(video_rule, "write_video", lambda *_, **__: None)
    monkeypatch.setattr(video_rule, "inspect_video", inspected)
    kept = tmp_path / "clips.jsonl"
    kept.write_text("".join(json.dumps([f"x/p{person}", "pristine", [0.9] * 5]) + "\n" for person in range(4)))  # of before
    first = judged_clips(photos, None, Clips(people=10, forged_people=1), kept)
    assert sorted(person for person, method, _ in first if method == "pristine") == ["x/p0", "x/p1", "x/p2", "x/p3"]
    assert all(target != donor for target, donor in filmed) and all(scores[0] < 0.9 for _, _, scores in first)
    count = len(filmed)
    again = judged_clips(photos, None, Clips(people=10, forged_people=1), kept)
    assert len(filmed) == count == 6 and len(first) == 8
    assert all(one[:2] == two[:2] and np.array_equal(one[2], two[2]) for one, two in zip(first, again, strict=True))
    judged_clips(photos, None, Clips(people=10, forged_people=1, frames=9), kept)
    assert len(filmed) == 2 * count  # other clips
    with pytest.raises(DataError, match="3 photos of 1 people"):
        judged_clips(photos[:3], None, Clips(), kept)
