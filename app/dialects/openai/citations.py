"""Sources of an answer, in the three ways in which they are told.

OpenAI and OpenRouter annotate a message (`url_citation`); Perplexity and xAI list URLs beside it (`citations`), Perplexity again
with their titles (`search_results`), all of them in every chunk of a stream.
"""

from collections.abc import Sequence

from app.core.events import Citation
from app.core.jsonio import Json


class Citations:
    """Tells each source once: by its URL, and again only where another piece of the answer is said to rest on it."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int | None, int | None]] = set()
        self._urls: set[str] = set()
        self._last: tuple[Json, Json] = (None, None)

    def read_annotations(self, annotations: Json) -> list[Citation]:
        """What is new in the annotations of a message."""
        found = []
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict) and annotation.get("type") == "url_citation":
                cited = annotation.get("url_citation")
                # Some write the fields without the object around them.
                found.append(_read_citation(cited if isinstance(cited, dict) else annotation))
        return self.untold(found)

    def read_lists(self, citations: Json, search_results: Json) -> list[Citation]:
        """What is new in the lists beside the answer, in the order of `citations`, by which the answer counts them."""
        if self._last == (citations, search_results):
            return []
        self._last = (citations, search_results)
        results = [_read_result(result) for result in _dicts(search_results)]
        titles = {result.url: result for result in results if result is not None}
        urls = [url for url in citations if isinstance(url, str)] if isinstance(citations, list) else []
        return self.untold([*(titles.get(url, Citation(url)) for url in urls), *results])

    def untold(self, found: Sequence[Citation | None]) -> list[Citation]:
        """Those of `found` that were not told yet; from now on they are."""
        untold = []
        for citation in found:
            if citation is None or not citation.url:
                continue
            place = (citation.url, citation.start, citation.end)
            if place in self._told or (citation.end is None and citation.url in self._urls):
                continue
            self._told.add(place)
            self._urls.add(citation.url)
            untold.append(citation)
        return untold


def write_annotation(citation: Citation) -> dict[str, Json]:
    """A source as an annotation; where it is not known what of the answer it backs, the place is empty, as OpenRouter has it."""
    cited: dict[str, Json] = {"url": citation.url, "title": citation.title or ""}
    cited |= {"start_index": citation.start or 0, "end_index": citation.end or 0}
    if citation.text is not None:
        cited["content"] = citation.text
    return {"type": "url_citation", "url_citation": cited}


def annotate(
    reply: dict[str, Json], said: str, citations: Sequence[Citation], *, index: int | None = None
) -> dict[str, Json]:
    """`reply` with `citations` behind the annotations of its first choice's `said`, which is `message` or `delta`.

    The very same object where there are none, or no choice that they could stand in. In a stream they are numbered from
    `index`: OpenAI's accumulator refuses lists that come in pieces whose items have no number.
    """
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not citations or not isinstance(choices, list) or not isinstance(first, dict):
        return reply
    words = first.get(said)
    words = words if isinstance(words, dict) else {}
    annotations = words.get("annotations")
    told = annotations if isinstance(annotations, list) else []
    added = [write_annotation(citation) for citation in citations]
    if index is not None:
        added = [{**annotation, "index": number} for number, annotation in enumerate(added, index)]
    return {**reply, "choices": [{**first, said: {**words, "annotations": [*told, *added]}}, *choices[1:]]}


def _read_citation(cited: dict[str, Json]) -> Citation | None:
    url = _text(cited.get("url"))
    if url is None:
        return None
    start, end = _count(cited.get("start_index")), _count(cited.get("end_index"))
    if start is None or end is None or end <= start:
        start = end = None
    return Citation(url, _text(cited.get("title")), _text(cited.get("content")), start, end)


def _read_result(result: dict[str, Json]) -> Citation | None:
    url = _text(result.get("url"))
    return None if url is None else Citation(url, _text(result.get("title")), _text(result.get("snippet")))


def _dicts(values: Json) -> list[dict[str, Json]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
