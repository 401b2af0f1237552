"""What a learned router is trained on: prompts, and how good each model's answer was, as lines of JSON."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.core.errors import InvalidRequest
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, loads
from app.core.naming import normalise
from app.dialects.openai.dialect import OPENAI
from app.pipeline.routing.question import Question, ask_of


class InvalidOutcomes(ValueError):
    """A line is none; the message names it."""


@frozen
class Outcomes:
    """One prompt.

    Attributes:
        digest: of the prompt: what is asked twice has the same.
        quality: by model, from 0 to 1.
        costs: by model, in USD, where the line says so.
    """

    question: Question
    digest: str
    quality: Mapping[str, float]
    costs: Mapping[str, float]


def read_outcomes(lines: Iterable[str], models: Sequence[str]) -> Iterator[Outcomes]:
    """The lines that are not empty: `{"prompt": … or "messages": […], "quality": {model: 0 to 1, or true or false}, "costs": {…}}`.

    Args:
        models: of which others are left out.

    Raises:
        InvalidOutcomes: a line is none.
    """
    by_name = {normalise(model): model for model in models}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _read(loads(line), by_name)
        except (InvalidJson, InvalidRequest, ValueError) as exc:
            raise InvalidOutcomes(f"Line {number}: {exc}") from exc


def read_prompt(document: Any) -> Question:
    """What `prompt` or `messages` (as in OpenAI's API, with `tools`) of a line ask.

    Raises:
        ValueError, InvalidRequest: they ask nothing.
    """
    if not isinstance(document, dict):
        raise ValueError("an object is needed")
    prompt, messages = document.get("prompt"), document.get("messages")
    if isinstance(prompt, str) and prompt.strip():
        messages = [{"role": "user", "content": prompt}]
    if not isinstance(messages, list) or not messages:
        raise ValueError("'prompt', a text, or 'messages', a list, is needed")
    payload = {"model": "m", "messages": messages, "tools": document.get("tools") or []}
    return ask_of(OPENAI.read_request(payload))


def _read(document: Any, by_name: Mapping[str, str]) -> Outcomes:
    question = read_prompt(document)
    quality = _numbers(document, "quality", by_name)
    if not all(0 <= value <= 1 for value in quality.values()):
        raise ValueError("'quality' goes from 0 to 1")
    digest = hashlib.sha256("\0".join(question.texts).encode(errors="replace")).hexdigest()
    return Outcomes(question, digest, quality, _numbers(document, "costs", by_name) if "costs" in document else {})


def _numbers(document: Mapping[str, Any], name: str, by_name: Mapping[str, str]) -> dict[str, float]:
    value = document.get(name)
    if not isinstance(value, dict) or not all(isinstance(each, int | float) for each in value.values()):
        raise ValueError(f"{name!r} must be an object of numbers by model")
    return {by_name[normalise(model)]: float(each) for model, each in value.items() if normalise(model) in by_name}
