"""Content blocks of a client's request, read into parts."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.core.chat import (
    Document,
    Foreign,
    Image,
    Part,
    Reasoning,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, dumps
from app.dialects.anthropic.names import NAME
from app.dialects.anthropic.signed_calls import unwrap_call
from app.dialects.fields import as_flag, as_object, as_text, optional, wrong
from app.dialects.signatures import unwrap

_OF_THE_MODEL = frozenset(("tool_use", "thinking", "redacted_thinking"))


def read_content(content: Json, path: str, role: Role, extras: dict[str, Json]) -> tuple[Part, ...]:
    """The parts of a message's content: a string, or a list of blocks.

    Fields of blocks that no part has go to `extras`, by the name of the block and the field.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise wrong(path, "a string or a list of blocks")
    parts: list[Part] = []
    signature: Signature | None = None
    for index, value in enumerate(content):
        at = f"{path}[{index}]"
        block = as_object(value, at)
        kind = as_text(block.get("type"), f"{at}.type")
        if (role != "user" and kind == "tool_result") or (role != "assistant" and kind in _OF_THE_MODEL):
            raise InvalidRequest(f"{at} is a {kind} block, which has no place in a message of the {role}.", param=at)
        if kind == "redacted_thinking" and (found := unwrap_call(as_text(block.get("data"), f"{at}.data"))):
            signature = found
            continue
        read = _READERS.get(kind)
        part = Foreign(NAME, block) if read is None else read(block, at, extras)
        if isinstance(part, ToolCall) and signature is not None:
            part, signature = replace(part, signature=signature), None
        parts.append(part)
    return tuple(parts)


def _read_text(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Text:
    _keep(block, ("citations",), extras)
    return Text(as_text(block.get("text"), f"{path}.text"), cache=block.get("cache_control"))


def _read_image(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Image | Foreign:
    source = as_object(block.get("source"), f"{path}.source")
    cache = block.get("cache_control")
    match source.get("type"):
        case "base64":
            image = Image(
                data=as_text(source.get("data"), f"{path}.source.data"),
                media_type=as_text(source.get("media_type"), f"{path}.source.media_type"),
                cache=cache,
            )
        case "url":
            image = Image(url=as_text(source.get("url"), f"{path}.source.url"), cache=cache)
        case _:
            return Foreign(NAME, block)
    _keep(block, ("transformations",), extras)
    return image


def _read_document(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Document | Foreign:
    source = as_object(block.get("source"), f"{path}.source")
    document = Document(name=optional(as_text, block.get("title"), f"{path}.title"), cache=block.get("cache_control"))
    match source.get("type"):
        case "base64":
            document = replace(
                document,
                data=as_text(source.get("data"), f"{path}.source.data"),
                media_type=as_text(source.get("media_type"), f"{path}.source.media_type"),
            )
        case "text":
            document = replace(document, text=as_text(source.get("data"), f"{path}.source.data"))
        case "url":
            document = replace(document, url=as_text(source.get("url"), f"{path}.source.url"))
        case "file":
            document = replace(document, file_id=as_text(source.get("file_id"), f"{path}.source.file_id"))
        case "content" if (text := _plain(source.get("content"))) is not None:
            document = replace(document, text=text)
        case _:
            return Foreign(NAME, block)
    _keep(block, ("context", "citations"), extras)
    return document


def _read_thinking(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Reasoning:  # noqa: ARG001 - as all
    signature = optional(as_text, block.get("signature"), f"{path}.signature")
    return Reasoning(
        as_text(block.get("thinking"), f"{path}.thinking"), signature=unwrap(signature, NAME) if signature else None
    )


def _read_redacted(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Reasoning:  # noqa: ARG001 - as all
    return Reasoning(redacted=unwrap(as_text(block.get("data"), f"{path}.data"), NAME))


def _read_tool_use(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> ToolCall:
    given = optional(as_object, block.get("input"), f"{path}.input") or {}
    try:
        arguments = dumps(given).decode()
    except InvalidJson:
        raise wrong(f"{path}.input", "an object that nests less deeply") from None
    _keep(block, ("cache_control", "toolset_name"), extras)
    if block.get("caller") not in (None, {"type": "direct"}):
        extras.setdefault("tool_use.caller", block["caller"])
    return ToolCall(
        as_text(block.get("id"), f"{path}.id"), as_text(block.get("name"), f"{path}.name"), arguments=arguments
    )


def _read_tool_result(block: Mapping[str, Json], path: str, extras: dict[str, Json]) -> ToolResult:
    _keep(block, ("toolset_name",), extras)
    return ToolResult(
        as_text(block.get("tool_use_id"), f"{path}.tool_use_id"),
        _read_result(block.get("content"), f"{path}.content", extras),
        is_error=optional(as_flag, block.get("is_error"), f"{path}.is_error") or False,
        cache=block.get("cache_control"),
    )


def _read_result(content: Json, path: str, extras: dict[str, Json]) -> tuple[Text | Image | Document | Foreign, ...]:
    if isinstance(content, str):
        return (Text(content),)
    if content is not None and not isinstance(content, list):
        raise wrong(path, "a string or a list of blocks")
    parts: list[Text | Image | Document | Foreign] = []
    for index, value in enumerate(content or ()):
        at = f"{path}[{index}]"
        block = as_object(value, at)
        read = _RESULT_READERS.get(as_text(block.get("type"), f"{at}.type"))
        parts.append(Foreign(NAME, block) if read is None else read(block, at, extras))
    return tuple(parts)


def _plain(content: Json) -> str | None:
    """The text of a document that is given as content; None where that is more than text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    texts = [block["text"] for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)]
    return "\n\n".join(texts) if len(texts) == len(content) else None


def _keep(block: Mapping[str, Json], keys: tuple[str, ...], extras: dict[str, Json]) -> None:
    """Put the fields of `block` that are there into `extras`; of several blocks, the first one's."""
    for key in keys:
        if block.get(key) not in (None, [], {"enabled": False}):
            extras.setdefault(f"{block['type']}.{key}", block[key])


_RESULT_READERS: Mapping[
    str, Callable[[Mapping[str, Json], str, dict[str, Json]], Text | Image | Document | Foreign]
] = {"text": _read_text, "image": _read_image, "document": _read_document}

_READERS: Mapping[str, Callable[[Mapping[str, Json], str, dict[str, Json]], Part]] = {
    **_RESULT_READERS,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_tool_use,
    "tool_result": _read_tool_result,
}
