"""Questions as tests need them."""

from app.core.chat import ChatRequest, Message, Text, Tool
from app.pipeline.routing.question import Question, ask_of


def asked(*texts: str, tools: bool = False) -> Question:
    """What a user asks who says so, one message after the other."""
    messages = tuple(Message("user", (Text(text),)) for text in texts)
    return ask_of(ChatRequest(messages, tools=(Tool("f"),) if tools else ()))
