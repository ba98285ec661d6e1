"""Every family forges what it always forged: see golden/forgeries.py, which also writes the figures anew."""

import sys

import pytest

from golden import forgeries as golden
from golden_at_hand import read
from tamperlens.forge import FAMILIES

KEPT = read(golden.FILE)
CLOSE = 0.01  # relative: other processors round the learned renderer's output otherwise


def test_every_family_has_its_figures():
    assert list(KEPT) == list(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_forges_what_it_always_forged(family):
    assert golden.changes(family) == pytest.approx(KEPT[family], rel=CLOSE)


def test_one_more_draw_would_be_noticed(monkeypatch):
    module = sys.modules["tamperlens.forge.self_blend"]  # the package's attribute of that name is the family
    drift = module.drift_color

    def other(image, rng, *rest):
        rng.random()
        return drift(image, rng, *rest)

    monkeypatch.setattr(module, "drift_color", other)
    assert golden.changes("self_blend") != pytest.approx(KEPT["self_blend"], rel=CLOSE)
