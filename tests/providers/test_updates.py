"""The built-in provider of what monitors found: its words, in every dialect, and what becomes of what it told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import NotServed, PermissionDenied, Unavailable
from app.core.updates import Update, UpdateGroup
from app.core.usage import NO_USAGE
from app.dialects.conversation import read_answer
from app.dialects.registry import DIALECTS
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from app.providers.updates import NOTHING, MonitorUpdates, write_updates
from tests.calls import PRINCIPAL, make_call

TARGET = Target("monitors", "monitor-updates")
ONE, OTHER = "https://example.com/1", "https://example.com/2"
BUILT = Update("e1", "2026-04-07", "A bridge was built.", (ONE, OTHER))
FELL = Update("e2", None, "It fell.")
BRIDGES = UpdateGroup("g1", "Bridges\nof Paris", 1, (BUILT, FELL))
TUNNELS = UpdateGroup("g2", "Tunnels", 2, (Update("e3", "2026", '{"length_m": 3}', (ONE,)),))


@dataclass
class Found:
    """Gives what a test says, and notes how that ended."""

    groups: Sequence[UpdateGroup] = ()
    remaining: int = 0
    missing: int = 0
    elsewhere: int = 0
    ended: list[str] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def take(self, username: str, most: int) -> "Found":
        self.asked.append((username, most))
        return self

    async def delivered(self) -> None:
        self.ended.append("delivered")

    async def put_back(self) -> None:
        self.ended.append("put back")


def written(*groups: UpdateGroup, **counts: Any) -> str:
    return write_updates(Found(groups, **counts), "monitor-updates").text


def asking(dialect: str, *, streamed: bool) -> Call:
    words = {
        "ollama-generate": {"prompt": "What's new?"},
        "openai-completions": {"prompt": "What's new?"},
        "responses": {"input": "What's new?"},
    }
    payload = {"model": "speed", "max_tokens": 9, **words.get(dialect, {})}
    if dialect.startswith("gemini"):
        payload = {"contents": [{"role": "user", "parts": [{"text": "What's new?"}]}]}
    elif dialect not in words:
        payload["messages"] = [{"role": "user", "content": "What's new?"}]
    return replace(make_call(), dialect=dialect, payload=payload, streamed=streamed, wants_usage=True)


def test_each_update_has_its_date_its_text_and_its_sources() -> None:
    assert written(BRIDGES) == (
        "**2026-04-07**\n\nA bridge was built.\n\nSources:\n- https://example.com/1\n- https://example.com/2"
        "\n\n---\n\n**Undated**\n\nIt fell."
    )


def test_of_several_monitors_each_is_named_where_its_updates_begin() -> None:
    words = written(BRIDGES, TUNNELS, replace(BRIDGES, id="g3"))

    assert [line for line in words.splitlines() if line.startswith("#")] == [
        "## Bridges of Paris",
        "## Tunnels",
        "## Bridges of Paris",
    ]
    assert '```json\n{"length_m": 3}\n```' in words


def test_text_that_only_looks_like_json_stays_as_it_is() -> None:
    link = UpdateGroup("g", "q", 1, (Update("e", "2026", "[A bridge](https://example.com)"),))

    assert "\n\n[A bridge](https://example.com)" in written(link)


def test_what_is_not_told_is_said_behind_what_is() -> None:
    words = written(BRIDGES, remaining=1, missing=2, elsewhere=3)

    assert words.endswith(
        "\n\n---\n\n1 older update is not told yet; ask again to get it. 2 reports are known of, but not fetched from Parallel yet;"
        " ask again later to get them. 3 reports are being told in another reply at this moment."
    )


def test_nothing_pending_is_said() -> None:
    assert written() == NOTHING
    assert written(elsewhere=1) == f"{NOTHING} 1 report is being told in another reply at this moment."


def test_citations_back_the_updates_that_they_are_sources_of() -> None:
    answer = write_updates(Found((BRIDGES, TUNNELS)), "monitor-updates")

    assert [citation.url for citation in answer.citations] == [ONE, OTHER, ONE]
    spans = [answer.text[citation.start : citation.end] for citation in answer.citations]
    assert spans[0] == spans[1]
    assert "A bridge was built." in spans[0]
    assert spans[2].startswith("## Tunnels")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_answers_in_every_dialect_once_and_with_one_end(dialect: str, streamed: bool) -> None:
    found = Found((BRIDGES,))

    reply = await MonitorUpdates(found, 7).send(asking(dialect, streamed=streamed), TARGET)

    answer = read_answer(dialect, reply.first, streamed)
    assert answer is not None
    assert (answer.text, answer.reason) == (written(BRIDGES), "stop")
    assert (answer.usage.total, reply.read_usage()) == (0, NO_USAGE)
    assert reply.once
    assert found.asked == [("alice", 7)]
    assert reply.ending.ended is streamed


@pytest.mark.parametrize(("is_delivered", "ended"), [(True, "delivered"), (False, "put back")])
async def test_updates_are_told_where_the_reply_was_delivered(is_delivered: bool, ended: str) -> None:
    found = Found((BRIDGES,))
    reply = await MonitorUpdates(found, 7).send(make_call(), TARGET)

    if is_delivered and reply.delivered is not None:
        reply.delivered()
    assert found.ended == []
    await reply.aclose()

    assert found.ended == [ended]


async def test_reply_that_cannot_be_written_puts_back_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found((BRIDGES,))
    monkeypatch.setattr("app.providers.updates.write_answer", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        await MonitorUpdates(found, 7).send(make_call(), TARGET)

    assert found.ended == ["put back"]


async def test_counting_tokens_and_what_is_no_chat_take_nothing() -> None:
    found = Found((BRIDGES,))
    provider = MonitorUpdates(found, 7)
    chat = {"model": "speed", "messages": [{"role": "user", "content": "news"}]}
    stateful = make_call({"input": "Go on.", "previous_response_id": "resp_1"}, dialect="responses")

    counted = await provider.send(replace(make_call(chat), dialect="anthropic-count"), TARGET)
    with pytest.raises(NotServed, match="can only chat"):
        await provider.send(replace(make_call(), dialect="openai-embeddings", surface="embeddings"), TARGET)
    with pytest.raises(NotServed):
        await provider.send(stateful, TARGET)

    assert b"input_tokens" in counted.first
    assert found.asked == []


async def test_caller_without_a_token_gets_nothing() -> None:
    found = Found((BRIDGES,))

    with pytest.raises(PermissionDenied, match="a token of one's own"):
        await MonitorUpdates(found, 7).send(make_call(principal=replace(PRINCIPAL, anonymous=True)), TARGET)

    assert found.asked == []


async def test_database_that_is_away_is_no_fault_of_a_provider() -> None:
    class Away(Found):
        async def take(self, username: str, most: int) -> Found:
            raise Unavailable(f"The database is away, for {username} and {most}.")

    provider, board = MonitorUpdates(Away(), 7), Board()
    call = make_call().routed(Route((Choice(TARGET),)))

    for _ in range(50):
        with pytest.raises(Unavailable, match=r"^The database is away") as failed:
            await Failover(board).handle(call, lambda aimed: provider.send(aimed, TARGET))
        assert failed.value.status == 503
    assert call.trace.failures == ()
