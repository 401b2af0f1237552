"""A text as tokens: words, numbers with their units, marks, and what must be left exactly as it is."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.likeness.capitals import is_told_by_case
from app.likeness.contractions import WHOLE, expanded
from app.likeness.units import measured


@dataclass(slots=True)
class Token:
    """One piece of a text.

    Attributes:
        text: as it is written in the canonical form.
        key: what it is compared by.
        exact: code, an identifier, a quotation, a symbol: it is compared with its case, and never rewritten.
    """

    text: str
    exact: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.text if self.exact else self.text.lower()


Casing = Callable[[str, bool], str]
"""A word in small letters, unless its capitals tell it from another; told whether it begins a sentence."""

MARKS = (".", ",")

SIGNS_OF_CODE = re.compile(r"[{}]|=>|->|==|\(\)")
"""What stays in the canonical form of code: where one of these is, a comma may be all that is wrong."""

CODE = re.compile(r"[{}]|=>|->|==|\(\)|;\s*(?:\n|$)|\n {2,}\S|\n\t")
"""What text has that is code though nobody marked it so: its capitals are left as they are."""

# Fenced code, code in backticks, quotations, and lines that are indented, as those of code that nobody fenced.
_LEFT_ALONE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`|\"[^\"\n]{1,400}\"|(?<=\n)(?: {2,}|\t)[^\n]+", re.DOTALL)
_QUOTES = str.maketrans({**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‛`´", "'"), **dict.fromkeys("‐‑–", "-")})
# NFKC makes 102 of 10² and 11/2 of 1½.
_RAISED = re.compile("[⁰¹²³⁴-⁹ⁿ]+")
_FRACTION = re.compile("[¼-¾⅐-⅞]")
_OPENING, _CLOSING = "([{<'\"", ")]}>'\""
_BEGINNING = "¿¡"  # of a Spanish sentence; its end says the same
_MARK = {"?": ".", "!": ".", ".": ".", "…": ".", ",": ",", ";": ",", ":": ","}
# A tuple of one, and a factorial: marks that are none of a sentence.
_MEANT = re.compile(r"[(\[{]\S*[,;:][)\]}]|(?:\d+|[A-Za-z])!+")
_MOST_PEELED = 20  # characters from each end of a piece; more is no prose
_PLAIN = re.compile(r"[^\W\d_]+(?:['\-/][^\W\d_]+)*")
_NUMBERED = re.compile(r"(\d+)-([^\W\d_]+(?:-[^\W\d_]+)*)")


def split(text: str) -> list[Token]:
    """The tokens of `text`; `join` writes them as text again."""
    text = text.strip().translate(str.maketrans("“”", '""'))
    cased = _casing(text)
    tokens: list[Token] = []
    at = 0
    for left in _LEFT_ALONE.finditer(text):
        tokens += _plain(text[at : left.start()], cased, not tokens)
        tokens.append(Token(left[0].rstrip() if left[0][0] in " \t" else left[0], exact=True))
        at = left.end()
    return tokens + list(_plain(text[at:], cased, not tokens))


def join(tokens: list[Token]) -> str:
    """The text of `tokens`: a blank between them, a line of its own for what is one."""
    text = ""
    for token in tokens:
        block = token.exact and (token.text[0] in " \t" or token.text.startswith("```"))
        text += f"\n{token.text}\n" if block else f"{token.text} "
    return text.strip()


def _plain(text: str, cased: Casing, first: bool) -> Iterator[Token]:
    text = _RAISED.sub(lambda found: "^" + found[0], text)
    text = _FRACTION.sub(lambda found: " " + found[0], text)
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    for piece in text.split():
        for token in _piece(piece, cased, first):
            yield token
            first = token.text == "."


def _piece(piece: str, cased: Casing, first: bool) -> Iterator[Token]:
    """The tokens of what stands between two blanks: brackets and marks around it, and its core."""
    if piece.isalpha() and piece.lower() not in WHOLE:  # most are plain words
        yield Token(cased(piece, first))
        return
    if piece == "'s":
        yield Token(piece)
        return
    if _MEANT.fullmatch(bare := piece.rstrip("?.")):
        yield Token(bare, exact=True)
        yield from (Token(_MARK[mark]) for mark in piece[len(bare) :])
        return
    before, core, after = _peeled(piece.lstrip(_BEGINNING) or piece)
    yield from (Token(mark, exact=True) for mark in before)
    if core:
        yield from _core(core, cased, first)
    for mark in after:
        yield Token(_MARK[mark]) if mark in _MARK else Token(mark, exact=True)


def _peeled(piece: str) -> tuple[str, str, str]:
    start, end = 0, len(piece)
    while start < min(end, _MOST_PEELED) and piece[start] in _OPENING:
        start += 1
    while max(start, len(piece) - _MOST_PEELED) < end and (
        piece[end - 1] in _MARK or _closes_nothing(piece[start:end])
    ):
        end -= 1
    return piece[:start], piece[start:end], piece[end:]


def _closes_nothing(piece: str) -> bool:
    """Whether its last character is a bracket or a quote that was opened outside: `f(x)` keeps its own."""
    place = _CLOSING.find(piece[-1])
    return place >= 0 and (_OPENING[place] == piece[-1] or piece.count(_OPENING[place]) < piece.count(piece[-1]))


def _core(core: str, cased: Casing, first: bool) -> Iterator[Token]:
    measure = measured(core)
    if measure:
        yield from (Token(each) for each in measure)
    elif numbered := _NUMBERED.fullmatch(core):
        yield Token(numbered[1])
        yield from (Token(cased(each, False)) for each in numbered[2].split("-"))
    elif _PLAIN.fullmatch(core):
        for each in expanded(core):
            yield Token(cased(each, first))
    elif core.lower() in ("u.s", "u.k", "p.m", "a.m"):
        yield Token(core.replace(".", "").upper() if core[0] in "uU" else core.replace(".", "").lower())
    else:
        yield Token(core, exact=True)


def _casing(text: str) -> Casing:
    if CODE.search(text):
        return lambda word, _first: word
    if len(text.split()) > 2 and not any(letter.islower() for letter in text):
        return lambda word, _first: word.lower()
    return _small


def _small(word: str, first: bool) -> str:
    if word.islower():
        return word
    if any(letter.isupper() for letter in word[1:]) or (is_told_by_case(word) and not first):
        return word
    return word.lower()
