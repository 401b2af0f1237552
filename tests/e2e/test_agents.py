"""Coding agents as people install them, before every provider: they read a file by their own tools and tell what it says.

They come from npm and are no part of the project: `npm i @anthropic-ai/claude-code @openai/codex @google/gemini-cli` in a folder
of its own, whose `node_modules/.bin` is on PATH.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.e2e.strict.base import Call, Said
from tests.e2e.strict.registry import STRICT

PROVIDERS = {name: make() for name, make in STRICT.items()}
TASK = "Read note.txt and tell me what it says."
NOTE = "The word is 7291."
RUN_S = 120
LATER = {"gemini": ["gemini-3.1-pro-preview"]}
"""What an agent asks for in the place of the model that it is told."""

OWN = {"claude": "anthropic", "gemini": "gemini"}
"""Agents that look at a model's name: of a provider of their own API they are to name it as that one does."""


@dataclass(frozen=True)
class Agent:
    """A command line tool. `calls` are those by which it reads the file `note`; `start` prepares its home and gives its command."""

    calls: Callable[[Path], tuple[Call, ...]]
    start: Callable[[Gateway, str, Path], tuple[list[str], dict[str, str]]]


def start_claude(relay: Gateway, model: str, home: Path) -> tuple[list[str], dict[str, str]]:
    environ = {
        "CLAUDE_CONFIG_DIR": str(home),
        "ANTHROPIC_BASE_URL": relay.base_url,
        "ANTHROPIC_AUTH_TOKEN": relay.token,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_SMALL_FAST_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
    }
    return ["-p", TASK, "--output-format", "json", "--allowedTools", "Read,Bash"], environ


def start_codex(relay: Gateway, model: str, home: Path) -> tuple[list[str], dict[str, str]]:
    (home / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "relay"\nmodel_reasoning_effort = "low"\n'
        f'[model_providers.relay]\nname = "relay"\nbase_url = "{relay.base_url}/v1"\n'
        'env_key = "RELAY_TOKEN"\nwire_api = "responses"\n'
    )
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return ["exec", *options, TASK], {"CODEX_HOME": str(home), "RELAY_TOKEN": relay.token}


def start_gemini(relay: Gateway, model: str, home: Path) -> tuple[list[str], dict[str, str]]:
    (home / ".gemini").mkdir()
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "telemetry": {"enabled": False}}
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    environ = {
        "GOOGLE_GEMINI_BASE_URL": relay.base_url,
        "GEMINI_API_KEY": relay.token,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "NO_BROWSER": "1",
    }
    return ["-m", model, "-p", TASK, "--yolo", "--output-format", "json"], environ


AGENTS = {
    "claude": Agent(
        lambda note: (
            Call("1", "Read", {"file_path": str(note)}),
            Call("2", "Bash", {"command": "cat note.txt", "description": "Show the note"}),
        ),
        start_claude,
    ),
    "codex": Agent(lambda _: (Call("1", "exec_command", {"cmd": "cat note.txt"}),), start_codex),
    "gemini": Agent(lambda note: (Call("1", "read_file", {"file_path": str(note)}),), start_gemini),
}


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config: dict[str, Any] = {
        name: {
            "base_url": f"{provider.base_url}/{name}" + ("/v1" if name in ("openai", "responses") else ""),
            "api_format": name,
            "supported_models": [strict.model, *LATER.get(name, ())],
            **ONE_ATTEMPT,
        }
        for name, strict in PROVIDERS.items()
    }
    with running_gateway(tmp_path_factory.mktemp("agents"), config) as running:
        yield running


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
        for name in AGENTS
    ],
)
@pytest.mark.parametrize("origin", PROVIDERS)
def test_agent_reads_a_file_and_tells_of_it(
    name: str, origin: str, relay: Gateway, standin: StandIn, tmp_path: Path
) -> None:
    agent, strict = AGENTS[name], PROVIDERS[origin]
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "note.txt").write_text(NOTE)
    script = (
        Said("proof-one", "Let me look. ", "I look. ", agent.calls(work / "note.txt")),
        Said("proof-two", text="It says 7291."),
    )
    strict.begin(script)
    standin.answer = answer
    arguments, environ = agent.start(
        relay, strict.model if OWN.get(name) == origin else f"{origin}/{strict.model}", home
    )

    done = subprocess.run(
        [str(shutil.which(name)), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "127.0.0.1", **environ},
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )

    assert strict.broken == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It says 7291." in done.stdout
    [answered] = [turn for turn in strict.turns if turn.role == "assistant"]
    assert answered.calls == tuple((call.name, call.arguments) for call in script[0].calls)
    if (
        name != "gemini" or origin == "gemini"
    ):  # it throws away what was thought, and with it other providers' proof of it
        assert list(answered.proofs) == ([strict.signature(script[0])] if strict.signature(script[0]) else [])
    [given] = [turn for turn in strict.turns if turn.role == "results"]
    assert all("7291" in result.text for result in given.results)


def answer(exchange: Exchange) -> Answer:
    """The answer of the provider that was asked. Some agents count tokens before they ask."""
    if "ount" in exchange.path.rpartition("/")[2]:
        return Answer.json({"input_tokens": 100, "totalTokens": 100})
    return PROVIDERS[exchange.path.split("/")[1]].answer(exchange)
