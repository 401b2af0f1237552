"""What a cache answers, keeps and refuses, over the store in a file; the embedder is a table, so that each cosine is known."""

import asyncio
import itertools
import math
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.core.book import Entry
from app.core.call import Call, Step, Target, Trace
from app.core.chat import Text, ToolCall
from app.core.errors import CacheUnavailable, RelayError, UpstreamError
from app.core.events import Completion
from app.core.jsonio import loads
from app.core.ports import CacheStore, Priced
from app.core.reply import End, Outcome, Reply
from app.core.smart import SmartModel
from app.core.usage import NO_USAGE, Usage
from app.dialects.conversation import read_answer, write_answer
from app.dialects.repeatable import read_repeatable, read_rest
from app.pipeline.cache import SmartCache
from app.pipeline.caching.finding import Finder, Found, Lookup
from app.pipeline.caching.keeping import Keeper
from app.pipeline.jobs import Jobs
from app.store.vectors.chroma import ChromaCacheStore
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.embedded import EmbeddedCacheStore
from tests.calls import PRINCIPAL, make_call
from tests.chroma_server import Chroma, running_chroma
from tests.smart import make_entry, make_smart

LONG = "An answer that is long enough to be kept, as it has quite a number of words in it. " * 4
DEGREES = {
    "what is the capital of france": 0,
    "name the capital of france": 10,
    "tell me of paris": 30,
    "unrelated": 90,
}
"""At which angle the vector of each question lies; others have none that is near."""


def vector_at(degrees: float) -> bytes:
    radians = math.radians(degrees)
    return array("f", [math.cos(radians), math.sin(radians)]).tobytes()


_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroma]:
    with running_chroma(tmp_path_factory.mktemp("chroma")) as server:
        yield server


class Texts:
    """Differences are those that a test has named."""

    longest = 1000

    def __init__(self) -> None:
        self.apart: set[frozenset[str]] = set()

    def normalise(self, text: str) -> str:
        return text.lower().strip("?! .")

    def differences(self, asked: str, stored: str) -> Sequence[str]:
        return ("number: 3 / 5",) if frozenset((asked, stored)) in self.apart else ()

    def time_sensitive(self, text: str) -> bool:
        return "today" in text


class Feedback:
    def __init__(self) -> None:
        self.apart: set[tuple[str, ...]] = set()
        self.sure = True

    def is_apart(self, cache_id: str, one: str, other: str) -> bool:
        return (cache_id, *sorted((one, other))) in self.apart

    def may_answer(self, entry: Entry, stored: str, cosine: float) -> bool:
        return self.sure


class Prices:
    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        return Priced(Decimal("0.25"), "test")


