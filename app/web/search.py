"""Searches of the web: SearXNG, Parallel and Perplexity, behind `SearchProvider`."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import httpx

from app import __version__
from app.core.errors import RelayError
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.usage import Usage
from app.core.web import Ask, Found, SearchFailed, SearchResult
from app.web.get import NotGot, read_bounded
from app.web.ranking import ranked
from app.web.url import MOST_CHARACTERS

MOST_BYTES = 2 << 20
MOST_QUERY_CHARACTERS = 400
PARALLEL_BASE_URL = "https://api.parallel.ai"

_MOST_RESULTS = 100  # that are looked at: ranking takes time of the event loop, and no service's first page has more
_MOST_TITLE_CHARACTERS, _MOST_SNIPPET_CHARACTERS = 300, 2000
_HTTP = re.compile(r"https?://\S+", re.IGNORECASE)


class SearXNG:
    """An instance of the operator's own, asked for JSON (https://docs.searxng.org/dev/search_api.html).

    Args:
        transport: that of calls to providers: the address is the operator's own, and may well be private.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str) -> None:
        self._transport = transport
        self._url = httpx.URL(base_url.rstrip("/") + "/search")

    async def search(self, query: str, most: int, deadline: float) -> Found:
        """See `SearchProvider`. It costs nothing."""
        query = _shortened(query)
        url = self._url.copy_merge_params({"q": query, "format": "json", "categories": "general"})
        reply = await _ask_json(self._transport, "SearXNG", httpx.Request("GET", url), deadline, _SEARXNG_WORDS)
        results = [_read(each, each.get("content"), each.get("publishedDate")) for each in _dicts(reply.get("results"))]
        return Found(_best(query, results, most))


class Parallel:
    """Parallel's Search API: POST `/v1/search`.

    Args:
        key: gives the API key of the moment; None where there is none.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        key: Callable[[], str | None],
        base_url: str = PARALLEL_BASE_URL,
        mode: str = "fast",
    ) -> None:
        self._transport = transport
        self._key = key
        self._url = httpx.URL(base_url.rstrip("/").removesuffix("/v1") + "/v1/search")
        self._mode = mode

    async def search(self, query: str, most: int, deadline: float) -> Found:
        """See `SearchProvider`. Its `usage` counts one search, and more where Parallel says so."""
        key = self._key()
        if not key:
            raise SearchFailed("Parallel has no API key: set PARALLELAI_API_KEY or PARALLEL_API_KEY")
        query = _shortened(query)
        asked = {
            "objective": query,
            "search_queries": [query],
            "mode": self._mode,
            "advanced_settings": {
                "max_results": most,
                "excerpt_settings": {"max_chars_per_result": _MOST_SNIPPET_CHARACTERS},
            },
        }
        headers = {"x-api-key": key, "content-type": "application/json"}
        request = httpx.Request("POST", self._url, headers=headers, content=dumps(asked))
        reply = await _ask_json(self._transport, "Parallel", request, deadline)
        results = [
            _read(each, "\n".join(_texts(each.get("excerpts"))), each.get("publish_date"))
            for each in _dicts(reply.get("results"))
        ]
        counts = [each.get("count") for each in _dicts(reply.get("usage")) if "search" in str(each.get("name"))]
        searches = sum(count for count in counts if isinstance(count, int) and 0 < count < 1000) or 1
        return Found(_best(query, results, most), Usage(searches=searches, requests=1))


class Perplexity:
    """The sources of a chat with `sonar`: its `search_results`, or what it cites.

    Args:
        ask: sends a question to the provider of the configuration, as calls are sent.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def search(self, query: str, most: int, deadline: float) -> Found:
        """See `SearchProvider`. Its `usage` is that of the chat."""
        query = _shortened(query)
        try:
            asked = await self._ask(query, deadline)
        except RelayError as exc:
            raise SearchFailed(f"Perplexity did not answer: {exc.message}") from exc
        reply = asked.reply if isinstance(asked.reply, dict) else {}
        return Found(_best(query, _read_sources(reply), most), asked.usage)


def _read_sources(reply: Mapping[str, Json]) -> list[SearchResult | None]:
    """From `search_results`, then what else is cited: a source of which only the address is told is one, too."""
    results = [_read(each, each.get("snippet"), each.get("date")) for each in _dicts(reply.get("search_results"))]
    for choice in _dicts(reply.get("choices"))[:1]:
        message = choice.get("message")
        annotations = message.get("annotations") if isinstance(message, dict) else None
        cited = [each.get("url_citation") or each for each in _dicts(annotations)]
        results += [_read(each, each.get("content"), None) for each in _dicts(cited)]
    return results + [_read({"url": url}, "", None) for url in _texts(reply.get("citations"))]


_SEARXNG_WORDS = {403: "SearXNG gives no JSON: add 'json' to search.formats of its settings.yml"}


async def _ask_json(
    transport: httpx.AsyncBaseTransport,
    name: str,
    request: httpx.Request,
    deadline: float,
    words: Mapping[int, str] = {},
) -> dict[str, Json]:
    """The object that a search service answers with; redirects are not followed."""
    left_s = deadline - time.monotonic()
    request.headers["user-agent"] = f"LLM-Relay/{__version__}"
    request.headers["accept"] = "application/json"
    request.headers["accept-encoding"] = "gzip"
    request.extensions["timeout"] = dict.fromkeys(("pool", "connect", "write", "first_byte", "read"), max(0.0, left_s))
    try:
        async with asyncio.timeout(left_s):
            response = await transport.handle_async_request(request)
            try:
                body = await read_bounded(response, MOST_BYTES)
            finally:
                await response.aclose()
    except TimeoutError:
        raise SearchFailed(f"{name} did not answer in time") from None
    except (httpx.TransportError, NotGot) as exc:
        raise SearchFailed(f"{name} did not answer ({type(exc).__name__})") from exc  # its words have the address
    if not response.is_success:
        status = response.status_code
        raise SearchFailed(words.get(status) or f"{name} answered with the status {status}", status)
    try:
        reply = loads_repaired(body)
    except InvalidJson:
        reply = None
    if not isinstance(reply, dict):
        raise SearchFailed(f"{name} answered with what is no JSON object")
    return reply


def _best(query: str, results: Iterable[SearchResult | None], most: int) -> list[SearchResult]:
    return ranked(query, [each for each in islice(results, _MOST_RESULTS) if each is not None], most)


def _read(result: Mapping[str, Json], snippet: Json, date: Json) -> SearchResult | None:
    url, title = result.get("url"), result.get("title")
    if not isinstance(url, str) or len(url) > MOST_CHARACTERS or not _HTTP.fullmatch(url):
        return None
    return SearchResult(
        url,
        title.strip()[:_MOST_TITLE_CHARACTERS] if isinstance(title, str) else "",
        snippet.strip()[:_MOST_SNIPPET_CHARACTERS] if isinstance(snippet, str) else "",
        date[:10] if isinstance(date, str) and date else None,
    )


def _shortened(query: str) -> str:
    """In one line, and no longer than search services take."""
    return " ".join(query.split())[:MOST_QUERY_CHARACTERS]


def _dicts(values: Json) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _texts(values: Json) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
