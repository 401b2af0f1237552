"""`llm-relay doctor`: every kind of finding, its exit status, and no key in what it says."""

import asyncio
import contextlib
import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from app.auth.issue import issue_token
from app.store.catalog import put_changed_provider, put_provider
from app.store.db import Database
from app.store.smart_models import put_smart_models
from app.store.tokens import change_token
from cli.__main__ import app
from tests.chroma_server import running_chroma
from tests.e2e.smart_models import spoil_smart_model
from tests.providers.transport.servers import Peer, Script, always, serve
from tests.smart import make_smart

KEY = "planted-Key-0123456789-abcdef"


@dataclass(frozen=True)
class Report:
    """What it said, and how it ended."""

    code: int
    text: str

    def of(self, subject: str) -> tuple[str, str]:
        """Verdict and words of a finding of a report in JSON."""
        found = [(one["verdict"], one["words"]) for one in json.loads(self.text) if one["subject"] == subject]
        assert len(found) == 1
        return found[0]


def doctor(folder: Path, *arguments: str, **environ: str) -> Report:
    """Run it in `folder`, on any free port, with no other environment."""
    with contextlib.chdir(folder), patch.dict(os.environ, {"SERVER_PORT": "0", **environ}, clear=True):
        result = CliRunner().invoke(app, ["doctor", *arguments])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert KEY not in result.output
    return Report(result.exit_code, result.stdout)