class Bench:
    """One cache stage, its store and what it counts; the target answers what a test says."""

    def __init__(self, store: CacheStore) -> None:
        self.store = store
        self.texts = Texts()
        self.feedback = Feedback()
        self.now = 1_767_225_600.0
        self.embedded: list[str] = []
        self.embeds: Callable[[str], bytes | None] = lambda text: vector_at(DEGREES.get(text, 180))
        self.delay_s = 0.0
        self.judged: list[tuple[str, str]] = []
        self.verdict = True
        self.counts: dict[str, Any] = {}
        self.notes: list[str] = []
        self.happens: Callable[[Trace], None] = lambda _trace: None
        self.behind: list[SmartModel] = []
        self.rechecked: list[Found] = []
        self.compared: list[tuple[Found, Completion]] = []
        self.jobs = Jobs()
        self.asked: list[Call] = []
        self.answer: Completion | RelayError = completion(LONG)
        self.once = False
        self.told_once: list[str] = []
        self.gate: asyncio.Event | None = None
        self.is_asked = asyncio.Event()
        finder = Finder(
            store, self._embed, self.texts, self.feedback, self._judge, lambda key, _cache: key, lambda: self.now
        )
        self.keeper = Keeper(store, finder, Prices(), self.jobs, read_answer, self._compare)
        self.stage = SmartCache(
            finder,
            self.keeper,
            read_chat=read_repeatable,
            read_rest=read_rest,
            write_answer=write_answer,
            follow=lambda name: name,
            behind=lambda _name: self.behind,
            is_told_once=lambda _call, name: name in self.told_once,
            count=self._count,
            note_failure=lambda _call, _kind, _name, reason: self.notes.append(reason),
            recheck=lambda _call, _entry, found, _request: self.rechecked.append(found),
        )

    async def _embed(self, call: Call, entry: Entry, texts: Sequence[str]) -> Sequence[bytes | None]:
        self.embedded += texts
        await asyncio.sleep(self.delay_s)
        return [self.embeds(text) for text in texts]

    async def _judge(self, call: Call, entry: Entry, asked: str, stored: str) -> bool:
        self.judged.append((asked, stored))
        return entry.model.model_dump()["judge_model"] is not None and self.verdict

    async def _compare(self, call: Call, lookup: Lookup, found: Found, answered: Completion) -> None:
        self.compared.append((found, answered))

    def _count(self, key: str, **more: Any) -> None:
        for name, count in more.items():
            self.counts[name] = self.counts.get(name, 0) + (count or 0)

    async def target(self, call: Call) -> Reply:
        self.asked.append(call)
        self.is_asked.set()
        call.trace.target = Target("acme", "gpt-x")
        self.happens(call.trace)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, RelayError):
            raise self.answer
        reply = write_answer(call, self.answer)
        reply.once = self.once
        return reply

    async def ask(self, entry: Entry, call: Call, outcome: Outcome = Outcome.OK) -> tuple[Reply, Completion | None]:
        """The reply, read to its end as the pump does, and what it comes to."""
        reply = await self.stage.handle(call, entry, self.target)
        for tap in reply.taps:
            tap.feed(reply.first)
        reply.tell(End(outcome, reply.status, reply.read_usage(), 0.0))
        await self.jobs.settled()
        return reply, read_answer(call.dialect, reply.first, call.streamed)


def completion(text: str, reason: Any = "stop") -> Completion:
    return Completion("id-1", "gpt-x-2026", 1, (Text(text),), (), reason, Usage(input=20, output=80))


def asking(text: str, **payload: Any) -> Call:
    fields = {key: payload.pop(key) for key in ("principal", "dialect", "cache_control", "headers") if key in payload}
    body = {"messages": [{"role": "user", "content": text}], **payload}
    return make_call(body, **fields)


def status(reply: Reply) -> str:
    return dict(reply.headers)[b"x-relay-cache"].decode()


def cache_entry(name: str, **fields: Any) -> Entry:
    """A cache that waits for a store on a busy machine."""
    return make_entry("cache", name, **{"time_budget_ms": 30_000, **fields})


FAQ = cache_entry("faq")
PARIS = "What is the capital of France?"


@pytest.fixture(params=["embedded", "chroma"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    store: CacheStore = EmbeddedCacheStore(tmp_path / "vectors.db")
    if request.param == "chroma":
        server: Chroma = request.getfixturevalue("chroma")
        store = ChromaCacheStore(ChromaServer(server.url), f"bench{next(_NUMBERS)}_", look_up_s=20)
        await store.warm()
    bench = Bench(store)
    yield bench
    await bench.jobs.aclose()
    await store.aclose()


async def test_same_request_is_answered_from_the_cache_and_costs_nothing(bench: Bench) -> None:
    first, _ = await bench.ask(FAQ, asking(PARIS))
    call = asking(PARIS)

    second, again = await bench.ask(FAQ, call)

    assert (status(first), status(second)) == ("miss", "hit")
    assert len(bench.asked) == 1
    assert again is not None
    assert again.text == LONG
    assert again.model == "gpt-x-2026"
    assert second.read_usage() == NO_USAGE
    assert call.trace.cache_hit
    assert call.trace.target is None
    assert bench.counts == {"total_requests": 2, "cache_hits": 1, "tokens_saved": 100, "cost_saved": Decimal("0.25")}


async def test_exact_hit_asks_no_embedder(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))
    bench.embedded.clear()

    await bench.ask(FAQ, asking(PARIS))

    assert bench.embedded == []


async def test_paraphrase_above_the_threshold_hits_and_one_below_does_not(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))

    near, _ = await bench.ask(FAQ, asking("Name the capital of France!"))  # cosine 0.985
    far, _ = await bench.ask(FAQ, asking("Tell me of Paris"))  # 0.866

    assert (status(near), status(far)) == ("hit", "miss")
    assert b"x-relay-cache-id" in dict(near.headers)


