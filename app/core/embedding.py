"""A request for embeddings in no dialect, and its answer."""

from collections.abc import Mapping, Sequence

from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.usage import Usage

Input = str | tuple[int, ...]
"""What is to be embedded: a text, or the tokens that the client made of one."""


@frozen
class EmbeddingRequest:
    """What is to be embedded.

    Attributes:
        dimensions: how long each vector is to be.
        extras: parameters of the client's dialect that are none of the fields here, by the name that they have there. Whoever
            writes names them as unsupported, unless it knows them.
    """

    inputs: tuple[Input, ...]
    dimensions: int | None = None
    user: str | None = None
    extras: Mapping[str, Json] | None = None


@frozen
class Embeddings:
    """A vector for each input in their order, and what was used, where the provider counts it."""

    vectors: Sequence[Sequence[float]]
    usage: Usage | None = None
    model: str | None = None


class EmbedderUnavailable(Exception):
    """No vectors can be had of an embedder; its text says why, for operators."""


@frozen
class TextVector:
    """The vector of one text.

    Attributes:
        values: float32, little-endian, of length 1 together, so that the sum of products of two is their cosine.
        truncated: the embedder has read only the beginning of the text. Such a vector says nothing about the rest, so that
            nothing may be looked up or kept by it.
    """

    values: bytes
    truncated: bool = False
