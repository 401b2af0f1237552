"""The canonical form of a text, which is embedded and compared in its place."""

from app.likeness.numbers import numbered
from app.likeness.openings import opened
from app.likeness.phrases import rewritten, table
from app.likeness.politeness import bare
from app.likeness.spellings import american
from app.likeness.synonyms import ABOUT_WORDS
from app.likeness.tokens import SIGNS_OF_CODE, Token, join, split

LONGEST = 1_000
"""Characters of a text that is looked into; a longer one stands for itself alone: it is more than small embedders read, and
no reader would swear that two of that length ask for the same."""

_PASSES = 6
_PHRASES = table([
    ("per cent", "percent"), ("in order to", "to"), ("by using", "using"), ("with the help of", "using"),
    ("united states of america", "united states"), ("as well as", "and"), ("of the word", "of"), ("does the word", "does"),
    ("log into", "log in to"),
])  # fmt: skip
# In a text that is about words, or letters, spellings stay.
_SPELLING = ABOUT_WORDS | frozenset(
    "spells spelled spelt spelling spellings british american letter letters character characters vowel vowels consonant "
    "consonants syllable syllables typo typos string uppercase lowercase anagram palindrome scrabble".split()
)
_FILLERS = frozenset("actually basically really".split())


def normalise(text: str) -> str:
    """`text` without what carries no meaning, and with what is written in several ways written in one.

    Code, quotations, identifiers and words whose capitals matter stay as they are. A text of more than `LONGEST` characters
    is only stripped. The canonical form of a canonical form is itself.
    """
    text = text.strip()
    if len(text) > LONGEST:
        return text
    for _ in range(_PASSES):
        # A rule may uncover what another one looks for.
        shorter = _once(text)
        if shorter == text:
            break
        text = shorter
    return text


def _once(text: str) -> str:
    tokens = rewritten(split(text), _PHRASES)
    if not any(token.key in _SPELLING for token in tokens):
        tokens = numbered([token if token.exact else _spelled(token) for token in tokens])
    tokens = opened(bare(_without_fillers(tokens)))
    if SIGNS_OF_CODE.search(text):
        return join(tokens)
    return join([token for token in tokens if token.text != ","] or tokens)


def _spelled(token: Token) -> Token:
    other = american(token.key)
    return token if other == token.key else Token(other)


def _without_fillers(tokens: list[Token]) -> list[Token]:
    keys = [token.key for token in tokens]
    return [
        token for at, token in enumerate(tokens) if keys[at] not in _FILLERS or (at and keys[at - 1] in ("not", "is"))
    ] or tokens
