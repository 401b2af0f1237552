"""A text as tokens: words, numbers with their units, marks, and what must be left exactly as it is."""

import re
import unicodedata
from collections.abc import Iterator

from app.core.frozen import frozen
from app.likeness.capitals import CAPITAL_MATTERS
from app.likeness.contractions import expanded
from app.likeness.units import measured


@frozen
class Token:
    """One piece of a text.

    Attributes:
        text: as it is written in the canonical form.
        exact: code, an identifier, a quotation, a symbol: it is compared with its case, and never rewritten.
    """

    text: str
    exact: bool = False

    @property
    def key(self) -> str:
        """What it is compared by."""
        return self.text if self.exact else self.text.lower()


MARKS = (".", ",")

# Fenced code, code in backticks, quotations, and lines that are indented, as those of code that nobody fenced.
_LEFT_ALONE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`|\"[^\"\n]{1,400}\"|(?<=\n)(?: {2,}|\t)[^\n]+", re.DOTALL)
_QUOTES = str.maketrans({**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‛`´", "'"), **dict.fromkeys("‐‑–", "-")})
# NFKC makes 102 of 10² and 11/2 of 1½.
_RAISED = re.compile("[⁰¹²³⁴-⁹ⁿ]+")
_FRACTION = re.compile("[¼-¾⅐-⅞]")
_OPENING, _CLOSING = "([{<'\"", ")]}>'\""
_MARK = {"?": ".", "!": ".", ".": ".", "…": ".", ",": ",", ";": ",", ":": ","}
_PLAIN = re.compile(r"[^\W\d_]+(?:['\-/][^\W\d_]+)*")
_NUMBERED = re.compile(r"(\d+)-([^\W\d_]+(?:-[^\W\d_]+)*)")


def split(text: str) -> list[Token]:
    """The tokens of `text`; `join` writes them as text again."""
    text = text.strip().translate(str.maketrans("“”", '""'))
    shouted = len(text.split()) > 2 and not any(letter.islower() for letter in text)
    tokens: list[Token] = []
    at = 0
    for left in _LEFT_ALONE.finditer(text):
        tokens += _plain(text[at : left.start()], shouted, not tokens)
        tokens.append(Token(left[0].rstrip() if left[0][0] in " \t" else left[0], exact=True))
        at = left.end()
    return tokens + list(_plain(text[at:], shouted, not tokens))


def join(tokens: list[Token]) -> str:
    """The text of `tokens`: a blank between them, a line of its own for what is one."""
    text = ""
    for token in tokens:
        block = token.exact and (token.text[0] in " \t" or token.text.startswith("```"))
        text += f"\n{token.text}\n" if block else f"{token.text} "
    return text.strip()


def _plain(text: str, shouted: bool, first: bool) -> Iterator[Token]:
    text = _RAISED.sub(lambda found: "^" + found[0], text)
    text = _FRACTION.sub(lambda found: " " + found[0], text)
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    for piece in text.split():
        for token in _piece(piece, shouted, first):
            yield token
            first = token.text == "."


def _piece(piece: str, shouted: bool, first: bool) -> Iterator[Token]:
    """The tokens of what stands between two blanks: brackets and marks around it, and its core."""
    if piece == "'s":
        yield Token(piece)
        return
    before, core, after = _peeled(piece)
    yield from (Token(mark, exact=True) for mark in before)
    if core:
        yield from _core(core, shouted, first)
    for mark in after:
        yield Token(_MARK[mark]) if mark in _MARK else Token(mark, exact=True)


def _peeled(piece: str) -> tuple[str, str, str]:
    start, end = 0, len(piece)
    while start < end and piece[start] in _OPENING:
        start += 1
    while end > start and (piece[end - 1] in _MARK or _closes_nothing(piece[start:end])):
        end -= 1
    return piece[:start], piece[start:end], piece[end:]


def _closes_nothing(piece: str) -> bool:
    """Whether its last character is a bracket or a quote that was opened outside: `f(x)` keeps its own."""
    place = _CLOSING.find(piece[-1])
    return place >= 0 and (_OPENING[place] == piece[-1] or piece.count(_OPENING[place]) < piece.count(piece[-1]))


def _core(core: str, shouted: bool, first: bool) -> Iterator[Token]:
    measure = measured(core)
    if measure:
        yield from (Token(each) for each in measure)
    elif numbered := _NUMBERED.fullmatch(core):
        yield Token(numbered[1])
        yield from (Token(_word(each, shouted, False)) for each in numbered[2].split("-"))
    elif _PLAIN.fullmatch(core):
        for each in expanded(core):
            yield Token(_word(each, shouted, first))
    elif core.lower() in ("u.s", "u.k", "p.m", "a.m"):
        yield Token(core.replace(".", "").upper() if core[0] in "uU" else core.replace(".", "").lower())
    else:
        yield Token(core, exact=True)


def _word(word: str, shouted: bool, first: bool) -> str:
    """`word` in small letters, unless its capitals tell it from another."""
    if shouted:
        return word.lower()
    if any(letter.isupper() for letter in word[1:]) or (word.lower() in CAPITAL_MATTERS and not first):
        return word
    return word.lower()
