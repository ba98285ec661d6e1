"""The first ten losses of every model are what they were: see golden/losses.py, which also writes them anew."""

import pytest

torch = pytest.importorskip("torch")

from golden import losses as golden  # noqa: E402
from golden_at_hand import read  # noqa: E402
from tamperlens.models.model import Model, model_names  # noqa: E402
from tamperlens.models.networks.efficientnet import EfficientNetLite0  # noqa: E402

KEPT = read(golden.FILE)
# Relative. With other kernels on the same processor first losses change by less than 1e-6, and later ones by 1e-4 at most, as
# steps let roundings grow. Batch norms over a few cells each, at a large stride, let them grow more: 1.2e-2 after ten steps.
# So do the many batch norms of EfficientNet-Lite0: 2.5e-2 between processors with and without AVX-512.
FIRST, LATER, LATER_OF_MANY_NORMS, LARGE_STRIDE = 1e-5, 2e-3, 5e-2, 32


def test_every_model_has_its_losses():
    assert list(KEPT) == model_names()
    assert all(len(losses) == golden.STEPS for losses in KEPT.values())


@pytest.mark.parametrize("name", model_names())
def test_the_first_ten_losses_are_what_they_were(name):
    found = golden.losses(name)
    assert found[0] == pytest.approx(KEPT[name][0], rel=FIRST)
    network = Model.create(name).network
    many = network.stride >= LARGE_STRIDE or any(isinstance(part, EfficientNetLite0) for part in network.modules())
    assert found == pytest.approx(KEPT[name], rel=LATER_OF_MANY_NORMS if many else LATER)


@pytest.mark.parametrize("name", ["vgg3-cls", "fn3-seg", "mesoinception4-cls"])
def test_another_normalisation_would_be_noticed(name, monkeypatch):
    create = vars(Model)["create"].__func__

    def other(cls, name: str) -> Model:
        model = create(cls, name)
        model.std[:, 0] *= 1.02  # of one colour: a batch norm makes up for a change of all
        return model

    monkeypatch.setattr(Model, "create", classmethod(other))
    monkeypatch.setattr(golden, "STEPS", 1)
    assert golden.losses(name)[0] != pytest.approx(KEPT[name][0], rel=FIRST)
