"""Recorded traffic of real providers, as test parameters; where the recordings are absent, one test that is skipped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "recordings"

OPENAI_COMPATIBLE = ("openai", "xai", "perplexity", "sambanova", "together", "openrouter", "ollama")


@dataclass(frozen=True)
class Recording:
    """One exchange with a provider."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole file."""
        document: dict[str, Any] = json.loads(self.path.read_text())
        return document

    @property
    def provider(self) -> str:
        """Whose answer it is."""
        return self.path.parent.name

    @property
    def request(self) -> dict[str, Any]:
        """The request's payload; a small one where the source kept none."""
        request = self.document["request"]
        return (request and request["body"]) or {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}

    @property
    def status(self) -> int:
        """The status of the response."""
        status: int = self.document["response"]["status"]
        return status

    @property
    def streamed(self) -> bool:
        """The response is a stream, of events or of lines."""
        return not {"sse", "ndjson"}.isdisjoint(self.document["response"])

    @property
    def body(self) -> bytes:
        """The response's bytes: the very ones of a stream, else the recorded JSON written compactly."""
        response = self.document["response"]
        if lines := response.get("sse") or response.get("ndjson"):
            return "\n".join(lines).encode()
        if "text" in response:
            return str(response["text"]).encode()
        return json.dumps(response["body"], ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def reads(self) -> list[bytes] | None:
        """The pieces in which a socket gave the body, where they are known."""
        sizes = self.document["response"].get("read_sizes")
        return None if sizes is None else list(_cut(self.body, sizes))


def recorded(pattern: str, *providers: str) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: the recordings `<provider>/<pattern>.json`."""
    found = [Recording(path) for provider in providers for path in sorted((FOLDER / provider).glob(f"{pattern}.json"))]
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings {pattern} in {FOLDER}"))]
    return [pytest.param(recording, id=str(recording)) for recording in found]


def _cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield body[start : start + size]
        start += size
    assert start == len(body), "the reads make the body"
