"""Responses, strictly: the rules of OpenAI's reference for a client that keeps the conversation itself."""

import json
from typing import Any

from tests.e2e.standin import Answer
from tests.e2e.strict.base import Result, Said, Strict, Turn, add_answer, add_result, need, typed_events


class StrictResponses(Strict):
    """Responses, for clients that keep the conversation themselves."""

    model = "gpt-5.1"

    def signature(self, said: Said) -> str:
        """The `encrypted_content`."""
        return f"gAAAA{said.proof}"

    def read(self, payload: Any) -> list[Turn]:
        """See `Strict.read`."""
        need(payload.get("store") is False, "a client that keeps its reasoning stores nothing here")
        need("reasoning.encrypted_content" in payload.get("include", ()), "the reasoning is not asked for")
        turns = [Turn("system", payload["instructions"])] if payload.get("instructions") else []
        names: dict[str, str] = {}
        thought = False
        for item in payload["input"]:
            kind = item.get("type", "message")
            role = "assistant" if kind in ("reasoning", "function_call") else item.get("role", "user")
            need(not thought or role == "assistant", "reasoning without the item that follows it")
            thought = kind == "reasoning"
            if kind == "reasoning":
                need(
                    item["encrypted_content"] in {self.signature(said) for said in self.script},
                    "reasoning of somebody else",
                )
                need(str(item.get("id", "rs_")).startswith("rs_"), "the id of reasoning begins with rs_")
                need(item.get("content") is None, "reasoning with a content")
                add_answer(turns, proofs=(item["encrypted_content"],))
            elif kind == "function_call":
                need(str(item.get("id", "fc_")).startswith("fc_"), "the id of a call begins with fc_")
                need(0 < len(item["call_id"]) <= 64, "call_id has up to 64 characters")
                names[item["call_id"]] = item["name"]
                add_answer(turns, calls=((item["name"], json.loads(item["arguments"])),))
            elif kind == "function_call_output":
                name = names.pop(item["call_id"], "")
                need(name, "No tool call found for function call output")
                output = item["output"] if isinstance(item["output"], list) else [{"text": item["output"]}]
                text = "".join(part.get("text", "") for part in output)
                images = sum(part.get("type") == "input_image" for part in output)
                add_result(turns, Result(name, text, is_error=False, images=images))
            else:
                need(str(item.get("id", "msg_")).startswith("msg_"), "the id of a message begins with msg_")
                self._read_message(item, role, turns)
        need(not names, f"No tool output found for function call {sorted(names)}")
        return turns

    def _read_message(self, item: Any, role: str, turns: list[Turn]) -> None:
        content = item["content"] if isinstance(item["content"], list) else [{"text": item["content"]}]
        text = "".join(part.get("text", "") for part in content)
        kinds = {part["type"] for part in content if "type" in part}
        allowed = {"output_text", "refusal"} if role == "assistant" else {"input_text", "input_image", "input_file"}
        need(kinds <= allowed, f"{sorted(kinds)} in a message of the {role}")
        if role == "assistant":
            add_answer(turns, text=text)
        else:
            turns.append(Turn(role, text, images=sum(part.get("type") == "input_image" for part in content)))

    def write(self, said: Said, *, streamed: bool) -> Answer:
        """See `Strict.write`."""
        items: list[Any] = []
        if said.reasoning or said.redacted:
            summary = [] if said.redacted else [{"type": "summary_text", "text": said.reasoning}]
            sealed = {"encrypted_content": self.signature(said)}
            items.append({"type": "reasoning", "id": f"rs_{said.proof}", "summary": summary, **sealed})
        if said.text:
            text = {"type": "output_text", "text": said.text, "annotations": []}
            message = {"type": "message", "id": f"msg_{said.proof}", "role": "assistant", "status": "completed"}
            items.append({**message, "content": [text]})
        for call in said.calls:
            called = {"call_id": f"call_{call.id}", "name": call.name, "arguments": json.dumps(call.arguments)}
            items.append({"type": "function_call", "id": f"fc_{call.id}", **called, "status": "completed"})
        usage = {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 14,
        }
        response = {"id": "resp_1", "object": "response", "created_at": 1767225600, "model": self.model}
        done = {**response, "status": "completed", "output": items, "usage": usage}
        if not streamed:
            return Answer.json(done)
        events: list[Any] = [{"type": "response.created", "response": {**response, "status": "in_progress"}}]
        for index, item in enumerate(items):
            events.append({"type": "response.output_item.added", "output_index": index, "item": item})
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        events.append({"type": "response.completed", "response": done})
        return typed_events([event | {"sequence_number": number} for number, event in enumerate(events)])