def write_config(folder: Path, **providers: dict[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(providers))


async def doctor_before(folder: Path, script: Script, *, key: bool = True, **entry: Any) -> Report:
    """Its report in JSON where the one provider answers by `script`."""
    async with serve(script) as server:
        signing = {"api_key_env": "ONE_KEY"} if key else {}
        write_config(folder, one={"base_url": f"{server.url}/v1", "timeouts": {"connect": 2}, **signing, **entry})
        return await asyncio.to_thread(doctor, folder, "--json", ONE_KEY=KEY)


def answering(status: str, body: str) -> Script:
    content = body.encode()
    return always(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)


MODELS = answering("200 OK", '{"data": [{"id": "a"}, {"id": "b"}]}')


def test_fresh_installation_is_ready_to_serve(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--offline")

    assert report.code == 0
    assert f"{tmp_path}/data/relay.db will be made at the first start" in report.text
    assert "no key: set OPENAI_API_KEY" in report.text
    assert report.text.endswith("\nReady to serve.\n")


def test_json_report_has_verdict_subject_and_words(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--offline", "--json")

    findings = json.loads(report.text)
    assert {frozenset(finding) for finding in findings} == {frozenset({"verdict", "subject", "words"})}
    assert {finding["verdict"] for finding in findings} <= {"ok", "note", "error"}
    assert {"settings", "server", "database", "config", "provider openai"} <= {one["subject"] for one in findings}


def test_setting_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--json", SERVER_PORT="http")

    verdict, words = report.of("settings")
    assert (report.code, verdict) == (1, "error")
    assert "SERVER_PORT is 'http'" in words


def test_calls_without_a_token_are_noted(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--offline", "--json", ANONYMOUS_USER="lan", ANONYMOUS_CIDRS="10.0.0.0/8, ::1")

    verdict, words = report.of("anonymous")
    assert (report.code, verdict) == (0, "note")
    assert "from 10.0.0.0/8, ::1/128 run as 'lan'" in words
    assert "set TRUSTED_PROXIES" in words


async def test_user_of_calls_without_a_token_needs_one(tmp_path: Path, database: Database, database_url: str) -> None:
    environ = {"ANONYMOUS_USER": "lan", "ANONYMOUS_CIDRS": "::1", "DATABASE_URL": database_url}
    expired = await issue_token(database, "lan", rate_limit=1)
    await change_token(database, expired.token.id, expires_at=1)
    without = await asyncio.to_thread(doctor, tmp_path, "--offline", **environ)

    await issue_token(database, "lan", rate_limit=1)

    with_one = await asyncio.to_thread(doctor, tmp_path, "--offline", **environ)
    assert (without.code, with_one.code) == (1, 0)
    assert "ANONYMOUS_USER is 'lan', who has no good token" in without.text


async def test_providers_that_were_added_are_looked_at_too(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1"})
    await put_provider(database, "own", {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "OWN_KEY"})

    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=database_url)

    assert report.code == 0
    assert report.of("provider own") == ("note", "no key: set OWN_KEY")
    assert report.of("config")[1].endswith(": 1 providers; added while the gateway ran: own")


async def test_every_fault_of_a_provider_that_was_added_is_an_error_of_its_own(
    tmp_path: Path, database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1"})
    await put_provider(database, "own", {"base_urll": "http://127.0.0.1:9/v1", "modles": []})

    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=database_url)
    lines = await asyncio.to_thread(doctor, tmp_path, "--offline", DATABASE_URL=database_url)

    found = [one for one in json.loads(report.text) if one["subject"] == "provider own"]
    assert [one["verdict"] for one in found] == ["error", "error"]
    assert "was added but cannot be used: base_urll: unknown key" in found[0]["words"]
    assert "modles: unknown key" in found[1]["words"]
    assert found[0]["words"].endswith("remove it: llm-relay providers delete own")
    assert (report.code, lines.code, lines.text.splitlines()[-1]) == (1, 1, "2 to mend.")
    assert report.of("provider one")[0] == "ok"
    assert caplog.records == [], "it is in the report, not in a log"


async def test_provider_that_was_added_beside_one_of_the_file_is_noted(
    tmp_path: Path, database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1"})
    await put_provider(database, "one", {"base_url": "http://127.0.0.1:10/v1"})

    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=database_url)

    found = [(one["verdict"], one["words"]) for one in json.loads(report.text) if one["subject"] == "provider one"]
    assert [verdict for verdict, _ in found] == ["note", "ok"]
    assert "the configuration has one of that name, which counts" in found[0][1]
    assert (report.code, caplog.records) == (0, [])


async def test_providers_that_were_changed_over_the_file_are_told_and_what_cannot_be_used_of_it(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1"}, two={"base_url": "http://127.0.0.1:9/v1"})
    await put_changed_provider(database, "one", {"base_url": "http://127.0.0.1:10/v1", "api_key_env": "ONE_API_KEY"})
    await put_changed_provider(database, "two", {"base_url": "http://127.0.0.1:9/v1", "headers": {"x": "[redacted]"}})
    await put_changed_provider(database, "gone", {"base_url": "http://127.0.0.1:9/v1"})

    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=database_url)

    found = [one for one in json.loads(report.text) if one["subject"] == "provider two"]
    assert report.of("config")[1].endswith("; changed while the gateway ran: one, two")
    assert report.of("provider one") == ("note", "no key: set ONE_API_KEY")
    assert [one["verdict"] for one in found] == ["error", "note"]
    assert "was changed but cannot be used: headers.x: stands for a value that was hidden" in found[0]["words"]
    assert found[0]["words"].endswith("have config.json count: llm-relay providers reset two")
    assert report.of("provider gone")[0] == "note"
    assert report.code == 1


def test_names_that_lead_nowhere_or_are_rescued_by_nobody_are_noted(tmp_path: Path) -> None:
    targets = {"dead": ["keyless/m"], "good": ["one/m", "one/n"], "lone": ["one/m", "keyless/m"], "twofold": ["two/m"]}
    names = {name: {"targets": each, "rescue": "continue"} for name, each in targets.items()}
    address = {"base_url": "http://127.0.0.1:9/v1"}
    providers: dict[str, Any] = {
        "one": address,
        "two": {**address, "api_key_env": "TWO_KEYS"},
        "keyless": {**address, "api_key_env": "NO_KEY"},
    }
    (tmp_path / "config.json").write_text(json.dumps({**providers, "$names": names}))

    report = doctor(tmp_path, "--offline", "--json", TWO_KEYS=f"{KEY},{KEY}-2")

    assert report.code == 0
    words = "none of its targets can be used: provider keyless: no key: set NO_KEY"
    assert report.of("name dead") == ("note", words)
    assert report.of("name lone")[0] == "note"
    assert "rescue: continue has nobody to go on" in report.of("name lone")[1]
    assert not {"name good", "name twofold"} & {finding["subject"] for finding in json.loads(report.text)}


def test_every_fault_of_the_configuration_is_an_error_of_its_own(tmp_path: Path) -> None:
    write_config(tmp_path, one={"base_url": "ftp://x"}, two={"base_url": "http://x", "modles": []})

    report = doctor(tmp_path, "--json")

    words = [one["words"] for one in json.loads(report.text) if (one["subject"], one["verdict"]) == ("config", "error")]
    assert report.code == 1
    assert ["one.base_url" in words[0], "two.modles" in words[1], len(words)] == [True, True, 2]


def test_every_fault_of_the_overrides_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "model_overrides.yaml").write_text("providers: {openai: {modles: {}, defaults: {disabled: 1}}}")

    report = doctor(tmp_path, "--offline", "--json")

    errors = [
        one["words"] for one in json.loads(report.text) if (one["subject"], one["verdict"]) == ("overrides", "error")
    ]
    assert [line.partition(": ")[2] for line in sorted(errors)] == [
        "providers.openai.defaults.disabled: must be true or false, not a number",
        "providers.openai.modles: unknown key; did you mean 'models'? Known are defaults, patterns, models",
    ]


def test_list_of_prices_that_is_none_is_an_error(tmp_path: Path) -> None:
    write_config(
        tmp_path,
        good={"base_url": "http://127.0.0.1:9/v1", "prices": "openai"},
        odd={"base_url": "http://127.0.0.1:9/v1", "prices": "opnai"},
    )

    report = doctor(tmp_path, "--offline", "--json")

    verdict, words = report.of("prices")
    assert (report.code, verdict) == (1, "error")
    assert words.startswith("odd.prices: there is no list 'opnai'; there are 'free', 'anthropic',")


def test_overrides_of_a_provider_that_is_not_there_are_a_note(tmp_path: Path) -> None:
    (tmp_path / "model_overrides.yaml").write_text('providers: {openia: {}, openai: {}, "*": {}}')

    report = doctor(tmp_path, "--offline", "--json")

    found = [(one["verdict"], one["words"]) for one in json.loads(report.text) if one["subject"] == "overrides"]
    assert [verdict for verdict, _ in found] == ["ok", "note"]
    assert found[1][1].endswith("there is no provider 'openia' in the configuration")


def test_errors_are_counted_at_the_end(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--offline", DATABASE_URL=f"sqlite:///{tmp_path}")

    assert (report.code, report.text.splitlines()[-1]) == (1, "1 to mend.")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///{folder}", "it is a folder. Setting: DATABASE_URL"),
        ("sqlite:///{folder}/notes.txt", "is not a database"),
        ("sqlite:///:memory:", "needs a file, which all workers share"),
        ("postgresql://user:planted-Key-0123456789-abcdef@host:port/name", "The database URL is none"),
    ],
)
def test_database_that_cannot_be_used_is_an_error(tmp_path: Path, url: str, words: str) -> None:
    (tmp_path / "notes.txt").write_text("no database " * 100)

    report = doctor(tmp_path, "--offline", "--json", DATABASE_URL=url.format(folder=tmp_path))

    verdict, said = report.of("database")
    assert (report.code, verdict) == (1, "error")
    assert words in said


async def test_database_without_a_token_is_in_order(tmp_path: Path, database: Database) -> None:
    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=f"sqlite:///{database.path}")

    assert report.of("database") == ("ok", "in order; no token yet, the first start makes one")


@pytest.mark.parametrize("place", ["relay.db", "data/relay.db", "a/b/relay.db"])
def test_database_that_is_not_there_is_in_order_and_is_not_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir()

    report = doctor(tmp_path, "--offline", "--json", DATABASE_URL=f"sqlite:///{place}")

    words = f"{tmp_path}/{place} will be made at the first start, with a first token"
    assert (report.code, report.of("database")) == (0, ("ok", words))
    assert list(tmp_path.rglob("*")) == [tmp_path / "data"]


def test_database_whose_folder_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    report = doctor(tmp_path, "--offline", "--json", RELAY_DATA_DIR="data/relay")

    verdict, words = report.of("database")
    assert (report.code, verdict) == (1, "error")
    assert f"cannot be made: '{tmp_path}/data' is no folder. Move it away, or name another place: DATABASE_URL" in words


def test_folder_that_is_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "not-mounted")

    report = doctor(tmp_path, "--offline", "--json")

    assert report.code == 1
    assert f"'{tmp_path}/data' is no folder" in report.of("database")[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o600, 0], ids=oct)
