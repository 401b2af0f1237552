"""Why two texts must not share an answer, however alike they are."""

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from app.likeness.capitals import is_told_by_case
from app.likeness.kinds import kind_of, kind_of_pair
from app.likeness.normal import LONGEST
from app.likeness.reading import Reading, read
from app.likeness.tokens import CODE

_NOTHING = "–"


def differences(asked: str, stored: str) -> tuple[str, ...]:
    """The reasons why the answer to `stored` must not be given to `asked`: `number: 3 / 5`; none where no reason is found.

    Two texts agree when they say the same words in the same order, apart from what is known not to matter: what `normalise`
    takes away, synonyms, articles, and the place of helping verbs. All else is a reason, so that what nobody thought of is
    one too. Texts of more than `LONGEST` characters agree only when they are the same, which bounds the work for any text.
    """
    asked, stored = asked.strip(), stored.strip()
    if asked == stored:
        return ()
    if max(len(asked), len(stored)) > LONGEST:
        return ("length: too long to be judged",)
    one, other = read(asked), read(stored)
    reasons = [*_languages(one, other), *_words(one, other), *_cases(asked, stored, one, other)]
    return tuple(dict.fromkeys(reasons))


def _languages(one: Reading, other: Reading) -> list[str]:
    if one.language and other.language and one.language != other.language:
        return [f"language: {one.language} / {other.language}"]
    return []


def _words(one: Reading, other: Reading) -> list[str]:
    if one.helping == other.helping and _same(one, other):
        return []
    left, right = Counter([*one.words, *one.helping]), Counter([*other.words, *other.helping])
    only_left, only_right = list((left - right).elements()), list((right - left).elements())
    if not only_left and not only_right:
        return [f"order: {' '.join(one.words)} / {' '.join(other.words)}"]
    return _named(only_left, only_right, one.names | other.names)


def _same(one: Reading, other: Reading) -> bool:
    """Whether the words are the same, where `does it work` is the same as `it works`."""
    return len(one.words) == len(other.words) and all(
        left == right
        or (one.does and not other.does and _third(left) == right)
        or (other.does and not one.does and left == _third(right))
        for left, right in zip(one.words, other.words, strict=True)
    )


def _third(verb: str) -> str:
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2:-1] not in "aeiou" else f"{verb}s"


def _named(lefts: list[str], rights: list[str], names: frozenset[str]) -> list[str]:
    """A reason for each word that only one of the texts has: opposites together, the others as they come."""
    found = []
    for left in list(lefts):
        for right in list(rights):
            kind = kind_of_pair(left, right)
            if kind and left in lefts:
                found.append(f"{kind}: {left} / {right}")
                lefts.remove(left)
                rights.remove(right)
    found += [f"{_kind(left, right, names)}: {left} / {right}" for left, right in _side_by_side(lefts, rights, names)]
    return found


def _side_by_side(lefts: list[str], rights: list[str], names: frozenset[str]) -> Iterator[tuple[str, str]]:
    def rank(word: str) -> str:
        return kind_of(word, names)

    return zip_longest(sorted(lefts, key=rank), sorted(rights, key=rank), fillvalue=_NOTHING)


def _kind(left: str, right: str, names: frozenset[str]) -> str:
    """The kind of whichever of the two says more than that it is a word."""
    kinds = [kind_of(word, names) for word in (left, right) if word != _NOTHING]
    return next((kind for kind in kinds if kind != "word"), "word")


def _cases(asked: str, stored: str, one: Reading, other: Reading) -> list[str]:
    """Words that are told apart by their capitals alone, or by those in code."""
    found = []
    coded = CODE.search(asked) or CODE.search(stored)
    for key in one.forms.keys() & other.forms.keys():
        left, right = one.forms[key], other.forms[key]
        if left != right and (coded or is_told_by_case(key) or all(map(_has_capital_inside, left | right))):
            found.append(f"case: {' '.join(sorted(left))} / {' '.join(sorted(right))}")
    return sorted(found)


def _has_capital_inside(word: str) -> bool:
    return any(letter.isupper() for letter in word[1:])
