"""Words that mean something else with a capital, or in capitals."""

CAPITAL_MATTERS = frozenset(
    "us it who aids polish turkey china march may apple amazon reading nice mobile job lent august "
    "guinea chad jordan georgia cuba java python ruby rust go swift oracle windows word excel access "
    "shell target gap dove mars mercury earth sun moon frank mark bill will grant rose hope faith chase "
    "ram can is or as at in so no nice split bath cork cologne champagne bordeaux porto hamburger "
    "delta united ford galaxy pixel eclipse spring react vue express flask spark meta alphabet visa".split()
) - frozenset(
    # Typed in small letters by most who mean the name; nothing else is likely with a model's question about them.
    "can will is or as at in so no word excel python java ruby windows react vue earth mars mercury".split()
)


def is_told_by_case(word: str) -> bool:
    """Whether `word` may be another with its letters in the other case: also each single letter, as in C and c."""
    return word.lower() in CAPITAL_MATTERS or (len(word) == 1 and word.lower() not in "ia")
