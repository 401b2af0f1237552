"""How much a call will use, told from its request: rather too much than too little, since limits are reserved by it."""

from collections.abc import Iterator, Mapping

from app.core.call import Call
from app.core.chat import Audio, Document, Image, ToolResult
from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.core.ports import Estimate
from app.core.usage import NO_USAGE, Usage
from app.core.web import SEARCH
from app.dialects.openai.completions import COMPLETIONS
from app.dialects.openai.form import FORMS
from app.dialects.registry import DIALECTS, EMBEDDINGS
from app.dialects.responses.dialect import RESPONSES
from app.dialects.rules import find

# A request's bytes are taken for what the model reads: the JSON around the text stands for what templates add to it. English has
# some 4.5 bytes a token, code and JSON some 3, lists of numbers 2.6; what is not ASCII has down to 2, and from tokenizers that know
# it badly, 1.3.
_BYTES_A_TOKEN = 2.5
_WEIGHT_OF_OTHERS = 2
_ASCII = bytes(range(128))

_HIDDEN_TOKENS = 200
"""What providers put before each request and count: a template, and with xAI a prompt of its own."""
_TOOLS_TOKENS = 600
"""The same where tools are offered: with Claude some 350 to 700."""
_SEARCH_TOKENS = 10_000
"""What a search of the provider's own finds is counted as input."""
_SEARCH = (b"search", b"Search", b"fetch")
_MOST_SEARCHES = 1000
_ONE_SEARCH = Estimate(0, 0, pieces=Usage(searches=1))
_KEPT = ("previous_response_id", "conversation", "cachedContent", "cached_content")
_IMAGE_TOKENS = 5000
"""Claude's largest picture has 4,784, those of GPT and Gemini have fewer."""
_KEPT_TOKENS = 20_000
"""For what the provider keeps or fetches: a document, or the conversation so far, of which nothing is known."""
_DOCUMENT_CHARACTERS_A_TOKEN = 4
"""Of base64: three bytes, as of text."""
_AUDIO_BYTES_A_TOKEN = 100
"""Gemini counts 32 tokens a second, and speech has 4 kB a second or more."""
_AUDIO_BYTES_A_MS = 4
_SPEECH_MS_A_CHARACTER = 100
"""English is read aloud at some 150 words a minute, which are 15 characters a second; with pauses and calm voices down to 10."""
_SPEECH_WEIGHT_OF_OTHERS = 3
"""Chinese has some four syllables a second, and one in each character."""
_SLOWEST = 0.25
"""The least `speed` that OpenAI's API takes."""
# Where none of these is in a request, there is nothing in it but text.
_MEDIA = (b"image", b"audio", b"document", b"file", b"inline")

_PICTURES = "openai-images"
_SPEECH = "openai-speech"
_DRAWS = b"image_generation"
"""The tool of the Responses API."""
_NO_OUTPUT = frozenset({*EMBEDDINGS, "openai-moderations"})
_REPLIES = ("n", "best_of", "generationConfig.candidateCount", "generation_config.candidate_count")
_MOST_TOKENS, _MOST_REPLIES = 1 << 40, 1 << 16  # what is beyond is the provider's to refuse, and would not fit a column


def estimate(call: Call) -> Estimate:
    """What `call` will use, at most in all likelihood; of what a provider keeps or finds itself it is a guess."""
    if call.dialect == SEARCH:
        return _ONE_SEARCH
    return Estimate(_input_of(call), _output_of(call), _replies_of(call), _pieces_of(call))


def _input_of(call: Call) -> int:
    if call.dialect in FORMS:
        return len(call.body) // _AUDIO_BYTES_A_TOKEN + 1
    characters = tokens = 0
    if call.dialect in DIALECTS and any(word in call.body for word in _MEDIA):
        for part in _media(call):
            characters += len(getattr(part, "data", None) or "")
            tokens += _tokens_of(part)
    others = 0 if call.body.isascii() else len(call.body.translate(None, _ASCII))
    weight = len(call.body) - characters + others * (_WEIGHT_OF_OTHERS - 1)
    return _unseen(call) + tokens + int(max(0, weight) / _BYTES_A_TOKEN) + 1


