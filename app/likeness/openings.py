"""How questions begin, put in one way; and what stands before the question, put after it."""

from app.likeness.phrases import match_at, table
from app.likeness.politeness import ASKING, REQUESTS
from app.likeness.tokens import MARKS, Token

_OPENINGS = table([
    ("how do|can|could|would i|we|one", "how to"),
    ("how does one", "how to"),
    ("how i|we can|could|would?", "how to"),
    ("what is the way|method|procedure to", "how to"),
    ("what are the steps|ways to", "how to"),
    ("is there a|any way to", "how to"),
    ("is there a|any way for me to", "how to"),
    ("what do i|we need|have to do to", "how to"),
    ("what can|could i|we do to", "how to"),
    ("where do|can|could i|we|one", "where to"),
    ("for how long", "how long"),
    ("who is|was it that", "who"),
    ("how tall is", "what is the height of"), ("how deep is", "what is the depth of"),
    ("how wide is", "what is the width of"), ("how heavy is", "what is the weight of"),
    ("how many people live in", "what is the population of"),
    ("how come", "why"),
    ("define", "what is"),
    ("what is meant by", "what is"),
    ("tell|give me the", "what is the"),
    ("in which|what year", "what year"),
    ("name the", "list the"),
    ("enumerate", "list"),
])  # fmt: skip
# A statement of what one wants, before the question how.
_WANTS = table([
    ("i want|need to", ""), ("i am trying to", ""), ("i would like to", ""),
])  # fmt: skip
_DO_THAT = [["how", "to", "do", "that"], ["how", "to", "do", "this"], ["how", "to", "do", "it"], ["how"]]
_BEFORE = frozenset("in on with for using under at if when after before to".split())
_STARTS = ASKING | REQUESTS | frozenset("is are was were do does did can could should will would must may".split())
_BE = ("is", "are", "was", "were")
_LONGEST_FRONT = 14  # words before the comma; longer ones are rather a story than a circumstance


def opened(tokens: list[Token]) -> list[Token]:
    """`tokens` with the question's opening in its plainest words, and the question itself first."""
    return _uninverted(_placed(_differing(_meaning(_start(_wanted(_behind(tokens)))))))


def _start(tokens: list[Token]) -> list[Token]:
    match = match_at(tokens, 0, _OPENINGS) if tokens else None
    if not match or match[0] == len(tokens):
        return tokens
    plain = [Token(word) for word in match[1]]
    return [*plain, *tokens[match[0] :]]


def _wanted(tokens: list[Token]) -> list[Token]:
    """`I want to clear the cache. How do I do that?` as `how to clear the cache`."""
    match = match_at(tokens, 0, _WANTS) if tokens else None
    marks = [at for at, token in enumerate(tokens) if token.key == "."]
    if not match or len(marks) != 1 or marks[0] <= match[0]:
        return tokens
    asked = [token.key for token in _start(tokens[marks[0] + 1 :])]
    return [Token("how"), Token("to"), *tokens[match[0] : marks[0]]] if asked in _DO_THAT else tokens


def _behind(tokens: list[Token]) -> list[Token]:
    """`In Python, how …` as `how … in Python`: a circumstance before the question says the same behind it."""
    comma = next((at for at, token in enumerate(tokens[: _LONGEST_FRONT + 1]) if token.key in (",", ".")), 0)
    if not comma or tokens[0].key not in _BEFORE or tokens[comma].key == "." or comma + 1 >= len(tokens):
        return tokens
    rest = tokens[comma + 1 :]
    if rest[0].key not in _STARTS or any(token.key in (".", ",") for token in rest):
        return tokens
    return [*rest, *tokens[:comma]]


def _meaning(tokens: list[Token]) -> list[Token]:
    """`what does X mean` as `what is the meaning of X`."""
    keys = [token.key for token in tokens]
    if len(keys) > 3 and keys[:2] == ["what", "does"] and keys[-1] == "mean":
        return [*(Token(word) for word in ("what", "is", "the", "meaning", "of")), *tokens[2:-1]]
    return tokens


def _differing(tokens: list[Token]) -> list[Token]:
    """`how do A and B differ` as `what is the difference between A and B`."""
    keys = [token.key for token in tokens]
    if len(keys) < 6 or keys[0] != "how" or keys[1] not in ("do", "does") or keys[-1] != "differ":
        return tokens
    if keys.count("and") != 1 or any(mark in keys for mark in MARKS):
        return tokens
    return [*(Token(word) for word in "what is the difference between".split()), *tokens[2:-1]]


def _placed(tokens: list[Token]) -> list[Token]:
    """`where is X located` as `where is X`; `how many are there in` as `how many are in`."""
    keys = [token.key for token in tokens]
    if len(keys) > 3 and keys[:2] in (["where", "is"], ["where", "are"]) and keys[-1] in ("located", "situated"):
        return tokens[:-1]
    there = keys.index("there") if "there" in keys else 0
    if (
        keys[:2] == ["how", "many"]
        and keys[there - 1 : there] == ["are"]
        and keys[there + 1 : there + 2] in (["in"], ["on"])
    ):
        return [*tokens[:there], *tokens[there + 1 :]]
    return tokens


def _uninverted(tokens: list[Token]) -> list[Token]:
    """`what the capital is` as `what is the capital`."""
    keys = [token.key for token in tokens]
    if len(keys) < 3 or keys[-1] not in _BE or keys[0] not in ASKING or any(key in _BE for key in keys[:-1]):
        return tokens
    place = 2 if keys[0] == "how" and keys[1] not in ("the", "a", "an", "my", "your") else 1
    return [*tokens[:place], tokens[-1], *tokens[place:-1]]
