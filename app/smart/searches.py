"""Who searches the web for augmentors: each search provider, by the name that their definitions have for it."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

from app.core.call import Call
from app.core.errors import UnknownModel, UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, loads
from app.core.smart import Augmentor
from app.core.smart import SearchProvider as Provider
from app.core.web import SEARCH, Asked, Found, SearchNotSetUp, SearchResult
from app.pipeline.asking import Asker, Asking
from app.pipeline.searching import Searcher
from app.settings import Settings
from app.smart.search_setup import AGENT, CHAT, SearchSetup
from app.web.search import Parallel, Perplexity, SearXNG


class Searches:
    """Searches as an augmentor says; see `pipeline.augmenting.gathering.Search`.

    Args:
        transport: that of calls to providers: addresses of search services are the operator's word.
    """

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport, asker: Asker, searcher: Searcher
    ) -> None:
        self._setup = SearchSetup(settings, asker.knows)
        self._transport = transport
        self._asker = asker
        self._searcher = searcher
        self._ways: Mapping[Provider, Callable[[Call, Augmentor, str, float], Awaitable[Found]]] = {
            "searxng": self._by_searxng,
            "parallel": self._by_parallel,
            "perplexity": self._by_perplexity,
        }

    def lacks(self, augmentor: Augmentor) -> str | None:
        """See `SearchSetup`."""
        return self._setup.lacks(augmentor)

    async def search(self, call: Call, augmentor: Augmentor, query: str, deadline: float) -> Sequence[SearchResult]:
        """The results for `query`.

        Raises:
            SearchFailed, RelayError: there are none; `SearchNotSetUp` where it cannot be asked for any.
        """
        if (lacking := self.lacks(augmentor)) is not None:
            raise SearchNotSetUp(lacking)
        return (await self._ways[augmentor.search_provider](call, augmentor, query, deadline)).results

    async def _by_searxng(self, call: Call, augmentor: Augmentor, query: str, deadline: float) -> Found:
        provider = SearXNG(self._transport, self._setup.searxng_url(augmentor) or "")
        most = augmentor.max_search_results
        return await self._searcher.search(call, "searxng", provider, query, most, deadline)

    async def _by_parallel(self, call: Call, augmentor: Augmentor, query: str, deadline: float) -> Found:
        url = augmentor.search_provider_url
        provider = Parallel(self._transport, self._setup.parallel_key, *([url] if url else []))
        most = augmentor.max_search_results
        return await self._searcher.search(call, "parallel", provider, query, most, deadline)

    async def _by_perplexity(self, call: Call, augmentor: Augmentor, query: str, deadline: float) -> Found:
        async def ask(query: str, until: float) -> Asked:
            return await _ask_perplexity(self._asker, call, query, until)

        return await Perplexity(ask).search(query, augmentor.max_search_results, deadline)


async def _ask_perplexity(asker: Asker, call: Call, query: str, deadline: float) -> Asked:
    """The reply to a question, by the Agent API or else by chat completions, with its sources as these have them.

    Raises:
        RelayError: there is none.
    """
    try:
        asked: dict[str, Json] = {"model": AGENT, "input": query, "tools": [{"type": "web_search"}]}
        reply = await _ask(asker, call, "responses", "responses", asked, deadline)
        return Asked(_with_sources(reply.reply), reply.usage)
    except UnknownModel:
        messages: list[Json] = [{"role": "user", "content": query}]
        return await _ask(asker, call, "chat", "openai", {"model": CHAT, "messages": messages}, deadline)


async def _ask(
    asker: Asker, call: Call, surface: str, dialect: str, payload: Mapping[str, Json], deadline: float
) -> Asked:
    left_s = max(0.0, deadline - time.monotonic())
    body, usage = await asker.send(call, Asking(str(payload["model"]), surface, dialect, payload, SEARCH, left_s))
    try:
        return Asked(loads(body), usage)
    except InvalidJson as exc:
        raise UpstreamInvalid("Perplexity's reply is no JSON.") from exc


def _with_sources(reply: Json) -> Json:
    """What a response of the Agent API found and cites, where chat completions have it.

    Its items `search_results` are those of Perplexity's own SDK (`SearchResultsOutputItem`); OpenAI's API has none.
    """
    output = reply.get("output") if isinstance(reply, dict) else None
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    results = [each for item in items if item.get("type") == "search_results" for each in _list(item.get("results"))]
    parts = [part for item in items for part in _list(item.get("content")) if isinstance(part, dict)]
    annotations = [each for part in parts for each in _list(part.get("annotations"))]
    return {"search_results": results, "choices": [{"message": {"annotations": annotations}}]}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