def test_database_that_may_not_be_made_is_an_error(tmp_path: Path, mode: int) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(mode)

    report = doctor(tmp_path, "--offline", "--json", RELAY_DATA_DIR="locked/data")

    locked.chmod(0o700)
    verdict, words = report.of("database")
    assert (report.code, verdict) == (1, "error")
    assert f"this user may not write in '{locked}'. Allow it, or name another place: DATABASE_URL" in words


def test_address_in_use_is_a_note_for_the_gateway_itself_may_use_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        report = doctor(tmp_path, "--offline", "--json", SERVER_PORT=str(listening.getsockname()[1]))

    verdict, words = report.of("server")
    assert (report.code, verdict) == (0, "note")
    assert "Address already in use" in words


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_address_of_ipv6_can_be_listened_on(tmp_path: Path) -> None:
    report = doctor(tmp_path, "--offline", "--json", SERVER_HOST="::1")

    assert report.of("server") == ("ok", "can listen on http://[::1]:0")


def test_provider_without_its_key_is_a_note(tmp_path: Path) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "api_key_env": ["ONE_KEY", "OTHER_KEY"]})

    report = doctor(tmp_path, "--json")

    assert report.code == 0
    assert report.of("provider one") == ("note", "no key: set ONE_KEY or OTHER_KEY")


