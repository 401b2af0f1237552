"""/api/chat, strictly: what Ollama wants of a conversation with tools."""

import base64
from typing import Any

from app.core.jsonio import dumps
from tests.e2e.standin import Answer
from tests.e2e.strict.base import Result, Said, Strict, Turn, add_result, need

NDJSON = {"content-type": "application/x-ndjson"}


class StrictOllama(Strict):
    """/api/chat, of a version that gives its calls no ids."""

    model = "qwen3"

    def signature(self, said: Said) -> str:
        """None: it signs nothing."""
        return ""

    def read(self, payload: Any) -> list[Turn]:
        """See `Strict.read`."""
        turns: list[Turn] = []
        waiting: list[str] = []
        for message in payload["messages"]:
            role, text = message["role"], message.get("content", "")
            images = message.get("images", [])
            need(isinstance(text, str), "cannot unmarshal content that is no string")
            need(role == "tool" or not waiting, "a call without a result")
            for image in images:
                base64.b64decode(image, validate=True)
            if role == "assistant":
                calls = [call["function"] for call in message.get("tool_calls", ())]
                need(all(isinstance(call["arguments"], dict) for call in calls), "arguments that are no object")
                waiting += [call["name"] for call in calls]
                turns.append(Turn("assistant", text, tuple((call["name"], call["arguments"]) for call in calls)))
            elif role == "tool":
                need(message.get("tool_name") in waiting, "a result without the name of its tool")
                waiting.remove(message["tool_name"])
                add_result(turns, Result(message["tool_name"], text, is_error=False, images=len(images)))
            else:
                turns.append(Turn(role, text, images=len(images)))
        need(not waiting, "a call without a result")
        return turns

    def write(self, said: Said, *, streamed: bool) -> Answer:
        """See `Strict.write`."""
        calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in said.calls]
        pieces: list[dict[str, Any]] = [{"thinking": said.reasoning}] if said.reasoning else []
        pieces += [{"content": said.text}] if said.text else []
        pieces += [{"tool_calls": [call]} for call in calls]
        envelope = {"model": self.model, "created_at": "2026-01-01T00:00:00Z"}
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 5}
        if not streamed:
            message = {"role": "assistant", "content": said.text, "thinking": said.reasoning, "tool_calls": calls}
            return Answer.json({**envelope, "message": message, **end})
        lines = [
            {**envelope, "message": {"role": "assistant", "content": "", **piece}, "done": False} for piece in pieces
        ]
        lines.append({**envelope, "message": {"role": "assistant", "content": ""}, **end})
        return Answer(200, NDJSON, [dumps(line) + b"\n" for line in lines], chunked=True)
