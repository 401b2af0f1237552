"""The README's first calls, run as they stand there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.providers.demo import ANSWER
from tests.e2e.gateway import Gateway, running_gateway

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without any key, as after `make run`."""
    with running_gateway(tmp_path_factory.mktemp("fresh")) as running:
        yield running


def test_the_python_example_of_the_first_call_prints_the_answer(fresh: Gateway) -> None:
    [example] = examples("python")

    printed = run([sys.executable, "-W", "error", "-c", example.replace(ADDRESS, fresh.base_url)], fresh)

    assert printed == ANSWER


def test_the_curl_example_of_the_first_call_prints_the_answer(fresh: Gateway) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    [example] = examples("bash")
    commands = re.sub(r"^export RELAY_TOKEN=.*$", "", example, flags=re.MULTILINE)

    printed = run(["bash", "-ec", commands.replace(ADDRESS, fresh.base_url)], fresh)

    assert ANSWER in printed


def examples(language: str) -> list[str]:
    """The blocks of code in the section about the first call."""
    section = README.read_text(encoding="utf-8").partition("## A first call\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert all(ADDRESS in example for example in found)
    return found


def run(command: list[str], gateway: Gateway) -> str:
    """What a command prints that finds the gateway's token where the README puts it."""
    environ = {"PATH": "/usr/bin:/bin", "RELAY_TOKEN": gateway.token}
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout
