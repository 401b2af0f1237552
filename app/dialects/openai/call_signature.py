"""What a tool call carries beside its function: an id, and the proof that the model made it."""

import secrets
from collections.abc import Mapping

from app.core.chat import Signature
from app.core.jsonio import Json
from app.dialects.signatures import unwrap, wrap


def make_call_id() -> str:
    """An id for a tool call that was given none."""
    return f"call_{secrets.token_hex(12)}"


def read_call_signature(call: Mapping[str, Json]) -> Signature | None:
    """The proof that comes with a tool call: Gemini's own compatible API keeps it there, and we keep those of others."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    value = google.get("thought_signature") if isinstance(google, dict) else None
    return unwrap(value, "gemini") if isinstance(value, str) and value else None


def write_call_signature(signature: Signature) -> dict[str, Json]:
    """The member of a tool call that holds the proof."""
    return {"extra_content": {"google": {"thought_signature": wrap(signature, "gemini")}}}
