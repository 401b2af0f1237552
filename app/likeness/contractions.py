"""Contractions, and the few words that are written both in one and in two."""

WHOLE = {
    "can't": "can not",
    "cant": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "ain't": "is not",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "arent": "are not",
    "wasnt": "was not",
    "couldnt": "could not",
    "shouldnt": "should not",
    "whats": "what is",
    "let's": "let us",
    "e-mail": "email",
    "e-mails": "emails",
    "wi-fi": "wifi",
    "on-line": "online",
    "and/or": "and/or",
    "km/h": "km/h",
}
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am", "'d": " would"}
# After these 's is "is"; after a noun it is taken for the possessive.
_IS = frozenset("what who where when how why that there here it he she".split())


def expanded(word: str) -> list[str]:
    """The words that `word` stands for: `don't` is do and not, `Iceland's` is Iceland and 's."""
    lower = word.lower()
    if lower in WHOLE:
        return WHOLE[lower].split()
    for ending, meant in _ENDINGS.items():
        if lower.endswith(ending) and len(word) > len(ending):
            return [word[: -len(ending)], meant.strip()]
    if lower.endswith("'s") and len(word) > 2:
        return [word[:-2], "is" if lower[:-2] in _IS else "'s"]
    return [word] if "'" in word else _parts(word)


def _parts(word: str) -> list[str]:
    """`real-time` as real, time; `either/or` as either, /, or."""
    return word.replace("-", " ").replace("/", " / ").split()
