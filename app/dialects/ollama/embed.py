"""Embeddings: /api/embed, and /api/embeddings, which it has replaced; both sides of both."""

from collections.abc import Mapping, Sequence

from app.core.errors import UpstreamInvalid
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.dialects.ollama.fields import read_integer, read_text, read_texts, wrong

_KNOWN = frozenset({"model", "name", "input", "prompt", "dimensions"})

Vectors = Sequence[Sequence[float]]


@frozen
class EmbedRequest:
    """Texts to be embedded. `dimensions` is how long each vector is to be; `extras` is all else that the client said."""

    inputs: tuple[str, ...]
    dimensions: int | None = None
    extras: Mapping[str, Json] | None = None


@frozen
class Embeddings:
    """A vector for each input, and the tokens that were read, where the provider counts them."""

    vectors: Vectors
    prompt_tokens: int | None = None


def read_embed_request(payload: Mapping[str, Json]) -> EmbedRequest:
    """A request to /api/embed. One empty text is none, as with Ollama: its answer has no vectors.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    inputs = read_texts(payload, "input", "input")
    dimensions = read_integer(payload, "dimensions", "dimensions")
    if dimensions is not None and dimensions < 0:
        raise wrong("dimensions", "a whole number above 0")
    return EmbedRequest(() if inputs == ("",) else inputs, dimensions or None, _read_extras(payload))


def read_embeddings_request(payload: Mapping[str, Json]) -> EmbedRequest:
    """A request to /api/embeddings, which has one text.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    prompt = read_text(payload, "prompt", "prompt")
    return EmbedRequest((prompt,) if prompt else (), extras=_read_extras(payload))


def write_embed_request(request: EmbedRequest, model: str) -> dict[str, Json]:
    """A request to a provider's /api/embed."""
    dimensions = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return {**(request.extras or {}), "model": model, "input": list(request.inputs), **dimensions}


def read_embed(document: Json) -> Embeddings:
    """A provider's answer from /api/embed.

    Raises:
        UpstreamInvalid: it is none.
    """
    vectors = document.get("embeddings") if isinstance(document, dict) else None
    if not isinstance(vectors, list) or not all(_is_vector(vector) for vector in vectors):
        raise UpstreamInvalid("The provider's reply has no 'embeddings' that are lists of numbers.")
    count = document.get("prompt_eval_count")
    counted = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return Embeddings(vectors, count if counted else None)


def read_embeddings(document: Json) -> Embeddings:
    """A provider's answer from /api/embeddings.

    Raises:
        UpstreamInvalid: it is none.
    """
    vector = document.get("embedding") if isinstance(document, dict) else None
    if not _is_vector(vector):
        raise UpstreamInvalid("The provider's reply has no 'embedding' that is a list of numbers.")
    return Embeddings([vector] if vector else [])


def write_embed(embeddings: Embeddings, model: str, total_ns: int) -> dict[str, Json]:
    """An answer of /api/embed. `total_ns` is how long it took."""
    counted = {} if embeddings.prompt_tokens is None else {"prompt_eval_count": embeddings.prompt_tokens}
    return {
        "model": model,
        "embeddings": embeddings.vectors,
        "total_duration": total_ns,
        "load_duration": 0,
        **counted,
    }


def write_embeddings(embeddings: Embeddings) -> dict[str, Json]:
    """An answer of /api/embeddings: the vector of the one text, or an empty one."""
    return {"embedding": next(iter(embeddings.vectors), [])}


def _read_extras(payload: Mapping[str, Json]) -> dict[str, Json] | None:
    extras = {key: value for key, value in payload.items() if key not in _KNOWN and value not in (None, {})}
    return extras or None


def _is_vector(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in value
    )
