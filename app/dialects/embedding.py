"""What a dialect of embeddings is: the functions by which one API's requests and replies are read and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.core.chat import Encoded
from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.jsonio import Json
from app.core.usage import Usage
from app.dialects.dialect import About


@dataclass(frozen=True, slots=True)
class EmbeddingDialect:
    """One API's way to write of embeddings.

    Attributes:
        name: the dialect's of the chat, a dash, and what tells this one apart.
        read_request: a client's payload as a canonical request. Raises `InvalidRequest` with the field as `param`.
        write_request: a canonical request as a payload for a provider: `(request, model)`. Raises `InvalidRequest` where it
            cannot be said at all.
        read_reply: a provider's reply, decoded. Raises `UpstreamInvalid`.
        write_reply: a reply for a client; its usage is known.
        find_usage: what was used, in the last bytes of a reply that passes; None where they do not tell.
        words: the paths of a parameter, by its name in OpenAI's API, where they are others.
    """

    name: str
    read_request: Callable[[Mapping[str, Json]], EmbeddingRequest]
    write_request: Callable[[EmbeddingRequest, str], Encoded]
    read_reply: Callable[[Json], Embeddings]
    write_reply: Callable[[Embeddings, About], dict[str, Json]]
    find_usage: Callable[[bytes], Usage | None]
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


def texts_of(request: EmbeddingRequest) -> list[str]:
    """The inputs, for providers that read texts only.

    Raises:
        InvalidRequest: there are tokens among them.
    """
    texts = [each for each in request.inputs if isinstance(each, str)]
    if len(texts) < len(request.inputs):
        raise InvalidRequest("This model's provider takes texts only, no tokens: give 'input' as text.", param="input")
    return texts


def read_vector(value: Json) -> list[float]:
    """A vector in a provider's reply.

    Raises:
        UpstreamInvalid: it is no list of numbers.
    """
    if isinstance(value, list) and {*map(type, value)} <= {float, int}:
        return value
    raise UpstreamInvalid("The provider's reply holds an embedding that is no list of numbers.")
