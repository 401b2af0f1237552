"""OpenAI's legacy completions, /v1/completions, as a dialect of clients: a prompt is asked as a chat of one message.

Providers that have this API themselves are asked in it, and what they say passes as it came.
"""

from collections.abc import Mapping
from dataclasses import replace

from app.core.chat import ChatRequest
from app.core.errors import InvalidRequest, UpstreamError
from app.core.events import Completion, Event, Failed, Finished, FinishReason, RefusalDelta, Started, TextDelta
from app.core.jsonio import Json, dumps
from app.core.usage import NO_USAGE
from app.dialects.asker import openai_user, said_tags
from app.dialects.dialect import About, Asked
from app.dialects.fields import wrong
from app.dialects.framing import write_data
from app.dialects.openai.answer import write_reason
from app.dialects.openai.decode import read_request as read_chat
from app.dialects.openai.dialect import OPENAI
from app.dialects.openai.errors import write_error_event
from app.dialects.openai.events import ChatEventReader
from app.dialects.openai.fields import read_flag, read_object
from app.dialects.openai.stream import DONE
from app.dialects.openai.text_chunks import TextChunks, read_whole
from app.dialects.openai.usage import CHARACTERS_A_TOKEN, write_usage
from app.dialects.opening import is_name, open_body

# What only this API has, and what it is where nothing is asked for: no chat can be told of it.
_ONLY_HERE: Mapping[str, Json] = {"suffix": "", "echo": False, "best_of": 1, "logprobs": None}
# What a chat understands, and an answer of this API has no place for.
_NOT_HERE = frozenset(
    {"messages", "tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options"}
)


def read_asked(body: bytes) -> Asked:
    """What must be known of a request; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    name = payload.get("model")
    if not is_name(name):
        raise wrong("model", "a model's name")
    options = read_object(payload, "stream_options") or {}
    wants_usage = read_flag(options, "include_usage", "stream_options")
    streamed = read_flag(payload, "stream") is True
    return Asked(body, payload, name, streamed, wants_usage is True, openai_user(payload), said_tags(payload))


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A request as a chat, whose only message is the prompt.

    Raises:
        InvalidRequest: with the field at fault as `param`; also for several prompts and for tokens, which no chat takes.
    """
    prompt = _read_prompt(payload.get("prompt"))
    own = {
        key: value
        for key, value in payload.items()
        if value is not None and (key in _NOT_HERE or (key in _ONLY_HERE and value != _ONLY_HERE[key]))
    }
    said = {key: value for key, value in payload.items() if key not in {"prompt", *_ONLY_HERE, *_NOT_HERE}}
    request = read_chat({**said, "messages": [{"role": "user", "content": prompt}]})
    return replace(request, extras={**own, **(request.extras or {})} or None)


def count_characters(payload: Mapping[str, Json]) -> int:
    """Characters of all prompts of a request; tokens have as many as they mostly stand for."""
    prompt = payload.get("prompt")
    prompts = prompt if isinstance(prompt, list) and not {*map(type, prompt)} & {int} else [prompt]
    return sum(
        len(each) if isinstance(each, str) else len(each) * CHARACTERS_A_TOKEN
        for each in prompts
        if isinstance(each, str | list)
    )


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """A whole reply. What the model thought has no place in it."""
    reason = _write_reason(completion.reason, refused=bool(completion.refusal))
    return {
        **_envelope(completion, about),
        "choices": [_choice(completion.text or completion.refusal, reason)],
        "usage": write_usage(completion.usage),
    }


class CompletionWriter:
    """Writes a stream; see `EventWriter`."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._head = b""
        self._refused = False

    def write(self, event: Event) -> bytes:
        """The bytes that tell of `event`."""
        match event:
            case TextDelta(text):
                return self._write([_choice(text, None)])
            case RefusalDelta(text):
                self._refused = True
                return self._write([_choice(text, None)])
            case Started():
                self._head = dumps(_envelope(event, self._about))[:-1]
            case Finished():
                return self._finish(event)
            case Failed():
                error = UpstreamError(
                    event.message, status=event.status, body=event.body, type=event.type, code=event.code
                )
                return write_error_event(error) + write_data(DONE)
            case _:
                pass  # thoughts, pictures and sources have no place here
        return b""

    def _write(self, choices: list[Json], usage: bytes = b"") -> bytes:
        return write_data(self._head + b',"choices":' + dumps(choices) + usage + b"}")

    def _finish(self, event: Finished) -> bytes:
        out = self._write([_choice("", _write_reason(event.reason, refused=self._refused))])
        if self._about.wants_usage:
            out += self._write([], b',"usage":' + dumps(write_usage(event.usage or NO_USAGE)))
        return out + write_data(DONE)


def _envelope(said: Completion | Started, about: About) -> dict[str, Json]:
    return {
        "id": said.id or f"cmpl-{about.call_id}",
        "object": "text_completion",
        "created": said.created or about.created,
        "model": said.model or about.model,
    }


def _choice(text: str, reason: str | None) -> dict[str, Json]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


def _write_reason(reason: FinishReason, *, refused: bool) -> str:
    written = write_reason(reason, refused=refused, legacy=False)
    return "stop" if written == "tool_calls" else written


def _read_prompt(prompt: Json) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt:
        raise InvalidRequest(
            "This model's provider answers one prompt a call, and reads text only: give 'prompt' as one text.",
            param="prompt",
            code="unsupported_parameter",
        )
    raise wrong("prompt", "a text that is not empty")


COMPLETIONS = replace(
    OPENAI,
    name="openai-completions",
    client_only=True,
    read_request=read_request,
    read_reply=read_whole,
    read_stream=lambda: ChatEventReader(TextChunks()),
    write_reply=write_reply,
    write_stream=CompletionWriter,
)
