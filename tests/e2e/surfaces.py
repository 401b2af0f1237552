"""The APIs that chat clients use most, written by hand, so that each byte is known: a request of each, and what its reply says."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.core.events import Completion
from app.dialects.conversation import read_answer


@dataclass(frozen=True)
class Surface:
    """An API: where its chats are, what they need beside model and messages, and where its errors say what is wrong."""

    dialect: str
    path: str
    fields: dict[str, Any]
    error: tuple[str, ...]

    def body(self, messages: list[Any], *, streamed: bool) -> dict[str, Any]:
        """A request, but for its model. `messages` are OpenAI's; the first may be of the system."""
        if self.dialect == "anthropic" and messages[0]["role"] == "system":
            system, *messages = messages
            return {**self.fields, "system": system["content"], "messages": messages, "stream": streamed}
        return {**self.fields, "messages": messages, "stream": streamed}

    def ask(
        self, client: httpx.Client, model: str, *, streamed: bool, text: str = "Hello", **options: Any
    ) -> httpx.Response:
        """A chat of one turn."""
        body = self.body([{"role": "user", "content": text}], streamed=streamed)
        return client.post(self.path, json={"model": model, **body}, **options)

    def read(self, response: httpx.Response, *, streamed: bool) -> Completion:
        """What a reply says, and how it ends."""
        assert response.status_code == 200, response.text
        answer = read_answer(self.dialect, response.content, streamed)
        assert answer is not None, response.text
        return answer

    def told(self, response: httpx.Response) -> str:
        """What an error says."""
        words = response.json()
        for key in self.error:
            words = words[key]
        return str(words)


OPENAI = Surface("openai", "/v1/chat/completions", {}, ("error", "message"))
ANTHROPIC = Surface("anthropic", "/v1/messages", {"max_tokens": 99}, ("error", "message"))
OLLAMA = Surface("ollama", "/api/chat", {}, ("error",))
SURFACES = (OPENAI, ANTHROPIC, OLLAMA)
EACH_SURFACE = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.dialect)
EACH_WAY = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