async def test_what_the_texts_do_not_agree_on_is_no_hit_however_alike_they_are(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))
    bench.texts.apart.add(frozenset((PARIS, "Name the capital of France!")))

    reply, _ = await bench.ask(FAQ, asking("Name the capital of France!"))

    assert status(reply) == "miss"


async def test_pair_that_somebody_found_wrong_is_apart_for_good(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))
    hit, _ = await bench.ask(FAQ, asking("Name the capital of France"))
    one, _, other = dict(hit.headers)[b"x-relay-cache-id"].decode().partition(".")

    bench.feedback.apart.add((FAQ.id, *sorted((one, other))))

    assert status((await bench.ask(FAQ, asking("Name the capital of France")))[0]) == "miss"
    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "hit"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "ollama"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_hit_is_in_the_clients_dialect_and_a_stream_where_one_was_asked_for(
    bench: Bench, dialect: str, streamed: bool
) -> None:
    entry = cache_entry("faq", min_cached_tokens=0)
    messages = [{"role": "user", "content": PARIS}]
    await bench.ask(entry, asking(PARIS, max_tokens=900))
    payload = {"model": "faq", "messages": messages, "stream": streamed}
    payload |= {"options": {"num_predict": 900}} if dialect == "ollama" else {"max_tokens": 900}
    call = replace(make_call(payload), payload=payload, dialect=dialect, streamed=streamed)

    reply, again = await bench.ask(entry, call)

    assert status(reply) == "hit"
    assert again is not None
    assert again.text == LONG


def other(**fields: Any) -> Call:
    return asking(PARIS, **fields)


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.test/1.png"}}


@pytest.mark.parametrize(
    "call",
    [
        other(principal=replace(PRINCIPAL, username="bob")),
        other(messages=[{"role": "system", "content": "In French."}, {"role": "user", "content": PARIS}]),
        other(tools=[TOOL]),
        other(temperature=0.1),
        other(max_tokens=3000),
        other(seed=7),
        other(response_format={"type": "json_object"}),
        other(logit_bias={"1": 2}),
        other(messages=[{"role": "user", "content": [{"type": "text", "text": PARIS}, IMAGE]}]),
        other(headers=((b"anthropic-beta", b"x"),)),
        other(
            messages=[
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": PARIS},
            ]
        ),
    ],
)
async def test_nothing_crosses_a_boundary(bench: Bench, call: Call) -> None:
    await bench.ask(FAQ, asking(PARIS))

    reply, _ = await bench.ask(FAQ, call)

    assert status(reply) == "miss"


@pytest.mark.parametrize(
    "payload", [{"stream": True}, {"user": "u1"}, {"metadata": {"a": "b"}}, {"model": "FAQ:latest"}]
)
async def test_what_changes_no_answer_makes_no_difference(bench: Bench, payload: dict[str, Any]) -> None:
    await bench.ask(FAQ, asking(PARIS))

    reply, _ = await bench.ask(FAQ, asking(PARIS, **payload))

    assert status(reply) == "hit"


async def test_other_cache_or_target_is_another_space(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))

    for entry in (
        Entry("another1", FAQ.model),
        replace(FAQ, model=FAQ.model.model_copy(update={"target_model": "acme/y"})),
    ):
        assert status((await bench.ask(entry, asking(PARIS)))[0]) == "miss"


