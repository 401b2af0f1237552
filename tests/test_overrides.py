"""`model_overrides.yaml`: what is known of models, which of several files wins, and words for every fault."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from app.config import InvalidConfig, load_config
from app.core.abilities import UNKNOWN, Abilities, Known, Rules
from app.overrides import (
    EVERY,
    Layer,
    OverrideFile,
    Overrides,
    load_overrides,
    overrides_schema,
    parse_overrides,
    shipped_overrides,
)
from app.settings import shipped_config

ROOT = Path(__file__).parents[1]


def overrides(*texts: str) -> Overrides:
    return Overrides({layer: parse_overrides(text) for layer, text in zip(Layer, texts, strict=False)})


def fault_of(text: str) -> str:
    with pytest.raises(InvalidConfig) as caught:
        parse_overrides(text, "file.yaml")
    return str(caught.value)


def test_model_of_which_nothing_is_said_is_unknown() -> None:
    assert overrides("providers: {acme: {models: {a: {context_length: 5}}}}").known("acme", "b") == UNKNOWN
    assert overrides("").known("acme", "a") == UNKNOWN


def test_all_keys_are_read() -> None:
    text = """
      providers:
        acme:
          models:
            a:
              use_max_completion_tokens: true
              supports_system_prompt: false
              unsupported_params: [top_p]
              context_length: 5
              capabilities: [completion, vision]
            b: {disabled: true, reason: too slow}
            c: {disabled: true}
    """

    known = overrides(text)

    assert known.known("acme", "a") == Known(
        Abilities(5, ("completion", "vision")),
        Rules(max_completion_tokens=True, system_prompt=False, unsupported=("top_p",)),
    )
    assert known.known("acme", "b").disabled == "too slow"
    assert known.known("acme", "c").disabled == ""


def test_defaults_give_way_to_patterns_and_these_to_exact_names_key_by_key() -> None:
    text = """
      providers:
        acme:
          models: {big-1: {context_length: 3}}
          patterns:
            - {match: "big-*", context_length: 2, unsupported_params: [stop]}
            - {match: "*-1", unsupported_params: [seed]}
          defaults: {context_length: 1, supports_system_prompt: false}
    """

    known = overrides(text)

    assert known.known("acme", "other").abilities.context_length == 1
    assert known.known("acme", "big-2").abilities.context_length == 2
    assert known.known("acme", "big-1").abilities.context_length == 3
    assert known.known("acme", "big-1").rules == Rules(system_prompt=False, unsupported=("seed",))


def test_what_is_said_for_every_provider_gives_way_to_what_is_said_of_one() -> None:
    known = overrides(
        f"""
        providers:
          acme: {{defaults: {{context_length: 2}}}}
          "{EVERY}": {{models: {{a: {{context_length: 1, capabilities: [tools]}}}}}}
        """
    )

    assert known.known("other", "a").abilities == Abilities(1, ("tools",))
    assert known.known("acme", "a").abilities == Abilities(2, ("tools",))


def test_later_file_wins_over_all_of_an_earlier_one_and_leaves_what_it_does_not_name() -> None:
    shipped = "providers: {acme: {models: {a: {context_length: 1, unsupported_params: [stop], disabled: true}}}}"
    own = "providers: {acme: {defaults: {context_length: 2, disabled: false, unsupported_params: []}}}"

    known = overrides(shipped, own).known("acme", "a")

    assert known == Known(Abilities(2))
    assert overrides(shipped, "providers: {acme: {defaults: {disabled: null}}}").known("acme", "a").disabled == ""


def test_further_layer_wins_and_changes_nothing_for_those_who_have_the_old_one() -> None:
    before = overrides("providers: {acme: {defaults: {context_length: 1}}}")

    after = before.having(Layer.CUSTOM, parse_overrides("providers: {acme: {models: {a: {context_length: 7}}}}"))

    assert after.known("acme", "a").abilities.context_length == 7
    assert before.known("acme", "a").abilities.context_length == 1


@pytest.mark.parametrize("name", ["GPT-5-mini", "openai/gpt-5-mini", "gpt-5-mini"])
@pytest.mark.parametrize(
    "section", ["patterns: [{match: GPT-5*, context_length: 5}]", "models: {Gpt-5-Mini: {context_length: 5}}"]
)
def test_names_match_in_any_case_and_without_what_stands_before_the_slash(name: str, section: str) -> None:
    known = overrides(f"providers: {{acme: {{{section}}}}}")

    assert known.known("acme", name).abilities.context_length == 5
    assert known.known("acme", f"x-{name}-x".replace("/", "-")) == UNKNOWN


def test_exact_name_with_its_slash_goes_before_the_one_without() -> None:
    known = overrides("providers: {acme: {models: {a/m: {context_length: 1}, m: {context_length: 2}}}}")

    assert known.known("acme", "a/m").abilities.context_length == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("provders: {}", "provders: unknown key; did you mean 'providers'?"),
        ("providers: {acme: {modles: {}}}", "providers.acme.modles: unknown key; did you mean 'models'?"),
        (
            "providers: {acme: {defaults: {disable: true}}}",
            "providers.acme.defaults.disable: unknown key; did you mean 'disabled'?",
        ),
        (
            "providers: {acme: {models: {gpt-4.1: {contextlength: 1}}}}",
            "providers.acme.models.gpt-4.1.contextlength: unknown key; did you mean 'context_length'?",
        ),
        (
            "providers: {acme: {patterns: [{match: a}, {mach: b, match: b}]}}",
            "providers.acme.patterns[1].mach: unknown key; did you mean 'match'?",
        ),
        ("providers: {acme: {patterns: [{disabled: true}]}}", "providers.acme.patterns[0].match: is missing"),
        (
            "providers: {acme: {defaults: {unsupported_params: stop}}}",
            "providers.acme.defaults.unsupported_params: must be a list, not a string",
        ),
        (
            "providers: {acme: {defaults: {unsupported_params: [messages]}}}",
            "providers.acme.defaults.unsupported_params[0]: cannot hold 'messages'",
        ),
        (
            "providers: {acme: {defaults: {capabilities: [visoin]}}}",
            "providers.acme.defaults.capabilities[0]: must be 'completion', 'embedding'",
        ),
        ("providers: {acme: {defaults: {context_length: 0}}}", "context_length: must be more than 0"),
        (
            "providers: {acme: {defaults: {context_length: 128k}}}",
            "context_length: must be a whole number, not a string",
        ),
        ("providers: {acme: {defaults: {disabled: 1}}}", "disabled: must be true or false, not a number"),
        (
            "providers: {acme: {defaults: {reason: 2026-01-01, disabled: 2026-01-01}}}",
            "disabled: must be true or false",
        ),
        ("providers: {Acme: {}}", "a provider's key is lower-case letters"),
        ("[]", "file.yaml: must be an object, not a list"),
        ("providers: {acme: {models: {a: {}, a: {}}}}", "file.yaml, line 1: the key 'a' stands twice"),
        (
            "providers: {acme: {models: {a: {}, A: {}}}}",
            "providers.acme.models: 'A' is there already as 'a'; capitals make no difference",
        ),
        ('providers: {acme: {models: {"gpt-*": {}}}}', "providers.acme.models.gpt-*: is no name: use patterns"),
        ('providers: {acme: {models: {"o?": {}}}}', "providers.acme.models.o?: is no name: use patterns"),
        ("providers:\n  acme: [", "file.yaml, line 3: did not find"),
        ("providers: !!python/object/apply:os.getcwd []", "file.yaml, line 1: could not determine a constructor"),
        ("providers: &a\n  acme: *a", "file.yaml"),
    ],
)
def test_fault_is_told_with_its_place_and_what_is_expected_there(text: str, words: str) -> None:
    assert words in fault_of(text)
    assert fault_of(text).startswith("file.yaml")


def test_all_faults_are_told_each_in_a_line() -> None:
    assert len(fault_of("providers: {a: {defaults: {disabled: 1, context_length: no}}, B: {}}").splitlines()) == 3


def test_own_file_is_merged_over_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("providers: {openai: {models: {o3: {context_length: 9}}}}")

    known = load_overrides(own).known("openai", "o3")

    assert known.abilities.context_length == 9
    assert known.rules == load_overrides(None).known("openai", "o3").rules


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "own.yaml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidConfig, match=r"own\.yaml: cannot be read"):
        load_overrides(file)


# What is shipped.


def test_shipped_file_names_providers_that_are_shipped() -> None:
    file = parse_overrides(shipped_overrides().read_text())

    assert file.providers.keys() - {EVERY} <= load_config(shipped_config()).providers.keys()


def test_shipped_file_offers_every_model_of_the_shipped_configuration() -> None:
    shipped = load_overrides(None)

    withheld = [
        (key, model)
        for key, provider in load_config(shipped_config()).providers.items()
        for model in provider.supported_models
        if shipped.known(key, model).disabled is not None
    ]

    assert withheld == []


@pytest.mark.parametrize(
    ("provider", "model", "limit", "left_out"),
    [
        ("openai", "o3", True, {"temperature", "stop"}),
        ("openai", "o4-mini-2025-04-16", True, {"temperature", "stop"}),
        ("openai", "gpt-5-mini", True, {"temperature", "stop"}),
        ("openai", "gpt-5.1", True, set()),
        ("openai", "gpt-5-chat-latest", True, set()),
        ("openai", "gpt-4o-mini", None, set()),
        ("mistral", "magistral-medium-latest", False, {"stream_options"}),
        ("xai", "grok-4-0709", None, {"stop", "reasoning_effort"}),
        ("xai", "grok-3-mini", None, {"stop"}),
        ("xai", "grok-3", None, set()),
        ("perplexity", "sonar", None, {"tools"}),
        ("deepseek", "deepseek-reasoner", None, {"logprobs", "temperature"}),
        ("deepseek", "deepseek-chat", None, set()),
        ("openrouter", "openai/o3", None, set()),
    ],
)
def test_shipped_rules(provider: str, model: str, limit: bool | None, left_out: set[str]) -> None:
    rules = load_overrides(None).known(provider, model).rules or Rules()

    assert rules.max_completion_tokens is limit
    assert set(rules.unsupported) >= left_out
    assert bool(rules.unsupported) == bool(left_out)


@pytest.mark.parametrize(
    ("provider", "model", "takes"),
    [
        ("openai", "o1-mini", False),
        ("openai", "o1-preview-2024-09-12", False),
        ("openai", "o1", True),
        ("google", "gemma-3-27b-it", False),
        ("google", "gemini-2.5-pro", True),
    ],
)
def test_shipped_models_without_system_messages(provider: str, model: str, takes: bool) -> None:
    rules = load_overrides(None).known(provider, model).rules or Rules()

    assert rules.system_prompt is takes


# The schema.


def test_schema_file_is_current() -> None:
    assert json.loads((ROOT / "model_overrides.schema.json").read_text()) == overrides_schema(), "make schema"


def test_schema_takes_the_shipped_file() -> None:
    document = yaml.safe_load(shipped_overrides().read_text())

    assert list(jsonschema_rs.Draft202012Validator(overrides_schema()).iter_errors(document)) == []


@pytest.mark.parametrize(
    "document",
    [
        {"provders": {}},
        {"providers": {"acme": {"defaults": {"disable": True}}}},
        {"providers": {"acme": {"patterns": [{"disabled": True}]}}},
        {"providers": {"acme": {"defaults": {"capabilities": ["seeing"]}}}},
    ],
)
def test_schema_refuses_what_the_gateway_refuses(document: Any) -> None:
    assert not jsonschema_rs.Draft202012Validator(overrides_schema()).is_valid(document)


@pytest.mark.parametrize("provider", ["mistral", "cohere"])
def test_providers_that_refuse_to_be_asked_for_usage_are_not(provider: str) -> None:
    rules = load_overrides(None).known(provider, "any").rules

    assert rules is not None
    assert not rules.usage_can_be_asked


BUNDLED_OF_M = Known(Abilities(context_length=9), description="Bundled words.")


def layered(text: str, layer: Layer = Layer.OPERATOR) -> Overrides:
    return Overrides({layer: parse_overrides(text)}).over(lambda _provider, _model: BUNDLED_OF_M)


def test_what_is_bundled_counts_where_no_layer_says_anything() -> None:
    overrides = layered("providers: {acme: {models: {m: {context_length: 5}}}}")

    said, silent = overrides.all_known("acme", "M"), overrides.all_known("acme", "n")

    assert (said.abilities.context_length, said.description) == (5, "Bundled words.")
    assert (silent.abilities.context_length, silent.description) == (9, "Bundled words.")
    assert overrides.known("acme", "n").description is None


def test_nothing_bundled_is_looked_up_where_all_is_said() -> None:
    asked: list[str] = []

    def look_up(_provider: str, model: str) -> Known:
        asked.append(model)
        return BUNDLED_OF_M

    said = parse_overrides("providers: {acme: {models: {m: {context_length: 5, description: Ours.}}}}")
    overrides = Overrides({Layer.LISTED: said}).over(look_up).having(Layer.CUSTOM, OverrideFile())

    overrides.all_known("acme", "m")
    overrides.all_known("acme", "n")

    assert asked == ["n"]


def test_family_is_what_the_name_tells_where_nobody_said() -> None:
    overrides = layered("providers: {acme: {models: {gpt-x: {family: ours}}}}")

    assert [overrides.all_known("acme", name).family for name in ("gpt-x", "gpt-y", "house")] == ["ours", "gpt", None]


def test_everything_that_is_known_has_an_origin() -> None:
    overrides = layered("providers: {acme: {models: {gpt-x: {family: ours}}}}").having(
        Layer.LISTED, parse_overrides("providers: {acme: {models: {gpt-x: {context_length: 7, family: theirs}}}}")
    )

    assert overrides.origins("acme", "GPT-X") == {
        "family": "file",
        "context_length": "provider",
        "description": "bundled",
    }
    assert overrides.origins("acme", "gpt-y")["family"] == "name"