def test_provider_that_is_disabled_is_a_note(tmp_path: Path) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "enabled": False})

    assert doctor(tmp_path, "--json").of("provider one") == ("note", "disabled")


def test_file_of_a_key_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "api_key_env": "ONE_KEY"})

    report = doctor(tmp_path, "--json", ONE_KEY_FILE=str(tmp_path / "none"))

    verdict, words = report.of("provider one")
    assert (report.code, verdict) == (1, "error")
    assert "ONE_KEY_FILE" in words


async def test_offline_asks_no_provider(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def script(peer: Peer) -> None:
        asked.append((await peer.request())[0])

    async with serve(script) as server:
        write_config(tmp_path, one={"base_url": server.url, "api_key_env": "ONE_KEY"}, two={"base_url": server.url})
        report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", ONE_KEY=KEY)

    assert asked == []
    assert report.of("provider one") == ("ok", "has its key")
    assert report.of("provider two") == ("ok", "needs no key")


async def test_provider_that_lists_its_models_is_in_order(tmp_path: Path) -> None:
    report = await doctor_before(tmp_path, MODELS)

    assert (report.code, report.of("provider one")) == (0, ("ok", "answers; 2 models"))


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_key_that_is_refused_is_an_error_and_not_shown(tmp_path: Path, status: str) -> None:
    refusal = answering(status, json.dumps({"error": {"message": f"Incorrect API key: {KEY}."}}))

    report = await doctor_before(tmp_path, refusal)

    assert (report.code, report.of("provider one")) == (
        1,
        ("error", "refuses the key: Incorrect API key: [redacted]."),
    )


async def test_key_that_is_refused_by_a_400_is_an_error(tmp_path: Path) -> None:
    refusal = '{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain one elsewhere."}'

    report = await doctor_before(tmp_path, answering("400 Bad Request", refusal), supported_models=["a"])

    assert report.of("provider one") == (
        "error",
        "refuses the key: Incorrect API key provided. You can obtain one elsewhere.",
    )


async def test_provider_without_a_list_is_in_order_where_its_models_are_configured(tmp_path: Path) -> None:
    report = await doctor_before(tmp_path, answering("404 Not Found", ""), supported_models=["a"])

    assert (report.code, report.of("provider one")) == (0, ("ok", "answers"))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(answering("404 Not Found", ""), "set supported_models", id="no-list"),
        pytest.param(answering("200 OK", "<html>"), "is not valid JSON", id="html"),
        pytest.param(answering("200 OK", '{"models": []}'), "holds no models", id="another-list"),
        pytest.param(always(b"garbage\r\n\r\n"), "Setting: base_url", id="no-http"),
    ],
)
@pytest.mark.parametrize(("key", "verdict", "code"), [(True, "error", 1), (False, "note", 0)], ids=["key", "keyless"])
async def test_provider_that_fails_is_an_error_where_it_has_a_key_and_else_a_note(
    tmp_path: Path, script: Script, words: str, key: bool, verdict: str, code: int
) -> None:
    report = await doctor_before(tmp_path, script, key=key)

    said, its_words = report.of("provider one")
    assert (report.code, said) == (code, verdict)
    assert words in its_words


