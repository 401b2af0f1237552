"""Requests made to keep to the rules of their model: without what it does not take, its limit by the name that it knows.

What needs no change comes back as the very same object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from app.core.abilities import ASK_FOR_USAGE, Rules
from app.core.chat import ChatRequest, ForeignTool, Message, Tool, ToolResult, WebSearch
from app.core.frozen import frozen
from app.core.jsonio import Json

Payload = Mapping[str, Json]
Words = Mapping[str, Sequence[str]]

_SYSTEM = ("system", "developer")
# A parameter in Chat Completions, and a tool in all other dialects.
_SEARCH = "web_search_options"
_TOOLS = "tools"


@frozen
class Kept:
    """A payload, and the paths that had to be left out of it."""

    payload: Payload
    left_out: tuple[str, ...] = ()


def without_unsupported(payload: Payload, rules: Rules, words: Words) -> Kept:
    """What a client of the dialect with these `words` asks, without what the model does not take.

    A parameter that the dialects do not have in common is known by its name alone. Tools are left to `keep_request` where
    searching the web is one of them.
    """
    left_out = []
    for name in rules.unsupported:
        if name == _TOOLS and _SEARCH not in words:
            continue
        for path in words.get(name, (name,)):
            if (rest := _without(payload, path.split("."))) is not None:
                payload = rest
                if name != ASK_FOR_USAGE:  # the client gets it all the same
                    left_out.append(path)
    return Kept(payload, tuple(left_out))


def said_as(name: str, payload: Payload, words: Words) -> str:
    """The parameter `name` as the client has said it in `payload`; by that name itself where it has not."""
    return next((path for path in words.get(name, ()) if find(payload, path) is not None), name)


def holds_anyway(name: str, payload: Payload) -> bool:
    """Whether what a client says by `name` need not be said: nothing is kept here, and sealed reasoning always comes."""
    value = payload.get(name)
    if name == "include":
        return isinstance(value, list) and all(each == "reasoning.encrypted_content" for each in value)
    return name == "store" and value is False


def find(payload: Payload, path: str) -> Json:
    """What is at a dotted path; None where nothing is, for what is null counts as absent."""
    value: Json = payload
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def keep_chat(payload: Payload, rules: Rules) -> Payload:
    """A payload of Chat Completions whose limit and whose system messages are as the model takes them."""
    payload = _name_limit(payload, rules)
    messages = payload.get("messages")
    if rules.system_prompt or not isinstance(messages, list):
        return payload
    told = [message for message in messages if _is_system(message)]
    if not told:
        return payload
    rest = [message for message in messages if not _is_system(message)]
    at = next((index for index, message in enumerate(rest) if _role(message) == "user"), None)
    content = [message.get("content") for message in told]
    if at is None:
        return {**payload, "messages": [{"role": "user", "content": _joined(content)}, *rest]}
    user = rest[at]
    rest[at] = {**user, "content": _joined([*content, user.get("content")])}
    return {**payload, "messages": rest}


def keep_generate(payload: Payload, rules: Rules) -> Payload:
    """A payload of Ollama's /api/generate whose `system`, where the model takes none, stands before the prompt."""
    system = payload.get("system")
    if rules.system_prompt or not isinstance(system, str) or not system:
        return payload
    rest = {key: value for key, value in payload.items() if key != "system"}
    return {**rest, "prompt": _joined([system, payload.get("prompt")])}


def fit_chat(payload: Payload, rules: Rules) -> Payload:
    """A payload of Chat Completions that the gateway wrote, with the names that the model knows."""
    if not rules.usage_can_be_asked:
        payload = {key: value for key, value in payload.items() if key != ASK_FOR_USAGE}
    return _name_limit(payload, rules)


def _name_limit(payload: Payload, rules: Rules) -> Payload:
    """A payload of Chat Completions with the limit of tokens by the name that the model knows."""
    if rules.max_completion_tokens is None:
        return payload
    old, new = "max_tokens", "max_completion_tokens"
    if not rules.max_completion_tokens:
        old, new = new, old
    if payload.get(old) is None:
        return payload
    if payload.get(new) is not None:
        return {key: value for key, value in payload.items() if key != old}
    return {new if key == old else key: value for key, value in payload.items() if key != new}


def concern_requests(rules: Rules) -> bool:
    """Whether `keep_request` may change anything. Where it cannot, a request that passes need not be read."""
    return not rules.system_prompt or _TOOLS in rules.unsupported or _SEARCH in rules.unsupported


def keep_request(request: ChatRequest, rules: Rules) -> tuple[ChatRequest, tuple[str, ...]]:
    """A canonical request with what is no parameter as the model takes it, and the names of what had to be left out."""
    refused = {name for name in (_TOOLS, _SEARCH) if name in rules.unsupported}
    left_out = tuple(dict.fromkeys(_kind(tool) for tool in request.tools if _kind(tool) in refused))
    if left_out:
        request = replace(request, tools=tuple(tool for tool in request.tools if _kind(tool) not in refused))
    if not rules.system_prompt and any(message.role == "system" for message in request.messages):
        request = replace(request, messages=_fold_system(request.messages))
    return request, left_out


def _kind(tool: Tool | WebSearch | ForeignTool) -> str:
    return _SEARCH if isinstance(tool, WebSearch) else _TOOLS


def _fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with those of the system at the beginning of the first that is the user's."""
    told = tuple(part for message in messages if message.role == "system" for part in message.parts)
    rest = [message for message in messages if message.role != "system"]
    at = next((index for index, message in enumerate(rest) if _is_said_by_user(message)), None)
    if at is None:
        return (Message("user", told), *rest)
    rest[at] = replace(rest[at], parts=(*told, *rest[at].parts))
    return tuple(rest)


def _without(fields: Payload, steps: Sequence[str]) -> Payload | None:
    """`fields` without what is at the path of these steps, nor an object that is empty then; None where nothing is there."""
    key, *further = steps
    value = fields.get(key)
    if value is None:
        return None
    inner: Json = None
    if further:
        inner = _inner_without(value, further)
        if inner is None:
            return None
    rest = {name: inner if name == key else each for name, each in fields.items()}
    if not inner:
        del rest[key]
    return rest


def _inner_without(value: Json, steps: Sequence[str]) -> Json:
    """The same of an object, or of a list of objects, each of which may have it."""
    if isinstance(value, dict):
        return _without(value, steps)
    if not isinstance(value, list):
        return None
    rests = [_without(each, steps) if isinstance(each, dict) else None for each in value]
    if all(rest is None for rest in rests):
        return None
    return [each if rest is None else rest for each, rest in zip(value, rests, strict=True)]


def _role(message: Json) -> Json:
    return message.get("role") if isinstance(message, dict) else None


def _is_system(message: Json) -> bool:
    return _role(message) in _SYSTEM


def _joined(contents: Iterable[Json]) -> Json:
    """Several contents as one: texts as a text, as the parts of one message where there are parts among them."""
    there = [content for content in contents if content]
    if all(isinstance(content, str) for content in there):
        return "\n\n".join(there)
    parts: list[Json] = []
    for content in there:
        parts += content if isinstance(content, list) else [{"type": "text", "text": content}]
    return parts


def _is_said_by_user(message: Message) -> bool:
    return message.role == "user" and not any(isinstance(part, ToolResult) for part in message.parts)
