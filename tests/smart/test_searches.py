"""By which of Perplexity's APIs a search goes, and that a search service that is not set up says what is missing."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import UpstreamInvalid
from app.core.jsonio import dumps
from app.core.reply import Reply
from app.core.usage import Usage
from app.core.web import SearchFailed, SearchNotSetUp
from app.dialects.conversation import read_question_answer, write_question
from app.pipeline.asking import Asker
from app.pipeline.searching import Searcher
from app.settings import load_settings
from app.smart.searches import Searches
from tests.calls import make_call
from tests.recordings import Recording, recorded
from tests.smart import make_smart


class Directory:
    """Has the models it is told."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find(self, name: str) -> Route | None:
        provider, _, model = name.partition("/")
        return Route((Choice(Target(provider, model)),)) if name in self.names else None


def searches(directory: Directory, body: bytes, asked: list[Call], environ: dict[str, str] | None = None) -> Searches:
    async def handler(call: Call) -> Reply:
        asked.append(call)
        return Reply(200, "application/json", body, read_usage=lambda: Usage(input=1))

    asker = Asker(directory, handler, write_question, read_question_answer)  # type: ignore[arg-type] # it finds, no more
    nowhere = httpx.MockTransport(lambda _request: httpx.Response(500))
    return Searches(load_settings(environ=environ or {}), nowhere, asker, Searcher([]))


async def search(found_by: Searches, **fields: Any) -> list[str]:
    augmentor: Any = make_smart("augmentor", "web", **fields)
    results = await found_by.search(make_call(), augmentor, "Ulm", time.monotonic() + 5)
    return [result.url for result in results]


@pytest.mark.parametrize("recording", recorded("chat.citations", "perplexity"))
async def test_chat_completions_are_asked_where_there_is_no_agent_api(recording: Recording) -> None:
    asked: list[Call] = []

    urls = await search(
        searches(Directory("perplexity/sonar"), recording.body, asked),
        search_provider="perplexity",
        max_search_results=3,
    )

    assert len(urls) == 3
    (call,) = asked
    assert (call.dialect, call.payload["model"], call.helper) == ("openai", "perplexity/sonar", "search")


async def test_agent_api_is_asked_where_it_is_there() -> None:
    asked: list[Call] = []
    output = [{"type": "search_results", "results": [{"url": "https://a.example/", "title": "A", "snippet": "s"}]}]
    both = Directory("perplexity/sonar", "perplexity-agent/perplexity/sonar")

    urls = await search(searches(both, dumps({"output": output}), asked), search_provider="perplexity")

    assert urls == ["https://a.example/"]
    assert [(call.dialect, call.payload["input"]) for call in asked] == [("responses", "Ulm")]


async def test_sources_that_are_only_cited_are_found_too() -> None:
    cited = {"type": "url_citation", "url": "https://b.example/", "title": "B"}
    output = [{"type": "message", "content": [{"type": "output_text", "text": "x", "annotations": [cited]}]}]
    agent = Directory("perplexity-agent/perplexity/sonar")

    assert await search(searches(agent, dumps({"output": output}), []), search_provider="perplexity") == [
        "https://b.example/"
    ]


@pytest.mark.parametrize(
    "body", [b"[]", b'{"output": 1}', b'{"output": [1, {"type": "search_results", "results": 2}]}']
)
async def test_reply_without_sources_finds_nothing(body: bytes) -> None:
    agent = Directory("perplexity-agent/perplexity/sonar")

    assert await search(searches(agent, body, []), search_provider="perplexity") == []


async def test_reply_that_is_no_json_is_a_search_that_failed() -> None:
    agent = Directory("perplexity-agent/perplexity/sonar")

    with pytest.raises(SearchFailed, match="no JSON") as failure:
        await search(searches(agent, b"<html>", []), search_provider="perplexity")

    assert isinstance(failure.value.__cause__, UpstreamInvalid)


@pytest.mark.parametrize(
    ("provider", "words"),
    [("perplexity", "perplexity-agent"), ("parallel", "PARALLEL_API_KEY"), ("searxng", "SEARXNG_URL")],
)
async def test_search_that_is_not_set_up_says_what_is_missing(provider: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SearchNotSetUp, match=words):
        await search(searches(Directory(), b"", [], {"RELAY_DATA_DIR": str(tmp_path)}), search_provider=provider)
