"""The document: its sections, and how it is read."""

from typing import Any

from app.desks.descriptions import SYNCED
from app.exchange.catalog import ChangedProviders, Models, Prices, Providers, Switches, TakenPrices
from app.exchange.people import Settings, Tokens, Users
from app.exchange.section import Entries, Section
from app.store.catalog import CUSTOM
from app.store.prices import LITELLM

FORMAT = "llm-relay-export"
VERSION = 1
NAMES = "names"

SECTIONS: tuple[Section, ...] = (
    Settings(),
    Providers(),
    ChangedProviders(),
    Switches(),
    Models("models", CUSTOM),
    Models("litellm_models", LITELLM),
    Models("described_models", SYNCED),
    Prices(),
    TakenPrices(),
    Users(),
    Tokens(),
)
MARKED = (ChangedProviders.name,)
"""Those in which the mark of a hidden value is what is kept of it: the value is elsewhere."""
OF_MODELS = ("models", "litellm_models", "described_models", Prices.name, TakenPrices.name)
"""Those whose keys are models, spelled in any case."""
_HEAD = ("format", "version")


class InvalidDocument(ValueError):
    """It cannot be brought in; the message has a line for each fault."""


def read_document(document: Any) -> dict[str, Entries]:
    """The entries of those sections that it has, checked. What it has of names is not looked at.

    Raises:
        InvalidDocument: it has faults.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidDocument(f"This is no export of LLM Relay: its 'format' is not {FORMAT!r}.")
    if document.get("version") != VERSION:
        raise InvalidDocument(
            f"The document has version {document.get('version')!r}; this gateway reads version {VERSION}."
        )
    sections = {section.name: section for section in SECTIONS}
    wanted: dict[str, Entries] = {}
    faults: list[str] = []
    for name, entries in document.items():
        if name in sections:
            wanted[name] = _check_all(sections[name], entries, faults)
        elif name not in (*_HEAD, NAMES):
            faults.append(f"{name}: unknown key; there are {', '.join((*sections, NAMES))}")
    if faults:
        raise InvalidDocument("\n".join(faults))
    return wanted


def _check_all(section: Section, entries: Any, faults: list[str]) -> Entries:
    if not isinstance(entries, dict):
        faults.append(f"{section.name}: must be an object")
        return {}
    checked: Entries = {}
    first: dict[str, str] = {}
    for key, entry in entries.items():
        if section.name in OF_MODELS and (other := first.setdefault(key.lower(), key)) != key:
            faults.append(f"{section.name}.{key}: stands there already, as {other}")
            continue
        try:
            checked[key] = section.check(key, entry)
        except ValueError as exc:
            faults += [f"{section.name}.{key}: {line}" for line in str(exc).splitlines()]
    return checked
