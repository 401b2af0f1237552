"""What Ollama has no place for and we keep in fields of our own, so that a client can send it back or show it.

Beside `thinking`, `thinking_signature` is a text and `thinking_redacted` a list of texts; beside a tool call's `function`,
`signature` is a text; in the last object of a reply, `citations` is a list of sources. Ollama's clients skip them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from app.core.chat import Reasoning, Signature
from app.core.events import Citation
from app.core.jsonio import Json
from app.dialects.signatures import unwrap, wrap

T = TypeVar("T")

NAME = "ollama"
"""The dialect's name; signatures are marked with it, whichever of its two endpoints a client uses."""


def read_signature(value: Json) -> Signature | None:
    """The signature that a client keeps, or a reply of ours holds, as `value`."""
    return unwrap(value, NAME) if isinstance(value, str) and value else None


def read_redacted(message: Mapping[str, Json]) -> list[Signature]:
    """The pieces of thinking that only their provider can read."""
    values = message.get("thinking_redacted")
    found = [read_signature(value) for value in values] if isinstance(values, list) else []
    return [signature for signature in found if signature is not None]


def for_client(signature: Signature) -> str | None:
    """Any signature as a client is to keep it."""
    return wrap(signature, NAME)


def for_provider(signature: Signature) -> str | None:
    """A signature as the provider that made it gets it back; None for that of another dialect."""
    return signature.value if signature.origin == NAME else None


def write_thinking(pieces: Sequence[Reasoning], write_signature: Callable[[Signature], str | None]) -> dict[str, Json]:
    """The fields of a message that tell of `pieces`.

    There is one field for what may be several pieces, and a signature is good for its own piece only: of several none is kept.
    """
    fields: dict[str, Json] = {}
    readable = [piece for piece in pieces if piece.text or piece.signature is not None]
    if text := "".join([piece.text for piece in readable]):
        fields["thinking"] = text
    signature = readable[0].signature if len(readable) == 1 else None
    if signature is not None and (kept := write_signature(signature)):
        fields["thinking_signature"] = kept
    redacted = [write_signature(piece.redacted) for piece in pieces if piece.redacted is not None]
    if any(redacted):
        fields["thinking_redacted"] = [text for text in redacted if text]
    return fields


def read_citations(line: Mapping[str, Json]) -> Iterator[Citation]:
    """The sources in the last object of a reply."""
    sources = line.get("citations")
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, dict) and isinstance(source.get("url"), str):
            yield Citation(
                source["url"],
                title=_of(str, source.get("title")),
                text=_of(str, source.get("text")),
                start=_of(int, source.get("start")),
                end=_of(int, source.get("end")),
            )


def write_citations(citations: Sequence[Citation]) -> dict[str, Json]:
    """The field that tells of `citations`; none where there are none."""
    return {"citations": [_source(citation) for citation in citations]} if citations else {}


def _source(citation: Citation) -> dict[str, Json]:
    fields = {"title": citation.title, "text": citation.text, "start": citation.start, "end": citation.end}
    return {"url": citation.url, **{key: value for key, value in fields.items() if value is not None}}


def _of(kind: type[T], value: Json) -> T | None:
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