async def test_answers_are_shared_as_the_cache_says(bench: Bench) -> None:
    bob, tagged = replace(PRINCIPAL, username="bob"), replace(PRINCIPAL, username="carl", tags=("team",))
    everyone, tag = cache_entry("all", share="everyone"), cache_entry("tagged", share="tag")

    for entry in (everyone, tag):
        await bench.ask(entry, asking(PARIS, principal=tagged))

    assert status((await bench.ask(everyone, asking(PARIS, principal=bob)))[0]) == "hit"
    assert status((await bench.ask(tag, asking(PARIS, principal=bob)))[0]) == "miss"
    assert status((await bench.ask(tag, asking(PARIS, principal=replace(bob, tags=("team",)))))[0]) == "hit"
    said = replace(asking(PARIS, principal=replace(bob, username="eve")), tags=("team",))  # by its own word
    assert status((await bench.ask(tag, said))[0]) == "miss"


async def test_flags_leave_the_system_prompt_or_all_before_the_last_message_out(bench: Bench) -> None:
    lax = cache_entry("lax", match_system_prompt=False)
    last = cache_entry("last", match_last_message_only=True)
    prompted = [{"role": "system", "content": "In French."}, {"role": "user", "content": PARIS}]
    later = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": PARIS},
    ]

    for entry in (lax, last):
        await bench.ask(entry, asking(PARIS))

    assert status((await bench.ask(lax, asking(PARIS, messages=prompted)))[0]) == "hit"
    assert status((await bench.ask(last, asking(PARIS, messages=later)))[0]) == "hit"
    assert status((await bench.ask(last, asking(PARIS, messages=prompted)))[0]) == "miss"


RESULT = [
    {"role": "user", "content": PARIS},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "Paris"},
]


AFTER_TODAY = [{"role": "user", "content": "What happens today in Paris?"}, {"role": "assistant", "content": "Much."}]


@pytest.mark.parametrize(
    "call",
    [
        asking("What happens today?"),
        asking(PARIS, messages=RESULT),
        asking(PARIS, messages=[{"role": "user", "content": PARIS}, {"role": "assistant", "content": "It is"}]),
        asking(PARIS, cache_control="no-store"),
        asking(PARIS, messages=[{"role": "user", "content": [IMAGE]}]),
        asking(PARIS, messages=[*AFTER_TODAY, {"role": "user", "content": "And in Berlin?"}]),
        asking(PARIS, n=2),
    ],
)
async def test_some_calls_pass_the_cache_by(bench: Bench, call: Call) -> None:
    for _ in range(2):
        reply, _ = await bench.ask(FAQ, call)
        assert status(reply) == "bypass"

    assert await bench.store.collections() == []
    assert bench.counts == {}


async def test_no_cache_asks_anew_and_keeps_what_is_said(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))
    bench.answer = completion("Now: " + LONG)

    anew, _ = await bench.ask(FAQ, asking(PARIS, cache_control="no-cache"))
    reply, again = await bench.ask(FAQ, asking(PARIS))

    assert (status(anew), status(reply)) == ("miss", "hit")
    assert again is not None
    assert again.text.startswith("Now: ")


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_GONE, Outcome.CUT, Outcome.ERROR])
async def test_answer_that_did_not_come_whole_is_not_kept(bench: Bench, outcome: Outcome) -> None:
    await bench.ask(FAQ, asking(PARIS), outcome)

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "miss"


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
async def test_answer_that_was_stopped_short_is_not_kept(bench: Bench, reason: str) -> None:
    bench.answer = completion(LONG, reason)
    await bench.ask(FAQ, asking(PARIS))

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "miss"


@pytest.mark.parametrize("bounds", [{"min_cached_tokens": 81}, {"max_cached_tokens": 79}])
async def test_answer_that_is_too_short_or_too_long_is_neither_kept_nor_given(
    bench: Bench, bounds: dict[str, int]
) -> None:
    narrow = cache_entry("faq", **bounds)

    await bench.ask(narrow, asking(PARIS))
    assert status((await bench.ask(narrow, asking(PARIS)))[0]) == "miss"
    await bench.ask(FAQ, asking(PARIS))
    assert status((await bench.ask(narrow, asking(PARIS)))[0]) == "miss"


