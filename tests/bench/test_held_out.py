"""Figures on people held out, and what of them goes into a card."""

import numpy as np
from PIL import Image

from faces_at_hand import hopper
from predictor_at_hand import FakePredictor
from tamperlens.bench.held_out import CONTROLS, false_alarm_rows, unseen_families
from tamperlens.faces import YuNet
from tamperlens.forge import FAMILIES
from tamperlens.models.card import AS_PHOTOGRAPHED, Families, ModelCard


def card(**entries) -> ModelCard:
    return ModelCard(name="m", network="fn3", task="seg", map_threshold=0.5, score_threshold=0.5, **entries)


def test_a_family_is_unseen_where_no_card_says_that_it_was_learned_from(monkeypatch) -> None:
    first, second = card(families=Families(trained=("swap",))), card(families=Families(trained=("self_blend",)))
    assert set(unseen_families([first])) == set(FAMILIES) - {"swap"}
    assert set(unseen_families([first, second])) == set(FAMILIES) - {"swap", "self_blend"}
    monkeypatch.setitem(FAMILIES, "brand_new", None)
    assert "brand_new" in unseen_families([first])


def test_false_alarms_are_counted_by_photo_and_by_face(tmp_path) -> None:
    person = np.asarray(Image.fromarray(hopper()).resize((256, 300)))
    Image.fromarray(np.concatenate([person, person], axis=1)).save(tmp_path / "two.png")
    Image.fromarray(person).save(tmp_path / "one.png")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "none.png")
    paths = [tmp_path / f"{name}.png" for name in ("two", "one", "none")]
    predictor = FakePredictor(0.9, 0.9, 0.9, 0.1)  # the first face, as it is and after two re-encodes; then nothing
    rows = list(false_alarm_rows(predictor, YuNet(), paths, "some people", controls=[AS_PHOTOGRAPHED]))
    assert [(row.metric, row.value, row.n) for row in rows] == [
        ("called manipulated", 0.5, 2),
        ("inconclusive", 0.0, 2),
        ("faces called manipulated", 0.3333, 3),
    ]
    label = "pristine: some people, as photographed"
    assert [row.label for row in rows] == [label, label, f"{label}, by face"] and AS_PHOTOGRAPHED in CONTROLS
    alarms = card().with_results(rows).false_alarms.photo
    assert alarms is not None and (alarms.called_manipulated, alarms.count, alarms.counted) == (1, 3, "faces")
    empty = list(false_alarm_rows(predictor, YuNet(), paths[2:], "nobody", controls=[AS_PHOTOGRAPHED]))
    assert [(row.value, row.n) for row in empty] == [(None, 0)] * 3 and card().with_results(empty).false_alarms.photo is None
