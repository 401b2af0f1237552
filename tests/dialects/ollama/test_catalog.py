"""What clients are told of the models: the official types take it, and say what was listed."""

import json
import re
from typing import Any

import ollama
import pytest
from ollama import ListResponse, ProcessResponse, ShowResponse

from app.dialects.ollama.catalog import (
    Listed,
    write_described,
    write_ps,
    write_pull,
    write_pull_lines,
    write_show,
    write_tags,
    write_version,
)

QWEN = Listed("qwen3:8b", "ollama", "qwen3", 40_960, ("completion", "tools", "thinking"), 1_700_000_000)
SONAR = Listed("perplexity/sonar", "perplexity", "sonar", None, ("completion",), 0)
LOCAL = Listed("host:8080/demo", "demo", "demo", None, ("completion",), 0)
MODELS = [QWEN, SONAR, LOCAL]


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document))


def test_tags_are_read_by_the_official_types() -> None:
    listed = ListResponse.model_validate(through_json(write_tags(MODELS))).models

    assert [model.model for model in listed] == ["qwen3:8b", "perplexity/sonar:latest", "host:8080/demo:latest"]
    assert listed[0].modified_at is not None
    assert listed[0].modified_at.timestamp() == 1_700_000_000
    assert listed[0].details is not None
    assert (listed[0].details.family, listed[0].details.families) == ("qwen3", ["qwen3"])
    assert all(model.size for model in listed)


def test_tags_have_all_that_ollama_tells_and_whose_each_is() -> None:
    (tag, *_) = write_tags(MODELS)["models"]

    assert tag.keys() == {"name", "model", "modified_at", "size", "digest", "details", "capabilities", "owned_by"}
    assert tag["name"] == tag["model"]
    assert re.fullmatch("[0-9a-f]{64}", tag["digest"])
    assert tag["details"].keys() == {
        "parent_model",
        "format",
        "family",
        "families",
        "parameter_size",
        "quantization_level",
    }


def test_digests_differ() -> None:
    assert len({tag["digest"] for tag in write_tags(MODELS)["models"]}) == len(MODELS)


def test_ps_is_read_by_the_official_types() -> None:
    running = ProcessResponse.model_validate(through_json(write_ps(MODELS))).models

    assert [model.name for model in running] == ["qwen3:8b", "perplexity/sonar:latest", "host:8080/demo:latest"]
    assert [model.context_length for model in running] == [40_960, None, None]
    assert running[0].expires_at is not None
    assert running[0].expires_at.year > 2300


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.id))
def test_show_is_read_by_the_official_types(model: Listed) -> None:
    shown = ShowResponse.model_validate(through_json(write_show(model)))

    assert shown.capabilities == list(model.capabilities)
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == model.family
    assert shown.modelinfo.get(f"{model.family}.context_length") == model.context_length
    assert shown.modelfile is not None
    assert model.id in shown.modelfile


def test_show_has_all_that_ollama_tells() -> None:
    assert write_show(QWEN).keys() >= {
        "modelfile",
        "parameters",
        "template",
        "license",
        "details",
        "model_info",
        "capabilities",
        "modified_at",
    }


def test_what_the_gateway_knows_goes_over_what_a_server_says_of_its_model() -> None:
    described = {
        "capabilities": ["completion"],
        "model_info": {"general.architecture": "gemma4", "a": 1},
        "license": "x",
    }

    assert write_described(described, None, None) == described
    assert write_described(described, 4096, ("completion", "tools")) == {
        "capabilities": ["completion", "tools"],
        "model_info": {"general.architecture": "gemma4", "a": 1, "gemma4.context_length": 4096},
        "license": "x",
    }


def test_version_is_late_enough_for_those_that_compare_it() -> None:
    version = tuple(int(number) for number in write_version()["version"].split("."))

    assert version >= (0, 6, 4)


def test_pull_ends_in_success() -> None:
    lines = write_pull_lines("demo").decode().splitlines()

    statuses = [ollama.ProgressResponse.model_validate_json(line).status for line in lines]
    assert statuses == ["demo is ready: nothing to download", "success"]


def test_whole_pull_is_a_success_too_and_tells_that_nothing_was_to_be_done() -> None:
    answer = write_pull("demo")

    assert ollama.ProgressResponse.model_validate(through_json(answer)).status == "success"
    assert answer["detail"] == "demo is ready: nothing to download"
