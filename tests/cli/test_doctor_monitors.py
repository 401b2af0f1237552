"""`llm-relay doctor` on monitors: what is missing, what is unsafe, and whether Parallel takes the key."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from tests.parallel_server import ParallelServer, running_parallel

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
URL = "https://relay.example/webhooks/parallel-monitor"


@pytest.fixture(scope="module")
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as server:
        yield server


def doctor(folder: Path, *arguments: str, **environ: str) -> list[tuple[str, str]]:
    """Verdicts and words of what it finds of monitors."""
    (folder / "config.json").write_text("{}")
    with contextlib.chdir(folder), patch.dict(os.environ, {"SERVER_PORT": "0", **environ}, clear=True):
        result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert SECRET not in result.output
    return [(one["verdict"], one["words"]) for one in json.loads(result.stdout) if one["subject"] == "monitors"]


def test_who_has_set_nothing_up_is_told_nothing(tmp_path: Path) -> None:
    assert doctor(tmp_path, PARALLEL_API_KEY="k" * 20, PARALLEL_BASE_URL="http://127.0.0.1:9") == []


def test_all_is_well(tmp_path: Path, parallel: ParallelServer) -> None:
    found = doctor(
        tmp_path,
        PARALLEL_API_KEY=parallel.key,
        PARALLEL_BASE_URL=parallel.base_url,
        MONITOR_WEBHOOK_URL=URL,
        PARALLEL_WEBHOOK_SECRET=SECRET,
    )

    assert found == [
        ("ok", "webhooks are checked by their signatures"),
        ("ok", "Parallel answers, and takes the key"),
    ]


def test_key_that_parallel_does_not_take(tmp_path: Path, parallel: ParallelServer) -> None:
    found = doctor(
        tmp_path,
        PARALLEL_API_KEY="another-key",
        PARALLEL_BASE_URL=parallel.base_url,
        MONITOR_WEBHOOK_URL=URL,
        PARALLEL_WEBHOOK_SECRET=SECRET,
    )

    assert found[-1][0] == "error"
    assert "PARALLELAI_API_KEY or PARALLEL_API_KEY" in found[-1][1]


@pytest.mark.parametrize(
    ("environ", "verdict", "words"),
    [
        ({"MONITOR_WEBHOOK_URL": URL}, "error", "PARALLEL_WEBHOOK_SECRET"),
        ({"PARALLEL_WEBHOOK_SECRET": SECRET}, "error", "MONITOR_WEBHOOK_URL"),
        ({"MONITOR_WEBHOOK_URL": URL}, "error", "PARALLELAI_API_KEY or PARALLEL_API_KEY"),
        ({"MONITOR_WEBHOOK_URL": URL.replace("https", "http")}, "note", "without TLS"),
        ({"MONITOR_WEBHOOK_URL": "https://relay.example/"}, "note", "/webhooks/parallel-monitor"),
        ({"PARALLEL_WEBHOOK_INSECURE": "true"}, "note", "PARALLEL_WEBHOOK_INSECURE"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, environ: dict[str, str], verdict: str, words: str) -> None:
    found = doctor(tmp_path, "--offline", **environ)

    assert [words in said for each, said in found if each == verdict].count(True) == 1, found