def _unseen(call: Call) -> int:
    """What the model reads beside the request."""
    if call.dialect not in DIALECTS:
        return 0
    tools = call.payload.get("tools") or call.payload.get("functions")
    kept = any(call.payload.get(name) for name in _KEPT)
    return (
        _HIDDEN_TOKENS
        + (_TOOLS_TOKENS if tools else 0)
        + (_SEARCH_TOKENS if _may_search(call) else 0)
        + (_KEPT_TOKENS if kept else 0)
    )


def _may_search(call: Call) -> bool:
    offered = any(call.payload.get(name) for name in ("tools", "functions")) or "web_search_options" in call.payload
    return offered and any(word in call.body for word in _SEARCH)


def _pieces_of(call: Call) -> Usage:
    if call.dialect in FORMS:
        return Usage(audio_ms=len(call.body) // _AUDIO_BYTES_A_MS)
    if call.dialect == _PICTURES:
        return Usage(images=_replies_of(call))
    if call.dialect == _SPEECH:
        return Usage(audio_ms=_spoken_ms(call.payload))
    if call.dialect not in DIALECTS:
        return NO_USAGE
    draws = call.payload.get("tools") and _DRAWS in call.body
    return Usage(searches=_searches_of(call), images=1 if draws else 0)


def _spoken_ms(payload: Mapping[str, Json]) -> int:
    """How long it takes to read a text aloud; a moment at least, since the provider charges for what it makes of any."""
    text, speed = payload.get("input"), payload.get("speed")
    if not isinstance(text, str):
        text = ""
    others = len(text) - len(text.encode("ascii", "ignore"))
    characters = max(1, len(text) + others * (_SPEECH_WEIGHT_OF_OTHERS - 1))
    # That a faster voice is done sooner is not relied upon.
    slow = min(1, max(_SLOWEST, speed)) if isinstance(speed, int | float) else 1
    return int(characters * _SPEECH_MS_A_CHARACTER / slow)


def _searches_of(call: Call) -> int:
    """As many as the client allows, and one where it does not say."""
    if not _may_search(call):
        return 0
    tools = call.payload.get("tools")
    offered = tools if isinstance(tools, list) else ()
    by_tool = sum(_count(tool.get("max_uses")) for tool in offered if isinstance(tool, dict))
    in_all = _count(call.payload.get("max_tool_calls")) if call.dialect == RESPONSES.name else 0
    return min(by_tool or in_all or 1, in_all or _MOST_SEARCHES, _MOST_SEARCHES)


def _media(call: Call) -> Iterator[Image | Document | Audio]:
    try:
        request = DIALECTS[call.dialect].read_request(call.payload)
    except InvalidRequest:  # all of it is taken for text
        return
    for message in request.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            yield from (piece for piece in inner if isinstance(piece, Image | Document | Audio))


def _tokens_of(part: Image | Document | Audio) -> int:
    match part:
        case Image():
            return _IMAGE_TOKENS
        case Audio():
            return len(part.data) // _AUDIO_BYTES_A_TOKEN + 1
        case Document(data=str(data)):
            return len(data) // _DOCUMENT_CHARACTERS_A_TOKEN + 1
        case Document(text=None):
            return _KEPT_TOKENS
    return 0


def _output_of(call: Call) -> int | None:
    if call.dialect in _NO_OUTPUT:
        return 0
    words = DIALECTS[call.dialect].words if call.dialect in DIALECTS else {}
    said = [_count(find(call.payload, path)) for path in words.get("max_tokens", ())]
    return min(max(said, default=0), _MOST_TOKENS) or None


def _replies_of(call: Call) -> int:
    replies = max(1, *(_count(find(call.payload, path)) for path in _REPLIES))
    return min(replies, _MOST_REPLIES) * (_prompts(call.payload) if call.dialect == COMPLETIONS.name else 1)


def _prompts(payload: Mapping[str, Json]) -> int:
    prompt = payload.get("prompt")
    are_several = isinstance(prompt, list) and not {*map(type, prompt)} & {int}
    return max(1, len(prompt)) if isinstance(prompt, list) and are_several else 1


def _count(value: Json) -> int:
    """A number of tokens or replies; 0 where there is none, or it means no limit."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value < 1e18 else 0
