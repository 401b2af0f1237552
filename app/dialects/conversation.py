"""Chats for stages that read them: what is asked, an answer that is given again, and what was answered."""

import time
from collections.abc import Mapping, Sequence

from app.core.call import Call
from app.core.chat import ChatRequest, Message
from app.core.errors import RelayError, UpstreamInvalid
from app.core.events import Completion, Failed, fold, unfold
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.reply import JSON_TYPE, Reply
from app.dialects.dialect import About
from app.dialects.framing import write_data
from app.dialects.gemini.dialect import GEMINI
from app.dialects.openai.dialect import OPENAI
from app.dialects.registry import DIALECTS, GEMINI_ARRAY


def read_chat(call: Call) -> ChatRequest | None:
    """What `call` asks; None where it is no chat, or cannot be read as one: then whoever is asked will say why."""
    dialect = DIALECTS.get(call.dialect)
    if dialect is None:
        return None
    try:
        return dialect.read_request(call.payload)
    except RelayError:
        return None


def last_user_text(request: ChatRequest) -> str:
    """The text of the last message of the user that has any, in the turn that is to be answered; empty where there is none."""
    index = last_user_index(request.messages)
    return "" if index is None else request.messages[index].text


def last_user_index(messages: Sequence[Message]) -> int | None:
    """Where that message stands. Behind it may be more of the user's, such as pictures, and how the reply is to begin."""
    is_turn = False
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            is_turn = True
            if messages[index].text.strip():
                return index
        elif messages[index].role == "assistant" and is_turn:
            return None
    return None


def write_answer(call: Call, completion: Completion) -> Reply:
    """A reply to `call` that gives `completion` again: a stream where one was asked for, whole where not."""
    goal = DIALECTS[call.dialect]
    about = About(call.id, call.name, int(time.time()), call.wants_usage, call.payload, call.started_at)
    usage = completion.usage
    if not call.streamed:
        return Reply(200, JSON_TYPE, dumps(goal.write_reply(completion, about)), read_usage=lambda: usage)
    writer = goal.write_stream(about)
    data = b"".join([writer.write(event) for event in unfold(completion)])
    return Reply(200, goal.stream_type, data, read_usage=lambda: usage, ending=_Whole())


class _Whole:
    ended = True


def read_answer(dialect: str, body: bytes, streamed: bool) -> Completion | None:
    """What a reply comes to that a client got in `dialect`; None where it failed, or is none.

    Args:
        body: all of it, as it went out.
    """
    if not body:
        return None
    kind = DIALECTS[dialect]
    try:
        if not streamed:
            return fold(kind.read_reply(loads(body)))
        if kind is GEMINI_ARRAY:
            kind, body = GEMINI, _as_events(body)
        reader = kind.read_stream()
        events = reader.feed(body)
        if not reader.ended:
            events += reader.close(certain=True)
        return None if any(isinstance(event, Failed) for event in events) else fold(events)
    except (RelayError, InvalidJson, ValueError):
        return None


def write_question(request: ChatRequest, model: str) -> Mapping[str, Json]:
    """The payload of a call of the gateway's own, which is not streamed, in the dialect `openai`."""
    return OPENAI.write_request(request, model, False).payload


def read_question_answer(body: bytes) -> Completion:
    """The answer to such a call.

    Raises:
        UpstreamInvalid: it is none.
    """
    completion = read_answer(OPENAI.name, body, streamed=False)
    if completion is None:
        raise UpstreamInvalid("The answer to a call of the gateway's own is none.")
    return completion


def _as_events(body: bytes) -> bytes:
    items = loads(body)
    if not isinstance(items, list):
        raise InvalidJson("a stream of Gemini's API is one array")
    return b"".join(write_data(dumps(item)) for item in items)
