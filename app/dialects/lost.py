"""Messages of the user of which nothing can be told to a provider: an answer to them would be one to nothing."""

from collections.abc import Mapping

from app.core.chat import ChatRequest, Message, Text, ToolResult
from app.core.errors import NotServed
from app.core.jsonio import Json
from app.dialects.dialect import Dialect

_CONVERSATIONS = ("messages", "input", "contents")


def require_all_told(
    request: ChatRequest, model: str, payload: Mapping[str, Json], source: Dialect, goal: Dialect
) -> None:
    """Pass where of each of the user's messages something can be told in the dialect `goal`.

    Args:
        request: what the client asks.
        model: as the provider calls it.
        payload: the request as the client wrote it, in the dialect `source`.

    Raises:
        NotServed: with the message as the client has it as `param`, such as `messages[2]`.
    """
    for message in request.messages:
        if _may_be_lost(message) and _written(message, model, goal) == _written(Message("user", ()), model, goal):
            kinds = ", ".join(dict.fromkeys(type(part).__name__.lower() for part in message.parts))
            place = _place(message, payload, source)
            raise NotServed(
                f"Nothing of {place} can be told to the provider of this model, whose API does not take it ({kinds}):"
                " ask for another model, or say it as text.",
                param=place,
                code="unsupported_parameter",
            )


def _may_be_lost(message: Message) -> bool:
    return (
        message.role == "user"
        and not all(isinstance(part, Text) for part in message.parts)
        and not any(isinstance(part, ToolResult) or (isinstance(part, Text) and part.text) for part in message.parts)
    )


def _written(message: Message, model: str, goal: Dialect) -> Mapping[str, Json]:
    return goal.write_request(ChatRequest((message,)), model, False).payload


def _place(message: Message, payload: Mapping[str, Json], source: Dialect) -> str:
    """Where the client has `message`, as near as it can be told: one dialect's messages are not another's one by one."""
    key = next((key for key in _CONVERSATIONS if key in payload), "prompt")
    turns = payload.get(key)
    for index, turn in enumerate(turns if isinstance(turns, list) else ()):
        if isinstance(turn, dict) and turn.get("role", "user") == "user":
            alone = source.read_request({**payload, key: [turn]})
            if message in alone.messages:
                return f"{key}[{index}]"
    return key
