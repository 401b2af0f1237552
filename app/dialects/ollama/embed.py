"""Embeddings as Ollama has them: /api/embed, both sides; of /api/embeddings, which it has replaced, the client's side only."""

import re
from collections.abc import Mapping
from dataclasses import replace

from app.core.chat import Encoded
from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import UpstreamInvalid
from app.core.jsonio import Json, dumps
from app.core.usage import Usage
from app.dialects.asker import said_tags
from app.dialects.dialect import About, Asked
from app.dialects.embedding import EmbeddingDialect, read_vector, texts_of
from app.dialects.fields import wrong
from app.dialects.ollama.fields import read_integer, read_text, read_texts
from app.dialects.ollama.opening import open_named
from app.dialects.ollama.times import took_ns
from app.dialects.ollama.usage import read_usage

_KNOWN = frozenset({"model", "input", "prompt", "dimensions"})
# Extras that a provider's /api/embed takes, whoever said them.
_SAYABLE = frozenset({"truncate", "keep_alive", "options"})
_COUNT = re.compile(rb'"prompt_eval_count"\s*:\s*(\d{1,15})\b')


def read_asked(body: bytes) -> Asked:
    """What must be known of a request to either endpoint.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload, name = open_named(body)
    return Asked(body, payload, name, streamed=False, wants_usage=True, tags=said_tags(payload))


def read_embed_request(payload: Mapping[str, Json]) -> EmbeddingRequest:
    """A request to /api/embed. One empty text is none, as with Ollama: its answer has no vectors.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    inputs = read_texts(payload, "input", "input")
    dimensions = read_integer(payload, "dimensions", "dimensions")
    if dimensions is not None and dimensions < 0:
        raise wrong("dimensions", "a whole number above 0")
    return EmbeddingRequest(() if inputs == ("",) else inputs, dimensions or None, extras=_read_extras(payload))


def read_embeddings_request(payload: Mapping[str, Json]) -> EmbeddingRequest:
    """A request to /api/embeddings, which has one text.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    prompt = read_text(payload, "prompt", "prompt")
    return EmbeddingRequest((prompt,) if prompt else (), extras=_read_extras(payload))


def is_embed_load(payload: Mapping[str, Json]) -> bool:
    """Whether a request to /api/embed asks for nothing: Ollama loads the model, and answers without a vector."""
    return payload.get("input") in (None, "", [])


def is_embeddings_load(payload: Mapping[str, Json]) -> bool:
    """The same of a request to /api/embeddings."""
    return payload.get("prompt") in (None, "")


def write_embed_load(about: About) -> bytes:
    """The reply to such a request to /api/embed."""
    return dumps(write_embed(Embeddings([]), about))


def write_embeddings_load(about: About) -> bytes:
    """The same of /api/embeddings."""
    return dumps(write_embeddings(Embeddings([]), about))


def write_embed_request(request: EmbeddingRequest, model: str) -> Encoded:
    """A request to a provider's /api/embed.

    Raises:
        InvalidRequest: there are tokens in it.
    """
    extras = request.extras or {}
    said = {"dimensions": request.dimensions, **{key: extras[key] for key in extras if key in _SAYABLE}}
    payload = {"model": model, "input": texts_of(request)}
    unsupported = [*(["user"] if request.user is not None else []), *(key for key in extras if key not in _SAYABLE)]
    return Encoded(payload | {key: value for key, value in said.items() if value is not None}, tuple(unsupported))


def read_embed(document: Json) -> Embeddings:
    """A provider's answer from /api/embed.

    Raises:
        UpstreamInvalid: it is none.
    """
    vectors = document.get("embeddings") if isinstance(document, dict) else None
    if not isinstance(vectors, list):
        raise UpstreamInvalid("The provider's reply has no 'embeddings'.")
    model = document.get("model")
    return Embeddings(
        [read_vector(vector) for vector in vectors], read_usage(document), model if isinstance(model, str) else None
    )


def write_embed(embeddings: Embeddings, about: About) -> dict[str, Json]:
    """An answer of /api/embed."""
    counted = {} if embeddings.usage is None else {"prompt_eval_count": embeddings.usage.total}
    return {
        "model": embeddings.model or about.model,
        "embeddings": embeddings.vectors,
        "total_duration": took_ns(about),
        "load_duration": 0,
        **counted,
    }


def write_embeddings(embeddings: Embeddings, _about: About) -> dict[str, Json]:
    """An answer of /api/embeddings: the vector of the one text, or an empty one."""
    return {"embedding": next(iter(embeddings.vectors), [])}


def find_usage(tail: bytes) -> Usage | None:
    """What was used, in the last bytes of a reply."""
    counts = _COUNT.findall(tail)
    return read_usage({"prompt_eval_count": int(counts[-1])}) if counts else None


def _read_extras(payload: Mapping[str, Json]) -> dict[str, Json] | None:
    extras = {key: value for key, value in payload.items() if key not in _KNOWN and value not in (None, {})}
    return extras or None


OLLAMA_EMBED = EmbeddingDialect(
    name="ollama-embed",
    read_request=read_embed_request,
    write_request=write_embed_request,
    read_reply=read_embed,
    write_reply=write_embed,
    find_usage=find_usage,
)

OLLAMA_EMBEDDINGS = replace(
    OLLAMA_EMBED, name="ollama-embeddings", read_request=read_embeddings_request, write_reply=write_embeddings
)
