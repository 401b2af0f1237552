"""Changes that administrators make: who makes one, and what the audit log is told of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.core.jsonio import Json, is_same
from app.core.moments import write_moment
from app.core.money import write_usd
from app.core.redaction import MARK, redact_json

_SECRET = re.compile(
    r"password|passwd|secret|credential|authorization|cookie|digest"
    r"|(^|[_-])(api[_-]?)?keys?$|(^|access|auth|bearer|refresh|api)[_-]?token$",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"_env$")
_LONGEST = 4000
_MOST_LETTERS = 50_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes changes: `kind` is `admin`, `token` or `cli`, and `name` who of them; `address` where they are."""

    kind: str
    name: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


_NOBODY = Actor("gateway", "itself")
ACTOR: ContextVar[Actor] = ContextVar("actor", default=_NOBODY)
"""Who acts now. A request for the administrators' API sets it, and so does a command."""


@dataclass(slots=True)
class Change:
    """One change, on its way into the audit log.

    Attributes:
        action: such as `token.modify`.
        subject: what is changed: its id or name.
        before, after: its fields; None where it is not there. They are cleaned of secrets when they are written.
        taken: a transaction has made it and written it into the log, or has found that it changes nothing.
    """

    action: str
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    actor: Actor = field(default_factory=lambda: ACTOR.get())
    taken: bool = False

    @property
    def is_none(self) -> bool:
        """All is afterwards as it was before. What tells of no fields is an act, and no such thing."""
        if self.before is None and self.after is None:
            return False
        return is_same(_plain(dict(self.before or {})), _plain(dict(self.after or {})))


_PENDING: ContextVar[Change | None] = ContextVar("pending_change", default=None)


@contextmanager
def changing(
    action: str, subject: str, *, before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None
) -> Iterator[Change]:
    """The first transaction in this block that writes to the database also writes this change into the audit log.

    So neither is there without the other. A block that raises before its transaction is over leaves no entry. Where `after`
    is what `before` was, that transaction is rolled back, so that there is neither. What does not happen in the database is
    told by `app.store.audit.acting` instead.
    """
    change = Change(action, subject, before, after)
    token = _PENDING.set(change)
    try:
        yield change
    finally:
        _PENDING.reset(token)


def pending_change() -> Change | None:
    """The change that a transaction of now is to write down; None where there is none, or it is written already."""
    change = _PENDING.get()
    return None if change is None or change.taken else change


def sides(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Json, Json]:
    """Both as JSON, without what is secret by its name or its looks; long texts are cut.

    What looks the same in both then, and is another all the same, is marked so in the second.
    """
    old, new = (
        None if side is None else redact_json(_hidden(_plain(dict(side), _LONGEST))) for side in (before, after)
    )
    return old, _marked(old, new, _plain(dict(before or {})), _plain(dict(after or {})))


def hide_secrets(fields: Mapping[str, Any]) -> Json:
    """Fields as JSON, without what is secret by its name or its looks."""
    return redact_json(_hidden(_plain(dict(fields))))


Became = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]
"""The name of what is changed, and its fields before and after; None where it is not there."""


def abridged(changes: Iterable[Became]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides of many changes by their names: as many as an entry of the log should hold, and how many more there are."""
    before, after, more = dict[str, Any](), dict[str, Any](), 0
    left = _MOST_LETTERS
    for name, old, new in changes:
        left -= sum(map(len, map(str, (name, old, new))))
        if left < 0 and (before or after):
            more += 1
            continue
        before |= {} if old is None else {name: old}
        after |= {} if new is None else {name: new}
    if more:
        after["and more"] = more
    return before, after


def _plain(value: Any, longest: int | None = None) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _plain(each, longest) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, longest) for each in value]
    if isinstance(value, Decimal):
        return write_usd(value)
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if longest is None or len(text) <= longest else f"{text[:longest]}…"


def _hidden(value: Json, name: str = "") -> Json:
    if value not in (None, "", []) and _SECRET.search(name) and not _NO_SECRET.search(name):
        return MARK
    if isinstance(value, dict):
        if name == "headers":  # which of them hold a secret, nobody can tell
            return dict.fromkeys(value, MARK)
        return {key: _hidden(each, key) for key, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else value


def _marked(before: Json, after: Json, plain_before: Json, plain_after: Json) -> Json:
    """`after`; what looks there as it did `before`, and is another, is marked so."""
    if plain_before == plain_after:
        return after
    match (before, after, plain_before, plain_after):
        case dict(), dict(), dict(), dict():
            return {
                key: _marked(before.get(key), each, plain_before.get(key), plain_after.get(key))
                for key, each in after.items()
            }
        case list(), list(), list(), list() if len(before) == len(after):
            return [_marked(*each) for each in zip(before, after, plain_before, plain_after, strict=True)]
    return f"{after} (changed)" if before == after and after is not None else after
