"""`llm-relay models` and `providers`, on the database that a server uses."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.store.catalog import put_provider
from cli.__main__ import app
from cli.database import on_database
from cli.models import _LIST

Relay = Callable[..., Result]

LISTED = {"data": [{"id": "Big", "context_length": 8192, "description": "Big."}, {"id": "small"}]}
OPENROUTER = {
    "data": [
        {"id": "maker/small", "description": "A small model that answers at once."},
        {"id": "maker/other", "description": "A model that nobody here has at all."},
    ]
}


class Lists(BaseHTTPRequestHandler):
    """A provider's list, and below another path OpenRouter's."""

    def do_GET(self) -> None:  # the library's own spelling
        document = {"/v1/models": LISTED, "/openrouter": OPENROUTER}.get(self.path)
        self.send_response(404 if document is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> Relay:
    config = {
        "acme": {"base_url": f"{address}/v1"},
        "locked": {"base_url": "http://x", "api_key_env": "NO_SUCH"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("RELAY_CONFIG", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result

    return run


def listed(relay: Relay, *arguments: str) -> dict[str, Any]:
    models = json.loads(relay("models", "list", "--json", *arguments).stdout)
    return {model["id"]: model for model in models}


def test_models_are_listed_with_what_their_provider_tells(relay: Relay) -> None:
    models = listed(relay, "--provider", "acme")

    assert list(models) == ["acme/Big", "acme/small"]
    assert models["acme/Big"]["context_length"] == 8192
    assert models["acme/Big"]["source"] == "provider"
    assert "8,192" in relay("models", "list").stdout
    assert list(listed(relay, "--search", "BIG")) == ["acme/Big"]


def test_prices_and_who_says_what_is_known_are_shown(relay: Relay) -> None:
    relay("models", "price", "set", "acme/Big", "--input", "1.50", "--output", "6")
    relay("models", "modify", "acme/big", "--max-output-tokens", "77", "--family", "ours")

    view = listed(relay)["acme/Big"]
    line = next(line for line in relay("models", "list").stdout.splitlines() if "acme/Big" in line)
    shown = relay("models", "show", "acme/Big").stdout

    assert view["price"] == {"source": "admin", "version": "admin 1", "input": "1.5", "output": "6"}
    assert view["max_output_tokens"] == 77
    assert view["origins"] == {
        "context_length": "provider",
        "description": "provider",
        "family": "custom",
        "max_output_tokens": "custom",
    }
    assert line.split()[-7:] == ["1.5", "6", "admin", "enabled", "provider", "custom,", "provider"]
    assert "8,192 (provider)" in shown
    assert "ours (custom)" in shown
    assert "1.5 USD a million tokens" in shown
    assert listed(relay)["demo/demo"]["price"]["source"] == "free"


def test_model_that_is_added_is_listed_and_one_that_is_deleted_is_not(relay: Relay) -> None:
    relay("models", "add", "acme/new", "--context_length", "5", "--capabilities", "tools,vision", "--family", "f")

    added = listed(relay)["acme/new"]
    assert added["source"] == "custom"
    assert (added["context_length"], added["capabilities"], added["family"]) == (5, ["tools", "vision"], "f")

    relay("models", "delete", "acme/new")
    assert "acme/new" not in listed(relay)
    assert "Nothing was said" in relay("models", "delete", "acme/new", status=1).output


def test_change_leaves_what_was_said_before(relay: Relay) -> None:
    relay("models", "modify", "acme/big", "--description", "Ours now.", "--disabled")
    relay("models", "modify", "acme/big", "--context-length", "7")

    shown = json.loads(relay("models", "show", "acme/Big", "--json").stdout)

    assert (shown["description"], shown["context_length"], shown["enabled"]) == ("Ours now.", 7, False)
    assert shown["source"] == "provider"
    relay("models", "modify", "acme/big", "--description", "")
    assert json.loads(relay("models", "show", "acme/Big", "--json").stdout)["description"] == "Big."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("models", "add", "acme"), "PROVIDER/MODEL"),
        (("models", "add", "acme/*"), "PROVIDER/MODEL"),
        (("models", "add", "nobody/x"), "There is no provider 'nobody'"),
        (("models", "add", "acme/x", "--capabilities", "magic"), "no capability 'magic'"),
        (("models", "modify", "acme/x"), "Nothing to change"),
        (("models", "show", "acme/x"), "There is no model"),
        (("providers", "add", "acme", "--base-url", "http://x"), "'llm-relay providers change acme' changes it"),
        (("providers", "change", "acme"), "Nothing to change"),
        (("providers", "change", "demo", "--name", "x"), "is built in"),
        (("providers", "change", "locked", "--base-url", "http://y"), "--base-url is another host"),
        (("providers", "change", "acme", "--base-url", ""), "--base-url: is missing"),
        (("providers", "reset", "nobody"), "There is no provider 'nobody'"),
        (("providers", "add", "new"), "--base-url"),
        (("providers", "add", "new", "--base-url", "nowhere"), "--base-url: use a URL"),
        (("providers", "add", "new", "--base-url", "http://x", "--api-format", "soap"), "--api-format: must be"),
        (("providers", "add", "new", "--base-url", "http://x", "--definition", "bad.json"), "retry: unknown key"),
        (("providers", "add", "New", "--base-url", "http://x"), "New: a provider's key is lower-case"),
        (("providers", "delete", "acme"), "No provider 'acme' was added"),
    ],
)
def test_what_cannot_be_is_told(relay: Relay, arguments: tuple[str, ...], words: str) -> None:
    Path("bad.json").write_text(json.dumps({"retry": 1}))

    assert words in relay(*arguments, status=1).output.splitlines()[0]


def test_provider_that_is_added_is_listed_with_its_models_until_it_is_deleted(relay: Relay, address: str) -> None:
    said = relay("providers", "add", "own", "--base-url", f"{address}/v1", "--models", "x,y").output
    assert said.strip() == "Added the provider own."
    assert {"own/x", "own/y"} <= listed(relay).keys()
    states = {each["key"]: each for each in json.loads(relay("providers", "list", "--json").stdout)}
    assert {key: each["source"] for key, each in states.items()} == {
        "acme": "config",
        "locked": "config",
        "own": "added",
        "demo": "built in",
    }

    assert json.loads(relay("providers", "delete", "own", "--json").stdout) == {"deleted": "own"}

    assert "own/x" not in listed(relay)


def test_provider_of_the_file_is_changed_over_it_and_taken_back(relay: Relay, address: str) -> None:
    config = Path("config.json").read_text()

    said = relay("providers", "change", "locked", "--base-url", f"{address}/v1", "--api-key-env", "").output
    table = relay("providers", "list").output
    states = {each["key"]: each for each in json.loads(relay("providers", "list", "--json").stdout)}
    tried = relay("providers", "test", "locked").output

    assert said.strip() == "Changed the provider locked."
    assert "config, changed here" in table
    assert (states["locked"]["source"], states["locked"]["changes"]) == ("config", ["base_url", "api_key_env"])
    assert states["acme"]["changed_here"] is False
    assert tried.strip() == "locked: answers; 2 models"
    assert Path("config.json").read_text() == config
    relay("providers", "reset", "locked")
    states = {each["key"]: each for each in json.loads(relay("providers", "list", "--json").stdout)}
    assert (states["locked"]["changed_here"], states["locked"]["state"]) == (False, "no key: set NO_SUCH")


def test_provider_that_was_added_and_cannot_be_used_is_listed_with_its_fault(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    relay("providers", "list")
    on_database(None, lambda db: put_provider(db, "old", {"base_urll": "http://x", "retry": 1}))
    on_database(None, lambda db: put_provider(db, "acme", {"base_url": "http://x"}))

    shown, models = relay("providers", "list", "--json"), relay("models", "list", "--offline", "--json")
    price = relay("models", "price", "show", "acme/m", "--json")

    (old,) = [each for each in json.loads(shown.stdout) if each["key"] == "old"]
    assert (old["name"], old["source"]) == ("old", "added")
    assert old["state"].startswith("cannot be used: base_urll: unknown key; did you mean 'base_url'?")
    assert "; retry: unknown key" in old["state"]
    twin = "The provider acme: the one that was added is left out: the configuration has one of that name"
    assert [line.startswith(twin) for line in shown.stderr.splitlines()] == [True]
    for other in (models, price):
        told = sorted(other.stderr.splitlines())
        assert [line.partition(": the one that was added ")[0] for line in told] == [
            "The provider acme",
            "The provider old",
        ]
        assert "base_urll: unknown key" in told[1]
    assert caplog.records == []
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, relay("providers", "list").stdout.splitlines())) <= 80


def test_provider_is_tried_out_and_switched_off_and_on(relay: Relay) -> None:
    assert relay("providers", "test", "acme").output == "acme: answers; 2 models\n"

    relay("providers", "disable", "acme")

    assert relay("providers", "test", "acme", status=1).output == "acme: is not asked: switched off\n"
    assert "acme/Big" not in listed(relay)
    relay("providers", "enable", "acme")
    assert "acme/Big" in listed(relay)
    assert "There is no provider 'nobody'" in relay("providers", "disable", "nobody", status=1).output


def test_key_of_a_provider_is_kept_by_its_variables_name_only(relay: Relay, tmp_path: Path) -> None:
    definition = tmp_path / "entry.json"
    definition.write_text(json.dumps({"base_url": "http://x/v1", "retries": 0}))

    said = relay("providers", "add", "own", "--definition", str(definition), "--api-key-env", "NO_API_KEY").output

    assert "set NO_API_KEY" in said


def test_descriptions_are_looked_up_once_and_again_only_where_asked(relay: Relay, tmp_path: Path) -> None:
    file = tmp_path / "openrouter.json"
    file.write_text(json.dumps(OPENROUTER))
    sync = ("models", "sync", "descriptions", "--file", str(file), "--json")

    dry = json.loads(relay(*sync, "--dry-run").stdout)
    first = json.loads(relay(*sync).stdout)
    second = json.loads(relay(*sync).stdout)
    again = json.loads(relay(*sync, "--update-existing").stdout)

    assert dry == first
    assert first["changes"] == [
        {"model": "acme/small", "origin": "openrouter", "text": "A small model that answers at once."}
    ]
    assert first["providers_attempted"] == {
        "acme": "no_descriptions",
        "locked": "no_api_key",
        "openrouter (public list)": "success",
    }
    assert (first["updated"], second["updated"], again["updated"]) == (1, 0, 1)
    assert listed(relay)["acme/small"]["description"] == "A small model that answers at once."
    (entry,) = json.loads(relay("audit", "list", "--action", "model.describe", "--json").stdout)["entries"]
    told = {"description": "A small model that answers at once.", "from": "openrouter"}
    assert (entry["before"], entry["after"]) == ({}, {"acme/small": told, "count": 1})


def test_openrouters_list_comes_from_an_address_too_and_one_that_has_none_is_told(relay: Relay, address: str) -> None:
    sync = ("models", "sync", "descriptions", "--url")

    table = relay(*sync, f"{address}/openrouter").stdout

    assert "Described 1 models" in table
    assert "acme/small" in table
    assert "/nothing answered with status 404" in relay(*sync, f"{address}/nothing", status=1).output
    assert "http://127.0.0.1:1/" in relay(*sync, "http://127.0.0.1:1/", status=1).output


LONG_MODEL = "accounts/fireworks/models/a-model-with-a-name-of-some-length"


@pytest.mark.parametrize(
    ("width", "titles"),
    [(80, "model context"), (100, "model context USD in USD out"), (200, " ".join(_LIST))],
)
def test_list_is_never_wider_than_the_terminal_and_leaves_nothing_out(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, width: int, titles: str
) -> None:
    relay("models", "price", "set", f"acme/{LONG_MODEL}", "--input", "1.25", "--output", "10")
    said = ("--capabilities", "tools,vision", "--context-length", "5000")
    relay("models", "add", f"acme/{LONG_MODEL}", *said)
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))

    shown = relay("models", "list", "--provider", "acme", "--offline").stdout

    lines = shown.splitlines()
    assert next(line for line in lines if line.strip()).split() == titles.split()
    assert [line for line in lines if len(line) > width] == []
    words = " ".join(shown.split())
    told = (f"acme/{LONG_MODEL}", "5,000", "tools, vision", "1.25", "10", "admin", "enabled", "custom")
    assert [word for word in told if word not in words] == []
