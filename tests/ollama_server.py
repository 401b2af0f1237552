"""Stands in for an Ollama server, by its API (ollama/docs/api.md): its version, its models, and how they come and go."""

import threading
from typing import Any

from app.core.jsonio import dumps
from tests.e2e.standin import Answer, Exchange, StandIn

SIZE = 4_000_000_000
NDJSON = {"content-type": "application/x-ndjson"}


class Ollama:
    """Answers for `standin` as a server with those models.

    Attributes:
        names: of its models.
        holds: a pull goes no further than its middle until the gateway leaves.
    """

    def __init__(self, standin: StandIn, *names: str) -> None:
        self.names = list(names)
        self.holds = threading.Event()
        self.standin = standin
        standin.models = self._answer
        standin.answer = self._pull

    def _answer(self, exchange: Exchange) -> Answer:
        match exchange.method, exchange.path:
            case "GET", "/api/version":
                return Answer.json({"version": "0.12.3"})
            case "GET", "/api/tags":
                return Answer.json({"models": [_entry(name) for name in self.names]})
            case "GET", "/api/ps":
                return Answer.json({"models": [{"name": name, "size_vram": SIZE} for name in self.names[:1]]})
            case "DELETE", "/api/delete" if exchange.json["model"] in self.names:
                self.names.remove(exchange.json["model"])
                return Answer(200, {})
        return Answer.json({"error": "model not found"}, 404)

    def _pull(self, exchange: Exchange) -> Answer:
        model = exchange.json["model"]
        if model == "unheard-of":
            return Answer.json({"error": "pull model manifest: file does not exist"}, 500)
        lines: list[dict[str, Any]] = [
            {"status": "pulling manifest"},
            {"status": "pulling aabb", "digest": "sha256:aabb", "total": SIZE, "completed": SIZE // 4},
        ]
        if self.holds.is_set():
            return Answer(200, NDJSON, [dumps(line) + b"\n" for line in lines], chunked=True, hold=True)
        self.names.append(model)
        lines += [{"status": "verifying sha256 digest"}, {"status": "success"}]
        return Answer(200, NDJSON, [dumps(line) + b"\n" for line in lines], chunked=True)


def _entry(name: str) -> dict[str, Any]:
    details = {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-10-04T14:56:49.277302595-07:00",
        "size": SIZE,
        "details": details,
    }
