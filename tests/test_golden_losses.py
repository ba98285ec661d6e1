"""The first ten losses of every model are what they were: see golden/losses.py, which also writes them anew."""

import pytest

torch = pytest.importorskip("torch")

from golden import losses as golden  # noqa: E402
from tamperlens.model import Model, model_names  # noqa: E402

KEPT = golden.read()
FIRST = 1e-4  # relative: the start, the normalisation and the loss; other processors round in the seventh digit
LATER = 2e-3  # steps let roundings grow: with other kernels on the same processor by 1e-4 at most
#: Xception's batch norms, over a few cells each, let them grow more: 1.2e-2 with other kernels.
DEEP = 5e-2


def test_every_model_has_its_losses():
    assert list(KEPT) == model_names()
    assert all(len(losses) == golden.STEPS for losses in KEPT.values())


@pytest.mark.parametrize("name", model_names())
def test_the_first_ten_losses_are_what_they_were(name):
    found = golden.losses(name)
    assert found[0] == pytest.approx(KEPT[name][0], rel=FIRST)
    assert found == pytest.approx(KEPT[name], rel=DEEP if name.startswith("xception") else LATER)


@pytest.mark.parametrize("name", ["vgg3-cls", "fn3-seg", "mesoinception4-cls"])
def test_another_normalisation_would_be_noticed(name, monkeypatch):
    create = Model.create.__func__

    def other(cls, name: str) -> Model:
        model = create(cls, name)
        model.std *= 1.02
        return model

    monkeypatch.setattr(Model, "create", classmethod(other))
    assert golden.losses(name) != pytest.approx(KEPT[name], rel=LATER)
