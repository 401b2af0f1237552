"""Tool calls: Ollama holds a call's arguments as an object, everyone else as the text of one."""

import secrets

from app.core.chat import ToolCall
from app.core.errors import UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.dialects.ollama.extension import for_client, read_signature


def object_of(arguments: str) -> dict[str, Json] | None:
    """The object whose text is `arguments`; None where it is no object's. An empty text is that of an empty object."""
    if not arguments.strip():
        return {}
    try:
        value = loads(arguments)
    except InvalidJson:
        return None
    return value if isinstance(value, dict) else None


def read_call(value: Json, known_ids: set[str]) -> ToolCall:
    """A call as a provider wrote it. Many servers give no id, and some the same to all: those get one of ours.

    Args:
        known_ids: the ids of this reply's earlier calls; the call's own is added.

    Raises:
        UpstreamInvalid: it is no call.
    """
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise UpstreamInvalid("The provider sent a tool call without a function's name.")
    call_id = value.get("id")
    if not isinstance(call_id, str) or not call_id or call_id in known_ids:
        call_id = f"call_{secrets.token_hex(12)}"
    known_ids.add(call_id)
    return ToolCall(call_id, name, _read_arguments(function), signature=read_signature(value.get("signature")))


def write_call(call: ToolCall, index: int) -> dict[str, Json]:
    """A call for a client. Arguments that are no object's text are kept beside an empty object, in `unparsed_arguments`."""
    arguments = object_of(call.arguments)
    function: dict[str, Json] = {"index": index, "name": call.name, "arguments": arguments or {}}
    if arguments is None:
        function["unparsed_arguments"] = call.arguments
    written: dict[str, Json] = {"id": call.id, "function": function}
    if call.signature is not None:
        written["signature"] = for_client(call.signature)
    return written


def _read_arguments(function: dict[str, Json]) -> str:
    unparsed, arguments = function.get("unparsed_arguments"), function.get("arguments")
    if isinstance(unparsed, str) and unparsed:
        return unparsed
    if arguments is None or arguments == "":
        return "{}"
    if isinstance(arguments, str):
        return arguments
    if not isinstance(arguments, dict):
        raise UpstreamInvalid("The provider sent a tool call whose arguments are no object.")
    try:
        return dumps(arguments).decode()
    except InvalidJson as exc:
        raise UpstreamInvalid(f"The provider sent a tool call whose arguments cannot be passed on: {exc}.") from None
