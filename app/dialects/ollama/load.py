"""Requests that ask for no answer: with nothing to say, Ollama loads the model, or unloads it where `keep_alive` is 0."""

import re
from collections.abc import Mapping

from app.core.jsonio import Json, dumps
from app.dialects.dialect import About
from app.dialects.ollama.times import write_time
from app.dialects.ollama.writing import Enclose, enclose_chat, enclose_generate

_NO_TIME = re.compile(r"[-+]?0+([a-zµ]+)?")


def is_load(payload: Mapping[str, Json]) -> bool:
    """Whether a request to /api/chat asks for no answer: it has no messages."""
    return not payload.get("messages")


def is_generate_load(payload: Mapping[str, Json]) -> bool:
    """Whether a request to /api/generate asks for no answer: it has no prompt."""
    return not payload.get("prompt")


def write_load(about: About) -> bytes:
    """The reply to a load request to /api/chat: one object, also where a stream was asked for."""
    return _write(about, enclose_chat)


def write_generate_load(about: About) -> bytes:
    """The same of /api/generate."""
    return _write(about, enclose_generate)


def _write(about: About, enclose: Enclose) -> bytes:
    keep_alive = about.payload.get("keep_alive")
    unloads = keep_alive == 0 or (isinstance(keep_alive, str) and _NO_TIME.fullmatch(keep_alive) is not None)
    return dumps(
        {
            "model": about.model,
            "created_at": write_time(about.created),
            **enclose({}),
            "done": True,
            "done_reason": "unload" if unloads else "load",
        }
    )
