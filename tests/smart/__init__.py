"""Smart models as tests need them."""

from typing import Any

from app.core.book import Book, Entry
from app.core.smart import CLASSES, Kind, SmartModel

CANDIDATES = [{"model": "acme/small", "notes": "quick"}, {"model": "acme/large", "notes": "thorough"}]

_LEAST: dict[Kind, dict[str, Any]] = {
    "alias": {"target": "acme/gpt-x"},
    "redirect": {"target": "acme/gpt-x"},
    "router": {
        "designator_model": "acme/picker",
        "purpose": "Pick the cheapest that will do.",
        "candidates": CANDIDATES,
        "fallback_model": "acme/gpt-x",
    },
    "cache": {"target_model": "acme/gpt-x"},
    "augmentor": {"target_model": "acme/gpt-x", "designator_model": "acme/picker"},
}


def make_smart(kind: Kind, name: str, **fields: Any) -> SmartModel:
    """A smart model of that kind, with as little as it needs beside what is given."""
    return CLASSES[kind].model_validate({"name": name, **_LEAST[kind], **fields})


def make_entry(kind: Kind, name: str, learned: object = None, **fields: Any) -> Entry:
    """The same, as it is found in a book."""
    return Entry(f"{kind[:4]:0<4}{len(name):04}", make_smart(kind, name, **fields), learned)


class Shelf:
    """Holds a book that a test has put there."""

    def __init__(self, *entries: Entry) -> None:
        self.book = Book(entries)
