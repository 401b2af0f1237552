"""Sources of a text: `citations` of a text block."""

from collections.abc import Mapping

from app.core.events import Citation
from app.core.jsonio import Json


def read_citation(value: Json, start: int, end: int) -> Citation | None:
    """A source with an address; None for places within a document, which have none.

    `start` and `end` tell the text block that it backs.
    """
    if not isinstance(value, dict):
        return None
    match value.get("type"):
        case "web_search_result_location":
            url = value.get("url")
        case "search_result_location":
            url = value.get("source")
        case _:
            return None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return None
    title, text = value.get("title"), value.get("cited_text")
    return Citation(
        url,
        title=title if isinstance(title, str) else None,
        text=text if isinstance(text, str) and text else None,
        start=start,
        end=end,
    )


def write_citation(citation: Citation) -> Mapping[str, Json]:
    """The source as one of a web search; the index is for Anthropic's own use."""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.text or "",
        "encrypted_index": "",
    }
