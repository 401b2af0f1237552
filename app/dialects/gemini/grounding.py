"""`groundingMetadata`: the sources of an answer, and the pieces of it that they back.

A `Segment` counts in bytes of UTF-8; ours are characters of all text of the answer. `partIndex` is left aside: the API does not
say it even where other parts come first, and what the parts of a stream are, depends on how it was cut.
"""

from collections.abc import Iterator, Sequence

from app.core.events import Citation
from app.core.jsonio import Json

_SOURCES = ("web", "retrievedContext", "maps", "image")


def read_grounding(metadata: Json, text: str) -> list[Citation]:
    """The citations of an answer of `text`, source by source. What has no address, such as a file in a store, is left out."""
    chunks = _items(metadata, "groundingChunks")
    places: dict[int, list[tuple[int, int]]] = {}
    data = text.encode("utf-8", "surrogatepass")
    for support in _items(metadata, "groundingSupports"):
        place = _place(support.get("segment"), text, data)
        if place is not None:
            for index in _numbers(support.get("groundingChunkIndices")):
                places.setdefault(index, []).append(place)
    found: list[Citation] = []
    for index, chunk in enumerate(chunks):
        source: dict[str, Json] = next((chunk[kind] for kind in _SOURCES if isinstance(chunk.get(kind), dict)), {})
        url = source.get("uri") or source.get("sourceUri")
        if not isinstance(url, str):
            continue
        quoted = Citation(url, _text(source.get("title")), _text(source.get("text")))
        backed = places.get(index)
        found += (
            [quoted]
            if backed is None
            else [Citation(url, quoted.title, quoted.text, start, end) for start, end in backed]
        )
    return found


def write_grounding(citations: Sequence[Citation], text: str) -> dict[str, Json]:
    """The same for a client. What is quoted of a source has no place with `web`, the kind of source that clients show."""
    chunks: dict[tuple[str, str | None], int] = {}
    supports: list[Json] = []
    for citation in citations:
        index = chunks.setdefault((citation.url, citation.title), len(chunks))
        if citation.start is None or citation.end is None:
            continue
        segment = {
            "startIndex": _bytes(text[: citation.start]),
            "endIndex": _bytes(text[: citation.end]),
            "text": text[citation.start : citation.end],
        }
        supports.append({"segment": segment, "groundingChunkIndices": [index]})
    written: dict[str, Json] = {
        "groundingChunks": [
            {"web": {"uri": url, **({} if title is None else {"title": title})}} for url, title in chunks
        ]
    }
    if supports:
        written["groundingSupports"] = supports
    return written


def _place(segment: Json, text: str, data: bytes) -> tuple[int, int] | None:
    """The characters of the answer that a segment is; where its bytes are elsewhere than it says, it is searched for."""
    if not isinstance(segment, dict):
        return None
    start, end, words = segment.get("startIndex", 0), segment.get("endIndex"), _text(segment.get("text"))
    if isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(data):
        said = data[start:end].decode("utf-8", "replace")
        if words is None or said == words:
            before = len(data[:start].decode("utf-8", "replace"))
            return before, before + len(said)
    at = text.find(words) if words else -1
    return None if at < 0 or words is None else (at, at + len(words))


def _items(metadata: Json, key: str) -> list[dict[str, Json]]:
    items = metadata.get(key) if isinstance(metadata, dict) else None
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []


def _numbers(values: Json) -> Iterator[int]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, int))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
