"""What a cache compares: the space that an answer must not leave, the question, and both as one digest for an exact hit."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

from app.core.book import Entry
from app.core.call import Call
from app.core.chat import ChatRequest, Message, Text, ToolCall, ToolResult
from app.core.frozen import frozen
from app.core.jsonio import Json, dumps
from app.core.smart import Cache, SmartModel

# Who asks and how the reply is to look changes nothing in the answer.
_OF_NO_MATTER = frozenset(
    {"stream", "stream_options", "user", "metadata", "store", "safety_identifier", "prompt_cache_key", "keep_alive"}
)

# Headers by which a client asks for another behaviour; the other ones that are passed on say how it speaks.
_BETAS = frozenset({b"anthropic-beta", b"openai-beta"})

_LATELY = 3  # messages of the user
_SHORT = 400  # characters, of those before the last: looking at them takes time


@frozen
class Key:
    """Where an answer is kept.

    Attributes:
        id: of exactly this request.
        space: what must be equal; nothing is ever found across two of them.
        question: the text that may be worded differently.
    """

    id: str
    space: str
    question: str


def key_of(
    call: Call,
    request: ChatRequest,
    cache: Cache,
    cache_id: str,
    target: str,
    behind: Sequence[SmartModel] = (),
    unread: Sequence[Json] = (),
) -> Key | None:
    """The key of `call`, which asks `request`; None where the cache is not for it.

    That is so of a request that does not end with words of the user: the results of tools, or half an answer to go on with.

    Args:
        target: the model that will answer, as far as that is known before.
        behind: the smart models that the call may come through after the cache.
        unread: what the call says and `request` does not.
    """
    messages = request.messages
    if not messages or messages[-1].role != "user":
        return None
    asked, before = messages[-1], messages[:-1]
    if any(isinstance(part, ToolResult) for part in asked.parts):
        return None
    if cache.match_last_message_only:
        if any(isinstance(part, ToolResult | ToolCall) for message in before for part in message.parts):
            return None  # the question is about what the tools gave, and that is not looked at
        before = tuple(message for message in before if message.role == "system")
    question = asked.text.strip()
    if not question:
        return None
    if not cache.match_system_prompt:
        before = tuple(message for message in before if message.role != "system")
    space = _digest(
        [
            cache_id,
            _tenant(call, cache),
            _rights(call, cache, behind),
            target,
            [model.model_dump_json() for model in behind],
            list(map(_plain, before)),
            _around(asked),
            _settings(call, request),
            [call.dialect, *unread] if unread else [],
        ]
    )
    return Key(_digest([space, question]), space, question)


def said_lately(request: ChatRequest) -> list[str]:
    """The last words of the user, and those before that they may go on from: `and Berlin?` may ask for weather, as of Paris."""
    said = [message.text.strip() for message in request.messages if message.role == "user"][-_LATELY:]
    return [*(text[-_SHORT:] for text in said[:-1]), *said[-1:]]


def cache_of(entry: Entry) -> Cache:
    """What an entry of the book defines, which has to be a cache."""
    if not isinstance(entry.model, Cache):
        raise TypeError(f"{entry.model.name} is no cache")
    return entry.model


def pair_id(cache_id: str, question: str) -> str:
    """Names a question of a cache, whoever asked it: what is wrong for one is wrong for all."""
    return _digest([cache_id, question])[:32]


def _tenant(call: Call, cache: Cache) -> Any:
    """Who shares answers. Tags count where an operator gave them to the token: those that a client says prove nothing."""
    principal = call.principal
    match cache.share:
        case "everyone":
            return "everyone"
        case "tag" if principal.tags:
            return ["tags", *sorted(principal.tags)]
        case _:
            return ["user", principal.username]


def _rights(call: Call, cache: Cache, behind: Sequence[SmartModel]) -> Any:
    """Who may not ask the target is given nothing that it said: a call that gets an answer has the rights of the one that is kept."""
    principal = call.principal
    shut = sorted(each.name for each in behind if not each.may_be_used_by(principal.token_id, principal.username))
    is_for_all = any(principal.may_use(name) for name in (*(step.name for step in call.way), cache.name))
    return [shut, [] if is_for_all else sorted(principal.models)]


def _around(asked: Message) -> Any:
    """What the last message holds beside its text. Of pictures with text between them it matters which is where, and so all does."""
    plain = list(map(_plain, asked.parts))
    is_text = [isinstance(part, Text) for part in asked.parts]
    others = [part for part, is_one in zip(plain, is_text, strict=True) if not is_one]
    edges = sum(one != other for one, other in pairwise(is_text))
    return [asked.name, others if edges < 2 else plain, is_text[:1] if others else []]


def _settings(call: Call, request: ChatRequest) -> Any:
    """All of the request beside its messages that may change the answer."""
    bare = replace(request, messages=(), user=None, extras=None)
    extras = {name: value for name, value in (request.extras or {}).items() if name not in _OF_NO_MATTER}
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in call.headers if name in _BETAS]
    # The same parameter may mean something else in another dialect.
    return [_plain(bare), [call.dialect, extras] if extras else [], headers]


def _plain(value: Any) -> Any:
    """A value of the request as JSON, with the names of its types: a text that looks like a picture is none."""
    if hasattr(value, "__dataclass_fields__"):
        return [type(value).__name__, {name: _plain(each) for name, each in _fields(value) if name != "cache"}]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(value, field.name)) for field in fields(value))


def _digest(value: Any) -> str:
    return sha256(dumps(_sorted(value))).hexdigest()


def _sorted(value: Any) -> Any:
    """The same with the keys of objects in one order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return value
