"""Chat Completions, strictly: the rules of OpenAI's reference for a conversation with tools."""

import json
from typing import Any

from tests.e2e.standin import Answer
from tests.e2e.strict.base import Result, Said, Strict, Turn, add_result, need


class StrictOpenAI(Strict):
    """Chat Completions."""

    model = "gpt-5.1"
    _ANSWER = frozenset({"role", "content", "tool_calls", "refusal", "name", "audio", "function_call", "annotations"})

    def __init__(self) -> None:
        super().__init__()
        # What this provider gives beyond the API, and takes back.
        self.own = frozenset({"reasoning_content"})

    def read(self, payload: Any) -> list[Turn]:
        """See `Strict.read`."""
        turns: list[Turn] = []
        waiting: dict[str, str] = {}
        for message in payload["messages"]:
            role = message["role"]
            need(not waiting or role == "tool", f"tool calls {sorted(waiting)} without a message of a tool behind them")
            content = message.get("content")
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())
            images = 0 if isinstance(content, str) else sum(part["type"] == "image_url" for part in content or ())
            if role == "assistant":
                unknown = message.keys() - self._ANSWER - self.own
                need(not unknown, f"unknown parameters of a message: {sorted(unknown)}")
                calls = message.get("tool_calls") or []
                for call in calls:
                    need(call.keys() <= {"id", "type", "function"}, f"unknown parameters of a call: {sorted(call)}")
                    need(0 < len(call["id"]) <= 40, "the id of a call has up to 40 characters")
                    waiting[call["id"]] = call["function"]["name"]
                need(content or calls, "a message without content")
                read = tuple((call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls)
                turns.append(Turn("assistant", text, read))
            elif role == "tool":
                need(images == 0, "a picture in the result of a tool")
                name = waiting.pop(message.get("tool_call_id"), "")
                need(name, "a result without a call before it")
                add_result(turns, Result(name, text, is_error=False, images=0))
            else:
                turns.append(Turn(role, text, images=images))
        need(not waiting, "a call without a result")
        return turns

    def write(self, said: Said, *, streamed: bool) -> Answer:
        """See `Strict.write`."""
        calls = [
            {
                "index": index,
                "id": f"call_{call.id}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for index, call in enumerate(said.calls)
        ]
        envelope = {"id": "chatcmpl-1", "created": 1767225600, "model": self.model}
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        reason = "tool_calls" if calls else "stop"
        if not streamed:
            for call in calls:
                del call["index"]
            message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
            message |= {"tool_calls": calls} if calls else {}
            message |= {"reasoning_content": said.reasoning} if said.reasoning else {}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return Answer.json(envelope | {"object": "chat.completion", "choices": [choice], "usage": usage})
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": said.reasoning}] if said.reasoning else []
        deltas += [{"content": word + " "} for word in said.text.rstrip(" ").split(" ") if word]
        if deltas[-1].get("content") and not said.text.endswith(" "):
            deltas[-1]["content"] = deltas[-1]["content"].rstrip(" ")
        deltas += [{"tool_calls": [call]} for call in calls]
        chunk = envelope | {"object": "chat.completion.chunk"}
        chunks = [chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        return Answer.events(*chunks, chunk | {"choices": [], "usage": usage})

    def signature(self, said: Said) -> str:
        """None: Chat signs nothing."""
        return ""
