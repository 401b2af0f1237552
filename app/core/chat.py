"""A chat request in no dialect: what one API's request is decoded into, and another's encoded from."""

from collections.abc import Mapping, Sequence
from typing import Literal

from app.core.frozen import frozen
from app.core.jsonio import Json

Role = Literal["system", "user", "assistant"]

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@frozen
class Text:
    """Plain text. `cache` is a cache mark, as Anthropic writes it (`{"type": "ephemeral"}`)."""

    text: str
    cache: Json = None


@frozen
class Image:
    """A picture, by its `url` or by its `data` (base64, of `media_type`). `detail` is OpenAI's `low`, `high` or `auto`."""

    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    detail: str | None = None
    cache: Json = None


@frozen
class Document:
    """A file: by `data` (base64, of `media_type`), `text`, `url`, or the provider's own `file_id`."""

    data: str | None = None
    media_type: str | None = None
    text: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    cache: Json = None


@frozen
class Audio:
    """Sound as base64 `data` of `media_type`, such as `audio/wav`."""

    data: str
    media_type: str


@frozen
class Signature:
    """A provider's proof that it wrote a piece of reasoning or a tool call; opaque, and good only at its `origin`.

    `origin` is the dialect of the provider that made it.
    """

    value: str
    origin: str


@frozen
class Reasoning:
    """What the model thought. `redacted` is text that only its provider can read, kept as a signature."""

    text: str = ""
    signature: Signature | None = None
    redacted: Signature | None = None
    id: str | None = None


@frozen
class Refusal:
    """The model's own words for not answering."""

    text: str


@frozen
class ToolCall:
    """The model wants a function called. `arguments` is the text of a JSON object, as the model wrote it; never empty."""

    id: str
    name: str
    arguments: str
    signature: Signature | None = None


@frozen
class ToolResult:
    """What a called function gave. `name` is there where the dialect says it, or can be found by the call's id."""

    call_id: str
    parts: "tuple[Text | Image | Document | Audio | Foreign, ...]"
    name: str | None = None
    is_error: bool = False
    cache: Json = None


@frozen
class Foreign:
    """A part that only its own dialect has, as it came: a built-in tool's call or result, mostly."""

    dialect: str
    value: Json


Part = Text | Image | Document | Audio | Reasoning | Refusal | ToolCall | ToolResult | Foreign


@frozen
class Message:
    """One message. Results of tools are parts of a `user` message; `name` is its author's, where one is given."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All text of it, a line between its parts."""
        return "\n".join([part.text for part in self.parts if isinstance(part, Text)])


@frozen
class Tool:
    """A function that the client offers. `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Json] | None = None
    strict: bool | None = None
    cache: Json = None


@frozen
class WebSearch:
    """The provider's own search of the web, which several have under different names.

    `value` is how the client's `dialect` wrote it; the fields are what all that have it understand.
    """

    dialect: str
    value: Json
    context_size: str | None = None
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    max_uses: int | None = None
    user_location: Mapping[str, Json] | None = None


@frozen
class ForeignTool:
    """A built-in tool that only its own dialect has; `name` is what to call it in a warning."""

    dialect: str
    name: str
    value: Json


@frozen
class ToolChoice:
    """`auto`, `none`, `required` (some tool), or `tool` (the one named)."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@frozen
class ResponseFormat:
    """`json` is any JSON object; `schema` is JSON that keeps to `schema`, a JSON schema."""

    kind: Literal["text", "json", "schema"]
    schema: Mapping[str, Json] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@frozen
class ReasoningWish:
    """How much the model is to think: by `effort`, or by a `budget` in tokens. `summary` asks to see it (`auto`, `detailed`)."""

    effort: Effort | None = None
    budget: int | None = None
    summary: str | None = None


@frozen
class ChatRequest:
    """Everything that the dialects have in common, and in `extras` what only the client's has.

    Attributes:
        messages: system messages stand where the client put them.
        parallel_tool_calls: None where the client did not say.
        extras: parameters of the client's dialect that are none of the fields here, by the name that it has there. They are
            not encoded into another dialect; whoever encodes names them as unsupported, unless it knows them.
    """

    messages: tuple[Message, ...]
    tools: "tuple[Tool | WebSearch | ForeignTool, ...]" = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning: ReasoningWish | None = None
    user: str | None = None
    extras: Mapping[str, Json] | None = None


@frozen
class Encoded:
    """A request as a provider's dialect writes it. `unsupported` names what could not be said there, in the client's words."""

    payload: dict[str, Json]
    unsupported: Sequence[str] = ()


def call_names(messages: Sequence[Message]) -> dict[str, str]:
    """The names of all tools that were called in `messages`, by the ids of the calls: some dialects tell results by name."""
    return {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}
