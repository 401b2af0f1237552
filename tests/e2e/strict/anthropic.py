"""Messages, strictly: Anthropic's rules on tool use and extended thinking."""

import base64
import json
import re
from typing import Any

from tests.e2e.standin import Answer
from tests.e2e.strict.base import Result, Said, Strict, Turn, add_result, need, typed_events


class StrictAnthropic(Strict):
    """Messages, with extended thinking."""

    model = "claude-sonnet-4-5"
    _ID = re.compile(r"[a-zA-Z0-9_-]+")

    def signature(self, said: Said) -> str:
        """The `signature` of thinking, or redacted thinking itself."""
        return base64.b64encode(f"ErUB{said.proof}".encode()).decode()

    def read(self, payload: Any) -> list[Turn]:
        """See `Strict.read`."""
        system = payload.get("system", "")
        turns = [Turn("system", system if isinstance(system, str) else "".join(block["text"] for block in system))]
        thinks = payload.get("thinking", {}).get("type") == "enabled"
        waiting: dict[str, str] = {}
        for index, message in enumerate(payload["messages"]):
            need(message["role"] == ("user", "assistant")[index % 2], "user and assistant take turns")
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            need(blocks, "a message without content")
            if message["role"] == "assistant":
                is_last = index >= len(payload["messages"]) - 2
                goes_on = is_last and any(block["type"] == "tool_use" for block in blocks)
                begins_with_thinking = blocks[0]["type"] in ("thinking", "redacted_thinking")
                need(not (thinks and goes_on) or begins_with_thinking, "Expected `thinking` or `redacted_thinking`")
                self._read_answer(blocks, waiting, turns)
            else:
                self._read_user(blocks, waiting, turns)
        need(not waiting, "`tool_use` ids were found without `tool_result` blocks")
        return turns

    def _read_answer(self, blocks: list[Any], waiting: dict[str, str], turns: list[Turn]) -> None:
        proofs, calls, text = [], [], ""
        given = {self.signature(said): said for said in self.script}
        for block in blocks:
            kind = block["type"]
            if kind == "thinking":
                need(block["signature"] in given, "Invalid `signature` in `thinking` block")
                need(block["thinking"] == given[block["signature"]].reasoning, "`thinking` blocks cannot be modified")
                proofs.append(block["signature"])
            elif kind == "redacted_thinking":
                need(block["data"] in given, "Invalid `data` in `redacted_thinking` block")
                proofs.append(block["data"])
            elif kind == "tool_use":
                need(self._ID.fullmatch(block["id"]), "String should match pattern '^[a-zA-Z0-9_-]+$'")
                waiting[block["id"]] = block["name"]
                calls.append((block["name"], block["input"]))
            else:
                need(kind == "text" and block["text"].strip(), "text content blocks must contain non-whitespace text")
                text += block["text"]
        turns.append(Turn("assistant", text, tuple(calls), proofs=tuple(proofs)))

    def _read_user(self, blocks: list[Any], waiting: dict[str, str], turns: list[Turn]) -> None:
        others, count = [], len(waiting)
        for index, block in enumerate(blocks):
            if block["type"] != "tool_result":
                others.append(block)
                continue
            need(index < count, "`tool_result` blocks come first, and answer the message before")
            name = waiting.pop(block["tool_use_id"], "")
            need(name, "unexpected `tool_use_id` found in `tool_result` blocks")
            content = block.get("content", "")
            inner = [{"type": "text", "text": content}] if isinstance(content, str) else content
            text = "".join(part.get("text", "") for part in inner)
            images = sum(part["type"] == "image" for part in inner)
            add_result(turns, Result(name, text, is_error=block.get("is_error", False), images=images))
        need(not waiting, "`tool_use` ids were found without `tool_result` blocks immediately after")
        if others:
            text = "".join(block.get("text", "") for block in others)
            turns.append(Turn("user", text, images=sum(block["type"] == "image" for block in others)))

    def write(self, said: Said, *, streamed: bool) -> Answer:
        """See `Strict.write`."""
        blocks: list[Any] = []
        if said.redacted:
            blocks.append({"type": "redacted_thinking", "data": self.signature(said)})
        elif said.reasoning:
            blocks.append({"type": "thinking", "thinking": said.reasoning, "signature": self.signature(said)})
        if said.text:
            blocks.append({"type": "text", "text": said.text})
        blocks += [
            {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": call.arguments}
            for call in said.calls
        ]
        stop = {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": blocks}
        if not streamed:
            return Answer.json({**message, **stop, "usage": {"input_tokens": 9, "output_tokens": 5}})
        begun = {**message, "content": [], "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
        events: list[Any] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(blocks):
            at = {"index": index}
            start, deltas = _anthropic_deltas(block)
            events.append({"type": "content_block_start", **at, "content_block": start})
            events += [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", **at})
        events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}})
        return typed_events([*events, {"type": "message_stop"}])


def _anthropic_deltas(block: Any) -> tuple[Any, list[Any]]:
    match block["type"]:
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            return {**block, "thinking": "", "signature": ""}, [
                thought,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case "tool_use":
            text = json.dumps(block["input"])
            pieces = (text[:4], text[4:])
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []
