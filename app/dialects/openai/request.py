"""A chat request: what the gateway must know of it, and how it is changed without being rebuilt."""

from collections.abc import Mapping

from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.dialects.asker import openai_user, said_tags
from app.dialects.dialect import Asked
from app.dialects.openai.foreign import own_messages
from app.dialects.opening import MAX_NAME_LENGTH as MAX_NAME_LENGTH
from app.dialects.opening import is_name, open_body
from app.dialects.splice import Additions, rewrite

_ASK_FOR_USAGE = {"include_usage": True}


def read_asked(body: bytes) -> Asked:
    """Check what must be there; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    name = payload.get("model")
    if not is_name(name):
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
    return Asked(body, payload, name, stream is True, wants_usage is True, openai_user(payload), said_tags(payload))


def pass_request(
    body: bytes, payload: Mapping[str, Json], *, name: str, model: str, asks_usage: bool, additions: Additions
) -> bytes:
    """The body for a provider of the same dialect: with its own `model` and its additions; `asks_usage` at the end of a stream.

    Raises:
        InvalidRequest: it nests too deeply to be written anew.
    """
    changes: dict[str, Json] = {}
    inserts: dict[str, Json] = {}
    if (messages := own_messages(payload["messages"], model)) is not None:
        changes["messages"] = messages
    if asks_usage:
        options = payload.get("stream_options")
        if not options:
            (inserts if "stream_options" not in payload else changes)["stream_options"] = _ASK_FOR_USAGE
        elif options.get("include_usage") is not True:
            changes["stream_options"] = {**options, **_ASK_FOR_USAGE}
    return rewrite(body, payload, name=name, model=model, additions=additions, changes=changes, inserts=inserts)


def _missing_or_wrong(payload: Mapping[str, Json], key: str, expected: str) -> InvalidRequest:
    problem = "is missing" if payload.get(key) is None else "is not valid"
    return InvalidRequest(f"{key!r} {problem}: give {expected}.", param=key)
