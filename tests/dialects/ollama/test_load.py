"""Load requests: nothing to say, and an answer that says so."""

import json
from dataclasses import replace
from typing import Any

import ollama
import pytest

from app.dialects.ollama.load import is_generate_load, is_load, write_generate_load, write_load
from tests.dialects.ollama.playing import ABOUT, CREATED_AT


@pytest.mark.parametrize(
    ("payload", "loads"),
    [({}, True), ({"messages": []}, True), ({"messages": None}, True), ({"messages": [{"role": "user"}]}, False)],
)
def test_chat_without_messages_is_a_load_request(payload: dict[str, Any], loads: bool) -> None:
    assert is_load(payload) is loads


@pytest.mark.parametrize(
    ("payload", "loads"), [({}, True), ({"prompt": ""}, True), ({"prompt": None}, True), ({"prompt": "Hi"}, False)]
)
def test_generate_without_a_prompt_is_a_load_request(payload: dict[str, Any], loads: bool) -> None:
    assert is_generate_load(payload) is loads


def test_answers() -> None:
    chat, generate = json.loads(write_load(ABOUT)), json.loads(write_generate_load(ABOUT))

    rest = {"model": "asked", "created_at": CREATED_AT, "done": True, "done_reason": "load"}
    assert chat == {**rest, "message": {"role": "assistant", "content": ""}}
    assert generate == {**rest, "response": ""}
    ollama.ChatResponse.model_validate(chat)
    ollama.GenerateResponse.model_validate(generate)


@pytest.mark.parametrize(
    ("keep_alive", "reason"),
    [(0, "unload"), ("0", "unload"), ("0s", "unload"), (-1, "load"), ("5m", "load"), ("10s", "load"), (None, "load")],
)
def test_keep_alive_of_0_unloads(keep_alive: Any, reason: str) -> None:
    about = replace(ABOUT, payload={"keep_alive": keep_alive})

    assert json.loads(write_load(about))["done_reason"] == reason