def test_provider_that_does_not_listen_is_an_error_with_the_setting_that_helps(tmp_path: Path) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1", "api_key_env": "ONE_KEY"})

    report = doctor(tmp_path, "--json", ONE_KEY=KEY)

    verdict, words = report.of("provider one")
    assert (report.code, verdict) == (1, "error")
    assert words.endswith("Setting: base_url http://127.0.0.1:9/v1")


def test_settings_and_configuration_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.env").write_text(f"ONE_KEY={KEY}\nRELAY_DATA_DIR={tmp_path}/elsewhere\n")
    (tmp_path / "other.json").write_text('{"one": {"base_url": "http://127.0.0.1:9", "api_key_env": "ONE_KEY"}}')

    report = doctor(tmp_path, "--offline", "--json", "--env-file", "other.env", "--config", "other.json")

    assert report.of("settings") == ("ok", f"data in {tmp_path}/elsewhere")
    assert report.of("provider one") == ("ok", "has its key")


async def test_smart_models_that_lead_nowhere_are_noted(tmp_path: Path, database: Database, database_url: str) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9/v1", "supported_models": ["there"]})
    off = make_smart("alias", "off", target="one/gone", enabled=False)
    models = [make_smart("alias", "lost", target="one/gone"), make_smart("alias", "found", target="one/there"), off]
    await put_smart_models(database, models)

    report = await asyncio.to_thread(doctor, tmp_path, "--json", DATABASE_URL=database_url)

    assert report.of("smart models") == ("ok", "3 defined")
    assert report.of("alias lost")[0] == "note"
    assert "target: there is no model 'one/gone'" in report.of("alias lost")[1]
    assert {"alias found", "alias off"}.isdisjoint(one["subject"] for one in json.loads(report.text))


async def test_augmentor_whose_searches_are_not_set_up_is_noted(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "supported_models": ["a"]})
    await put_smart_models(database, [make_smart("augmentor", "web", target_model="one/a", designator_model="one/a")])
    environ = {"DATABASE_URL": database_url}

    without = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", **environ)
    environ["SEARXNG_URL"] = "http://127.0.0.1:9"
    with_one = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", **environ)

    verdict, words = without.of("augmentor web")
    assert (without.code, verdict) == (0, "note")
    assert words.startswith("search_provider: nothing can be searched for: SearXNG has no address: set SEARXNG_URL")
    assert "augmentor web" not in with_one.text


async def test_smart_model_that_cannot_be_read_is_an_error(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "supported_models": ["a"]})
    await put_smart_models(database, [make_smart("alias", "odd", target="one/a")])
    spoil_smart_model(database_url, "alias", "odd")

    report = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", DATABASE_URL=database_url)

    verdict, words = report.of("alias odd")
    assert (report.code, verdict) == (1, "error")
    assert words.startswith("cannot be read, and does nothing: fallback: must be ")
    assert "llm-relay names delete" in words