async def test_answer_is_given_for_as_long_as_the_cache_says_now(bench: Bench) -> None:
    bench.now = asking(PARIS).received_at
    await bench.ask(FAQ, asking(PARIS))
    short = replace(FAQ, model=FAQ.model.model_copy(update={"ttl_hours": 1}))

    bench.now += 3590
    assert status((await bench.ask(short, asking(PARIS)))[0]) == "hit"
    bench.now += 20
    assert status((await bench.ask(short, asking(PARIS)))[0]) == "miss"


async def test_slow_embedder_costs_a_miss_and_no_more_and_the_answer_is_kept_all_the_same(bench: Bench) -> None:
    hasty = cache_entry("faq", time_budget_ms=20)
    await bench.ask(FAQ, asking(PARIS))
    bench.delay_s = 0.2

    reply, _ = await bench.ask(hasty, asking("Name the capital of France"))
    bench.delay_s = 0

    assert (status(reply), bench.notes) == ("miss", ["timed out"])
    assert status((await bench.ask(FAQ, asking("Name the capital of France")))[0]) == "hit"


async def test_failing_store_costs_a_miss(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object) -> None:
        raise CacheUnavailable("The store is away.")

    monkeypatch.setattr(bench.store, "get", fail)

    reply, again = await bench.ask(FAQ, asking(PARIS))

    assert (status(reply), bench.notes) == ("miss", ["cache_unavailable"])
    assert again is not None


async def test_question_that_the_embedder_cannot_see_whole_is_found_word_for_word_alone(bench: Bench) -> None:
    bench.embeds = lambda _text: None

    await bench.ask(FAQ, asking(PARIS))

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "hit"
    assert status((await bench.ask(FAQ, asking("Name the capital of France")))[0]) == "miss"


async def test_long_question_is_found_word_for_word_alone(bench: Bench) -> None:
    long = "Sum up: " + "so it goes. " * 100
    DEGREES.update({long.lower().strip("?! ."): 0, f"{long}!".lower().strip("?! ."): 0})

    await bench.ask(FAQ, asking(long))

    assert status((await bench.ask(FAQ, asking(long)))[0]) == "hit"
    assert status((await bench.ask(FAQ, asking(f"{long}!")))[0]) == "miss"
    assert bench.embedded == []


async def test_cache_without_an_embedder_finds_the_same_words_alone(bench: Bench) -> None:
    exact = cache_entry("exact", embedder=None)

    await bench.ask(exact, asking(PARIS))

    assert status((await bench.ask(exact, asking(PARIS)))[0]) == "hit"
    assert status((await bench.ask(exact, asking("Name the capital of France")))[0]) == "miss"
    assert bench.embedded == []


@pytest.mark.parametrize(("verdict", "expected"), [(True, "hit"), (False, "miss")])
async def test_judge_decides_between_both_thresholds(bench: Bench, verdict: bool, expected: str) -> None:
    judged = cache_entry("judged", judge_model="acme/judge")
    bench.verdict = verdict
    await bench.ask(judged, asking(PARIS))

    reply, _ = await bench.ask(judged, asking("Tell me of Paris"))  # cosine 0.866

    assert status(reply) == expected
    assert bench.judged == [("Tell me of Paris", PARIS)]


async def test_with_a_bound_on_errors_what_is_not_sure_is_asked_and_compared(bench: Bench) -> None:
    bound = cache_entry("bound", max_error=1)
    await bench.ask(bound, asking(PARIS))
    bench.feedback.sure = False

    reply, _ = await bench.ask(bound, asking("Tell me of Paris"))
    ((found, answered),) = bench.compared
    bench.feedback.sure = True
    sure, _ = await bench.ask(bound, asking("Name the capital of France"))

    assert (status(reply), status(sure)) == ("miss", "hit")
    assert found.cosine == pytest.approx(0.866, abs=1e-3)
    assert answered.text == LONG


