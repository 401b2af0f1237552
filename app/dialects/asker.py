"""What a request says beside the question: who the client asks for, and by which tags it wants to find the call again."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.dialects.fields import wrong


def openai_user(payload: Mapping[str, Json]) -> str | None:
    """The end user in the words of OpenAI's APIs: `user`, or what has followed it."""
    user = payload.get("user") or payload.get("safety_identifier")
    return user if isinstance(user, str) else None


def anthropic_user(payload: Mapping[str, Json]) -> str | None:
    """The same in Anthropic's words."""
    metadata = payload.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) and user else None


def said_tags(payload: Mapping[str, Json]) -> tuple[str, ...]:
    """`metadata.tags`, a list or one text, as clients of LiteLLM's gateway send them.

    Raises:
        InvalidRequest: they are neither.
    """
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or (tags := metadata.get("tags")) is None:
        return ()
    texts = [tags] if isinstance(tags, str) else tags
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise wrong("metadata.tags", "a list of texts, or one text with commas")
    return tuple(texts) or ("",)  # so that an empty list is taken out of the request too


def without_tags(payload: Mapping[str, Json]) -> dict[str, Json]:
    """The same request as its provider is to see it: tags are the gateway's, and a list of them most providers would refuse."""
    metadata = payload["metadata"]
    rest = {key: value for key, value in metadata.items() if key != "tags"}
    others = {key: value for key, value in payload.items() if key != "metadata"}
    return {**others, "metadata": rest} if rest else others
