"""Results of a search: each page once, those first that speak of what was asked."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.core.web import SearchResult

_WORD = re.compile(r"\w+")
_TITLE_WEIGHT = 2
# Which link brought a reader to a page changes nothing on it.
_OF_THE_READER = re.compile(r"utm_\w+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|igshid|ref_src|srsltid")
_EMPTY = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "do",
        "does",
        "for",
        "from",
        "how",
        "i",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "with",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "des",
        "ein",
        "eine",
        "und",
        "oder",
        "von",
        "zu",
        "mit",
        "für",
        "ist",
        "im",
        "am",
        "wie",
        "was",
        "wer",
        "wo",
    ]
)


def same_page(url: str) -> str:
    """The same for all addresses that are of one page for all that can be told from them."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "").removeprefix("www.")
    query = [each for each in parse_qsl(parts.query, keep_blank_values=True) if not _OF_THE_READER.fullmatch(each[0])]
    place = f"{host}:{port}" if port not in (None, 80, 443) else host
    return f"{place}{parts.path.rstrip('/')}?{urlencode(query)}" if query else f"{place}{parts.path.rstrip('/')}"


def ranked(query: str, results: Sequence[SearchResult], most: int) -> list[SearchResult]:
    """At most `most` of `results`: each page once, by how many of the query's words they have; the search's order among equals."""
    words = _words(query)
    first = list({same_page(each.url): each for each in reversed(results)}.values())[::-1]
    return sorted(first, key=lambda each: -_overlap(words, each))[:most]


def _overlap(words: frozenset[str], result: SearchResult) -> int:
    return _TITLE_WEIGHT * len(words & _words(result.title)) + len(words & _words(result.snippet))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold())) - _EMPTY
