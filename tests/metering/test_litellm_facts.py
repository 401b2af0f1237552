"""What LiteLLM's file says of models beside their prices, by its documented format."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.metering.litellm import read_price_file
from app.metering.litellm_facts import Facts, changes, rows_of
from app.store.catalog import StoredModel, apply_models, read_catalog
from app.store.db import Database

NAMES = {"openai": ("openai",), "mirror": ("openai",)}
FACTS = StoredModel("openai", "gpt-x", "litellm", context_length=8)


def read(**models: Any) -> Facts:
    entries = {name: {"litellm_provider": "openai"} | entry for name, entry in models.items()}
    return read_price_file(json.dumps(entries), NAMES).facts


def test_length_bound_and_abilities_are_taken_for_each_provider_that_has_the_list() -> None:
    entry = {
        "mode": "chat",
        "max_input_tokens": 128000.0,
        "max_output_tokens": 16384,
        "max_tokens": 1,
        "supports_function_calling": True,
        "supports_vision": True,
        "supports_reasoning": True,
        "supports_web_search": True,
        "supports_audio_input": True,
        "supports_pdf_input": True,
        "supports_prompt_caching": True,
    }

    found = read(**{"openai/gpt-x": entry, "gpt-x": {"max_input_tokens": 1}})

    assert list(found) == [("openai", "gpt-x"), ("mirror", "gpt-x")]
    assert found["openai", "gpt-x"] == StoredModel(
        "openai",
        "gpt-x",
        "litellm",
        context_length=128000,
        max_output_tokens=16384,
        capabilities=("completion", "tools", "vision", "reasoning", "search", "audio", "pdf"),
    )


@pytest.mark.parametrize(
    ("entry", "capabilities"),
    [
        ({"supports_vision": True, "supports_reasoning": False}, ("completion", "vision")),
        ({"mode": "embedding", "supports_vision": True}, ("embedding",)),
        ({"mode": "image_generation"}, ("image",)),
        ({"mode": "chat"}, None),
        ({"mode": "rerank", "supports_vision": True}, None),
        ({"mode": "chat", "supports_vision": "yes"}, None),
    ],
)
def test_abilities_are_those_that_somebody_has_looked_at(entry: dict[str, Any], capabilities: object) -> None:
    found = read(m=entry | {"max_input_tokens": 5})

    assert found["openai", "m"].capabilities == capabilities


@pytest.mark.parametrize("value", ["128000", True, 0, -1, 1.5, 10**12, None, [1]])
def test_length_that_is_none_is_not_believed(value: Any) -> None:
    assert read(m={"max_input_tokens": value, "mode": "chat"}) == {}


def test_entry_for_many_models_is_left_out() -> None:
    assert read(**{"openai/*": {"max_input_tokens": 5}}) == {}


def test_model_whose_price_cannot_be_used_is_known_all_the_same() -> None:
    assert ("openai", "m") in read(m={"max_input_tokens": 5, "input_cost_per_token": "free"})


async def test_changes_come_true_once_and_what_others_said_stays(database: Database) -> None:
    gone, other = replace(FACTS, model="old"), replace(FACTS, provider="else")
    custom = replace(FACTS, model="old", source="custom")
    await apply_models(database, [FACTS, gone, other, custom], [])
    facts = {
        ("openai", "GPT-X"): replace(FACTS, model="GPT-X", context_length=9),
        ("openai", "new"): replace(FACTS, model="new", capabilities=("completion", "tools")),
    }

    found = list(changes((await read_catalog(database)).models, facts))
    await apply_models(database, *rows_of(found))

    assert [(each.kind, each.model) for each in found] == [
        ("changed", "gpt-x"),
        ("new", "new"),
        ("no longer listed", "old"),
    ]
    models = (await read_catalog(database)).models
    assert set(models) == {other, custom, replace(FACTS, context_length=9), facts["openai", "new"]}
    assert list(changes(models, facts)) == []
