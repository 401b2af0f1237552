"""What a dialect cannot say, and how the gateway says it there instead; `docs/compatibility.md` tells it to users."""

from dataclasses import replace

from tests.contract.crossing import Facts

NO_REFUSAL = frozenset({"anthropic", "gemini", "gemini-array", "ollama", "ollama-generate"})
"""Dialects without a field for the words of a refusal: there they are the answer's text."""


def as_said_in(dialect: str, facts: Facts) -> Facts:
    """What is left of `facts` for a client of `dialect`."""
    if facts.refusal and dialect in NO_REFUSAL:
        facts = replace(facts, text=facts.text + facts.refusal, refusal="")
    if dialect.startswith("gemini") and facts.reason == "refusal":
        facts = replace(facts, reason="content_filter")
    if dialect == "anthropic" and facts.reason == "content_filter":
        facts = replace(facts, reason="refusal")
    return facts