async def test_share_of_hits_is_checked_behind_them_but_not_those_word_for_word(bench: Bench) -> None:
    checked = cache_entry("checked", recheck_percent=100)
    await bench.ask(checked, asking(PARIS))

    await bench.ask(checked, asking(PARIS))
    assert bench.rechecked == []
    await bench.ask(checked, asking("Name the capital of France"))

    assert [found.entry.question for found in bench.rechecked] == [PARIS]


async def test_same_asked_at_the_same_time_is_asked_once_where_the_cache_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = cache_entry("shared", coalesce=True)
    bench.gate = asyncio.Event()
    look, looked = bench.store.nearest, asyncio.Semaphore(0)

    async def counted(*arguments: Any) -> Any:
        found = await look(*arguments)
        looked.release()
        return found

    monkeypatch.setattr(bench.store, "nearest", counted)
    calls = [asking(PARIS) for _ in range(5)]
    tasks = [asyncio.create_task(bench.ask(shared, call)) for call in calls]
    for _ in calls:
        await looked.acquire()
    await asyncio.sleep(0.05)

    bench.gate.set()
    replies = await asyncio.gather(*tasks)

    assert len(bench.asked) == 1
    assert sorted(status(reply) for reply, _ in replies) == ["hit"] * 4 + ["miss"]
    assert {again.text for _, again in replies if again} == {LONG}


async def test_where_the_first_fails_the_next_one_asks(bench: Bench) -> None:
    shared = cache_entry("shared", coalesce=True)
    bench.gate = asyncio.Event()
    bench.answer = UpstreamError("gone", status=500)
    tasks = [asyncio.create_task(bench.ask(shared, asking(PARIS))) for _ in range(3)]
    await bench.is_asked.wait()

    bench.gate.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert len(bench.asked) == 3
    assert all(isinstance(each, UpstreamError) for each in ended)


async def test_tool_calls_are_given_again(bench: Bench) -> None:
    bench.answer = replace(completion(""), parts=(ToolCall("c1", "weather", '{"city":"Paris"}'),), reason="tool_calls")
    await bench.ask(FAQ, asking(PARIS, tools=[TOOL]))

    reply, again = await bench.ask(FAQ, asking(PARIS, tools=[TOOL]))

    assert status(reply) == "hit"
    assert again is not None
    assert [(call.name, loads(call.arguments)) for call in again.tool_calls] == [("weather", {"city": "Paris"})]


async def test_ids_of_answers_that_are_given_again_are_new(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))

    one, _ = await bench.ask(FAQ, replace(asking(PARIS), id="req_1"))
    two, _ = await bench.ask(FAQ, replace(asking(PARIS), id="req_2"))

    ids = [loads(reply.first)["id"] for reply in (one, two)]
    assert len({*ids, "id-1"}) == 3


async def test_alike_to_the_last_digit_is_checked_too_where_it_is_not_word_for_word(bench: Bench) -> None:
    always = cache_entry("faq", recheck_percent=100)
    await bench.ask(always, asking(PARIS))

    reply, _ = await bench.ask(always, asking(f"{PARIS}!"))

    assert status(reply) == "hit"
    assert len(bench.rechecked) == 1


async def test_token_gets_no_answer_of_a_model_that_it_may_not_use(bench: Bench) -> None:
    shared = cache_entry("faq", share="everyone")
    await bench.ask(shared, asking(PARIS))

    for models, expected in ((("other",), "miss"), (("faq",), "hit"), (("f*", "other"), "hit")):
        principal = replace(PRINCIPAL, models=models)
        assert status((await bench.ask(shared, asking(PARIS, principal=principal)))[0]) == expected


async def test_token_gets_no_answer_of_a_smart_model_behind_that_is_not_for_it(bench: Bench) -> None:
    bench.behind = [make_smart("alias", "inner", allowed_tokens=["user:alice"])]
    shared = cache_entry("faq", share="everyone")
    await bench.ask(shared, asking(PARIS))

    reply, _ = await bench.ask(shared, asking(PARIS, principal=replace(PRINCIPAL, username="bob", token_id="other")))

    assert status(reply) == "miss"


