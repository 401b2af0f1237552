"""Embeddings as Gemini's API has them: batchEmbedContents, both sides; of embedContent the client's side only.

https://ai.google.dev/api/embeddings
"""

from collections.abc import Mapping
from dataclasses import replace

from app.core.chat import Encoded
from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.jsonio import Json
from app.core.usage import Usage
from app.dialects.asker import said_tags
from app.dialects.dialect import About, Asked
from app.dialects.embedding import EmbeddingDialect, read_vector, texts_of
from app.dialects.fields import as_integer, as_text, wrong
from app.dialects.gemini.fields import camel, read_fields, read_list
from app.dialects.gemini.names import as_requests, resource
from app.dialects.gemini.usage import read_usage
from app.dialects.opening import is_name, open_body
from app.dialects.plain import last_object

# What else a request can say, by the name that it has here.
_OWN = frozenset({"taskType", "title", "autoTruncate"})
_UNDERSTOOD = frozenset({"content", "outputDimensionality", "model"})


def read_asked(body: bytes, name: str) -> Asked:
    """What must be known of a request to embedContent; `name` is the model, out of the URL.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    if not is_name(name):
        raise InvalidRequest("The URL must name a model: /v1beta/models/demo:embedContent.", param="model")
    return Asked(body, payload, name, streamed=False, wants_usage=True, tags=said_tags(payload))


def read_asked_batch(body: bytes, name: str) -> Asked:
    """The same of a request to batchEmbedContents."""
    asked = read_asked(body, name)
    for index, request in enumerate(as_requests(asked.payload)):
        if not isinstance(request, dict):
            raise wrong(f"requests[{index}]", "an object")
    return asked


def read_embed_request(payload: Mapping[str, Json]) -> EmbeddingRequest:
    """A request to embedContent, which has one content.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    return _read_one(payload, "")


def read_batch_request(payload: Mapping[str, Json]) -> EmbeddingRequest:
    """A request to batchEmbedContents.

    Raises:
        InvalidRequest: with the field at fault as `param`; also where its requests ask for different things, which no
            other API can be asked in one call.
    """
    requests = [_read_one(request, f"requests[{index}].") for index, request in enumerate(as_requests(payload))]
    for index, request in enumerate(requests):
        if replace(request, inputs=()) != replace(requests[0], inputs=()):
            raise InvalidRequest(
                f"requests[{index}] differs from the first in more than its content; this model's provider cannot be asked that in one call.",
                param=f"requests[{index}]",
            )
    return replace(requests[0], inputs=tuple(each for request in requests for each in request.inputs))


def write_batch_request(request: EmbeddingRequest, model: str) -> Encoded:
    """A request to a provider's batchEmbedContents.

    Raises:
        InvalidRequest: there are tokens in it.
    """
    extras = {camel(key): (key, value) for key, value in (request.extras or {}).items()}
    said: dict[str, Json] = {key: value for key, (_, value) in extras.items() if key in _OWN}
    if request.dimensions is not None:
        said["outputDimensionality"] = request.dimensions
    unsupported = [*(["user"] if request.user is not None else [])]
    unsupported += [name for key, (name, _) in extras.items() if key not in _OWN]
    named = {"model": resource(model)}
    return Encoded(
        {"requests": [{**named, "content": {"parts": [{"text": text}]}, **said} for text in texts_of(request)]},
        tuple(unsupported),
    )


def read_batch(document: Json) -> Embeddings:
    """A provider's answer from batchEmbedContents.

    Raises:
        UpstreamInvalid: it is none.
    """
    entries = document.get("embeddings") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UpstreamInvalid("The provider's reply has no 'embeddings'.")
    return Embeddings(
        [read_vector(entry.get("values")) for entry in entries], read_usage(document.get("usageMetadata"))
    )


def write_embed(embeddings: Embeddings, _about: About) -> dict[str, Json]:
    """An answer of embedContent."""
    return {"embedding": {"values": next(iter(embeddings.vectors), [])}, **_write_usage(embeddings.usage)}


def write_batch(embeddings: Embeddings, _about: About) -> dict[str, Json]:
    """An answer of batchEmbedContents."""
    return {"embeddings": [{"values": vector} for vector in embeddings.vectors], **_write_usage(embeddings.usage)}


def find_usage(tail: bytes) -> Usage | None:
    """What was used, in the last bytes of a reply; most of them do not tell."""
    return read_usage(last_object(tail, b'"usageMetadata"'))


def _read_one(request: Json, where: str) -> EmbeddingRequest:
    fields = read_fields(request, where.rstrip(".") or "the request")
    dimensions = fields.get("outputDimensionality")
    return EmbeddingRequest(
        (_read_text(fields.get("content"), f"{where}content"),),
        None if dimensions is None else as_integer(dimensions, f"{where}outputDimensionality"),
        extras={key: value for key, value in fields.items() if key not in _UNDERSTOOD} or None,
    )


def _read_text(content: Json, where: str) -> str:
    """The text of a content, each of its parts on lines of its own."""
    if isinstance(content, str):
        return content
    texts = []
    for index, part in enumerate(read_list(read_fields(content, where).get("parts"), f"{where}.parts")):
        path = f"{where}.parts[{index}]"
        fields = read_fields(part, path)
        if "text" not in fields:
            raise InvalidRequest(f"{path} has no text, and this model's provider embeds nothing else.", param=path)
        texts.append(as_text(fields["text"], f"{path}.text"))
    if not texts:
        raise wrong(f"{where}.parts", "a list of at least one part")
    return "\n".join(texts)


def _write_usage(usage: Usage | None) -> dict[str, Json]:
    return {} if usage is None else {"usageMetadata": {"promptTokenCount": usage.total}}


GEMINI_EMBED_BATCH = EmbeddingDialect(
    name="gemini-embed-batch",
    read_request=read_batch_request,
    write_request=write_batch_request,
    read_reply=read_batch,
    write_reply=write_batch,
    find_usage=find_usage,
    words={"dimensions": ("requests.outputDimensionality", "requests.output_dimensionality")},
)

GEMINI_EMBED = replace(
    GEMINI_EMBED_BATCH,
    name="gemini-embed",
    read_request=read_embed_request,
    write_reply=write_embed,
    words={"dimensions": ("outputDimensionality", "output_dimensionality")},
)
