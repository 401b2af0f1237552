"""Parallel AI's chat API: its replies come without id, object, model, finish reason and usage (its Chat API quickstart says so)."""

import time

from app.core.call import Call
from app.core.jsonio import Json
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage
from app.providers.base import HttpProvider


class ParallelMender:
    """Fills in what is empty. Usage is estimated: no provider's count exists."""

    def __init__(self, call: Call, model: str) -> None:
        self._call = call
        self._model = model
        self._finished = False

    def mend_chunk(self, chunk: dict[str, Json]) -> dict[str, Json]:
        """With the fields that every chunk has."""
        for choice in _choices(chunk):
            self._finished = self._finished or bool(choice.get("finish_reason"))
        return self._filled(chunk, "chat.completion.chunk", [_with_reason(choice, None) for choice in _choices(chunk)])

    def closing_chunks(self) -> list[dict[str, Json]]:
        """A finish reason, where none came."""
        return [] if self._finished else [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]

    def mend_whole(self, reply: dict[str, Json]) -> dict[str, Json]:
        """With the fields that every reply has, usage among them."""
        choices = _choices(reply)
        filled = self._filled(reply, "chat.completion", [_with_reason(choice, "stop") for choice in choices])
        if "usage" not in filled:
            prompt = estimate_tokens(count_prompt_characters(self._call.payload))
            completion = estimate_tokens(sum(_text_length(choice.get("message")) for choice in choices))
            filled["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return filled

    def _filled(self, reply: dict[str, Json], kind: str, choices: list[Json]) -> dict[str, Json]:
        fallbacks: dict[str, Json] = {
            "id": f"chatcmpl-{self._call.id}",
            "object": kind,
            "created": int(time.time()),
            "model": self._model,
        }
        filled = {**reply, **{key: reply.get(key) or value for key, value in fallbacks.items()}, "choices": choices}
        if read_usage(filled.get("usage")) is None:
            filled.pop("usage", None)
        return filled


class Parallel(HttpProvider):
    """`https://api.parallel.ai`."""

    mender = ParallelMender


def _choices(reply: dict[str, Json]) -> list[dict[str, Json]]:
    choices = reply.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _with_reason(choice: dict[str, Json], fallback: str | None) -> dict[str, Json]:
    return {"index": 0, **choice, "finish_reason": choice.get("finish_reason") or fallback}


def _text_length(message: Json) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    return len(content) if isinstance(content, str) else 0
