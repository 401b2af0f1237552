"""Numbers in words, with digits and in Roman digits, written in one way."""

import re

from app.likeness.tokens import Token
from app.likeness.units import unit_of

_SMALL = dict(zip(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen".split(), range(2, 20), strict=True,
))  # fmt: skip
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_ORDINAL = re.compile(r"(\d{1,2})(st|nd|rd|th)")
_ROMAN = dict(
    zip("II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX".split(), range(2, 21), strict=True)
)
# After these a single letter is a number too; `I` and `V` are words and names elsewhere.
_NUMBERED = frozenset("war part chapter type phase volume section article stage level".split())

NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)*")


def numbered(tokens: list[Token]) -> list[Token]:
    """`tokens` with their numbers in digits, ordinals up to the twentieth in words, and units by their full names."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        value, used = _spelled(tokens, at)
        if used:
            found.append(Token(str(value)))
            at += used
            continue
        found += _single(tokens[at], found[-1] if found else None)
        at += 1
    return found


def _spelled(tokens: list[Token], at: int) -> tuple[int, int]:
    """The number that is spelled from `at` on, and how many tokens do that; 0 tokens where none is."""
    total, part, used, sure = 0, 0, 0, False
    while at + used < len(tokens):
        key = tokens[at + used].key
        number = _value(key, first=used == 0)
        if number is not None and (part == 0 or (number < 10 and part % 10 == 0 and part % 100 != 10)):
            part, sure = part + number, sure or key in _SMALL or key in _TENS
        elif key in _SCALES and used:
            scale, sure = _SCALES[key], True
            total, part = (total, part * scale) if scale == 100 else (total + part * scale, 0)
        else:
            break
        used += 1
    return (total + part, used) if sure else (0, 0)


def _value(key: str, first: bool) -> int | None:
    if key == "one":
        return 1
    if first and key.isascii() and key.isdigit() and len(key) < 10 and (key[0] != "0"):
        return int(key)
    return _SMALL.get(key) or _TENS.get(key)


def _single(token: Token, before: Token | None) -> list[Token]:
    counted = before is not None and NUMBER.fullmatch(before.text) is not None
    if before is not None and token.text in _ROMAN and (len(token.text) > 1 or before.key in _NUMBERED):
        return [Token(str(_ROMAN[token.text]))]
    if before is not None and token.key == "i" and before.key in _NUMBERED:
        return [Token("1")]
    ordinal = _ORDINAL.fullmatch(token.key)
    if ordinal and 0 < int(ordinal[1]) <= len(_ORDINALS) and ordinal[2] == _suffix(int(ordinal[1])):
        return [Token(_ORDINALS[int(ordinal[1]) - 1])]
    name = unit_of(token.text, counted)
    return [Token(word) for word in name.split()] if name else [token]


def _suffix(number: int) -> str:
    return "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