async def test_when_what_is_behind_changes_what_it_said_is_asked_anew(bench: Bench) -> None:
    bench.behind = [make_smart("alias", "inner", target="acme/x")]
    await bench.ask(FAQ, asking(PARIS))
    bench.behind = [make_smart("alias", "inner", target="acme/y")]

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "miss"


def stand_in(trace: Trace) -> None:
    trace.way = (*trace.way, Step("cache", "faq", "gone"), Step("default", "m", "m"))


def fail_behind(trace: Trace) -> None:
    trace.notes += ("augmentor web: timed out",)


def hit_behind(trace: Trace) -> None:
    trace.cache_hit = True


def rescue(trace: Trace) -> None:
    trace.rescued = True


@pytest.mark.parametrize("happening", [stand_in, fail_behind, hit_behind, rescue])
async def test_what_is_not_all_that_the_target_says_is_not_kept(
    bench: Bench, happening: Callable[[Trace], None]
) -> None:
    bench.happens = happening
    await bench.ask(FAQ, asking(PARIS))
    bench.happens = lambda _trace: None

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "miss"
    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "hit"


async def test_note_of_before_the_target_was_asked_does_not_keep_an_answer_out(bench: Bench) -> None:
    call = asking(PARIS)
    call.trace.notes = ("cache faq: timed out",)
    await bench.ask(FAQ, call)

    assert status((await bench.ask(FAQ, asking(PARIS)))[0]) == "hit"


async def test_answer_that_nobody_can_read_holds_up_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    together = cache_entry("faq", coalesce=True)

    def fail(*_: object) -> None:
        raise KeyError("choices")

    monkeypatch.setattr(bench.keeper, "_read_answer", fail)
    await bench.ask(together, asking(PARIS))

    async with asyncio.timeout(5):
        assert status((await bench.ask(together, asking(PARIS)))[0]) == "miss"


async def test_client_is_told_of_a_hit_behind_another_cache_once(bench: Bench) -> None:
    outer = cache_entry("outer")

    async def inner(call: Call) -> Reply:
        return await bench.stage.handle(call, FAQ, bench.target)

    for expected in (b"miss", b"hit"):
        reply = await bench.stage.handle(asking(PARIS), outer, inner)
        for tap in reply.taps:
            tap.feed(reply.first)
        reply.tell(End(Outcome.OK, reply.status, reply.read_usage(), 0.0))
        await bench.jobs.settled()
        assert [value for name, value in reply.headers if name == b"x-relay-cache"] == [expected]
        await bench.store.clear("outer-local")


async def test_member_that_only_the_provider_knows_makes_another_request(bench: Bench) -> None:
    def showing(**more: Any) -> Call:
        picture = {"type": "image_url", "image_url": {"url": "https://a.test/1.png", **more}}
        return asking(PARIS, messages=[{"role": "user", "content": [{"type": "text", "text": PARIS}, picture]}])

    await bench.ask(FAQ, showing())

    assert status((await bench.ask(FAQ, showing(max_pixels=100)))[0]) == "miss"
    assert status((await bench.ask(FAQ, showing()))[0]) == "hit"


async def test_reply_that_is_told_once_is_not_kept_and_nobody_is_given_it_who_waits(bench: Bench) -> None:
    bench.once = True
    bench.gate = asyncio.Event()

    asked = [asyncio.ensure_future(bench.ask(FAQ, asking(PARIS))) for _ in range(3)]
    await bench.is_asked.wait()
    bench.gate.set()
    replies = [reply for reply, _ in await asyncio.gather(*asked)]
    replies.append((await bench.ask(FAQ, asking(PARIS)))[0])

    assert len(bench.asked) == 4
    assert set(map(status, replies)) == {"bypass"}


async def test_where_the_answer_may_be_told_once_no_other_is_given(bench: Bench) -> None:
    await bench.ask(FAQ, asking(PARIS))
    bench.told_once.append("acme/gpt-x")

    reply, _ = await bench.ask(FAQ, asking(PARIS))

    assert status(reply) == "bypass"
    assert len(bench.asked) == 2
