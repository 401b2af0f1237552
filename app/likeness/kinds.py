"""Which kind of difference a word makes, by the lists that it stands in."""

from app.likeness.numbers import NUMBER
from app.likeness.oppositions import are_opposed, is_negated
from app.likeness.units import SYMBOLS

_LISTS = {
    "negation": "not no never none nobody nothing nowhere neither nor without except unless hardly barely excluding",
    "question word": "what who whom whose when where why how whether many much often",
    "tense": "was were did will would shall had has have been be being going used",
    "modality": "can could should must may might need ought allowed",
    "comparative": "more less fewer most least better best worse worst than as enough too equal up under over above below "
    "between all some any every each both either only many few several almost exactly",
    "order": "to from by of for with into onto in on at via before after since until",
    "person": "i you he she we they me him her us them my your his our their mine yours one's 's",
    "currency": "dollars dollar euros euro gbp usd eur chf cad aud yen yuan won rupees rubles peso pesos francs kroner sek nok "
    "cents bitcoin ethereum zloty ¥",
    "date": "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday today tomorrow yesterday spring summer autumn fall winter am pm bc ad bce ce q1 q2 q3 q4 "
    "morning noon afternoon evening night midnight weekends weekdays daily weekly monthly yearly next last previous "
    "following utc est pst cet gmt first second third fourth",
    "language": "english french german spanish italian dutch portuguese chinese japanese korean thai hindi arabic russian "
    "polish greek latin turkish",
}
_KIND = {word: kind for kind, words in _LISTS.items() for word in words.split()}
_UNITS = frozenset(word for names in SYMBOLS.values() for word in names.split()) | frozenset(
    "acre acres hectare hectares teaspoons tablespoons cups bar psi pascal kelvin bits bytes inches days weeks months years "
    "meter foot mile liter gallon gallons tonne pint pints".split()
)


def kind_of_pair(one: str, other: str) -> str | None:
    """What kind of difference it is that one text has `one` where the other has `other`; None where the two are unrelated."""
    if are_opposed(one, other):
        return "antonym"
    return "negation" if is_negated(one, other) else None


def kind_of(word: str, names: frozenset[str]) -> str:
    """What kind of word `word` is; `names` are those that somebody wrote with a capital."""
    if NUMBER.fullmatch(word):
        return "number"
    if word in _KIND:
        return _KIND[word]
    if word in _UNITS:
        return "unit"
    if word in names:
        return "entity"
    if any(not letter.isalpha() for letter in word):
        return "identifier"
    return "comparative" if len(word) > 5 and word.endswith("est") else "word"
