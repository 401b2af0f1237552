"""One part of the document: entries by their keys."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.core.jsonio import Json
from app.store.db import Database
from app.store.exchange import Write

Entries = dict[str, Json]


class Section(Protocol):
    """Tokens, prices and so on: how they are read, checked and written. An entry is what the document has."""

    @property
    def name(self) -> str:
        """What the document calls it."""

    async def read(self, db: Database) -> Entries:
        """All that are there, without secrets."""

    def check(self, key: str, entry: Any) -> Json:
        """`entry` as `read` would give it.

        Raises:
            ValueError: it cannot be; the message says why, a line each.
        """

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """What writes entries that were checked, in the place of those of the same keys, and takes others out."""


def as_object(entry: Any) -> dict[str, Any]:
    """`entry`, where it is an object.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(entry, dict):
        raise ValueError("must be an object")
    return entry


def split_model(key: str) -> tuple[str, str]:
    """The provider and the model of `provider/model`.

    Raises:
        ValueError: it is none.
    """
    provider, slash, model = key.partition("/")
    if provider != provider.lower():
        raise ValueError(f"the provider's key is written in lower case: {provider.lower()}/{model}")
    if not slash or not provider or not model.strip() or not model.isprintable() or set(model) & {"*", "?"}:
        raise ValueError("the key must be PROVIDER/MODEL")
    return provider, model
