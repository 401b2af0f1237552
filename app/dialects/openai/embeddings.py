"""Embeddings as OpenAI's API has them: /v1/embeddings, both sides."""

import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence

from app.core.chat import Encoded
from app.core.embedding import EmbeddingRequest, Embeddings, Input
from app.core.errors import UpstreamInvalid
from app.core.jsonio import Json
from app.core.usage import NO_USAGE
from app.dialects.dialect import About
from app.dialects.embedding import EmbeddingDialect, read_vector
from app.dialects.fields import wrong
from app.dialects.openai.fields import read_integer, read_text
from app.dialects.openai.usage import write_usage
from app.dialects.plain import find_usage, read_plain_usage

_UNDERSTOOD = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
_INPUT = "a text, a list of texts, a list of tokens or a list of such lists; none of them empty"


def read_request(payload: Mapping[str, Json]) -> EmbeddingRequest:
    """A client's request.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    if read_text(payload, "encoding_format") not in (None, "float", "base64"):
        raise wrong("encoding_format", "'float' or 'base64'")
    dimensions = read_integer(payload, "dimensions")
    if dimensions is not None and dimensions < 1:
        raise wrong("dimensions", "a whole number above 0")
    extras = {key: value for key, value in payload.items() if key not in _UNDERSTOOD and value is not None}
    return EmbeddingRequest(
        _read_inputs(payload.get("input")), dimensions, read_text(payload, "user"), extras=extras or None
    )


def write_request(request: EmbeddingRequest, model: str) -> Encoded:
    """A request to a provider. It asks for numbers: what is in base64 differs from provider to provider."""
    said = {"dimensions": request.dimensions, "user": request.user}
    payload = {"model": model, "input": list(request.inputs), "encoding_format": "float"}
    return Encoded(
        payload | {key: value for key, value in said.items() if value is not None}, tuple(request.extras or ())
    )


def read_reply(document: Json) -> Embeddings:
    """A provider's reply; its vectors in the order of their `index`.

    Raises:
        UpstreamInvalid: it is none.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise UpstreamInvalid("The provider's reply has no 'data' that holds embeddings.")
    if all(isinstance(entry.get("index"), int) for entry in data):
        data = sorted(data, key=lambda entry: entry["index"])
    model = document.get("model")
    return Embeddings(
        [read_vector(entry.get("embedding")) for entry in data],
        read_plain_usage(document.get("usage")),
        model if isinstance(model, str) else None,
    )


def write_reply(embeddings: Embeddings, about: About) -> dict[str, Json]:
    """A reply for a client, whose vectors are numbers, or base64 where it asked for that, as OpenAI's SDK does by itself."""
    in_base64 = about.payload.get("encoding_format") == "base64"
    usage = write_usage(embeddings.usage or NO_USAGE)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": write_base64(vector) if in_base64 else vector}
            for index, vector in enumerate(embeddings.vectors)
        ],
        "model": embeddings.model or about.model,
        "usage": {"prompt_tokens": usage["prompt_tokens"], "total_tokens": usage["total_tokens"]},
    }


def write_base64(vector: Sequence[float]) -> str:
    """Floats of 32 bits, the lowest byte first, in base64."""
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()


def _read_inputs(value: Json) -> tuple[Input, ...]:
    if isinstance(value, str) and value:
        return (value,)
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return tuple(value)
        if _are_tokens(value):
            return (tuple(value),)
        if all(_are_tokens(item) for item in value):
            return tuple(map(tuple, value))
    raise wrong("input", _INPUT)


def _are_tokens(value: Json) -> bool:
    return isinstance(value, list) and {*map(type, value)} == {int}


OPENAI_EMBEDDINGS = EmbeddingDialect(
    name="openai-embeddings",
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    write_reply=write_reply,
    find_usage=find_usage,
)
