"""The stage of augmentors, beside what a real gateway shows: its headers, its budget of time, and what it tells of itself."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from app.core.call import Call, Trace
from app.core.web import Context, Page, PageFailure, SearchFailed, SearchNotSetUp, SearchResult, Source, Wanted
from app.dialects.conversation import last_user_text, read_chat
from app.dialects.insertion import with_message
from app.pipeline.augmenting.gathering import Gatherer
from app.pipeline.augmentor import MOST_SOURCES, SmartAugmentor, write_sources
from app.web.context import write_context
from tests.calls import make_call, make_reply
from tests.smart import make_entry

TODAY = date(2026, 11, 23)


class Web:
    """Finds `count` results; of the pages those whose address has `ok`."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.error: Exception | None = None
        self.deadlines: list[float] = []
        self.wanted: list[Wanted] = []

    async def search(self, _call: Call, _augmentor: Any, query: str, deadline: float) -> Sequence[SearchResult]:
        self.deadlines.append(deadline - time.monotonic())
        if self.error is not None:
            raise self.error
        return [SearchResult(f"https://ok.example/{number}", query, "found") for number in range(self.count)]

    async def fetch(self, wanted: Sequence[Wanted], deadline: float) -> Sequence[Page | PageFailure]:
        self.wanted += wanted
        return [
            Page(each.url, each.url, "", "read") if "ok" in each.url else PageFailure(each.url, "is at 10.0.0.1")
            for each in wanted
        ]


class Bench:
    def __init__(self, web: Web) -> None:
        self.web = web
        self.notes: list[str] = []
        self.lacking: str | None = None
        self.counts: dict[str, int] = {}
        self.got: list[Call] = []
        self.stage = SmartAugmentor(
            None,  # type: ignore[arg-type] # no test here asks a designator
            Gatherer(web.search, web),
            read_chat=read_chat,
            read_text=last_user_text,
            with_message=with_message,
            write_context=self._write,
            count=self._count,
            note_failure=lambda _call, _kind, _name, reason: self.notes.append(reason),
            lacks=lambda _augmentor: self.lacking,
            today=lambda: TODAY,
        )

    def _write(self, results: Any, pages: Any, budget: int, today: date) -> Context | None:
        return write_context(results, pages, budget, today)

    def _count(self, _key: str, **more: int) -> None:
        for name, count in more.items():
            self.counts[name] = self.counts.get(name, 0) + count

    async def ask(self, text: str, *, call: dict[str, Any] | None = None, **fields: Any) -> dict[str, str]:
        """The headers of the reply."""

        async def target(call: Call) -> Any:
            self.got.append(call)
            return make_reply()

        entry = make_entry("augmentor", "web", **{"mode": "always", **fields})
        asked = make_call({"messages": [{"role": "user", "content": text}]}, **(call or {}))
        reply = await self.stage.handle(asked, entry, target)
        return {name.decode(): value.decode() for name, value in reply.headers}


@pytest.fixture
def bench() -> Bench:
    return Bench(Web())


async def test_reply_tells_of_its_sources_in_the_order_of_their_numbers(bench: Bench) -> None:
    headers = await bench.ask("Ulm https://ok.example/named")

    assert headers["x-relay-augmented"] == "search+scrape"
    assert headers["x-relay-sources"].split() == [
        "https://ok.example/named",
        *(f"https://ok.example/{number}" for number in range(3)),
    ]
    assert bench.counts == {"total_requests": 1, "augmented_requests": 1, "search_requests": 1, "scrape_requests": 1}


async def test_pages_of_the_user_are_told_apart_and_no_more_are_fetched_than_may_be(bench: Bench) -> None:
    await bench.ask("https://ok.example/1 https://ok.example/2 https://ok.example/3", max_scrape_urls=2)

    assert bench.web.wanted == [
        Wanted("https://ok.example/1", by_user=True),
        Wanted("https://ok.example/2", by_user=True),
    ]


async def test_why_a_page_failed_reaches_nobody_but_the_log(bench: Bench) -> None:
    bench.web.count = 0

    headers = await bench.ask("https://bad.example/")

    assert headers == {"x-relay-augmented": "failed"}
    assert bench.notes == ["search found nothing", "no page could be read"]
    assert bench.counts == {"total_requests": 1}


async def test_record_says_of_which_hosts_pages_are_lacking_where_others_are_there(bench: Bench) -> None:
    urls = "https://ok.example/1 https://bad.example/path?key=secret https://bad.example:8443/2"

    await bench.ask(f"Read {urls}", max_scrape_urls=5, call={"trace": (trace := Trace())})

    assert trace.gaps == ("augmentor web: page not read (bad.example)",)
    assert (trace.notes, bench.notes) == ((), [])


