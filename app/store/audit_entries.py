"""Entries of the audit log: how they are numbered, hashed and written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.audit import Change, sides
from app.core.jsonio import Json
from app.store.statements import Statements
from app.store.times import now_ms

FIRST_HASH = "0" * 64
"""What stands in the first entry for the hash of the one before."""

# The number of the last entry, also where it was removed: nobody can shorten the log at its end unseen, and two that write
# at once wait for each other here.
_NEXT = (
    "INSERT INTO revisions (subject, number) VALUES ('audit', 1)"
    " ON CONFLICT (subject) DO UPDATE SET number = revisions.number + 1 RETURNING number"
)
_LAST = "SELECT hash FROM audit_log WHERE number = :number"
COLUMNS = ("number", "at", "actor", "address", "action", "subject", "before", "after", "previous_hash", "hash")
_INSERT = (
    f"INSERT INTO audit_log ({', '.join(COLUMNS)})"  # noqa: S608 - our columns
    f" VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, by the names of the table's columns."""

    number: int
    at: int
    actor: str
    address: str
    action: str
    subject: str
    before: Json
    after: Json
    previous_hash: str
    hash: str

    def has_true_hash(self) -> bool:
        """What it says of itself is what was hashed."""
        fields = {name: getattr(self, name) for name in COLUMNS if name not in ("previous_hash", "hash")}
        return self.hash == _hash(self.previous_hash, fields)


def append(statements: Statements, change: Change) -> None:
    """Write `change` into the log, within the transaction of `statements`."""
    number = int(statements.rows(_NEXT, {})[0][0])
    last = statements.rows(_LAST, {"number": number - 1})
    before, after = sides(change.before, change.after)
    fields: dict[str, Any] = {
        "number": number,
        "at": now_ms(),
        "actor": str(change.actor)[:128],
        "address": change.actor.address[:64],
        "action": change.action,
        "subject": change.subject.replace("\0", "?"),
        "before": before,
        "after": after,
    }
    previous = str(last[0][0]) if last else FIRST_HASH
    stored = fields | {side: _as_text(fields[side]) for side in ("before", "after")}
    statements.rows(_INSERT, stored | {"previous_hash": previous, "hash": _hash(previous, fields)})


def _hash(previous: str, fields: Mapping[str, Any]) -> str:
    written = json.dumps([fields[name] for name in sorted(fields)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{written}".encode()).hexdigest()


def _as_text(value: Json) -> str | None:
    return None if value is None else json.dumps(value)
