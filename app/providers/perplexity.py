"""Perplexity: streams that repeat themselves, and sources that stand beside the answer."""

from app.core.call import Call
from app.core.jsonio import Json
from app.dialects.openai.citations import Citations, annotate
from app.providers.base import HttpProvider


class PerplexityMender:
    """Leaves of each chunk what is new, and tells the sources as OpenAI does.

    In its default stream mode every chunk repeats the whole `message` beside the `delta`; only the delta is new. Usage, which it
    also repeats, is the stream's own business. `citations` and `search_results` stay; what they say stands also in
    `annotations`, at the end of a stream, as titles may come later than addresses.
    """

    def __init__(self) -> None:
        self._sources = Citations()
        self._citations: Json = None
        self._results: Json = None
        self._told = 0

    def mend_chunk(self, chunk: dict[str, Json]) -> dict[str, Json]:
        """Without the repeated message, and named as OpenAI names a chunk."""
        self._citations = chunk.get("citations") or self._citations
        self._results = chunk.get("search_results") or self._results
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return chunk
        mended = {
            **chunk,
            "object": "chat.completion.chunk",
            "choices": [_without_message(choice) for choice in choices],
        }
        return self._annotated(mended) if any(map(_is_last, choices)) else mended

    def closing_chunks(self) -> list[dict[str, Json]]:
        """The sources, where they came after the end of the answer."""
        closing: dict[str, Json] = {"choices": [{"index": 0, "delta": {}, "finish_reason": None}]}
        annotated = self._annotated(closing)
        return [] if annotated is closing else [annotated]

    def mend_whole(self, reply: dict[str, Json]) -> dict[str, Json]:
        """With its sources as annotations; all else is in order."""
        return annotate(reply, "message", self._sources.read_lists(reply.get("citations"), reply.get("search_results")))

    def _annotated(self, chunk: dict[str, Json]) -> dict[str, Json]:
        citations = self._sources.read_lists(self._citations, self._results)
        index, self._told = self._told, self._told + len(citations)
        return annotate(chunk, "delta", citations, index=index)


class Perplexity(HttpProvider):
    """`https://api.perplexity.ai`."""

    host = "api.perplexity.ai"

    @staticmethod
    def mender(_call: Call, _model: str) -> PerplexityMender:
        """A fresh mender for one reply."""
        return PerplexityMender()


def _without_message(choice: Json) -> Json:
    if not isinstance(choice, dict) or "delta" not in choice:
        return choice
    return {key: value for key, value in choice.items() if key != "message"}


def _is_last(choice: Json) -> bool:
    return isinstance(choice, dict) and bool(choice.get("finish_reason"))
