"""`llm-relay names`, on the database that a server uses."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.__main__ import app
from tests.e2e.smart_models import spoil_smart_model

Relay = Callable[..., Result]

CONFIG = {"acme": {"base_url": "http://127.0.0.1:9/v1", "supported_models": ["small", "large", "picker"]}}
ROUTER = (
    *("names", "add", "router", "auto", "--designator", "acme/picker", "--purpose", "The cheapest, mostly."),
    *("--candidate", "acme/small=quick, and = cheap", "--candidate", "acme/large", "--fallback-model", "acme/large"),
)


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    for name in ("DATABASE_URL", "RELAY_CONFIG", "DEFAULT_MODEL", "SEARXNG_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, status: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, arguments, input=stdin)
        assert result.exit_code == status, result.output
        return result

    return run


def shown(relay: Relay, name: str) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(relay("names", "show", name, "--json").stdout)
    return view


def test_alias_is_added_changed_shown_and_deleted(relay: Relay) -> None:
    added = relay("names", "add", "alias", "Fast", "--target", "acme/small", "--tags", "a, b", "--owner-tags", "team:x")
    assert added.stdout == "Added the alias fast, which leads to acme/small.\n"

    relay("names", "modify", "alias", "fast", "--description", "Quick.", "--enabled", "no")
    view = shown(relay, "FAST")
    assert (view["description"], view["enabled"], view["tags"]) == ("Quick.", False, ["a", "b"])
    assert shown(relay, view["id"]) == view
    relay(
        "names",
        "modify",
        "alias",
        "fast",
        "--description",
        "none",
        "--enabled",
        "yes",
        "--name",
        "quick",
        "--tags",
        "none",
    )
    view = shown(relay, "quick")
    assert (view["description"], view["enabled"], view["tags"]) == (None, True, [])
    assert "leads to" in relay("names", "list").stdout
    assert "quick" in relay("names", "list", "--kind", "alias", "--owner-tag", "team:x").stdout
    assert json.loads(relay("names", "list", "--kind", "router", "--json").stdout) == []

    assert relay("names", "delete", "quick").stdout == "Deleted the alias quick.\n"
    assert "There is no smart model 'quick'" in relay("names", "show", "quick", status=1).stderr
    assert "There is none yet" in relay("names", "list").stdout


def test_router_is_made_of_options(relay: Relay) -> None:
    relay(*ROUTER, "--strategy", "per_session", "--session-ttl-s", "60")

    view = shown(relay, "auto")
    assert view["candidates"] == [
        {"model": "acme/small", "notes": "quick, and = cheap"},
        {"model": "acme/large", "notes": None},
    ]
    assert (view["designator_model"], view["strategy"], view["session_ttl_s"]) == ("acme/picker", "per_session", 60)
    assert "candidates" in relay("names", "show", "auto").stdout


def test_every_field_of_a_kind_can_be_given(relay: Relay) -> None:
    relay(
        *("names", "add", "cache", "kept", "--target", "acme/small", "--embedder", "none", "--similarity-threshold", "0.9"),
        *("--match-system-prompt", "no", "--coalesce", "yes", "--share", "everyone", "--ttl-hours", "1.5", "--judge-model", "acme/large"),
    )  # fmt: skip
    relay(
        "names", "add", "augmentor", "web", "--target-model", "acme/small", "--mode", "never", "--inject-as", "system"
    )
    relay("names", "add", "redirect", "gpt-*", "--target", "acme/*")

    kept = shown(relay, "kept")
    assert (kept["embedder"], kept["similarity_threshold"], kept["match_system_prompt"]) == (None, 0.9, False)
    assert (kept["coalesce"], kept["share"], kept["ttl_hours"], kept["judge_model"]) == (
        True,
        "everyone",
        1.5,
        "acme/large",
    )
    assert kept["stats"]["cache_hits"] == 0
    assert (shown(relay, "web")["inject_as"], shown(relay, "gpt-*")["target"]) == ("system", "acme/*")


def test_what_nests_comes_by_a_file_or_by_set(relay: Relay, tmp_path: Path) -> None:
    rules = [{"model": "acme/small", "max_tokens": 100, "after": "09:30"}]
    (tmp_path / "rules.yaml").write_text("strategy: rules\nrules:\n- model: acme/small\n  after: 09:30\n  images: no\n")

    relay(*ROUTER, "--file", "rules.yaml")
    assert shown(relay, "auto")["rules"][0]["after"] == "09:30:00"
    assert shown(relay, "auto")["rules"][0]["images"] is False
    relay("names", "modify", "router", "auto", "--set", f"rules={json.dumps(rules)}", "--set", "time-budget-ms=7")

    view = shown(relay, "auto")
    assert (view["rules"][0]["max_tokens"], view["rules"][0]["images"], view["time_budget_ms"]) == (100, None, 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "alias", "a", "--target", "acme/smal"), "--target: there is no model 'acme/smal'; did you mean 'small'"),
        (("add", "alias", "a"), "--target: is missing"),
        (("add", "alias", "small", "--target", "acme/large"), "The name is taken: it is that of the model 'acme/small'"),
        (("add", "alias", "a", "--set", "targt=x"), "targt: unknown key; did you mean 'target'?"),
        (("add", "alias", "a", "--set", "targt"), "--set targt: write FIELD=VALUE."),
        (("add", "alias", "a", "--target", "acme/small", "--fallback", "default"), "--fallback: there is no default model"),
        (("add", "cache", "c", "--target", "acme/small", "--ttl-hours", "long", "--embedder", "none"), "--ttl-hours: "),
        (("add", "router", "r", "--candidate", "acme/smal", "--candidate", "acme/large", "--strategy", "cheapest",
          "--fallback-model", "acme/large"), "--candidate: there is no model 'acme/smal'"),
        (("modify", "alias", "gone", "--target", "x"), "There is no alias 'gone'. 'llm-relay names list' shows all."),
        (("modify", "alias", "gone"), "Nothing to change"),
        (("list", "--kind", "alia"), "There is no kind 'alia'; there are redirect"),
        (("import", "names.txt"), "its ending must say what it is"),
        (("import", "none.json"), "none.json: cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_by_the_option(relay: Relay, arguments: tuple[str, ...], words: str) -> None:
    assert words in relay("names", *arguments, status=1).stderr


@pytest.mark.parametrize("file", ["names.json", "names.yaml"])
def test_set_of_names_goes_through_a_file_and_comes_back_just_so(relay: Relay, tmp_path: Path, file: str) -> None:
    relay(*ROUTER, "--set", 'rules=[{"model": "acme/small", "after": "09:30"}]', "--description", "Für alle: yes")
    relay("names", "add", "alias", "no", "--target", "auto", "--description", "09:30")
    assert relay("names", "export", file).stdout == f"Wrote 2 names to {file}.\n"
    first = (tmp_path / file).read_text()
    standard = relay("names", "export").stdout

    for name in ("no", "auto"):
        relay("names", "delete", name)
    asked = relay("names", "import", file, stdin="n\n")
    assert "Nothing was changed." in asked.stdout
    assert "There is none yet" in relay("names", "list").stdout
    assert "Done." in relay("names", "import", file, stdin="y\n").stdout
    relay("names", "export", file)

    assert (tmp_path / file).read_text() == first
    assert yaml.safe_load(standard) == yaml.safe_load(first)
    assert "0 to change, 2 as they are." in relay("names", "import", "-", "--yes", stdin=standard).stdout


def test_import_shows_what_it_changes_and_deletes_where_it_is_to_replace(relay: Relay, tmp_path: Path) -> None:
    relay("names", "add", "alias", "a", "--target", "acme/small")
    relay("names", "add", "alias", "b", "--target", "acme/small")
    document = {"aliases": [{"name": "a", "target": "acme/gone"}, {"name": "c", "target": "a"}]}
    (tmp_path / "names.json").write_text(json.dumps(document))

    dry = relay("names", "import", "names.json", "--replace", "--dry-run")
    assert [line.split() for line in dry.stdout.splitlines()[1:4]] == [
        ["add", "alias", "c", "-"],
        ["change", "alias", "a", "target"],
        ["delete", "alias", "b", "-"],
    ]
    assert "warning: alias a: target: there is no model 'acme/gone'" in dry.stderr
    assert shown(relay, "b")["target"] == "acme/small"
    done = json.loads(relay("names", "import", "names.json", "--yes", "--json").stdout)
    assert (done["done"], done["deleted"]) == (True, [])
    relay("names", "import", "names.json", "--replace", "--yes")

    assert [view["name"] for view in json.loads(relay("names", "list", "--json").stdout)] == ["a", "c"]
    assert "there is no model 'acme/gone'" in relay("names", "validate", status=1).stderr
    assert json.loads(relay("names", "validate", "names.json", "--json").stdout)["valid"] is True


def test_import_from_standard_input_asks_nobody(relay: Relay) -> None:
    document = '{"aliases": [{"name": "a", "target": "acme/small"}]}'

    assert "give --yes, or --dry-run" in relay("names", "import", "-", stdin=document, status=1).stderr
    relay("names", "import", "-", "--yes", stdin=document)

    assert relay("names", "validate").stdout == "All in order.\n"


def test_yaml_that_says_a_key_twice_is_refused_with_the_line(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text("aliases:\n- name: a\n  target: b\n  target: c\n")

    refused = relay("names", "import", "names.yaml", status=1)

    assert "names.yaml, line 4: the key 'target' stands twice in one object" in refused.stderr


def test_way_of_a_call_is_told_to_its_price(relay: Relay) -> None:
    relay("models", "price", "set", "acme/small", "--input", "1.50", "--output", "6")
    relay("names", "add", "alias", "fast", "--target", "acme/small")
    relay("names", "add", "alias", "research", "--target", "fast")

    told = relay("names", "explain", "research", "--message", "Hi").stdout
    view = json.loads(relay("names", "explain", "research", "--json").stdout)

    assert told.splitlines() == [
        "research>fast>acme/small",
        "",
        "research: the alias research",
        "  fast: the alias fast",
        "    acme/small",
        "      acme/small, 1.5 USD in, 6 USD out, a million tokens",
    ]
    assert view["way"]["leads_to"][0]["leads_to"][0]["targets"][0]["input"] == "1.5"
    lost = relay("names", "explain", "nothing").stdout
    assert lost.startswith("nothing\n  error: The model 'nothing' does not exist here.")
    assert "Say which" in relay("names", "explain", status=1).stderr


@pytest.mark.parametrize(
    ("provider", "lacking"),
    [
        ("searxng", "SearXNG has no address: set SEARXNG_URL"),
        ("parallel", "Parallel has no API key: set PARALLELAI_API_KEY"),
        ("perplexity", "Perplexity has no entry with a key in config.json"),
    ],
)
def test_augmentor_whose_searches_are_not_set_up_is_a_warning(relay: Relay, provider: str, lacking: str) -> None:
    web = (*("names", "add", "augmentor", "web", "--target", "acme/small"), *("--designator", "acme/picker"))
    added = relay(*web, "--search-provider", provider)
    changed = relay("names", "modify", "augmentor", "web", "--max-search-results", "3")
    looked_at = relay("names", "validate")
    told = json.loads(relay("names", "validate", "--json").stdout)
    relay("names", "export", "names.yaml")
    relay("names", "delete", "web")
    file = relay("names", "validate", "names.yaml")

    for result in (added, changed):
        assert result.stderr.startswith("warning: --search-provider: nothing can be searched for: ")
        assert lacking in result.stderr
    assert looked_at.stderr == file.stderr
    assert looked_at.stderr.startswith("warning: augmentor web: search_provider: ")
    assert (looked_at.stdout, told["valid"], told["faults"]) == ("Nothing is wrong.\n", True, [])
    assert [lacking in line for line in told["warnings"]] == [True]


def test_augmentor_whose_searches_are_set_up_is_no_warning(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARXNG_URL", "http://searx.example")
    web = (*("names", "add", "augmentor", "web", "--target", "acme/small"), *("--designator", "acme/picker"))

    assert relay(*web).stderr == ""
    assert relay("names", "validate").stdout == "All in order.\n"


def test_what_this_version_cannot_read_is_listed_and_deleted(relay: Relay, tmp_path: Path) -> None:
    relay("names", "add", "alias", "fine", "--target", "acme/small")
    relay("names", "add", "alias", "odd", "--target", "acme/small")
    spoil_smart_model(f"sqlite:///{tmp_path}/data/relay.db", "alias", "odd")

    listed = relay("names", "list").stdout
    fine, odd = json.loads(relay("names", "list", "--json").stdout)
    validated = relay("names", "validate", status=1)
    deleted = relay("names", "delete", "Odd")

    assert "unreadable: fallback: must be 'error' or 'default'" in listed
    assert (fine["name"], set(odd)) == ("fine", {"id", "kind", "name", "unreadable"})
    assert validated.stderr.splitlines()[-1].startswith("alias odd: cannot be read: fallback: must be ")
    assert deleted.stdout == "Deleted the alias odd.\n"
    assert [each["name"] for each in json.loads(relay("names", "list", "--json").stdout)] == ["fine"]


def test_what_this_version_cannot_read_is_neither_exported_in_silence_nor_written_over(
    relay: Relay, tmp_path: Path
) -> None:
    relay("names", "add", "alias", "odd", "--target", "acme/small")
    relay("names", "export", "names.yaml")
    spoil_smart_model(f"sqlite:///{tmp_path}/data/relay.db", "alias", "odd")

    exported = relay("names", "export", "again.yaml")
    refused = relay("names", "import", "names.yaml", "--yes", status=1)

    assert exported.stderr.startswith("Left out: the alias 'odd', which cannot be read: fallback: ")
    assert "aliases: 'odd' stands in the database and cannot be read" in refused.stderr


def words_of(text: str) -> set[str]:
    return {word.rstrip(":;") for word in re.findall(r"[\w/:;-]+", text)}


@pytest.mark.parametrize(
    "command", [("list",), ("show", "auto"), ("explain", "auto", "--offline"), ("import", "names.yaml", "--dry-run")]
)
def test_nothing_is_wider_than_the_terminal_and_nothing_is_left_out(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    note = "what asks for little thought, such as a greeting, a translation or a summary"
    relay(*ROUTER, "--candidate", f"acme/picker={note}", "--owner-tags", "team:one,team:two", "--description", note)
    relay("names", "add", "alias", "odd", "--target", "acme/small")
    spoil_smart_model(f"sqlite:///{tmp_path}/data/relay.db", "alias", "odd")
    relay("names", "export", "names.yaml")
    Path("names.yaml").write_text(Path("names.yaml").read_text().replace("name: auto", f"name: {'a-long-name-' * 3}b"))
    piped = relay("names", *command).stdout
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    shown = relay("names", *command).stdout

    assert [line for line in shown.splitlines() if len(line) > 80] == []
    titles = {"leads", "to", "tags", "owner", "-"}  # of columns that are below, or have nothing
    assert words_of(piped) - words_of(shown) <= titles


def test_each_candidate_of_a_router_has_a_line_of_its_own_on_a_terminal(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay(*ROUTER)
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    lines = relay("names", "show", "auto").stdout.splitlines()

    at = next(index for index, line in enumerate(lines) if line.startswith("candidates "))
    assert lines[at].split(maxsplit=1)[1] == "model acme/small, notes quick, and = cheap"
    assert lines[at + 1].strip() == "model acme/large"
    assert lines[at + 1].index("model") == lines[at].index("model")
