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


def is_proof_for(model: str, call: Mapping[str, Json]) -> bool:
    """Whether a model of this name takes the proof that comes with `call`: those of Gemini take their own, all others none."""
    signature = read_call_signature(call)
    return takes_proofs(model) and (signature is None or signature.origin == "gemini")


def takes_proofs(model: str) -> bool:
    """Whether the provider may be given proofs of calls: others than Gemini's refuse the field."""
    return "gemini" in model.lower()


def write_call_signature(signature: Signature) -> dict[str, Json]:
    """The member of a tool call that holds the proof."""
    return {"extra_content": {"google": {"thought_signature": wrap(signature, "gemini")}}}
