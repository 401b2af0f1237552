"""Every recorded request, read and written anew for the model that it was for: it says the same."""

import re
from copy import deepcopy
from typing import Any

import pytest
from google.genai import types

from app.dialects.gemini.dialect import GEMINI
from tests.recordings import Recording, recorded

REQUESTS = pytest.mark.parametrize(
    "recording",
    [
        param
        for param in recorded("generate.*", "gemini")
        if not isinstance(param.values[0], Recording) or param.values[0].document["request"]
    ],
)


def model_of(recording: Recording) -> str:
    path = recording.document["request"]["path"]
    found = re.search(r"/models/([^:]+):", path)
    assert found
    return found[1]


def rewritten(recording: Recording) -> dict[str, Any]:
    encoded = GEMINI.write_request(GEMINI.read_request(recording.request), model_of(recording), recording.streamed)
    assert encoded.unsupported == ()
    return encoded.payload


def lowered(schema: Any) -> Any:
    """A schema with its types as JSON schema writes them."""
    if isinstance(schema, list):
        return [lowered(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else lowered(value)
        for key, value in schema.items()
    }


def normalised(request: dict[str, Any]) -> dict[str, Any]:
    """A request without what may be said in two ways.

    These are: a role of the system instruction; neighbouring contents of one role; snake_case; a function's parameters in Google's
    form of a schema; no ids for calls; an empty `generationConfig`, description and list of required properties; and thoughts are
    shown where a budget for them is asked for.
    """
    request = deepcopy(request)
    contents: list[dict[str, Any]] = []
    for content in request["contents"]:
        for part in content["parts"]:
            if inline := part.pop("inline_data", None):
                part["inlineData"] = {"data": inline["data"], "mimeType": inline["mime_type"]}
        if contents and contents[-1]["role"] == content["role"]:
            contents[-1]["parts"] += content["parts"]
        else:
            contents.append({"role": content["role"], "parts": content["parts"]})
    request["contents"] = contents
    request.get("systemInstruction", {}).pop("role", None)
    for tool in request.get("tools", []):
        for function in tool.get("functionDeclarations", []):
            schema = function.pop("parameters", None) or function.pop("parameters_json_schema", None)
            function.setdefault("parametersJsonSchema", lowered(schema))
            if not function.get("description"):
                function.pop("description", None)
    config = request.get("generationConfig", {})
    if "thinkingConfig" in config:
        config["thinkingConfig"]["includeThoughts"] = True
    return {key: value for key, value in request.items() if value}


def without_made_ids(written: dict[str, Any], recording: Recording) -> dict[str, Any]:
    """The same, where the recorded calls have no ids."""
    parts = [part for content in recording.request["contents"] for part in content["parts"]]
    if any("id" not in part["functionCall"] for part in parts if "functionCall" in part):
        for content in written["contents"]:
            for part in content["parts"]:
                for kind in ("functionCall", "functionResponse"):
                    part.get(kind, {}).pop("id", None)
    return written


@REQUESTS
def test_request_says_the_same_after_it_was_read_and_written(recording: Recording) -> None:
    written = rewritten(recording)

    assert normalised(without_made_ids(written, recording)) == normalised(recording.request)


@REQUESTS
def test_calls_and_their_results_have_the_same_ids(recording: Recording) -> None:
    parts = [part for content in rewritten(recording)["contents"] for part in content["parts"]]

    calls = [part["functionCall"]["id"] for part in parts if "functionCall" in part]
    results = [part["functionResponse"]["id"] for part in parts if "functionResponse" in part]

    assert results == calls[: len(results)]
    assert len(set(calls)) == len(calls)


@REQUESTS
def test_written_contents_and_tools_are_of_the_sdks_types(recording: Recording) -> None:
    written = rewritten(recording)

    for content in written["contents"]:
        types.Content.model_validate(content)
    for tool in written.get("tools", []):
        types.Tool.model_validate(tool)
    if config := written.get("toolConfig"):
        types.ToolConfig.model_validate(config)
    types.GenerationConfig.model_validate(written.get("generationConfig", {}))


@REQUESTS
def test_own_signatures_stay_where_they_were(recording: Recording) -> None:
    written = rewritten(recording)

    def signed(request: dict[str, Any]) -> list[tuple[str, str]]:
        parts = [part for content in request["contents"] for part in content["parts"]]
        return [
            (part["functionCall"]["name"], part["thoughtSignature"]) for part in parts if "thoughtSignature" in part
        ]

    assert signed(written) == signed(recording.request)
