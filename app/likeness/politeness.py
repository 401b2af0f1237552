"""Greetings, thanks and the words that wrap a question, taken away."""

from collections.abc import Callable

from app.likeness.phrases import match_at, table
from app.likeness.tokens import MARKS, Token

ASKING = frozenset("what who whom whose which where when why how whether if".split())
REQUESTS = frozenset(
    "tell explain show give list write summarize translate suggest draft describe provide create generate name define "
    "compare convert recommend calculate compute outline propose proofread rewrite".split()
)
_TELLING = frozenset("explain describe".split())
_WRITING = frozenset("write draft create generate suggest".split())
_DOING = {"writing": "write", "giving": "give", "telling": "tell", "explaining": "explain", "showing": "show"}

_MOST_LAYERS = 8  # of politeness; nobody is more polite than that

# Before a mark, or before what a question or another of these begins with.
_GREETINGS = table([
    ("hi|hello|hey|greetings|dear there|team|all|everyone|assistant|folks?", ""),
    ("good morning|afternoon|evening|day", ""),
    ("excuse me", ""), ("quick question", ""), ("just curious", ""), ("i have a quick? question", ""),
    ("sorry to|for bother|bothering you but?", ""), ("ok|okay|so|well", ""), ("please", ""),
    ("i am looking for an answer", ""), ("por favor", ""), ("bitte", ""), ("s'il vous|te plaît", ""),
])  # fmt: skip
# Before a question word.
_WRAPS = table([
    ("can|could|would|will you please|kindly? tell|explain|show to? me?", ""),
    ("please? tell|show|explain to? me", ""), ("please? explain", ""),
    ("i would like|love|want|need to know|learn|understand|find", ""),
    ("i want|need|wish to know|learn|understand", ""), ("i would be interested to know", ""),
    ("i was|am just? wondering|curious", ""), ("i wonder", ""),
    ("do|does you|anyone|anybody|somebody happen? to? know", ""), ("any idea", ""),
    ("i was hoping you could tell me", ""),
])  # fmt: skip
# Before a word of request, and with `please` before any.
_ASKED = table([
    ("can|could|would|will you", ""), ("i want|need|would you to", ""), ("i would like you to", ""),
    ("would you mind", ""),
])  # fmt: skip
_PLEASE = table([("can|could|would|will you please|kindly", ""), ("please|kindly", "")])
_KNOW = table([("i would like|love to know", ""), ("i want|need to know", "")])
# After a mark, at the end.
_THANKS = table([
    ("thanks a? lot?", ""), ("thank you so|very? much?", ""), ("many thanks", ""), ("thanks in advance", ""),
    ("thank you very? much? in advance", ""), ("kind|best|warm regards", ""), ("cheers", ""), ("please", ""),
])  # fmt: skip


def bare(tokens: list[Token]) -> list[Token]:
    """`tokens` without politeness around them; never nothing, where there is something."""
    return _repeated(_without_lead, _repeated(_without_end, tokens))


def _repeated(step: Callable[[list[Token]], list[Token]], tokens: list[Token]) -> list[Token]:
    for _ in range(_MOST_LAYERS):
        shorter = step(tokens)
        if len(shorter) == len(tokens):
            break
        tokens = shorter
    return tokens


def _without_lead(tokens: list[Token]) -> list[Token]:
    if not tokens:
        return tokens
    if tokens[0].key in MARKS and len(tokens) > 1:
        return tokens[1:]
    for rows, may_follow in (
        (_GREETINGS, _follows_greeting),
        (_WRAPS, lambda rest: rest[0].key in ASKING),
        (_PLEASE, lambda rest: not rest[0].exact),
        (_ASKED, lambda rest: rest[0].key in REQUESTS or rest[0].key in _DOING),
        (_KNOW, lambda rest: rest[0].key == "the"),
    ):
        match = match_at(tokens, 0, rows)
        if match and len(tokens) > match[0] and may_follow(tokens[match[0] :]):
            rest = tokens[match[0] :]
            if rows is _KNOW:
                return [Token("what"), Token("is"), *rest]
            return [Token(_DOING[rest[0].key]), *rest[1:]] if rest[0].key in _DOING else rest
    keys = [token.key for token in tokens[:3]]
    if keys[0] in _WRITING and keys[1:2] == ["me"] and keys[2:] in (["a"], ["an"]):
        return [tokens[0], *tokens[2:]]
    return tokens


def _follows_greeting(rest: list[Token]) -> bool:
    starts = ("can", "could", "would", "please", "do", "does", "is", "are", "i", "but")
    return rest[0].key in MARKS or rest[0].key in ASKING or rest[0].key in REQUESTS or rest[0].key in starts


def _without_end(tokens: list[Token]) -> list[Token]:
    """`tokens` without thanks, without what a request adds for politeness, and without marks at the end."""
    shorter = _without_marks(tokens)
    for at in range(max(1, len(shorter) - 6), len(shorter)):
        match = match_at(shorter, at, _THANKS)
        alone = shorter[at - 1].key in MARKS or shorter[at].key == "please"
        if match and at + match[0] == len(shorter) and alone:
            return shorter[:at]
    keys = [token.key for token in shorter[-2:]]
    told_to = {"for": REQUESTS, "to": _TELLING}.get(keys[0], frozenset()) if keys[1:] == ["me"] else frozenset()
    if len(shorter) > 3 and any(token.key in told_to for token in shorter[:5]):
        return shorter[:-2]
    return shorter


def _without_marks(tokens: list[Token]) -> list[Token]:
    end = len(tokens)
    while end > 1 and tokens[end - 1].key in MARKS:
        end -= 1
    return tokens[:end]
