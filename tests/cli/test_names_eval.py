"""`llm-relay names eval`: one's own pairs of questions, judged by the local embedder and by a provider's."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.names import app
from tests.cli.test_names_learning import on_database
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin
from tests.smart import make_smart

Relay = Callable[..., Result]
PAIRS = [
    {"a": "How do I reset my password?", "b": "How can I reset my password?", "same": True},
    {"a": "What is the capital of France?", "b": "what's the capital of france", "same": True},
    {"a": "Convert 5 USD to EUR", "b": "Convert 5 EUR to USD", "same": False, "kind": "order"},
]


@pytest.fixture
def provider() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: StandIn) -> Relay:
    monkeypatch.chdir(tmp_path)
    for name, value in (("RELAY_DATA_DIR", "data"), ("RELAY_CONFIG", "config.json"), ("RELAY_ENV_FILE", "")):
        monkeypatch.setenv(name, str(tmp_path / value) if value else value)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Path("config.json").write_text(
        json.dumps({"acme": {"base_url": f"{provider.base_url}/v1", "supported_models": ["embed", "gpt-x"]}})
    )
    Path("pairs.jsonl").write_text("\n".join(map(json.dumps, PAIRS)))
    caches = [make_smart("cache", name, embedder=embedder) for name, embedder in
              (("faq", "local"), ("far", "acme/embed"), ("exact", None))]  # fmt: skip

    async def fill(database: object) -> None:
        from app.store.smart_models import put_smart_models

        await put_smart_models(database, caches)  # type: ignore[arg-type] # which the callback is given

    on_database(tmp_path, fill)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["eval", *arguments])
        assert result.exit_code == status, result.output
        return result

    return run


def test_pairs_are_judged_by_the_local_embedder(relay: Relay) -> None:
    found = json.loads(relay("faq", "--pairs", "pairs.jsonl", "--json").stdout)

    assert (found["pairs"], found["hits"], found["precision"], found["recall"]) == (3, 2, 1.0, 1.0)
    assert found["wrong"] == found["missed"] == []


def test_misses_are_told_with_their_reason(relay: Relay) -> None:
    Path("pairs.jsonl").write_text(json.dumps(PAIRS[2] | {"same": True}))

    output = relay("faq", "--pairs", "pairs.jsonl").stdout

    assert "recall" in output
    assert "currency" in output
    assert "Convert 5 USD to EUR" in output


def test_wrong_hit_ends_with_a_status(relay: Relay) -> None:
    Path("pairs.jsonl").write_text(json.dumps(PAIRS[0] | {"same": False}))

    assert "wrong hits" in relay("faq", "--pairs", "pairs.jsonl", status=1).stdout


def test_pairs_are_judged_by_a_providers_embeddings(relay: Relay, provider: StandIn) -> None:
    def embedded(exchange: Exchange) -> Answer:
        vectors = [
            {"object": "embedding", "index": n, "embedding": [3.0, 4.0]} for n, _ in enumerate(exchange.json["input"])
        ]
        return Answer.json({"object": "list", "data": vectors, "usage": {"prompt_tokens": 3, "total_tokens": 3}})

    provider.answer = embedded

    found = json.loads(relay("far", "--pairs", "pairs.jsonl", "--json").stdout)

    assert (found["hits"], found["recall"], found["wrong"]) == (2, 1.0, [])
    assert provider.posts[0].json["model"] == "embed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing", "--pairs", "pairs.jsonl"), "There is no cache 'nothing'."),
        (("exact", "--pairs", "pairs.jsonl"), "it finds the same words alone"),
        (("faq", "--pairs", "config.json"), "line 1"),
    ],
)
def test_what_cannot_be_judged_is_said(relay: Relay, arguments: tuple[str, ...], words: str) -> None:
    assert words in " ".join(relay(*arguments, status=1).output.split())
