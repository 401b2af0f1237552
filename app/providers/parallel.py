"""Parallel AI's chat API: its replies come without id, object, model, finish reason and usage (its Chat API quickstart says so).

What an answer rests on is in `basis`, a list of the schema `FieldBasis` of its OpenAPI document.
"""

import time

from app.core.call import Call
from app.core.events import Citation
from app.core.jsonio import Json
from app.dialects.openai.citations import Citations, annotate
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage
from app.providers.base import HttpProvider


class ParallelMender:
    """Fills in what is empty. Usage is estimated: no provider's count exists.

    `basis` stays; the sources in it stand also in `annotations`, at the end of a stream.
    """

    def __init__(self, call: Call, model: str) -> None:
        self._call = call
        self._model = model
        self._finished = False
        self._sources = Citations()
        self._found: list[Citation | None] = []
        self._told = 0

    def mend_chunk(self, chunk: dict[str, Json]) -> dict[str, Json]:
        """With the fields that every chunk has."""
        self._found += _read_basis(chunk.get("basis"))
        choices = _choices(chunk)
        mended = self._filled(chunk, "chat.completion.chunk", [_with_reason(choice, None) for choice in choices])
        if not any(choice.get("finish_reason") for choice in choices):
            return mended
        self._finished = True
        return self._annotated(mended)

    def closing_chunks(self) -> list[dict[str, Json]]:
        """A finish reason, where none came, and sources that were not told yet."""
        reason = None if self._finished else "stop"
        closing: dict[str, Json] = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        annotated = self._annotated(closing)
        return [] if self._finished and annotated is closing else [annotated]

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
        return annotate(filled, "message", self._sources.untold(_read_basis(reply.get("basis"))))

    def _annotated(self, chunk: dict[str, Json]) -> dict[str, Json]:
        found, self._found = self._sources.untold(self._found), []
        index, self._told = self._told, self._told + len(found)
        return annotate(chunk, "delta", found, index=index)

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

    host = "api.parallel.ai"

    mender = ParallelMender


def _choices(reply: dict[str, Json]) -> list[dict[str, Json]]:
    return _dicts(reply.get("choices"))


def _dicts(values: Json) -> list[dict[str, Json]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _with_reason(choice: dict[str, Json], fallback: str | None) -> dict[str, Json]:
    return {"index": 0, **choice, "finish_reason": choice.get("finish_reason") or fallback}


def _read_basis(basis: Json) -> list[Citation | None]:
    """The sources of all fields; what is quoted of each is its `excerpts`."""
    fields = _dicts(basis)
    return [_read_source(source) for field in fields for source in _dicts(field.get("citations"))]


def _read_source(source: dict[str, Json]) -> Citation | None:
    url, title, excerpts = source.get("url"), source.get("title"), source.get("excerpts")
    if not isinstance(url, str):
        return None
    quoted = [each for each in excerpts if isinstance(each, str)] if isinstance(excerpts, list) else []
    return Citation(url, title if isinstance(title, str) and title else None, "\n".join(quoted) or None)


def _text_length(message: Json) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    return len(content) if isinstance(content, str) else 0
