"""Why a reply ended: `finishReason` in our words and back."""

from app.core.events import FinishReason

MALFORMED_CALL = "MALFORMED_FUNCTION_CALL"

# Whatever is not here, the API withheld or gave up on: SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE,
# IMAGE_SAFETY, MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, OTHER, and those to come.
_READ: dict[str, FinishReason] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "TOO_MANY_TOOL_CALLS": "length",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "pause": "MAX_TOKENS",  # there is more to come; Google's own word for that wants a token to go on with
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
}


def read_reason(reason: str, *, called: bool) -> FinishReason:
    """A `finishReason`; a model that `called` a function stops for its result."""
    read = _READ.get(reason, "content_filter")
    return "tool_calls" if called and read == "stop" else read


def write_reason(reason: FinishReason) -> str:
    """The `finishReason` for a client."""
    return _WRITTEN[reason]
