"""What is told of settings is enough to make a form of: each of them, with what it takes."""

import pytest

from app.core.smart import CLASSES, KINDS, Kind
from app.smart.forms import fields_of


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_a_kind_is_told_with_words_for_people(kind: Kind) -> None:
    settings = fields_of(kind)

    assert {each.name for each in settings} == set(CLASSES[kind].model_fields)
    assert [each.name for each in settings if not each.help and each.name not in ("candidates", "fallback_model")] == []


def test_settings_say_how_they_are_put_in_and_within_which_bounds() -> None:
    router = {each.name: each for each in fields_of("router")}
    cache = {each.name: each for each in fields_of("cache")}

    assert (router["strategy"].control, router["strategy"].choices[:2]) == ("choice", ["per_request", "per_session"])
    assert [(each.name, each.control, each.required) for each in router["candidates"].fields] == [
        ("model", "name", True),
        ("notes", "long", False),
    ]
    assert [each.control for each in router["rules"].fields][:5] == ["name", "whole", "whole", "maybe", "maybe"]
    assert router["rules"].only_where == {"strategy": ("rules",)}
    threshold = cache["similarity_threshold"]
    assert (threshold.control, threshold.minimum, threshold.maximum, threshold.default) == ("number", 0, 1, 0.95)
    assert (cache["embedder"].control, cache["embedder"].nullable, cache["enabled"].control) == ("model", True, "flag")