async def test_fault_of_ours_leaves_the_call_as_it_was(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.web.error = RuntimeError("a bug")

    headers = await bench.ask("Ulm")

    assert headers == {"x-relay-augmented": "failed"}
    assert bench.got[0].payload == make_call({"messages": [{"role": "user", "content": "Ulm"}]}).payload
    assert "a bug" in caplog.text


@pytest.mark.parametrize("part", ["_gatherer", "_write_context", "_with_message", "_read_chat"])
async def test_fault_of_ours_anywhere_leaves_the_call_as_it_was(
    bench: Bench, part: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.stage, part, None)  # which nobody can use

    headers = await bench.ask("Ulm")

    assert headers == {"x-relay-augmented": "failed"}
    assert bench.got[0].payload == make_call({"messages": [{"role": "user", "content": "Ulm"}]}).payload
    assert bench.notes == ["failed"]
    assert bench.counts == {"total_requests": 1}
    assert "a fault of ours" in caplog.text


async def test_block_that_does_not_fit_leaves_the_call_as_it_was(bench: Bench) -> None:
    headers = await bench.ask("Ulm", max_context_tokens=100)

    assert headers == {"x-relay-augmented": "failed"}
    assert bench.notes == ["no room for what was found"]


async def test_time_is_that_of_the_definition_and_half_of_the_clients_at_most(bench: Bench) -> None:
    await bench.ask("Ulm", time_budget_ms=9000)
    await bench.ask("Ulm", time_budget_ms=9000, call={"deadline": time.monotonic() + 8})

    whole, half = bench.web.deadlines
    assert 8 < whole <= 9
    assert 3 < half <= 4


async def test_free_call_has_nothing_looked_up(bench: Bench) -> None:
    headers = await bench.ask("Ulm", call={"free": True})

    assert headers == {"x-relay-augmented": "direct"}
    assert bench.web.deadlines == []


async def test_search_that_fails_is_noted_in_few_words(bench: Bench) -> None:
    bench.web.error = SearchFailed("Parallel answered with the status 401", 401)

    await bench.ask("Ulm")

    assert bench.notes == ["search failed"]


@pytest.mark.parametrize(
    ("fields", "notes", "asks"),
    [
        ({"mode": "always"}, "searched for by searxng.", ()),
        ({"mode": "never"}, "Nothing is looked up", ()),
        ({"mode": "auto", "search_provider": "parallel"}, "acme/picker decides", ("acme/picker",)),
    ],
)
async def test_what_it_would_do_is_told_without_doing_it(bench: Bench, fields: Any, notes: str, asks: Any) -> None:
    told = await bench.stage.explain(make_call(), make_entry("augmentor", "web", **fields))

    assert told.next == ("acme/gpt-x",)
    assert notes in told.notes[0]
    assert told.asks == asks
    assert (bench.web.deadlines, bench.web.wanted, bench.counts) == ([], [], {})


@pytest.mark.parametrize("mode", ["always", "auto"])
async def test_explained_way_tells_what_a_search_lacks(bench: Bench, mode: str) -> None:
    bench.lacking = "SearXNG has no address"

    told = await bench.stage.explain(make_call(), make_entry("augmentor", "web", mode=mode))

    assert told.notes[0].endswith("searxng. But SearXNG has no address.")


async def test_search_that_is_not_set_up_is_told_from_one_that_fails(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.web.error = SearchNotSetUp("SearXNG has no address")

    await bench.ask("Ulm")

    assert bench.notes == ["search is not set up"]
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "SearXNG has no address" in caplog.text


def sources(*urls: str) -> list[Source]:
    return [Source(url, "", None) for url in urls]


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://a.example/x?b=c,d&e=%20f#g", "https://a.example/x?b=c,d&e=%20f#g"),
        ("https://a.example/Größe", "https://a.example/Gr%C3%B6%C3%9Fe"),
        ("https://a.example/a b\r\nx-evil: 1", "https://a.example/a%20b%0D%0Ax-evil:%201"),
        ('https://a.example/"<>\\^`{|}', "https://a.example/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("https://a.example/\ud800", "https://a.example/?"),
    ],
)
def test_addresses_are_written_so_that_a_header_can_hold_them(url: str, written: str) -> None:
    assert write_sources(sources(url)) == written


def test_header_holds_the_first_sources_that_fit_and_no_part_of_another() -> None:
    urls = [f"https://a.example/{number}/{'x' * 300}" for number in range(20)]

    written = write_sources(sources(*urls)).split(" ")

    assert written == urls[: len(written)]
    assert 3 < len(written) < 20
    assert len(" ".join(written)) <= MOST_SOURCES
