"""The first losses of every model are what they were: see golden/losses.py, which also writes them anew."""

import pytest

torch = pytest.importorskip("torch")

from golden import losses as golden  # noqa: E402
from golden_at_hand import read  # noqa: E402
from tamperlens.models.model import Model, model_names  # noqa: E402

KEPT = read(golden.FILE)
EQUAL = 1e-7  # relative


def test_every_model_has_its_losses():
    assert list(KEPT) == model_names()
    assert all(len(losses) == golden.STEPS for losses in KEPT.values())


@pytest.mark.parametrize("name", model_names())
def test_the_first_losses_are_what_they_were(name):
    assert golden.losses(name) == pytest.approx(KEPT[name], rel=EQUAL)


@pytest.mark.parametrize("name", ["vgg3-cls", "fn3-seg", "mesoinception4-cls"])
def test_another_normalisation_would_be_noticed(name, monkeypatch):
    create = vars(Model)["create"].__func__

    def other(cls, name: str) -> Model:
        model = create(cls, name)
        model.std[:, 0] *= 1.02  # of one colour: a batch norm makes up for a change of all
        return model

    monkeypatch.setattr(Model, "create", classmethod(other))
    monkeypatch.setattr(golden, "STEPS", 1)
    assert golden.losses(name)[0] != pytest.approx(KEPT[name][0], rel=EQUAL)
