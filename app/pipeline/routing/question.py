"""What a router knows of a request: read once, and all that a strategy goes by."""

from collections.abc import Callable
from dataclasses import replace

from app.core.call import Call
from app.core.chat import ChatRequest, Image, Message, ToolResult
from app.core.frozen import frozen
from app.core.ports import Estimate, EstimateCall
from app.core.usage import Usage

ReadChat = Callable[[Call], ChatRequest | None]
"""What a call asks; None where it is no chat, or cannot be read as one."""

TYPICAL_OUTPUT = 500
"""Tokens that a reply is taken to have where its client allows as many: few use what they may."""


@frozen
class Question:
    """One request, in the terms in which routers choose.

    Attributes:
        request: None where it is no chat.
        texts: of the user's messages, in their order.
        messages: how many there are, of all roles.
        images, tools: it holds pictures; it offers tools.
    """

    estimate: Estimate
    request: ChatRequest | None
    texts: tuple[str, ...] = ()
    messages: int = 0
    images: bool = False
    tools: bool = False

    @property
    def tokens(self) -> int:
        """How many the request is estimated to have."""
        return self.estimate.input_tokens

    @property
    def last(self) -> str:
        """The text of the last message of the user that has any."""
        return self.texts[-1] if self.texts else ""

    @property
    def usage(self) -> Usage:
        """What it is likely to use, for its price."""
        estimate = self.estimate
        output = TYPICAL_OUTPUT if estimate.output_tokens is None else min(estimate.output_tokens, TYPICAL_OUTPUT)
        pieces = estimate.pieces
        return pieces._replace(input=estimate.input_tokens, output=output * estimate.replies, requests=1)


class QuestionReader:
    """Reads calls as questions."""

    def __init__(self, read_chat: ReadChat, estimate: EstimateCall) -> None:
        self._read_chat = read_chat
        self._estimate = estimate

    def read(self, call: Call) -> Question:
        """What `call` asks."""
        estimate, request = self._estimate(call), self._read_chat(call)
        return Question(estimate, None) if request is None else replace(ask_of(request), estimate=estimate)


def ask_of(request: ChatRequest) -> Question:
    """The same of a chat that nobody has estimated."""
    messages = request.messages
    return Question(
        Estimate(0, request.max_tokens),
        request,
        texts=tuple(text for message in messages if message.role == "user" and (text := message.text).strip()),
        messages=len(messages),
        images=any(_has_image(message) for message in messages),
        tools=bool(request.tools),
    )


def _has_image(message: Message) -> bool:
    for part in message.parts:
        inner = part.parts if isinstance(part, ToolResult) else (part,)
        if any(isinstance(piece, Image) for piece in inner):
            return True
    return False
