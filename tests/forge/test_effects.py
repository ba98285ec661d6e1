"""Every effect on whole pictures does what it always did: see golden/effects.py, which also writes the figures anew."""

import numpy as np
import pytest

from golden import effects as golden
from golden_at_hand import read
from tamperlens.forge import effects

KEPT = read(golden.FILE)
CLOSE = 2  # grey levels: other processors may round a codec or a filter otherwise


def test_every_effect_has_its_pixels():
    assert list(KEPT) == list(golden.EFFECTS)


@pytest.mark.parametrize("name", golden.EFFECTS)
def test_an_effect_does_what_it_always_did(name):
    assert golden.pixels(name) == pytest.approx(KEPT[name], abs=CLOSE)


def test_a_slightly_other_strength_would_be_noticed(monkeypatch):
    monkeypatch.setitem(golden.EFFECTS, "control_sharpened", lambda image: effects.sharpen(image, 0.9, 1.0))
    assert golden.pixels("control_sharpened") != pytest.approx(KEPT["control_sharpened"], abs=CLOSE)


def test_effects_keep_the_shape_and_do_not_write_into_the_picture():
    image = np.random.default_rng(0).integers(0, 256, (47, 61, 3)).astype(np.uint8)
    for name, change in golden.EFFECTS.items():
        before = image.copy()
        assert change(image).shape == image.shape and change(image).dtype == np.uint8, name
        assert (image == before).all(), name
