"""The order of words, put in one way where two ways say the same."""

_ENDS = frozenset("in on for with of at by from to between".split())
_BEFORE_VERBS = frozenset("i you we they".split())
_BEFORE_THINGS = _ENDS | frozenset("choose use prefer take buy get eat drink learn better".split())
_LONGEST = 4  # words of one side


def ordered(words: list[str]) -> list[str]:
    """`words` with the two sides of `between A and B`, `compare A and B`, `A or B`, `to A from B` in one order."""
    words = _sides(words, "between", ("and",))
    if words and words[0] == "compare":
        words = _sides(words, "compare", ("and", "with", "to"))
    return _way(_choice(words))


def _sides(words: list[str], opening: str, joints: tuple[str, ...]) -> list[str]:
    if words.count(opening) != 1:
        return words
    start = words.index(opening) + 1
    joint = next((at for at in range(start + 1, len(words)) if words[at] in joints), None)
    if joint is None or joint - start > _LONGEST:
        return words
    end = next(
        (at for at in range(joint + 1, len(words)) if words[at] in _ENDS or words[at] in ("and", "or", ".")), len(words)
    )
    if not 0 < end - joint - 1 <= _LONGEST or (end < len(words) and words[end] in ("and", "or")):
        return words
    one, other = sorted([words[start:joint], words[joint + 1 : end]])
    return [*words[:start], *one, "and", *other, *words[end:]]


def _choice(words: list[str]) -> list[str]:
    """Only a choice of two single words, since nobody can tell where a longer one begins: raw fish or meat."""
    if words.count("or") != 1 or "not" in words:
        return words
    at = words.index("or")
    if not 1 < at < len(words) - 1:
        return words
    is_last = at + 2 == len(words) or words[at + 2] in _ENDS
    if words[at - 2] not in _BEFORE_VERBS and not (is_last and words[at - 2] in _BEFORE_THINGS):
        return words
    one, other = sorted([words[at - 1], words[at + 1]])
    return [*words[: at - 1], one, "or", other, *words[at + 2 :]]


def _way(words: list[str]) -> list[str]:
    if words.count("from") != 1 or words.count("to") != 1:
        return words
    source, target = words.index("from"), words.index("to")
    if source < target or not 1 < source - target <= _LONGEST or not 1 < len(words) - source <= _LONGEST:
        return words
    if words[target - 1 : target] == ["how"] or any(word in _ENDS for word in words[source + 1 :]):
        return words
    return [*words[:target], *words[source:], *words[target:source]]
