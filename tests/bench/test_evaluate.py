"""What a model or pixel maps are evaluated on."""

import pytest

from tamperlens.bench.evaluate import conditions_for
from tamperlens.errors import DataError
from tamperlens.models.card import ModelCard


def card(policy: str) -> ModelCard:
    values = {"name": "x", "network": "vgg3", "task": "seg", "map_threshold": 0.5, "score_threshold": 0.5}
    return ModelCard.model_validate(values | {"crop_policy": policy})


def test_a_model_is_evaluated_on_crops_as_it_was_trained_unless_another_policy_is_asked_for():
    assert conditions_for(card("resized")).policy == "resized"
    assert conditions_for(card("resized"), policy="native", window=64, methods=["DF"]).policy == "native"
    assert conditions_for(card("native"), policy="whole").policy is None
    with pytest.raises(DataError, match="no crop policy is called 'square'; expected auto, whole, native, resized"):
        conditions_for(card("native"), policy="square")


def test_pixel_maps_are_of_whole_crops_whatever_is_asked_for():
    assert conditions_for(None).policy is None and conditions_for(None, policy="native", max_crops=9).policy is None
    assert conditions_for(None, max_crops=9).max_crops == 9
