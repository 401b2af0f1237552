"""What another provider has signed, taken out of a request that passes: the conversation has moved on, and this one refuses the fields."""

from app.core.jsonio import Json
from app.dialects.openai.call_signature import is_proof_for
from app.dialects.openai.reasoning import is_foreign_detail


def own_messages(messages: Json, model: str) -> list[Json] | None:
    """The messages for a provider that calls the model `model`; None where they can stay as they are."""
    # Most hold neither. A search of the body's bytes would cost more than this walk, by far in a long one.
    for message in messages:
        if "reasoning_details" in message or "tool_calls" in message:
            break
    else:
        return None
    own = [_own_message(message, model) for message in messages]
    return own if own != messages else None


def _own_message(message: Json, model: str) -> Json:
    if message.get("role") != "assistant":
        return message
    own = dict(message)
    details = own.get("reasoning_details")
    if isinstance(details, list) and any(is_foreign_detail(item) for item in details):
        # The text beside them is the other provider's too.
        for key in ("reasoning_details", "reasoning_content"):
            own.pop(key, None)
    if isinstance(calls := own.get("tool_calls"), list):
        own["tool_calls"] = [_own_call(call, model) for call in calls]
    return own


def _own_call(call: Json, model: str) -> Json:
    if not isinstance(call, dict) or "extra_content" not in call or is_proof_for(model, call):
        return call
    return {key: value for key, value in call.items() if key != "extra_content"}
