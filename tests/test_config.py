"""`config.json`: what it may say, and how each fault in it is told."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.config import Config, InvalidConfig, ProviderConfig, Timeouts, config_schema, load_config, parse_config
from app.settings import shipped_config

ROOT = Path(__file__).parents[1]


def parse(**providers: Any) -> Config:
    return parse_config(json.dumps(providers))


def fault_of(**fields: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        parse(acme={"base_url": "https://acme.test/v1", **fields})
    return str(caught.value)


def test_shipped_configuration_is_in_order() -> None:
    providers = load_config(shipped_config()).providers

    assert list(providers) == [
        "openai",
        "anthropic",
        "google",
        "xai",
        "perplexity",
        "perplexity-agent",
        "sambanova",
        "together",
        "parallelai",
        "openrouter",
        "deepseek",
        "groq",
        "mistral",
        "fireworks",
        "deepinfra",
        "cerebras",
        "cohere",
        "ollama",
    ]


def test_google_is_signed_by_either_of_its_keys() -> None:
    assert load_config(shipped_config()).providers["google"].api_key_env == ("GOOGLE_API_KEY", "GEMINI_API_KEY")


def test_provider_needs_no_more_than_its_address() -> None:
    acme = parse(acme={"base_url": "https://acme.test/v1/"}).providers["acme"]

    assert acme.base_url == "https://acme.test/v1"
    assert (acme.api_key_env, acme.supported_models, acme.enabled) == ((), (), True)
    assert (acme.timeouts.connect, acme.timeouts.first_byte, acme.timeouts.idle) == (5.0, 60.0, 120.0)


def test_order_of_the_file_is_kept() -> None:
    config = parse(**{key: {"base_url": "http://a"} for key in ("z", "b", "a")})

    assert list(config.providers) == ["z", "b", "a"]


@pytest.mark.parametrize(("names", "read"), [("A_KEY", ("A_KEY",)), (["A", "B"], ("A", "B")), ([], ())])
def test_key_is_named_by_one_variable_or_several(names: Any, read: tuple[str, ...]) -> None:
    assert parse(acme={"base_url": "http://a", "api_key_env": names}).providers["acme"].api_key_env == read


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xef\xbb\xbf" + b'{"acme": {"base_url": "http://a"}}')

    assert list(load_config(file).providers) == ["acme"]


def test_disabled_provider_needs_no_address() -> None:
    assert not parse(acme={"enabled": False}).providers["acme"].enabled


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("base_ulr", "base_url"),
        ("baseurl", "base_url"),
        ("api_key", "api_key_env"),
        ("models", "supported_models"),
        ("extra_parameters", "payload_extra_parameters"),
        ("timeout", "timeouts"),
    ],
)
def test_unknown_key_is_told_with_the_nearest_one(written: str, meant: str) -> None:
    assert f"acme.{written}: unknown key; did you mean {meant!r}?" in fault_of(**{written: "x"})


def test_unknown_timeout_is_told_with_the_nearest_one() -> None:
    fault = fault_of(timeouts={"first_bite": 5})

    assert "acme.timeouts.first_bite: unknown key; did you mean 'first_byte'?" in fault


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"base_url": ""}, "acme.base_url"),
        ({"base_url": 5}, "acme.base_url"),
        ({"base_url": "acme.test/v1"}, "acme.base_url"),
        ({"base_url": "ftp://acme.test"}, "acme.base_url"),
        ({"base_url": "https://"}, "acme.base_url"),
        ({"base_url": "https://user@acme.test"}, "acme.base_url"),
        ({"base_url": "https://acme.test/v1?key=1"}, "acme.base_url"),
        ({"base_url": "https://acme.test:port/v1"}, "acme.base_url"),
        ({"base_url": "https://acme.test:70000/v1"}, "acme.base_url"),
        ({"base_url": "https://ac me.test/v1"}, "acme.base_url"),
        ({"base_url": "https://acme.test/v1\n"}, "acme.base_url"),
        ({"base_url": "https://[::1"}, "acme.base_url"),
        ({"base_url": "http://256.0.0.1/v1"}, "acme.base_url"),
        ({"base_url": "https://．acme.test/v1"}, "acme.base_url"),
        ({"base_url": "https://xn--.test/v1"}, "acme.base_url"),
        ({"base_url": "127.0.0.1:11434"}, "acme.base_url"),
        ({"base_url": "localhost:11434"}, "acme.base_url"),
        ({"path": ""}, "acme.path"),
        ({"path": "chat/completions"}, "acme.path"),
        ({"path": "/chat/completions/"}, "acme.path"),
        ({"path": "/chat completions"}, "acme.path"),
        ({"path": "/chat/completions?key=1"}, "acme.path"),
        ({"path": "/chat\n"}, "acme.path"),
        ({"quirks": "acme"}, "acme.quirks"),
        ({"name": ""}, "acme.name"),
        ({"api_key_env": 5}, "acme.api_key_env"),
        ({"api_key_env": [""]}, "acme.api_key_env[0]"),
        ({"supported_models": ["a", " "]}, "acme.supported_models[1]"),
        ({"supported_models": "a"}, "acme.supported_models"),
        ({"api_format": "soap"}, "acme.api_format[0]"),
        ({"headers": {"X-Y": 1}}, "acme.headers.X-Y"),
        ({"X\nY": 1}, "acme['X\\nY']"),
        ({"timeouts": {"idle": 0}}, "acme.timeouts.idle"),
        ({"timeouts": {"idle": "5"}}, "acme.timeouts.idle"),
        ({"timeouts": {"connect": 1e9}}, "acme.timeouts.connect"),
        ({"enabled": "yes"}, "acme.enabled"),
        ({"payload_extra_parameters": []}, "acme.payload_extra_parameters"),
    ],
)
def test_each_fault_names_its_path(fields: dict[str, Any], path: str) -> None:
    fault = fault_of(**fields)

    assert fault.startswith(f"config.json: {path}: ")
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"base_url": "127.0.0.1:11434"},
            "base_url: use a URL such as https://api.example.com/v1 or http://127.0.0.1:11434",
        ),
        ({"path": "v1"}, "path: begin with '/', as in /v1beta/chat/completions, and give no query"),
        (
            {"api_format": "gemini", "path": "/v1"},
            "path: cannot be set here: Gemini's API names the model in the path",
        ),
        ({"quirks": "acme"}, "quirks: must be 'perplexity' or 'parallel'"),
        ({"name": ["a"]}, "name: must be a string, not a list"),
        ({"name": " "}, "name: must not be empty"),
        ({"base_url": None}, "base_url: must be a string, not null"),
        (
            {"api_key_env": 5},
            "api_key_env: must be the name of an environment variable or a list of such names, not a number",
        ),
        ({"api_key_env": ["A", {}]}, "api_key_env[1]: must be a string, not an object"),
        ({"supported_models": "a"}, "supported_models: must be a list of model names, not a string"),
        ({"payload_extra_parameters": []}, "payload_extra_parameters: must be an object, not a list"),
        (
            {"api_format": 5},
            "api_format: must be one of 'openai', 'responses', 'anthropic', 'gemini' and 'ollama', or a list of some, not a number",
        ),
        ({"api_format": "soap"}, "api_format[0]: must be 'openai', 'responses', 'anthropic', 'gemini' or 'ollama'"),
        ({"api_format": []}, "api_format: must name at least one"),
        ({"headers": []}, "headers: must be an object, not a list"),
        ({"timeouts": 5}, "timeouts: must be an object, not a number"),
        ({"timeouts": {"idle": True}}, "timeouts.idle: must be a number, not true"),
        ({"timeouts": {"idle": 0}}, "timeouts.idle: must be more than 0"),
        ({"timeouts": {"idle": 3601}}, "timeouts.idle: must be at most 3600"),
        ({"enabled": "yes"}, "enabled: must be true or false, not a string"),
    ],
)
def test_wrong_value_is_told_with_what_is_expected(fields: dict[str, Any], words: str) -> None:
    assert fault_of(**fields) == f"config.json: acme.{words}"


@pytest.mark.parametrize("wrong", [5, True, None, "", [], [[]], {"a": []}], ids=repr)
@pytest.mark.parametrize("field", [*ProviderConfig.model_fields, *(f"timeouts.{key}" for key in Timeouts.model_fields)])
def test_no_field_is_told_of_in_the_words_of_the_library(field: str, wrong: Any) -> None:
    outer, _, inner = field.partition(".")
    document = {"acme": {"base_url": "http://a", outer: {inner: wrong} if inner else wrong}}

    fault = ""
    try:
        parse_config(json.dumps(document))  # some of these are in order
    except InvalidConfig as exc:
        fault = str(exc)

    assert not [words for words in ("Input", "should", "valid ", "array", "tuple", "bool", "dict") if words in fault]


def test_provider_that_is_no_object_is_told() -> None:
    with pytest.raises(InvalidConfig, match=r"^config\.json: acme: must be an object, not a string$"):
        parse(acme="https://acme.test/v1")


@pytest.mark.parametrize(("text", "found"), [("[]", "a list"), ("null", "null"), ("5", "a number")])
def test_file_is_told_to_be_an_object(text: str, found: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^config.json: must be an object of providers by key, not {found}$"):
        parse_config(text)


@pytest.mark.parametrize("inner", ['"\\ud800"', "[" * 250 + "]" * 250], ids=["half-a-surrogate-pair", "deep"])
def test_value_that_has_no_path_is_told_of_in_plain_words(inner: str) -> None:
    text = f'{{"acme": {{"base_url": "http://a", "payload_extra_parameters": {{"x": {inner}}}}}}}'

    with pytest.raises(InvalidConfig, match=r"^config\.json: holds text that is not Unicode, or nests too deeply$"):
        parse_config(text)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(a={"base_url": "x", "enabled": 5}, b={"base_url": "http://b", "nmae": "B"}, C={"base_url": "http://c"})

    paths = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert sorted(paths) == ["C", "a.base_url", "a.enabled", "b.nmae"]


def test_missing_address_is_told() -> None:
    with pytest.raises(InvalidConfig, match=r"acme\.base_url: is missing"):
        parse(acme={})


@pytest.mark.parametrize("key", ["OpenAI", "1st", "a b", "", "a/b", "\u00e4"])
def test_key_that_no_name_could_begin_with_is_refused(key: str) -> None:
    with pytest.raises(InvalidConfig, match="a provider's key is lower-case letters"):
        parse(**{key: {"base_url": "http://a"}})


@pytest.mark.parametrize("where", ["payload_extra_parameters", "payload_default_parameters"])
def test_retired_parameter_is_refused_with_its_reason(where: str) -> None:
    fault = fault_of(**{where: {"search_parameters": {"mode": "auto"}}})

    assert fault.startswith(f"config.json: acme.{where}.search_parameters: is retired: xAI answers 410")
    assert "web_search" in fault


@pytest.mark.parametrize("where", ["payload_extra_parameters", "payload_default_parameters"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model", "it is set by the client's request"),
        ("messages", "it is set by the client's request"),
        ("stream", "it is set by the client's request"),
        ("stream_options", "the gateway asks for usage itself"),
    ],
)
def test_parameter_that_the_gateway_decides_is_refused_with_its_reason(where: str, name: str, reason: str) -> None:
    fault = fault_of(**{where: {"temperature": 0.2, name: None}})

    assert fault == f"config.json: acme.{where}.{name}: cannot be set here: {reason}"


def test_parameter_of_that_name_deeper_down_is_taken() -> None:
    parameters = {"options": {"model": "m", "stream": True}, "Stream": 1}

    acme = parse(acme={"base_url": "http://a", "payload_extra_parameters": parameters}).providers["acme"]

    assert acme.payload_extra_parameters == parameters


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "CONNECTION"])
def test_header_that_the_gateway_writes_is_refused_with_its_reason(name: str) -> None:
    fault = fault_of(headers={"X-Title": "Relay", name: "1"})

    assert fault == f"config.json: acme.headers.{name}: cannot be set here: the gateway writes this header itself"


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nY", "X\u00e4", "X(1)", "[X]", '"X"'])
def test_header_name_that_is_no_token_is_refused(name: str) -> None:
    fault = fault_of(headers={name: "1"})

    assert fault.startswith("config.json: acme.headers")
    assert fault.endswith(": is no name of a header: use letters, digits and '-'")
    assert "\n" not in fault


@pytest.mark.parametrize("value", ["1\r\nZ: 2", "1\n", "\r", "\0", "a\x7f", "\x1b[0m"])
def test_header_value_with_a_control_character_is_refused_and_not_shown(value: str) -> None:
    fault = fault_of(headers={"X-Key": value})

    words = "must hold no line break, no NUL and no other control character"
    assert fault == f"config.json: acme.headers.X-Key: {words}"


def test_header_that_is_listed_twice_in_other_capitals_is_refused() -> None:
    fault = fault_of(headers={"Host": "a", "host": "b"})

    assert fault == "config.json: acme.headers: 'host' is listed twice, first as 'Host'"


def test_headers_may_say_what_http_allows() -> None:
    headers = {"Host": "inner.test", "authorization": "Token abc", "!#$%&'*+-.^_`|~": "a\tb \u00e4", "X-Empty": ""}

    assert parse(acme={"base_url": "http://a", "headers": headers}).providers["acme"].headers == headers


@pytest.mark.parametrize("model", ["gpt-x", "a-model-with-a-name-that-goes-on-for-more-than-sixty-four-characters-1"])
def test_model_that_is_listed_twice_is_refused(model: str) -> None:
    assert f"{model!r} is listed twice" in fault_of(supported_models=[model, "b", model])


def test_model_that_is_listed_twice_in_other_capitals_is_refused() -> None:
    assert "'GPT-X' is listed twice, first as 'gpt-x'" in fault_of(supported_models=["gpt-x", "GPT-X"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        '{"a": 5}',
        '{"a": {"base_url": "http://a"},}',
        '{"a": {"base_url": NaN}}',
        "[" * 100_000,
    ],
)
def test_file_that_is_no_object_of_providers_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"^here\.json: "):
        parse_config(text, "here.json")


def test_key_that_stands_twice_is_refused() -> None:
    text = '{"a": {"base_url": "http://a"}, "a": {"base_url": "http://b"}}'

    with pytest.raises(InvalidConfig, match="the key 'a' stands twice"):
        parse_config(text)


def test_infinite_number_in_a_parameter_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="NaN"):
        parse_config('{"a": {"base_url": "http://a", "payload_extra_parameters": {"temperature": NaN}}}')


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidConfig, match=r"config\.json: cannot be read"):
        load_config(file)


def test_schema_file_is_current() -> None:
    assert json.loads((ROOT / "config.schema.json").read_text()) == config_schema()


def test_schema_takes_the_shipped_configuration() -> None:
    validator = jsonschema_rs.Draft202012Validator(config_schema())

    assert list(validator.iter_errors(json.loads(shipped_config().read_text()))) == []


@pytest.mark.parametrize(
    "document",
    [
        {"acme": {"base_ulr": "x"}},
        {"Acme": {}},
        {"acme": {"timeouts": {"idle": 0}}},
        {"acme": {"api_format": "x"}},
        {"acme": {"payload_extra_parameters": {"stream": True}}},
        {"acme": {"payload_default_parameters": {"stream_options": {}}}},
        [],
    ],
)
def test_schema_refuses_what_the_gateway_refuses(document: Any) -> None:
    assert not jsonschema_rs.Draft202012Validator(config_schema()).is_valid(document)


def names_of(**names: Any) -> Config:
    return parse_config(json.dumps({"acme": {"base_url": "http://a"}, "$names": names}))


def test_name_stands_for_targets_with_weights() -> None:
    fast = names_of(
        fast={
            "targets": ["acme/m", {"target": "acme/vendor/other", "weight": 2.5}],
            "strategy": "weighted",
            "rescue": "continue",
        }
    ).names["fast"]

    assert [(each.provider, each.model, each.weight) for each in fast.targets] == [
        ("acme", "m", 1.0),
        ("acme", "vendor/other", 2.5),
    ]
    assert (fast.strategy, fast.retries, fast.rescue) == ("weighted", None, "continue")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "$names: must be an object, not a list"),
        ({"fast": {"targets": []}}, "$names.fast.targets: must name at least one"),
        ({"fast": {}}, "$names.fast.targets: is missing"),
        ({"fast": {"targets": ["m"]}}, "$names.fast.targets[0].target: use PROVIDER/MODEL, such as openai/gpt-4.1"),
        ({"fast": {"targets": [7]}}, "$names.fast.targets[0]: must be an object, not a number"),
        (
            {"fast": {"targets": ["acm/m"]}},
            "$names.fast.targets[0]: there is no provider 'acm'; did you mean 'acme'?",
        ),
        (
            {"fast": {"targets": ["acme/m"], "stategy": "order"}},
            "$names.fast.stategy: unknown key; did you mean 'strategy'? Known are targets, strategy, retries, rescue, tags",
        ),
        (
            {"fast": {"targets": [{"target": "acme/m", "wieght": 1}]}},
            "$names.fast.targets[0].wieght: unknown key; did you mean 'weight'? Known are target, weight",
        ),
        ({"fast": {"targets": ["acme/m"], "strategy": "any"}}, "$names.fast.strategy: must be 'order', 'weighted' or"),
        (
            {"fast": {"targets": ["acme/m"]}, "FAST": {"targets": ["acme/m"]}},
            "$names.FAST: is there already as 'fast'; capitals make no difference",
        ),
        (
            {"fast": {"targets": ["acme/m", "acme/n", {"target": "acme/M:latest", "weight": 2}]}},
            "$names.fast.targets[2]: 'acme/M:latest' is there already",
        ),
        (
            {"fast": {"targets": [{"target": "acme/m", "weight": 0}, {"target": "acme/n", "weight": 0}]}},
            "$names.fast.targets: all weights are 0: one at least must be more",
        ),
    ],
)
def test_fault_in_a_name_is_told_with_its_path(names: Any, words: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(json.dumps({"acme": {"base_url": "http://a"}, "$names": names}))

    assert words in str(caught.value)


def test_one_wrong_target_is_one_fault() -> None:
    with pytest.raises(InvalidConfig) as caught:
        names_of(fast={"targets": ["m"]})

    assert len(str(caught.value).splitlines()) == 1


def test_unknown_key_of_the_file_is_told_beside_the_faults_of_providers() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(json.dumps({"$alias": {}, "acme": {"base_url": "ftp://a"}}))

    first, second = str(caught.value).splitlines()
    assert first == "config.json: $alias: unknown key; did you mean '$names'?"
    assert "acme.base_url" in second


@pytest.mark.parametrize(
    ("document", "count"), [({"$alias": {}}, 1), ({"$alias": {}, "$names": []}, 2), ({"$schema": "x"}, 0)]
)
def test_unknown_key_of_the_file_is_told_whatever_else_is_wrong(document: Any, count: int) -> None:
    try:
        parse_config(json.dumps(document))
        lines = []
    except InvalidConfig as exc:
        lines = str(exc).splitlines()

    assert len(lines) == count


@pytest.mark.parametrize(
    ("names", "is_valid"),
    [
        ({"fast": {"targets": ["acme/m", {"target": "acme/n", "weight": 2}]}}, True),
        ({"fast": {"targets": []}}, False),
        ({"fast": {"targets": [{"weight": 2}]}}, False),
        ({"fast": {"targets": ["acme/m"], "strategy": "any"}}, False),
    ],
)
def test_schema_knows_names(names: Any, is_valid: bool) -> None:
    validator = jsonschema_rs.validator_for(config_schema())

    assert validator.is_valid({"acme": {"base_url": "http://a"}, "$names": names}) == is_valid
