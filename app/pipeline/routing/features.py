"""What a linear model is told of a prompt: a few hundred numbers, made without any library."""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from zlib import crc32

from app.pipeline.routing.question import Question

VERSION = 1
"""Of this list: a model that was trained on another one is of no use."""

BUCKETS = 4096
_HEAD, _TAIL = 2000, 1000
# Before the hashed words.
_NAMES = (
    "one",
    "length",
    "conversation",
    "lines",
    "code",
    "maths",
    "digits",
    "others",
    "asks",
    "explains",
    "writes",
    "images",
    "tools",
    "system",
)
SIZE = len(_NAMES) + BUCKETS

_WORD = re.compile(r"\w+")
_CODE = re.compile(r"```|\bdef |\bclass |\bfunction\b|\bimport |\breturn\b|=>|[{};]\s*\n|</\w+>|\bSELECT\b")
_MATHS = re.compile(
    r"\$|\\[a-z]+\{|[∑∫√≤≥∞]|\b(?:prove|theorem|equation|integral|derivative|solve|calculate)\b|\d\s*[-+*/^=]\s*\d"
)
_ASKS = re.compile(r"\?|\b(?:what|who|when|where|which|is|are|does|do|can)\b")
_EXPLAINS = re.compile(r"\b(?:why|how|explain|compare|analy[sz]e|design|reason|step)\b")
_WRITES = re.compile(r"\b(?:write|draft|summari[sz]e|translate|rewrite|list|story|poem|email)\b")
_MOST_WORDS = 600


def features(question: Question) -> Mapping[int, float]:
    """The numbers that are not 0, by their places."""
    last = question.last
    text = last if len(last) <= _HEAD + _TAIL else f"{last[:_HEAD]}\n{last[-_TAIL:]}"
    lower = text.lower()
    length = max(1, len(text))
    request = question.request
    numbers = (
        1.0,
        math.log1p(len(last)) / 10,
        math.log1p(question.messages) / 3,
        math.log1p(text.count("\n")) / 5,
        _many(_CODE, text),
        _many(_MATHS, lower),
        sum(map(str.isdigit, text)) / length * 4,
        (length - len(text.encode("ascii", "ignore"))) / length,
        _many(_ASKS, lower),
        _many(_EXPLAINS, lower),
        _many(_WRITES, lower),
        float(question.images),
        float(question.tools),
        float(any(message.role == "system" for message in request.messages) if request else False),
    )
    return {index: number for index, number in enumerate(numbers) if number} | _words(lower)


def _many(pattern: "re.Pattern[str]", text: str) -> float:
    """How often, from 0 to about 1."""
    return math.log1p(min(20, len(pattern.findall(text)))) / 3


def _words(lower: str) -> dict[int, float]:
    """Words and pairs of them, each in a place that its hash tells; as long as one vector whatever their number."""
    words = _WORD.findall(lower)[:_MOST_WORDS]
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    places = {len(_NAMES) + crc32(term.encode(errors="replace")) % BUCKETS for term in (*words, *pairs)}
    weight = 1 / math.sqrt(len(places)) if places else 0.0
    return dict.fromkeys(places, weight)
