"""Tokens estimated from characters: for usage that a provider does not report, and for clients that ask how many a request has."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.core.call import Call
from app.core.chat import ChatRequest, Reasoning, Text, Tool, ToolCall, ToolResult
from app.core.errors import InvalidRequest
from app.core.jsonio import Json, dumps
from app.core.usage import Usage
from app.dialects.anthropic.dialect import ANTHROPIC
from app.dialects.anthropic.tokens import write_count as write_anthropic_count
from app.dialects.dialect import Dialect
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.names import as_counted
from app.dialects.gemini.tokens import write_count as write_gemini_count
from app.dialects.openai.completions import COMPLETIONS
from app.dialects.openai.completions import count_characters as count_prompts
from app.dialects.openai.usage import estimate_tokens


def _read_counted(payload: Mapping[str, Json]) -> ChatRequest:
    return GEMINI.read_request(as_counted(payload))


_COUNTS: dict[str, tuple[Callable[[int], bytes], Dialect]] = {
    "anthropic-count": (write_anthropic_count, ANTHROPIC),
    "gemini-count": (write_gemini_count, replace(GEMINI, read_request=_read_counted)),
}


def estimate_usage(call: Call, dialect: Dialect, written: int) -> Usage:
    """What a call in `dialect` used whose reply has so many characters."""
    asked = estimate_tokens(_count_characters(call, dialect))
    return Usage(input=asked, output=estimate_tokens(written), estimated=True)


def count_tokens(call: Call) -> bytes | None:
    """An estimate where a client asks how many tokens a request has, for providers that do not count; None for all else."""
    if (counted := _COUNTS.get(call.dialect)) is None:
        return None
    write, dialect = counted
    return write(estimate_tokens(_count_characters(call, dialect)))


def _count_characters(call: Call, dialect: Dialect) -> int:
    """Characters of text and of tools in a request; images and other parts count nothing, nor does what cannot be read."""
    if dialect is COMPLETIONS:
        return count_prompts(call.payload)
    try:
        request = dialect.read_request(call.payload)
    except InvalidRequest:  # it passed as it was, and its provider took it
        return 0
    total = 0
    for message in request.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            total += sum(len(piece.text) for piece in inner if isinstance(piece, Text | Reasoning))
            total += len(part.arguments) if isinstance(part, ToolCall) else 0
    return total + sum(_describe(tool) for tool in request.tools if isinstance(tool, Tool))


def _describe(tool: Tool) -> int:
    """Characters of what the model is told of a function."""
    return len(tool.name) + len(tool.description or "") + (len(dumps(tool.parameters)) if tool.parameters else 0)
