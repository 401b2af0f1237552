"""What a linear model is told of a prompt: a few hundred numbers, made without any library."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from zlib import crc32

from app.pipeline.routing.question import Question

VERSION = 1
"""Of this list: a model that was trained on another one is of no use."""

BUCKETS = 4096
_HEAD, _TAIL = 1500, 500
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
_CODE_MARKS = re.compile(r"```|=>|[{};]\s*\n|</\w")
_MATHS_MARKS = re.compile(
    r"[$\u2211\u222b\u221a\u2264\u2265\u221e]|\d\s*[-+*/^=]\s*\d"
)  # with the signs of sum, integral, root, order
_CODE = frozenset(
    ["def", "class", "function", "import", "return", "const", "select", "public", "void", "struct", "async"]
)
_MATHS = frozenset(
    ["prove", "proof", "theorem", "equation", "integral", "derivative", "solve", "calculate", "compute", "frac", "sum"]
)
_ASKS = frozenset(["what", "who", "when", "where", "which", "is", "are", "does", "do", "can"])
_EXPLAINS = frozenset(
    ["why", "how", "explain", "compare", "analyze", "analyse", "design", "reason", "step", "steps", "derive"]
)
_WRITES = frozenset(
    ["write", "draft", "summarize", "summarise", "translate", "rewrite", "list", "story", "poem", "email"]
)
_MOST_WORDS = 400


def features(question: Question) -> Mapping[int, float]:
    """The numbers that are not 0, by their places."""
    last, request = question.last, question.request
    text = last if len(last) <= _HEAD + _TAIL else f"{last[:_HEAD]}\n{last[-_TAIL:]}"
    words = _WORD.findall(text.lower())[:_MOST_WORDS]
    length = max(1, len(text))
    numbers = (
        1.0,
        math.log1p(len(last)) / 10,
        math.log1p(question.messages) / 3,
        math.log1p(text.count("\n")) / 5,
        _much(_count(words, _CODE) + len(_CODE_MARKS.findall(text))),
        _much(_count(words, _MATHS) + len(_MATHS_MARKS.findall(text))),
        sum(map(str.isdigit, text)) / length * 4,
        (length - len(text.encode("ascii", "ignore"))) / length,
        _much(_count(words, _ASKS) + text.count("?")),
        _much(_count(words, _EXPLAINS)),
        _much(_count(words, _WRITES)),
        float(question.images),
        float(question.tools),
        float(any(message.role == "system" for message in request.messages) if request else False),
    )
    return {index: number for index, number in enumerate(numbers) if number} | _places(words)


def _count(words: Sequence[str], kind: frozenset[str]) -> int:
    return sum([word in kind for word in words])


def _much(count: int) -> float:
    """From 0 to about 1."""
    return math.log1p(min(20, count)) / 3


def _places(words: Sequence[str]) -> dict[int, float]:
    """Words and pairs of them, each in a place that its hash tells; as long as one vector whatever their number."""
    terms = {*words, *map(" ".join, pairwise(words))}
    places = {len(_NAMES) + crc32(term.encode(errors="replace")) % BUCKETS for term in terms}
    weight = 1 / math.sqrt(len(places)) if places else 0.0
    return dict.fromkeys(places, weight)
