"""What is said in several words, found in tokens and put in other words."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from app.likeness.tokens import Token

Table = Mapping[str, Sequence[tuple[tuple[str, ...], tuple[str, ...]]]]
"""By its first word: patterns, longest first, each with what is put in its place."""


def table(rows: Iterable[tuple[str, str]]) -> Table:
    """Patterns and their replacements; in a pattern `a|b` is either word, and `a?` may be left out."""
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for pattern, replacement in rows:
        for words in product(*[_choices(word) for word in pattern.split()]):
            kept = tuple(word for word in words if word)
            found.setdefault(kept[0], []).append((kept, tuple(replacement.split())))
    return {first: sorted(each, key=lambda row: -len(row[0])) for first, each in found.items()}


def _choices(word: str) -> list[str]:
    return [*word.rstrip("?").split("|"), *([""] if word.endswith("?") else [])]


def match_at(tokens: Sequence[Token], at: int, rows: Table) -> tuple[int, tuple[str, ...]] | None:
    """How many tokens the longest pattern has that stands at `at`, and its replacement."""
    for words, replacement in rows.get(tokens[at].key, ()):
        if len(words) <= len(tokens) - at and all(tokens[at + n].key == word for n, word in enumerate(words)):
            return len(words), replacement
    return None


def rewritten(tokens: Sequence[Token], rows: Table) -> list[Token]:
    """`tokens` with each pattern that they hold replaced, from left to right."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        match = match_at(tokens, at, rows)
        if match:
            found += [Token(word) for word in match[1]]
            at += match[0]
        else:
            found.append(tokens[at])
            at += 1
    return found
