"""A conversation as the official SDK of each API leads it: the next request is made of the reply to the last one."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.genai import types as gemini
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.e2e.readers import Clients

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a whole PNG
)
SYSTEM = "Be brief."
SCHEMAS: dict[str, Any] = {
    "weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "picture": {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]},
}


@dataclass(frozen=True)
class Called:
    """A tool that the model wants to be called."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Given:
    """What a tool gave: words, and perhaps a picture."""

    call: Called
    text: str
    image: str | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Heard:
    """A reply, as far as a client looks at it."""

    text: str
    reasoning: str
    calls: tuple[Called, ...]


class Speaker(ABC):
    """One client in one conversation with `model`, which it may change on the way."""

    def __init__(self, clients: Clients, model: str, *, streamed: bool) -> None:
        self.clients = clients
        self.model = model
        self.streamed = streamed
        self.history: list[Any] = []

    @abstractmethod
    def say(self, text: str) -> None:
        """The user's words."""

    @abstractmethod
    def give(self, results: Sequence[Given]) -> None:
        """Results of tools, in their order."""

    @abstractmethod
    def ask(self) -> Heard:
        """Send it all, and keep the reply."""


class OpenAISpeaker(Speaker):
    """Chat Completions. Its results of tools are text; a picture follows as the user's."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def give(self, results: Sequence[Given]) -> None:
        for result in results:
            text = f"Error: {result.text}" if result.is_error else result.text
            self.history.append({"role": "tool", "tool_call_id": result.call.id, "content": text})
        shown = [result.image for result in results if result.image]
        if shown:
            urls = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}} for data in shown]
            self.history.append({"role": "user", "content": [{"type": "text", "text": "The picture:"}, *urls]})

    def ask(self) -> Heard:
        tools: Any = [
            {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()
        ]
        asked: Any = {
            "model": self.model,
            "messages": [{"role": "system", "content": SYSTEM}, *self.history],
            "tools": tools,
            "reasoning_effort": "low",
        }
        create = self.clients.openai.chat.completions.create
        if self.streamed:
            state: Any = ChatCompletionStreamState()
            for chunk in create(**asked, stream=True):
                state.handle_chunk(chunk)
            reply: Any = state.current_completion_snapshot
        else:
            reply = create(**asked)
        message = reply.choices[0].message
        said = message.model_dump(exclude_none=True)
        for call in said.get("tool_calls", ()):
            call.pop("index", None)  # of the stream's deltas
            call["function"].pop("parsed_arguments", None)  # of the SDK
        said.pop("parsed", None)
        self.history.append(said)
        return Heard(
            message.content or "",
            getattr(message, "reasoning_content", None) or "",
            tuple(
                Called(call.id, call.function.name, json.loads(call.function.arguments))
                for call in message.tool_calls or ()
            ),
        )


class ResponsesSpeaker(Speaker):
    """Responses, without state at the provider: the items of the output go back as they came."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def give(self, results: Sequence[Given]) -> None:
        for result in results:
            output: Any = f"Error: {result.text}" if result.is_error else result.text
            if result.image:
                url = f"data:image/png;base64,{result.image}"
                output = [{"type": "input_text", "text": output}, {"type": "input_image", "image_url": url}]
            self.history.append({"type": "function_call_output", "call_id": result.call.id, "output": output})

    def ask(self) -> Heard:
        asked: Any = {
            "model": self.model,
            "instructions": SYSTEM,
            "input": self.history,
            "tools": [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in SCHEMAS.items()
            ],
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        create = self.clients.openai.responses.create
        if self.streamed:
            output = [event.item for event in create(**asked, stream=True) if event.type == "response.output_item.done"]
        else:
            output = create(**asked).output
        self.history += [item.model_dump(exclude_none=True) for item in output]
        return Heard(
            "".join(part.text for item in output if item.type == "message" for part in item.content),
            "".join(part.text for item in output if item.type == "reasoning" for part in item.summary),
            tuple(
                Called(item.call_id, item.name, json.loads(item.arguments))
                for item in output
                if item.type == "function_call"
            ),
        )


class AnthropicSpeaker(Speaker):
    """Messages; the blocks go back as they came."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def give(self, results: Sequence[Given]) -> None:
        blocks = []
        for result in results:
            content: Any = [{"type": "text", "text": result.text}]
            if result.image:
                source = {"type": "base64", "media_type": "image/png", "data": result.image}
                content.append({"type": "image", "source": source})
            block = {"type": "tool_result", "tool_use_id": result.call.id, "content": content}
            blocks.append(block | ({"is_error": True} if result.is_error else {}))
        self.history.append({"role": "user", "content": blocks})

    def ask(self) -> Heard:
        asked: Any = {
            "model": self.model,
            "max_tokens": 4096,
            "system": SYSTEM,
            "messages": self.history,
            "tools": [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }
        messages = self.clients.anthropic.messages
        if self.streamed:
            with messages.stream(**asked) as stream:
                content: Any = stream.get_final_message().content
        else:
            content = messages.create(**asked).content
        self.history.append({"role": "assistant", "content": [_sent_back(block) for block in content]})
        return Heard(
            "".join(block.text for block in content if block.type == "text"),
            "".join(block.thinking for block in content if block.type == "thinking"),
            tuple(Called(block.id, block.name, block.input) for block in content if block.type == "tool_use"),
        )


class GeminiSpeaker(Speaker):
    """generateContent; of a stream each chunk's content goes back, as the SDK's own chats do."""

    def say(self, text: str) -> None:
        self.history.append(gemini.Content(role="user", parts=[gemini.Part(text=text)]))

    def give(self, results: Sequence[Given]) -> None:
        parts = []
        for result in results:
            shown = None
            if result.image:
                data = base64.b64decode(result.image)
                shown = [
                    gemini.FunctionResponsePart(
                        inline_data=gemini.FunctionResponseBlob(mime_type="image/png", data=data)
                    )
                ]
            said = {"error" if result.is_error else "output": result.text}
            response = gemini.FunctionResponse(id=result.call.id, name=result.call.name, response=said, parts=shown)
            parts.append(gemini.Part(function_response=response))
        self.history.append(gemini.Content(role="user", parts=parts))

    def ask(self) -> Heard:
        declared: Any = [
            gemini.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in SCHEMAS.items()
        ]
        config = gemini.GenerateContentConfig(
            system_instruction=SYSTEM,
            tools=[gemini.Tool(function_declarations=declared)],
            automatic_function_calling=gemini.AutomaticFunctionCallingConfig(disable=True),
            thinking_config=gemini.ThinkingConfig(include_thoughts=True),
        )
        asked: Any = {"model": self.model, "contents": self.history, "config": config}
        models = self.clients.gemini.models
        replies = list(models.generate_content_stream(**asked)) if self.streamed else [models.generate_content(**asked)]
        contents = [
            candidate.content
            for reply in replies
            for candidate in reply.candidates or ()
            if candidate.content and candidate.content.parts
        ]
        self.history += contents
        parts = [part for content in contents for part in content.parts or ()]
        return Heard(
            "".join(part.text for part in parts if part.text and not part.thought),
            "".join(part.text for part in parts if part.text and part.thought),
            tuple(Called(call.id or "", call.name or "", call.args) for part in parts if (call := part.function_call)),
        )


class OllamaSpeaker(Speaker):
    """/api/chat. Its SDK keeps neither the ids of calls nor fields that it does not know: tools go by their names."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def give(self, results: Sequence[Given]) -> None:
        for result in results:
            text = f"Error: {result.text}" if result.is_error else result.text
            images = {"images": [result.image]} if result.image else {}
            self.history.append({"role": "tool", "tool_name": result.call.name, "content": text, **images})

    def ask(self) -> Heard:
        tools: Any = [
            {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()
        ]
        asked: Any = {
            "model": self.model,
            "messages": [{"role": "system", "content": SYSTEM}, *self.history],
            "tools": tools,
            "think": True,
        }
        chat = self.clients.ollama.chat
        replies = list(chat(**asked, stream=True)) if self.streamed else [chat(**asked)]
        messages = [reply.message for reply in replies]
        calls = [call for message in messages for call in message.tool_calls or ()]
        said: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(message.content or "" for message in messages),
            "thinking": "".join(message.thinking or "" for message in messages),
            "tool_calls": [call.model_dump() for call in calls],
        }
        self.history.append({key: value for key, value in said.items() if value or key == "content"})
        return Heard(
            said["content"],
            said["thinking"],
            tuple(Called("", call.function.name, dict(call.function.arguments)) for call in calls),
        )


SPEAKERS: dict[str, type[Speaker]] = {
    "openai": OpenAISpeaker,
    "responses": ResponsesSpeaker,
    "anthropic": AnthropicSpeaker,
    "gemini": GeminiSpeaker,
    "ollama": OllamaSpeaker,
}

KEEPS_SIGNATURES = frozenset(SPEAKERS) - {"ollama"}
"""Clients that send back what they do not know themselves."""

TELLS_ERRORS = frozenset({"anthropic", "gemini"})
"""Clients that say of a result that it is an error; all others write it into its text."""


def _sent_back(block: Any) -> Any:
    """A block without what the SDK itself has put to it."""
    return block.model_dump(exclude_none=True, exclude={"parsed_output"})
