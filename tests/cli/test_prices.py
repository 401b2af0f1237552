"""`llm-relay models`, as an operator types it."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.metering.rates import NAMES, TOKENS
from cli.__main__ import app

Relay = Callable[..., Result]
CONFIG = {
    "openai": {"base_url": "https://api.openai.com/v1"},
    "acme": {"base_url": "https://api.acme.example/v1", "prices": "deepinfra"},
}
FILE = {
    "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-06},
    "deepinfra/Qwen/Qwen3": {"litellm_provider": "deepinfra", "mode": "chat", "input_cost_per_token": 0},
    "other": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 1},
}


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Path("config.json").write_text(json.dumps(CONFIG))
    Path("prices.json").write_text(json.dumps(FILE))

    def run(*arguments: str, status: int = 0, says: str | None = None) -> Result:
        result = CliRunner().invoke(app, ["models", *arguments], input=says)
        assert result.exit_code == status, result.output
        return result

    return run


def shown(relay: Relay, name: str) -> Any:
    return json.loads(relay("price", "show", name, "--json").stdout)


def test_own_price_is_in_force_until_it_is_deleted(relay: Relay) -> None:
    before = shown(relay, "openai/gpt-4o")
    relay("price", "set", "openai/gpt-4o", "--input", "1.50", "--cache-write-1h", "0", "--audio-hour", "0.36")
    during = shown(relay, "openai/GPT-4o:latest")
    relay("price", "delete", "openai/gpt-4o")

    assert before["version"].startswith("genai-prices ")
    assert Decimal(before["rates"]["input"]) > 0
    assert (during["version"], during["rates"]) == (
        "admin 1",
        {"input": "1.5", "cache_write_1h": "0", "audio_hour": "0.36"},
    )
    assert shown(relay, "openai/gpt-4o") == before


def test_searches_of_augmentors_have_prices_too(relay: Relay) -> None:
    relay("price", "set", "parallel/search", "--search", "0.005")

    assert "parallel/search" in relay("price", "list").stdout
    assert "no provider 'parallel'" in " ".join(
        relay("price", "set", "parallel/x", "--input", "1", status=1).output.split()
    )


def test_price_with_tiers_is_set_by_json(relay: Relay) -> None:
    rates = {"input": {"base": "1", "above": {"200000": "2"}}, "variants": {"batch": {"input": "0.5"}}}

    relay("price", "set", "acme/m", "--rates", json.dumps(rates))

    assert shown(relay, "acme/m")["rates"] == rates
    assert "input 1 (>200000: 2), batch input 0.5" in relay("price", "list").stdout
    assert "1 (>200000: 2)" in relay("price", "show", "acme/m").stdout


def test_price_is_shown_with_what_it_is_for(relay: Relay) -> None:
    rates = dict.fromkeys(NAMES, "2") | {
        "variants": {"batch": {"output": "1", "search": {"base": "3", "above": {"9": "4"}}}}
    }
    relay("price", "set", "acme/m", "--rates", json.dumps(rates))

    lines = relay("price", "show", "acme/m").stdout.splitlines()

    told = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    assert {name for name, words in told.items() if words == "2 USD for a million tokens"} == set(TOKENS)
    assert told["request"] == "2 USD for a call"
    assert told["search"] == "2 USD for a web search"
    assert told["image"] == "2 USD for a picture"
    assert told["audio_hour"] == "2 USD for an hour of sound"
    assert told["batch output"] == "1 USD for a million tokens"
    assert told["batch search"] == "3 (>9: 4) USD for a web search"
    assert "USD for a million tokens, or for one" in relay("price", "list").stdout


def test_what_is_not_known_is_said(relay: Relay) -> None:
    shown = relay("price", "show", "acme/m").stdout
    assert shown.strip().endswith("its calls have no cost, unless the provider says what they cost.")
    assert "There is none" in relay("price", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["set", "opnai/m", "--input", "1"],
            "There is no provider 'opnai' in the configuration; did you mean 'openai'?",
        ),
        (["set", "m", "--input", "1"], "'m' is no model: use PROVIDER/MODEL"),
        (["set", "acme/m"], "says no price"),
        (
            ["set", "acme/m", "--input", "-1", "--cache-write-1h", "abc"],
            "--input: must be at least 0\n--cache-write-1h: must be a number",
        ),
        (["set", "acme/m", "--rates", '{"input": "abc"}'], "input: must be a number"),
        (["set", "acme/m", "--rates", "{"], "--rates is no JSON"),
        (["set", "acme/m", "--rates", '{"inputs": 1}'], "inputs: unknown key; did you mean 'input'?"),
        (["set", "acme/m", "--rates", "{}", "--input", "1"], "Give either --rates or the other options."),
        (["delete", "acme/m"], "There is no price of 'acme/m' by 'admin'"),
    ],
)
def test_mistake_is_told_in_a_sentence(relay: Relay, arguments: list[str], words: str) -> None:
    assert relay("price", *arguments, status=1).stderr.startswith(words)


def test_difference_is_shown_first_and_applied_when_confirmed(relay: Relay) -> None:
    refused = relay("sync", "prices", "--file", "prices.json", says="n\n").stdout
    assert "No price is known" in relay("price", "show", "acme/Qwen/Qwen3").stdout

    agreed = relay("sync", "prices", "--file", "prices.json", says="y\n").stdout

    for text in (refused, agreed):
        assert "openai/gpt-4o" in text
        assert "acme/Qwen/Qwen3" in text
        assert "other" not in text
    assert "Applied 2 changes" in agreed
    assert shown(relay, "acme/Qwen/Qwen3")["rates"] == {"input": "0"}
    assert shown(relay, "openai/gpt-4o")["rates"]["input"] == "9"
    assert shown(relay, "openai/gpt-4o")["version"].startswith("litellm 20")
    assert "All prices are as in the file." in relay("sync", "prices", "--file", "prices.json").stdout
    (entry,) = json.loads(CliRunner().invoke(app, ["audit", "list", "--action", "price.sync", "--json"]).stdout)[
        "entries"
    ]
    assert (entry["before"].keys(), entry["before"]["openai/gpt-4o"]["input"]) == ({"openai/gpt-4o"}, "2.5")
    assert (entry["after"]["openai/gpt-4o"]["input"], entry["after"]["acme/Qwen/Qwen3"]) == ("9", {"input": "0"})
    assert entry["after"]["count"] == 2


def test_what_the_file_knows_of_models_comes_with_it(relay: Relay) -> None:
    entry = {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000, "supports_vision": True}
    Path("prices.json").write_text(json.dumps({"gpt-4o": entry}))
    sync = ("sync", "prices", "--file", "prices.json")
    new = {"context_length": 128000, "max_output_tokens": None, "capabilities": ["completion", "vision"]}
    fact = {"provider": "openai", "model": "gpt-4o", "change": "new", "old": None, "new": new}

    dry = json.loads(relay(*sync, "--dry-run", "--json").stdout)
    first = relay(*sync, "--yes").stdout
    second = json.loads(relay(*sync, "--yes", "--json").stdout)

    assert (dry["applied"], dry["facts"]) == (False, [fact])
    assert "128,000" in first
    assert "Applied 0 changes of prices and 1 of what is known of models" in first
    assert (second["applied"], second["facts"]) == (False, [])


def test_dry_run_changes_nothing(relay: Relay) -> None:
    found = json.loads(relay("sync", "prices", "--file", "prices.json", "--dry-run", "--json").stdout)

    assert not found["applied"]
    assert [(each["model"], each["change"]) for each in found["differences"]] == [
        ("gpt-4o", "changed"),
        ("Qwen/Qwen3", "new"),
    ]
    assert json.loads(relay("price", "list", "--json").stdout) == []


def test_synced_price_can_be_deleted(relay: Relay) -> None:
    relay("sync", "prices", "--file", "prices.json", "--yes")

    relay("price", "delete", "openai/gpt-4o", "--synced")

    assert [each["model"] for each in json.loads(relay("price", "list", "--json").stdout)] == ["Qwen/Qwen3"]


@pytest.fixture
def site() -> Iterator[str]:
    """A server on the loopback that has the file, and its old address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/moved": 302, "/f.json": 200}.get(self.path, 404))
            body = json.dumps(FILE).encode() if self.path == "/f.json" else b""
            self.send_header("location", "/f.json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_file_is_fetched(relay: Relay, site: str) -> None:
    assert "Applied 2 changes of prices" in relay("sync", "prices", "--url", f"{site}/moved", "--yes").stdout


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("{site}/none", "{site}/none answers with status 404.\n"),
        ("http://127.0.0.1:1/f", "http://127.0.0.1:1/f cannot be fetched"),
    ],
)
def test_file_that_cannot_be_fetched_is_told(relay: Relay, site: str, url: str, words: str) -> None:
    said = relay("sync", "prices", "--url", url.format(site=site), "--yes", status=1).stderr

    assert said.startswith(words.format(site=site))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--file", "none.json"], "none.json cannot be read: No such file or directory."),
        (["--file", "config.json"], "The price file is none of LiteLLM's"),
    ],
)
def test_file_that_is_none_is_refused(relay: Relay, arguments: list[str], words: str) -> None:
    assert relay("sync", "prices", *arguments, status=1).stderr.startswith(words)
