"""What an augmentor is to look up, and how that is read from the words of a designator."""

import re
from collections.abc import Iterable
from itertools import islice
from urllib.parse import urlsplit

from app.core.frozen import frozen
from app.core.web import Wanted

# Markdown may stand around the word alone: **search:** Ulm, `search`: Ulm.
_DECISION = re.compile(
    r"(?P<mark>\*\*|\*|`)?(?P<kind>direct|search\s*\+\s*scrape|search|scrape)(?(mark)(?P=mark)?)\s*"
    r"(?::(?(mark)(?P=mark)?)\s*(?P<rest>.*))?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?P<mark>\*\*|\*|`)?(?:final\s+)?(?:decision|answer|output)(?(mark)(?P=mark)?)\s*:(?(mark)(?P=mark)?)\s*(?=\S)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[a-z]*\s*\n(.*?)\n?\s*```", re.IGNORECASE | re.DOTALL)
_AROUND = ("**", "__", "```", "`", '"', "'", ("“", "”"), ("„", "“"), ("«", "»"))
_URL = re.compile(r"https?://[^\s<>\"'`\\^{|}]+", re.IGNORECASE)
_END_OF_SENTENCE = ".,;:!?*_…"
_CLOSING = {")": "(", "]": "["}

_MOST_URLS = 200  # that a text is searched for: no more fit into what a designator sees, and far fewer are read
_MOST_QUERY = 2000  # characters: search services are sent a few hundred


@frozen
class Decision:
    """What to look up; nothing where all is empty.

    Attributes:
        query: to be searched for.
        pages: to be fetched.
        follow: the best results of the search are to be fetched, too.
    """

    query: str = ""
    pages: tuple[Wanted, ...] = ()
    follow: bool = False

    @property
    def is_direct(self) -> bool:
        """Nothing is to be looked up."""
        return not self.query and not self.pages

    def kept_to(self, most_pages: int) -> "Decision":
        """The same with no more pages than that."""
        return Decision(self.query, self.pages[:most_pages], self.follow and most_pages > 0)


DIRECT = Decision()


def read_decision(words: str, text: str) -> Decision | None:
    """What `words` of a designator decide about a message `text`: `direct`, `search:`, `scrape:` or `search+scrape:`.

    A query that is empty is the message itself. Around the decision there may be quotes, marks of Markdown and a label; only
    what is one line then, and a decision as a whole, is one.

    Returns:
        None where it is none.
    """
    found = _DECISION.fullmatch(_bare(words))
    if found is None:
        return None
    kind, rest = "".join(found["kind"].lower().split()), _unquoted(found["rest"] or "")
    if kind == "direct":
        return None if rest else DIRECT
    if found["rest"] is None:
        return None
    if kind == "scrape":
        pages = _pages(re.split(r"[\s,]+", rest), urls_in(text))
        return Decision(pages=pages) if pages else None
    return Decision(query=_one_line(rest or text), follow=kind == "search+scrape")


def decide_always(text: str) -> Decision:
    """The message is searched for, and the pages that it names are fetched."""
    named = urls_in(text)
    return Decision(query=_one_line(text), pages=_pages(named, named))


def urls_in(text: str) -> list[str]:
    """The first addresses of pages that a text names, as they stand there, each once."""
    return list(dict.fromkeys(_ended(found[0]) for found in islice(_URL.finditer(text), _MOST_URLS)))


def _pages(urls: Iterable[str], named: Iterable[str]) -> tuple[Wanted, ...]:
    """Those of `urls` that are addresses of pages. What stands in the message was `named` by the user."""
    by_user = frozenset(named)
    wanted = (_unquoted(url) for url in urls)
    return tuple(Wanted(url, by_user=url in by_user) for url in dict.fromkeys(wanted) if _is_page(url))


def _is_page(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def _bare(words: str) -> str:
    """The one line of `words` without what stands around it; all of them where there are more."""
    words = words.strip()
    if fenced := _FENCE.fullmatch(words):
        words = fenced[1]
    words = _unquoted(words)
    label = _LABEL.match(words)
    return _unquoted(words[label.end() :] if label else words).rstrip(".").strip()


def _unquoted(words: str) -> str:
    """Without pairs of marks around all of it."""
    words = words.strip()
    for marks in _AROUND:
        begin, end = marks if isinstance(marks, tuple) else (marks, marks)
        inner = words[len(begin) : -len(end)]
        if len(words) > len(begin) and words.startswith(begin) and words.endswith(end) and begin not in inner:
            return _unquoted(inner)
    return words


def _ended(url: str) -> str:
    """Without what belongs to the sentence around it."""
    too_many = {last: url.count(last) - url.count(first) for last, first in _CLOSING.items()}
    end = len(url)
    while end and ((last := url[end - 1]) in _END_OF_SENTENCE or too_many.get(last, 0) > 0):
        end -= 1
        if last in too_many:
            too_many[last] -= 1
    return url[:end]


def _one_line(text: str) -> str:
    return " ".join(text[:_MOST_QUERY].split())
