"""What a text says, as far as it can be compared with what another one says."""

import re
from functools import lru_cache

from app.core.frozen import frozen
from app.likeness.capitals import is_told_by_case
from app.likeness.language import language_of
from app.likeness.normal import normalise
from app.likeness.order import ordered
from app.likeness.phrases import rewritten
from app.likeness.politeness import ASKING
from app.likeness.synonyms import ABOUT_WORDS, CANONICAL, PHRASES
from app.likeness.tokens import MARKS, SIGNS_OF_CODE, Token, split

_LIGHT = frozenset("a an the is are am".split())
_ARTICLES = frozenset("a an the".split())
_HELPING = frozenset("was were did will would can could should must may might shall".split())
_ASKS_WHETHER = _HELPING | frozenset("is are am do does has have had".split())
# With one of these, or in a text of several clauses, it matters where `not` stands.
_PLACED = frozenset(
    "all every each any some both either only most many few and or but if because when while that who which unless . , than".split()
)
_FEWEST = 3  # words of a text whose every word may be its subject: what is smart?
_CAPITAL = re.compile(r"(?<=\S )[\"(]?([A-Z]\w*)")


@frozen
class Reading:
    """A text, read.

    Attributes:
        words: that carry meaning, in an order that two ways to say the same share.
        helping: `was`, `will`, `not` and the like, which change their place between a question and a statement.
        does: the verb stands without its `s`, since `does` has it.
        forms: how a word was written, where it was not in small letters.
        names: words with a capital.
        language: where it can be told.
    """

    words: tuple[str, ...]
    helping: tuple[str, ...]
    does: bool
    forms: dict[str, frozenset[str]]
    names: frozenset[str]
    language: str | None


@lru_cache(maxsize=256)  # a question is held against several, and asked again
def read(text: str) -> Reading:
    """Read `text`, which is not longer than what `normalise` looks into. To be read only: it is kept."""
    canonical = normalise(text)
    written = split(canonical)
    coded = SIGNS_OF_CODE.search(canonical) is not None
    asks_whether = bool(written) and written[0].key in _ASKS_WHETHER
    literal = len(written) <= _FEWEST or any(token.key in ABOUT_WORDS for token in written)
    tokens = _possessed(written if literal else rewritten(written, PHRASES))
    tokens = [token for at, token in enumerate(tokens) if not _is_light_mark(tokens, at, coded)]
    keys = [token.key for token in tokens]
    words = [token.key if literal or token.exact else CANONICAL.get(token.key, token.key) for token in tokens]
    if asks_whether:
        words.insert(0, "whether")
        keys.insert(0, "whether")
    words, helping = _parted(keys, words)
    forms: dict[str, frozenset[str]] = {}
    for token in tokens:
        forms[token.key] = forms.get(token.key, frozenset()) | {token.text}
    names = frozenset(name.lower() for name in _CAPITAL.findall(text))
    return Reading(tuple(ordered(words)), tuple(helping), "does" in keys, forms, names, language_of(canonical))


def _parted(keys: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """The words that carry meaning in their order, and the helping ones, sorted; those stay where their place matters."""
    helpers = {key for key in keys if key in _HELPING}
    free = set()
    if not _PLACED & set(keys[1:]):
        free = {word for word in ("not", *helpers) if keys.count(word) == 1 and (word == "not" or len(helpers) == 1)}
    main, helping = [], []
    for at, (key, word) in enumerate(zip(keys, words, strict=True)):
        if key in free:
            helping.append(key)
        elif (key not in _LIGHT or _makes_a_name(keys, at)) and not _is_empty_do(keys, at):
            main.append(word)
    return main, sorted(helping)


def _is_light_mark(tokens: list[Token], at: int, coded: bool) -> bool:
    """A comma; and what stands in its place before the question: it does not charge. What can I do?"""
    token, behind = tokens[at], tokens[at + 1 : at + 2]
    asks = bool(behind) and behind[0].key in ASKING and not any(each.key in MARKS for each in tokens[at + 1 :])
    return not coded and (token.text == "," or (token.text == "." and asks))


def _makes_a_name(keys: list[str], at: int) -> bool:
    """Whether an article tells a thing from a name: an amazon, Amazon."""
    return keys[at] in _ARTICLES and at + 1 < len(keys) and is_told_by_case(keys[at + 1])


def _is_empty_do(keys: list[str], at: int) -> bool:
    if keys[at] == "does":
        return True
    return keys[at] == "do" and at + 1 < len(keys) and keys[at - 1 : at] != ["to"] and keys[at + 1] not in MARKS


def _possessed(tokens: list[Token]) -> list[Token]:
    """`what is Iceland's population` as `what is population of Iceland`: at the end of a text that has but one `'s`."""
    keys = [token.key for token in tokens]
    if keys.count("'s") != 1:
        return tokens
    at = keys.index("'s")
    start = next((n for n in range(at - 1, -1, -1) if keys[n] in ("is", "are", "was", "were", "of")), None)
    owner = tokens[start + 1 : at] if start is not None else []
    owned = tokens[at + 1 :]
    if (
        start is None
        or not 0 < len(owner) <= 3
        or not 0 < len(owned) <= 3
        or any(token.key in _JOINTS for token in owned)
    ):
        return tokens
    return [*tokens[: start + 1], *owned, Token("of"), *owner]


_JOINTS = frozenset("in on for with of at by from to and or not . ,".split())
