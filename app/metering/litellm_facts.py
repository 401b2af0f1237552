"""What LiteLLM's price file tells of models beside their prices, and what of it is new here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.core.abilities import Capability
from app.core.jsonio import Json
from app.store.catalog import StoredModel
from app.store.prices import LITELLM

_ABILITIES: Mapping[str, Capability] = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_reasoning": "reasoning",
    "supports_web_search": "search",
    "supports_audio_input": "audio",
    "supports_pdf_input": "pdf",
}
_WRITES = ("chat", "responses", "completion", None)
_MODES: Mapping[Json, Capability] = {"embedding": "embedding", "image_generation": "image"}
_MOST = 1_000_000_000

FACTS = ("context_length", "max_output_tokens", "capabilities")

Facts = Mapping[tuple[str, str], StoredModel]
"""By the key of a provider in the configuration, and its name for a model."""


@dataclass(frozen=True)
class FactChange:
    """One model of which another thing would be known; None where nothing was, or is no longer."""

    provider: str
    model: str
    old: StoredModel | None
    new: StoredModel | None

    @property
    def kind(self) -> str:
        """In the words of prices."""
        return "new" if self.old is None else "no longer listed" if self.new is None else "changed"

    @property
    def sides(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """What was known, and what would be, by the names of `FACTS`."""
        old, new = (
            None if model is None else {name: getattr(model, name) for name in FACTS} for model in (self.old, self.new)
        )
        return old, new


def read_facts(provider: str, model: str, entry: Mapping[str, Json]) -> StoredModel | None:
    """What an entry of the file says of a provider's model; None where it says nothing that we keep."""
    if set(model) & {"*", "?"}:  # an entry for many
        return None
    facts = StoredModel(
        provider,
        model,
        LITELLM,
        context_length=_number(entry.get("max_input_tokens")),
        max_output_tokens=_number(entry.get("max_output_tokens")),
        capabilities=_capabilities(entry),
    )
    return facts if any(getattr(facts, name) is not None for name in FACTS) else None


def changes(stored: Iterable[StoredModel], facts: Facts) -> Iterator[FactChange]:
    """Each model of which `facts` say something new, and each that an earlier file had and this one has not."""
    before = {(model.provider, model.model.lower()): model for model in stored if model.source == LITELLM}
    providers = {provider for provider, _ in facts}
    for (provider, name), new in facts.items():
        old = before.pop((provider, name.lower()), None)
        # Whoever spells it otherwise now means the same row.
        new = new if old is None else replace(new, model=old.model)
        if new != old:
            yield FactChange(new.provider, new.model, old, new)
    yield from (FactChange(old.provider, old.model, old, None) for old in before.values() if old.provider in providers)


def rows_of(found: Sequence[FactChange]) -> tuple[list[StoredModel], list[StoredModel]]:
    """The rows to put in and those to take out, so that the changes come true."""
    return [each.new for each in found if each.new], [each.old for each in found if each.old and not each.new]


def _capabilities(entry: Mapping[str, Json]) -> tuple[Capability, ...] | None:
    mode = entry.get("mode")
    if mode in _MODES:
        return (_MODES[mode],)
    found = tuple(word for key, word in _ABILITIES.items() if entry.get(key) is True)
    # Of a model without any word nobody has looked.
    return ("completion", *found) if found and mode in _WRITES else None


def _number(value: Json | Decimal) -> int | None:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return int(value) if is_number and 0 < value <= _MOST and value == int(value) else None