# Services beside the providers.


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_searxng_that_answers_with_json_is_in_order(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with serve(answering("200 OK", '{"results": []}')) as server:
        report = await asyncio.to_thread(doctor, tmp_path, "--json", SEARXNG_URL=server.url)
        offline = await asyncio.to_thread(doctor, tmp_path, "--json", "--offline", SEARXNG_URL=server.url)

    assert (report.code, report.of("SearXNG")) == (0, ("ok", "answers, with JSON"))
    assert "SearXNG" not in offline.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answering("403 Forbidden", "no"), "SearXNG gives no JSON: add 'json' to search.formats of its settings.yml"),
        (answering("200 OK", "<html>"), "SearXNG answered with what is no JSON object"),
    ],
)
async def test_searxng_that_gives_no_json_is_an_error(tmp_path: Path, answer: Script, words: str) -> None:
    write_config(tmp_path)
    async with serve(answer) as server:
        report = await asyncio.to_thread(doctor, tmp_path, "--json", SEARXNG_URL=server.url)

    assert (report.code, report.of("SearXNG")) == (1, ("error", f"{words}. Setting: SEARXNG_URL"))


def test_chroma_that_answers_is_told_with_its_version(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running_chroma(tmp_path / "chroma") as server:
        report = doctor(tmp_path, "--json", CHROMA_URL=server.url, CHROMA_TOKEN=KEY)
        other = doctor(tmp_path, "--json", CHROMA_URL=server.url, CHROMA_DATABASE="nowhere")

    verdict, words = report.of("Chroma")
    assert (report.code, verdict) == (0, "ok")
    assert re.fullmatch(r"answers, and lets the gateway in; version \d+\.\d+.*", words)
    assert (other.code, other.of("Chroma")[0]) == (1, "error")
    assert other.of("Chroma")[1].endswith("Setting: CHROMA_TOKEN, CHROMA_TENANT or CHROMA_DATABASE")


def test_services_that_are_away_are_errors(tmp_path: Path) -> None:
    write_config(tmp_path)
    url = f"http://127.0.0.1:{closed_port()}"

    report = doctor(tmp_path, "--json", CHROMA_URL=url.replace("//", f"//user:{KEY}@"), SEARXNG_URL=url)

    assert report.code == 1
    assert report.of("Chroma") == (
        "error",
        "Chroma cannot be reached. Semantic caches keep nothing. Setting: CHROMA_URL",
    )
    assert report.of("SearXNG") == ("error", "SearXNG did not answer (ConnectError). Setting: SEARXNG_URL")


async def test_chroma_that_refuses_the_token_is_an_error(tmp_path: Path) -> None:
    """A proxy before Chroma, as Chroma itself checks no tokens any more."""
    write_config(tmp_path)

    async def script(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            is_open = b"/version" in head.split(b"\r\n", 1)[0]
            status, body = (
                (b"200 OK", b'"1.5.9"')
                if is_open
                else (b"401 Unauthorized", b'{"error": "AuthError", "message": "no"}')
            )
            await peer.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

    async with serve(script) as server:
        report = await asyncio.to_thread(doctor, tmp_path, "--json", CHROMA_URL=server.url, CHROMA_TOKEN=KEY)

    verdict, words = report.of("Chroma")
    assert (report.code, verdict) == (1, "error")
    assert words.endswith("Setting: CHROMA_TOKEN, CHROMA_TENANT or CHROMA_DATABASE")


async def test_local_embedder_is_loaded_where_a_cache_has_it(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    pytest.importorskip("onnxruntime")
    write_config(tmp_path, one={"base_url": "http://127.0.0.1:9", "supported_models": ["a"]})
    environ = {"DATABASE_URL": database_url}
    without = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", **environ)
    await put_smart_models(database, [make_smart("cache", "faq", target_model="one/a", embedder="local")])

    with_one = await asyncio.to_thread(doctor, tmp_path, "--offline", "--json", **environ)
    empty = await asyncio.to_thread(
        doctor, tmp_path, "--offline", "--json", LOCAL_EMBEDDER_DIR=str(tmp_path), **environ
    )

    assert "local embedder" not in without.text
    assert (with_one.code, with_one.of("local embedder")[0]) == (0, "ok")
    assert with_one.of("local embedder")[1].startswith("loads; ")
    verdict, words = empty.of("local embedder")
    assert (empty.code, verdict) == (1, "error")
    assert words.startswith("cannot be used: the local embedder's folder has no model.onnx")
    assert words.endswith("Setting: LOCAL_EMBEDDER_DIR")
