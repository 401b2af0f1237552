"""generateContent, strictly: Google's rules on function calling and thought signatures."""

import base64
from typing import Any

from app.core.jsonio import dumps
from tests.e2e.standin import EVENT_STREAM, Answer
from tests.e2e.strict.base import Result, Said, Strict, Turn, add_result, need


class StrictGemini(Strict):
    """generateContent of a model that wants its signatures back."""

    model = "gemini-3-pro-preview"
    STAND_IN = "skip_thought_signature_validator"
    """What Google takes for a call that it did not make."""

    def signature(self, said: Said) -> str:
        """The `thoughtSignature`."""
        return base64.b64encode(f"\x12{said.proof}".encode()).decode()

    def read(self, payload: Any) -> list[Turn]:
        """See `Strict.read`."""
        system = payload.get("systemInstruction", {}).get("parts", ())
        turns = [Turn("system", "".join(part["text"] for part in system))]
        waiting: list[tuple[str | None, str]] = []
        contents: list[Any] = []
        for content in payload["contents"]:
            if contents and contents[-1]["role"] == content["role"]:  # a chat that was streamed, chunk by chunk
                contents[-1] = {**content, "parts": [*contents[-1]["parts"], *content["parts"]]}
            else:
                contents.append(content)
        last_words = max(
            at
            for at, content in enumerate(contents)
            if any("text" in part for part in content["parts"]) and at % 2 == 0
        )
        for index, content in enumerate(contents):
            need(content["role"] == ("user", "model")[index % 2], "user and model take turns")
            need(content["parts"], "a content without parts")
            if content["role"] == "model":
                self._read_answer(content["parts"], waiting, turns, is_current=index > last_words)
            else:
                self._read_user(content["parts"], waiting, turns)
        need(not waiting, "the number of function response parts is not that of the function call parts")
        return turns

    def _read_answer(self, parts: list[Any], waiting: list[Any], turns: list[Turn], *, is_current: bool) -> None:
        proofs: list[str] = []
        calls: list[tuple[str, Any]] = []
        text = ""
        signed = {self.signature(said): said for said in self.script}
        for part in parts:
            proof = part.get("thoughtSignature")
            if proof is not None and proof != self.STAND_IN:
                need(proof in signed, "Corrupted thought signature")
                said = signed[proof]
                place = said.calls[0].arguments if said.calls else said.text
                holds = part["functionCall"]["args"] if "functionCall" in part else part.get("text")
                need(holds == place, "a thought signature on another part than the one it came on")
                proofs.append(proof)
            if "functionCall" in part:
                call = part["functionCall"]
                need(proof or calls or not is_current, "Function call is missing a thought_signature")
                waiting.append((call.get("id"), call["name"]))
                calls.append((call["name"], call["args"]))
            elif not part.get("thought"):
                text += part["text"]
        turns.append(Turn("assistant", text, tuple(calls), proofs=tuple(proofs)))

    def _read_user(self, parts: list[Any], waiting: list[Any], turns: list[Turn]) -> None:
        text, images, count = "", 0, len(waiting)
        for index, part in enumerate(parts):
            if "functionResponse" in part:
                response = part["functionResponse"]
                need(index < count, "function responses come first")
                key = (response.get("id"), response["name"])
                need(key in waiting, f"a response to no call: {key}")
                waiting.remove(key)
                said = response["response"]
                need(isinstance(said, dict), "a response that is no object")
                shown = len(response.get("parts", ()))
                words = " ".join(str(value) for value in said.values())
                add_result(turns, Result(response["name"], words, is_error="error" in said, images=shown))
            else:
                text += part.get("text", "")
                images += "inlineData" in part
        need(not waiting, "the number of function response parts is not that of the function call parts")
        if text or images:
            turns.append(Turn("user", text, images=images))

    def write(self, said: Said, *, streamed: bool) -> Answer:
        """See `Strict.write`."""
        parts: list[dict[str, Any]] = []
        if said.reasoning:
            parts.append({"text": said.reasoning, "thought": True})
        if said.text:
            parts.append({"text": said.text})
        parts += [
            {"functionCall": {"name": call.name, "args": call.arguments, "id": f"v{call.id}"}} for call in said.calls
        ]
        signed = next((part for part in parts if "functionCall" in part), parts[-1])
        signed["thoughtSignature"] = self.signature(said)
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}
        envelope = {"usageMetadata": usage, "modelVersion": self.model, "responseId": "r"}
        if not streamed:
            candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            return Answer.json({"candidates": [candidate], **envelope})
        documents: list[Any] = [
            {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], **envelope} for part in parts
        ]
        documents[-1]["candidates"][0]["finishReason"] = "STOP"
        pieces = [b"data: " + dumps(document) + b"\r\n\r\n" for document in documents]
        return Answer(200, EVENT_STREAM, pieces, chunked=True)
