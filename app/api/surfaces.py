"""The APIs by which models are called: their paths, how their requests are read, and what the gateway itself says in them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from app.api.pump import Voice
from app.api.relay import Scope, Surface
from app.api.tagging import rename_form, rename_path
from app.core.errors import InvalidRequest
from app.core.jsonio import Json, dumps
from app.dialects.anthropic.request import read_asked as read_anthropic
from app.dialects.anthropic.request import read_asked_count as read_anthropic_count
from app.dialects.asker import openai_user, said_tags
from app.dialects.dialect import About, Asked
from app.dialects.framing import comment
from app.dialects.gemini.embed import read_asked as read_gemini_embed
from app.dialects.gemini.embed import read_asked_batch as read_gemini_batch
from app.dialects.gemini.request import read_asked as read_gemini
from app.dialects.gemini.request import read_asked_count as read_gemini_count
from app.dialects.gemini.stream import write_array_error
from app.dialects.ollama import embed, load
from app.dialects.ollama.request import read_asked as read_ollama
from app.dialects.ollama.request import read_asked_generate as read_ollama_generate
from app.dialects.ollama.times import write_time
from app.dialects.ollama.writing import Enclose, enclose_chat, enclose_generate
from app.dialects.openai.completions import read_asked as read_completions
from app.dialects.openai.form import read_asked as read_form
from app.dialects.openai.request import read_asked as read_openai
from app.dialects.opening import is_name, open_body
from app.dialects.registry import DIALECTS
from app.dialects.responses.request import read_asked as read_responses

Read = Callable[[bytes], Asked]


def _comment(_model: str) -> bytes:
    return comment(b"ping")


def _empty_line(enclose: Enclose) -> Callable[[str], bytes]:
    """NDJSON has no comments, and Ollama's clients read every line: one that adds nothing."""

    def write(model: str) -> bytes:
        line = {"model": model, "created_at": write_time(int(time.time())), **enclose({}), "done": False}
        return dumps(line) + b"\n"

    return write


def _line_end(_model: str) -> bytes:
    """Between events a blank line says nothing, also to those who do not know comments."""
    return b"\n"


def _voice(dialect: str, write_ping: Callable[[str], bytes] = _comment) -> Voice:
    own = DIALECTS[dialect]
    ping = write_ping if own.has_comments else _line_end
    return Voice(own.write_error, own.write_error_event, own.stream_type.encode(), ping)


def _load_reply(
    is_load: Callable[[Mapping[str, Json]], bool], write: Callable[[About], bytes]
) -> Callable[[Asked, str], bytes | None]:
    def reply(asked: Asked, call_id: str) -> bytes | None:
        if not is_load(asked.payload):
            return None
        return write(About(call_id, asked.name, int(time.time()), asked.wants_usage, asked.payload))

    return reply


def _surface(name: str, dialect: str, read: Read, voice: Voice, *forwards: bytes) -> Surface:
    return Surface(name, dialect, lambda body, _scope: read(body), voice, frozenset(forwards))


def _read_plain(fallback: str | None = None) -> Read:
    """Reads requests of which only the model is of interest; `fallback` is what OpenAI takes where there is none."""

    def read(body: bytes) -> Asked:
        body, payload = open_body(body)
        name = payload.get("model", fallback)
        if not is_name(name):
            raise InvalidRequest("'model' is missing or not valid: give a model's name.", param="model")
        stream = payload.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise InvalidRequest("'stream' must be true or false.", param="stream")
        return Asked(body, payload, name, stream is True, True, openai_user(payload), said_tags(payload))

    return read


def _form_surface(name: str) -> Surface:
    voice = replace(_OPENAI, write_ping=None)

    def read(body: bytes, scope: Scope) -> Asked:
        return read_form(body, dict(scope["headers"]).get(b"content-type", b""))

    return Surface(name, f"openai-{name}", read, voice, frozenset({b"content-type"}), rename=rename_form)


