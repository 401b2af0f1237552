"""A chat request: what the gateway must know of it, and how it is changed without being rebuilt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.dialects.dialect import Asked

# Names go into logs, rows and the search for similar ones; the longest in use have some 100 characters.
MAX_NAME_LENGTH = 512

_MODEL_MEMBER = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*")')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ASK_FOR_USAGE = {"include_usage": True}


@dataclass(frozen=True, slots=True)
class Additions:
    """What a provider's configuration puts into every body: `extra` over what the client said, `defaults` under it."""

    extra: Mapping[str, Json] = field(default_factory=dict)
    defaults: Mapping[str, Json] = field(default_factory=dict)


def read_asked(body: bytes) -> Asked:
    """Check what must be there; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        payload = loads(body)
    except InvalidJson as exc:
        raise InvalidRequest(f"The request body is not valid JSON: {exc}.", code="invalid_json") from None
    if not isinstance(payload, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_json")
    name = payload.get("model")
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise _missing_or_wrong(payload, "model", "a model's name, such as 'demo'")
    messages = payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _missing_or_wrong(payload, "messages", "a list of at least one message")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequest(
                f"messages[{index}] must be an object with a 'role' and mostly a 'content'.", param=f"messages[{index}]"
            )
    stream = payload.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _missing_or_wrong(payload, "stream", "true or false")
    options = payload.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise _missing_or_wrong(payload, "stream_options", "an object")
    wants_usage = options.get("include_usage") if options else None
    if wants_usage is not None and not isinstance(wants_usage, bool):
        # It is overwritten on its way, so the provider could not object.
        raise InvalidRequest("'include_usage' must be true or false.", param="stream_options.include_usage")
    return Asked(body, payload, name, stream is True, wants_usage is True)


def write_request(
    body: bytes, payload: Mapping[str, Json], *, name: str, model: str, streamed: bool, additions: Additions
) -> bytes:
    """The body for a provider of the same dialect: with its own `model`, its additions, and usage asked for.

    Bytes are spliced where that is plainly safe; else the payload is written anew. Unknown fields survive either way.

    Raises:
        InvalidRequest: it nests too deeply to be written anew.
    """
    changes: dict[str, Json] = {}
    inserts: dict[str, Json] = {}
    if streamed:
        options = payload.get("stream_options")
        if not options:
            (inserts if "stream_options" not in payload else changes)["stream_options"] = _ASK_FOR_USAGE
        elif options.get("include_usage") is not True:
            changes["stream_options"] = {**options, **_ASK_FOR_USAGE}
    for key, value in additions.defaults.items():
        if key not in payload:
            inserts.setdefault(key, value)
    for key, value in additions.extra.items():
        asked = changes.get(key, payload.get(key))
        if key in payload:
            changes[key] = _merged(asked, value)
        else:
            inserts[key] = _merged(inserts.get(key), value)
    if not changes and (spliced := _splice(body, name, model, inserts)) is not None:
        return spliced
    try:
        return dumps({**payload, **changes, **inserts, "model": model})
    except InvalidJson as exc:
        raise InvalidRequest(f"The request body cannot be passed on: {exc}.", code="invalid_json") from None


def _splice(body: bytes, name: str, model: str, inserts: Mapping[str, Json]) -> bytes | None:
    """`body` with another model and further members, or None where only a parser could tell what to change.

    Safe means: the key "model" stands there once and is not spelled with escapes, so that it is the one at the top. That
    matters also where the name stays: of two such keys a provider might take the other, which nobody has allowed.
    """
    at = body.find(b'"model"')
    member = _MODEL_MEMBER.match(body, at) if at >= 0 else None
    if (
        member is None
        or body.find(b'"model"', at + 7) >= 0
        or b"\\u006" in body
        or member[1] != b'"' + name.encode(errors="surrogatepass") + b'"'
    ):
        return None
    if model != name:
        body = body[: member.start(1)] + dumps(model) + body[member.end(1) :]
    if inserts:
        if not body.startswith(b"{"):
            return None
        body = dumps(inserts)[:-1] + b"," + body[1:]
    return body


def _merged(under: Json, over: Json) -> Json:
    """`over` merged over `under`, objects key by key."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
    return over


def _missing_or_wrong(payload: Mapping[str, Json], key: str, expected: str) -> InvalidRequest:
    problem = "is missing" if payload.get(key) is None else "is not valid"
    return InvalidRequest(f"{key!r} {problem}: give {expected}.", param=key)
