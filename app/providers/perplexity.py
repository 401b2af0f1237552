"""Perplexity: streams that repeat themselves."""

from app.core.call import Call
from app.core.jsonio import Json
from app.providers.base import HttpProvider


class PerplexityMender:
    """Leaves of each chunk what is new.

    In its default stream mode every chunk repeats the whole `message` beside the `delta`; only the delta is new. Usage, which it
    also repeats, is the stream's own business; citations and `search_results` stay.
    """

    def mend_chunk(self, chunk: dict[str, Json]) -> dict[str, Json]:
        """Without the repeated message, and named as OpenAI names a chunk."""
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return chunk
        return {**chunk, "object": "chat.completion.chunk", "choices": [_without_message(choice) for choice in choices]}

    def closing_chunks(self) -> list[dict[str, Json]]:
        """Nothing is missing at the end."""
        return []

    def mend_whole(self, reply: dict[str, Json]) -> dict[str, Json]:
        """Whole replies are in order."""
        return reply


class Perplexity(HttpProvider):
    """`https://api.perplexity.ai`."""

    @staticmethod
    def mender(_call: Call, _model: str) -> PerplexityMender:
        """A fresh mender for one reply."""
        return PerplexityMender()


def _without_message(choice: Json) -> Json:
    if not isinstance(choice, dict) or "delta" not in choice:
        return choice
    return {key: value for key, value in choice.items() if key != "message"}
