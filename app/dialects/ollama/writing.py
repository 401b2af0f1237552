"""What the objects of a reply for a client have in common: a whole one's only object and each line of a stream."""

from collections.abc import Callable

from app.core.chat import Image
from app.core.events import Finished, FinishReason
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.ollama.times import write_time
from app.dialects.ollama.usage import write_usage

Enclose = Callable[[dict[str, Json]], dict[str, Json]]
"""Puts what is said (`content`, `thinking`, `tool_calls`, `images`) where an endpoint has it."""

# Ollama says "stop" also of a reply that calls tools. For the last three it has no word; clients take any.
_WORDS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause",
}


def enclose_chat(said: dict[str, Json]) -> dict[str, Json]:
    """As /api/chat has it."""
    return {"message": {"role": "assistant", "content": "", **said}}


def enclose_generate(said: dict[str, Json]) -> dict[str, Json]:
    """As /api/generate has it, where an object holds one picture at most."""
    rest = {key: value for key, value in said.items() if key not in ("content", "images")}
    images = said.get("images")
    return {"response": said.get("content", ""), **rest, **({"image": images[0]} if images else {})}


class Envelope:
    """What stands in every object of one reply."""

    def __init__(self, about: About, enclose: Enclose) -> None:
        self._enclose = enclose
        self._fields: dict[str, Json] = {"model": about.model, "created_at": write_time(about.created)}

    def name(self, model: str | None, created: int | None) -> None:
        """Take over what the provider said of itself."""
        if model:
            self._fields["model"] = model
        if created is not None:
            self._fields["created_at"] = write_time(created)

    def write(self, said: dict[str, Json], further: dict[str, Json] | None = None) -> dict[str, Json]:
        """An object that says `said`, and beside it `further`."""
        return {**self._fields, **self._enclose(said), "done": False, **(further or {})}


def write_end(finished: Finished, *, total_ns: int = 0, first_ns: int = 0) -> dict[str, Json]:
    """The fields by which the last object differs.

    Args:
        total_ns: how long the reply took.
        first_ns: how much of it had passed when its first word came.
    """
    return {
        "done": True,
        "done_reason": _WORDS[finished.reason],
        "total_duration": total_ns,
        "load_duration": 0,  # a model elsewhere is always loaded
        "prompt_eval_duration": first_ns,
        "eval_duration": total_ns - first_ns,
        **(write_usage(finished.usage) if finished.usage is not None else {}),
    }


def write_image(image: Image) -> dict[str, Json]:
    """What is said by a picture. There is no field for one that is elsewhere: it is linked to."""
    return {"images": [image.data]} if image.data is not None else {"content": f"![]({image.url})"}
