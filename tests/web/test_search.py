"""Searches, against stand-ins made from the services' documentation, and Perplexity's recorded replies."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.errors import UpstreamTimeout
from app.core.jsonio import dumps, loads
from app.core.usage import NO_USAGE, Usage
from app.core.web import Asked, SearchFailed
from app.providers.transport import Transport
from app.web.search import Parallel, Perplexity, SearXNG
from tests.providers.transport.servers import Peer, serve
from tests.recordings import Recording, recorded
from tests.web.sites import answer, never, redirect, running_site

FAR_S = 20.0
KEY = "planted-parallel-key"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


def soon(seconds: float = FAR_S) -> float:
    return time.monotonic() + seconds


class Service:
    """Answers every request by one reply; keeps what it was asked."""

    def __init__(self, reply: Any, status: int = 200) -> None:
        self.reply = reply if isinstance(reply, bytes) else answer(dumps(reply), "application/json", status=status)
        self.head, self.body = b"", b""

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.head, self.body = await peer.request()
            await peer.send(self.reply)

    @property
    def target(self) -> str:
        return self.head.split(b" ")[1].decode()


# https://docs.searxng.org/dev/search_api.html and searx/webutils.py get_json_response.
SEARXNG = {
    "query": "ulm bridge",
    "number_of_results": 0,
    "results": [
        {"url": "https://a.example/x", "title": "Cooking", "content": "none", "engine": "bing", "score": 1.0},
        {
            "url": "https://b.example/y",
            "title": "The Ulm bridge",
            "content": "Built in 1867.",
            "publishedDate": "2024-05-06T00:00:00",
        },
        {"url": "https://www.b.example/y/", "title": "again", "content": "again"},
        {"url": "magnet:?xt=1", "title": "no page", "content": ""},
        {"title": "no address"},
        "no result",
    ],
    "answers": [],
    "unresponsive_engines": [],
}
# predecessors.md 15.5: Parallel's Search API, v1.
PARALLEL = {
    "search_id": "search_1",
    "session_id": "session_1",
    "results": [
        {
            "url": "https://b.example/y",
            "title": "The Ulm bridge",
            "publish_date": "2024-05-06",
            "excerpts": ["One.", "Two."],
        },
        {"url": "https://c.example/", "title": None, "publish_date": None, "excerpts": []},
    ],
    "usage": [{"name": "sku_search", "count": 1}],
    "warnings": None,
}


async def searxng(transport: Transport, reply: Any, query: str = "ulm bridge", **options: Any) -> Any:
    service = Service(reply, **options)
    async with serve(service) as server:
        return service, await SearXNG(transport, server.url + "/searx/").search(query, 5, soon())


async def test_searxng_is_asked_for_json_and_its_results_are_ranked_and_there_once(transport: Transport) -> None:
    service, found = await searxng(transport, SEARXNG, "ulm\n bridge & <tags>")

    target = urlsplit(service.target)
    assert target.path == "/searx/search"
    assert parse_qs(target.query) == {"q": ["ulm bridge & <tags>"], "format": ["json"], "categories": ["general"]}
    assert [(each.url, each.title, each.snippet, each.date) for each in found.results] == [
        ("https://b.example/y", "The Ulm bridge", "Built in 1867.", "2024-05-06"),
        ("https://a.example/x", "Cooking", "none", None),
    ]
    assert found.usage == NO_USAGE


async def test_result_whose_address_no_page_has_is_none_and_titles_are_bounded(transport: Transport) -> None:
    results = [
        {"url": "https://a.example/?" + "&a=b" * 2000, "title": "ulm", "content": "ulm"},
        {"url": "https://b.example/", "title": "ulm " * 1000, "content": "ulm"},
    ]

    _, found = await searxng(transport, {"results": results})

    assert [each.url for each in found.results] == ["https://b.example/"]
    assert len(found.results[0].title) <= 300


async def test_of_very_many_results_the_first_ones_are_looked_at(transport: Transport) -> None:
    results = [{"url": f"https://{number}.example/", "title": "x", "content": "x"} for number in range(5000)]
    results[99]["title"] = results[4999]["title"] = "the ulm bridge"

    _, found = await searxng(transport, {"results": results})

    assert [each.url for each in found.results][:2] == ["https://99.example/", "https://0.example/"]


async def test_searxng_that_gives_no_json_says_which_setting_helps(transport: Transport) -> None:
    with pytest.raises(SearchFailed, match=r"search\.formats"):
        await searxng(transport, {}, status=403)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("no JSON", "text/html"), "no JSON object"),
        (answer("[]", "application/json"), "no JSON object"),
        (answer("broken", status=502), "status 502"),
        (redirect("http://169.254.169.254/"), "status 302"),
        (answer(b" " * (3 << 20), "application/json"), "NotGot"),
        (b"no http\r\n\r\n", "RemoteProtocolError"),
    ],
)
async def test_search_that_fails_says_so_in_words(transport: Transport, reply: bytes, words: str) -> None:
    with pytest.raises(SearchFailed, match=words):
        await searxng(transport, reply)


async def test_search_that_is_not_reached_tells_no_address(transport: Transport) -> None:
    with pytest.raises(SearchFailed) as failure:
        await SearXNG(transport, "http://127.0.0.1:1").search("a", 5, soon())

    assert str(failure.value) == "SearXNG did not answer (ConnectError)"


async def test_search_ends_at_its_deadline(transport: Transport) -> None:
    async with running_site({}) as site:
        site.routes = {"/search?q=a&format=json&categories=general": never}
        with pytest.raises(SearchFailed, match=r"in time|Timeout"):
            await SearXNG(transport, f"http://127.0.0.1:{site.port}").search("a", 5, soon(0.1))


async def test_parallel_is_asked_with_its_key_and_tells_what_it_used(transport: Transport) -> None:
    service = Service(PARALLEL)
    async with serve(service) as server:
        found = await Parallel(transport, lambda: KEY, server.url).search("ulm bridge", 4, soon())

    assert service.head.startswith(b"POST /v1/search HTTP/1.1\r\n")
    assert f"x-api-key: {KEY}\r\n".encode() in service.head
    asked = loads(service.body)
    assert asked["search_queries"] == ["ulm bridge"]
    assert asked["advanced_settings"]["max_results"] == 4
    assert set(asked) <= {"search_queries", "objective", "mode", "advanced_settings"}
    assert [(each.url, each.title, each.snippet, each.date) for each in found.results] == [
        ("https://b.example/y", "The Ulm bridge", "One.\nTwo.", "2024-05-06"),
        ("https://c.example/", "", "", None),
    ]
    assert found.usage == Usage(searches=1, requests=1)


async def test_parallel_without_a_key_says_which_setting_is_missing(transport: Transport) -> None:
    with pytest.raises(SearchFailed, match="PARALLEL_API_KEY"):
        await Parallel(transport, lambda: None).search("a", 5, soon())


async def test_parallel_that_refuses_the_key_does_not_tell_it(transport: Transport) -> None:
    refusal = {"type": "error", "error": {"ref_id": "1", "message": f"no such key {KEY}"}}
    async with serve(Service(refusal, 401)) as server:
        with pytest.raises(SearchFailed) as failure:
            await Parallel(transport, lambda: KEY, server.url).search("a", 5, soon())

    assert str(failure.value) == "Parallel answered with the status 401"


@pytest.mark.parametrize("recording", recorded("chat.citations", "perplexity"))
async def test_perplexity_gives_its_search_results_and_the_usage_of_the_chat(recording: Recording) -> None:
    asked: list[Any] = []
    reply = loads(recording.body)

    async def ask(query: str, deadline: float) -> Asked:
        asked.append((query, deadline))
        return Asked(reply, Usage(input=8, output=178, requests=1))

    found = await Perplexity(ask).search("What\n is Ruby?", 3, 12.5)

    assert asked == [("What is Ruby?", 12.5)]
    assert 1 <= len(found.results) <= 3
    told = {each["url"]: each for each in reply["search_results"]}
    for each in found.results:
        assert (each.title, each.date) == (told[each.url]["title"], told[each.url].get("date"))
        assert each.snippet == told[each.url]["snippet"].strip()
    assert found.usage == Usage(input=8, output=178, requests=1)


@pytest.mark.parametrize(
    "reply",
    [
        {"citations": ["https://a.example/"]},
        {
            "choices": [
                {"message": {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example/"}}]}}
            ]
        },
        {
            "search_results": [{"url": "https://a.example/", "title": None, "date": None}],
            "citations": ["https://a.example/"],
        },
    ],
)
async def test_perplexity_that_only_cites_gives_the_addresses(reply: Any) -> None:
    async def ask(_query: str, _deadline: float) -> Asked:
        return Asked(reply, NO_USAGE)

    assert [each.url for each in (await Perplexity(ask).search("a", 3, soon())).results] == ["https://a.example/"]


async def test_perplexity_that_fails_is_a_search_that_failed() -> None:
    async def ask(_query: str, _deadline: float) -> Asked:
        raise UpstreamTimeout("no byte within 5 s")

    with pytest.raises(SearchFailed, match="no byte within 5 s"):
        await Perplexity(ask).search("a", 3, soon())
