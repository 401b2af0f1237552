"""The audit log for those who look at it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.store.audit import read_entries, read_values, verify_entries
from app.store.audit_entries import Entry as Entry
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some entries, the newest first. `next` is the number before which the page behind begins; None where there is none."""

    entries: Sequence[Entry]
    next: int | None


class AuditDesk:
    """All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, *, before_number: int | None = None, actor: str = "", action: str = "", limit: int = 50
    ) -> EntryPage:
        """Those before a number, and of one actor or action where that is given."""
        found = await read_entries(self._db, before_number=before_number, actor=actor, action=action, most=limit + 1)
        return EntryPage(found[:limit], found[limit - 1].number if len(found) > limit else None)

    async def filters(self) -> tuple[list[str], list[str]]:
        """The actors and the actions that there are."""
        return await read_values(self._db, "actor"), await read_values(self._db, "action")

    async def verify(self) -> tuple[int, str | None]:
        """How many entries there are, and what is wrong with the first that is not as it was written; None where all are."""
        return await verify_entries(self._db)