_OPENAI = _voice("openai")
CHAT = _surface("chat", "openai", read_openai, _OPENAI)
MESSAGES = _surface(
    "messages", "anthropic", read_anthropic, _voice("anthropic"), b"anthropic-version", b"anthropic-beta"
)
COUNT_TOKENS = replace(
    MESSAGES, name="count", dialect="anthropic-count", read_asked=lambda body, _: read_anthropic_count(body), free=True
)
OLLAMA_CHAT = replace(
    _surface("ollama-chat", "ollama", read_ollama, _voice("ollama", _empty_line(enclose_chat))),
    reply=_load_reply(load.is_load, load.write_load),
)
OLLAMA_GENERATE = replace(
    _surface(
        "ollama-generate",
        "ollama-generate",
        read_ollama_generate,
        _voice("ollama-generate", _empty_line(enclose_generate)),
    ),
    reply=_load_reply(load.is_generate_load, load.write_generate_load),
)
OLLAMA_EMBED = replace(
    _surface("embeddings", "ollama-embed", embed.read_asked, _voice("ollama")),
    reply=_load_reply(embed.is_embed_load, embed.write_embed_load),
)
OLLAMA_EMBEDDINGS = replace(
    _surface("embeddings", "ollama-embeddings", embed.read_asked, _voice("ollama")),
    reply=_load_reply(embed.is_embeddings_load, embed.write_embeddings_load),
)

SURFACES: dict[str, Surface] = {
    "/v1/chat/completions": CHAT,
    "/api/chat/completions": CHAT,
    "/v1/responses": _surface("responses", "responses", read_responses, _voice("responses")),
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT_TOKENS,
    "/api/chat": OLLAMA_CHAT,
    "/api/generate": OLLAMA_GENERATE,
    "/api/embed": OLLAMA_EMBED,
    "/api/embeddings": OLLAMA_EMBEDDINGS,
    "/v1/completions": _surface("completions", "openai-completions", read_completions, _OPENAI),
    "/v1/embeddings": _surface("embeddings", "openai-embeddings", _read_plain(), _OPENAI),
    "/v1/images/generations": _surface("images", "openai-images", _read_plain("gpt-image-1"), _OPENAI),
    "/v1/audio/speech": _surface("speech", "openai-speech", _read_plain(), _OPENAI),
    "/v1/audio/transcriptions": _form_surface("transcriptions"),
    "/v1/audio/translations": _form_surface("translations"),
    "/v1/moderations": _surface("moderations", "openai-moderations", _read_plain("omni-moderation-latest"), _OPENAI),
}
"""Those whose path is the whole address."""


def dialects_of_surfaces() -> dict[str, str]:
    """Whose words the bodies of calls are in that the log has, by the names of surfaces there."""
    return {surface.name: surface.dialect for surface in SURFACES.values()} | {"generate": "gemini"}


def _read_gemini(*, streamed: bool) -> Callable[[bytes, Scope], Asked]:
    return lambda body, scope: read_gemini(body, scope["path_params"]["name"], streamed)


def _gemini(name: str, dialect: str, read: Callable[[bytes, Scope], Asked]) -> Surface:
    return Surface(name, dialect, read, _voice("gemini"), rename=rename_path)


_ARRAY_VOICE = Voice(
    DIALECTS["gemini-array"].write_error,
    write_array_error,
    DIALECTS["gemini-array"].stream_type.encode(),
    lambda _model: b" ",
)
GENERATE_CONTENT = _gemini("generate", "gemini", _read_gemini(streamed=False))
STREAM_GENERATE_CONTENT = _gemini("generate", "gemini", _read_gemini(streamed=True))
STREAM_GENERATE_ARRAY = replace(STREAM_GENERATE_CONTENT, dialect="gemini-array", voice=_ARRAY_VOICE)
GEMINI_COUNT = replace(
    _gemini("count", "gemini-count", lambda body, scope: read_gemini_count(body, scope["path_params"]["name"])),
    free=True,
)
GEMINI_EMBED = _gemini(
    "embeddings", "gemini-embed", lambda body, scope: read_gemini_embed(body, scope["path_params"]["name"])
)
GEMINI_EMBED_BATCH = _gemini(
    "embeddings", "gemini-embed-batch", lambda body, scope: read_gemini_batch(body, scope["path_params"]["name"])
)
