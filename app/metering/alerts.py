"""Alerts: what an operator has to know of, counted from finished calls and from the gateway itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.alert import AlertKey
from app.core.audit import changing
from app.core.errors import Unavailable
from app.core.jsonio import Json
from app.core.moments import write_moment
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import NO_USAGE
from app.store.alerts import (
    MS_PER_HOUR,
    AlertHour,
    NoAlert,
    count_alerts,
    dismiss_alert,
    forget_alerts,
    read_alerts,
)
from app.store.db import Database
from app.store.statements import Statements
from app.store.times import MS_PER_DAY, from_ms, now_ms

log = logging.getLogger(__name__)

Note = Callable[[str, str], Awaitable[None]]

PERIOD_H = 24
DISMISSED_MS = MS_PER_DAY
KEPT_DAYS = 30
BACKLOG_BYTES = 16 * 1024 * 1024
"""Some twenty thousand calls wait for the database."""

LONGEST_MESSAGE = 500

_TIDY_S = 3600.0
_LOOK_S = 15.0

CRITICAL = ("auth_error", "breaker_open", "journal_behind", "not_found")
"""What does not pass by itself."""

DESCRIPTIONS = {
    "auth_error": "The provider refuses the key, its rights or its credit.",
    "not_found": "The provider does not have the model.",
    "rate_limit": "The provider takes no more calls for now.",
    "server_error": "The provider failed.",
    "bad_request": "The provider refuses what was asked.",
    "unreachable": "The provider could not be reached, or broke off.",
    "timeout": "The provider did not answer in time.",
    "breaker_open": "The model failed so often that it was left alone for a while.",
    "unknown_price": "No price is known, so calls have no cost.",
    "journal_behind": "Records of calls wait for the database.",
    "webhook_refused": "A webhook was not Parallel's, or is signed with another secret than the one that is set, if any.",
    "events_given_up": "What a monitor found could not be had from Parallel for a day, and is not asked for any more.",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """What went wrong in the same way within a period. Times are milliseconds since 1970; `message` is the last one."""

    key: AlertKey
    count: int
    first_at: int
    last_at: int
    message: str

    @property
    def is_critical(self) -> bool:
        """Somebody has to do something."""
        return self.key.kind in CRITICAL

    @property
    def severity(self) -> str:
        """`critical` or `warning`."""
        return "critical" if self.is_critical else "warning"

    def told(self) -> dict[str, Json]:
        """What operators are told, over HTTP and by the command line."""
        return {
            "provider_id": self.key.provider,
            "model_id": self.key.model,
            "status_code": self.key.status,
            "error_type": self.key.kind,
            "error_description": DESCRIPTIONS.get(self.key.kind, ""),
            "error_message": self.message,
            "count": self.count,
            "first_seen": write_moment(from_ms(self.first_at)),
            "last_seen": write_moment(from_ms(self.last_at)),
            "severity": self.severity,
        }


def count_failures(statements: Statements, new_records: Sequence[CallRecord]) -> None:
    """Count what went wrong with calls, inside the transaction that logs them for the first time."""
    counted: dict[tuple[AlertKey, int], AlertHour] = {}
    for record in new_records:
        if record.cost is not None and not record.failures:
            continue
        at = round(record.received_at * 1000) + record.total_ms
        for key, message in _alerts_of(record):
            hour = AlertHour(key, at // MS_PER_HOUR, 1, at, at, message[:LONGEST_MESSAGE])
            before = counted.get((key, hour.hour))
            counted[key, hour.hour] = hour if before is None else add_hours(before, hour)
    if counted:
        count_alerts(statements, list(counted.values()))


def _alerts_of(record: CallRecord) -> Iterator[tuple[AlertKey, str]]:
    for failure in record.failures:
        yield AlertKey(failure.kind, failure.provider, failure.model, failure.status), failure.message
    if record.cost is None and record.provider is not None and _was_answered(record):
        yield (
            AlertKey("unknown_price", record.provider, record.model or "", 0),
            f"No price of {record.provider}/{record.model} is known.",
        )


def _was_answered(record: CallRecord) -> bool:
    """Whether it may have cost something. Counts of tokens are calls that cost nothing, to nobody."""
    used = record.usage != NO_USAGE
    return (used or record.charged) if record.outcome is Outcome.OK else used


def add_hours(one: AlertHour, other: AlertHour) -> AlertHour:
    """Both of them, which are of the same alert and hour."""
    last = max(one, other, key=lambda each: each.last_at)
    return AlertHour(
        one.key,
        one.hour,
        one.count + other.count,
        min(one.first_at, other.first_at),
        last.last_at,
        last.message,
    )


def summary_of(alerts: Sequence[Alert]) -> dict[str, int]:
    """How many of them are of which severity."""
    critical = sum(alert.is_critical for alert in alerts)
    return {"critical": critical, "warning": len(alerts) - critical, "total": len(alerts)}


class Alerts:
    """The alerts in the database, which all workers share.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(self, database: Database, *, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock = clock

    async def read(self, hours: int = PERIOD_H) -> list[Alert]:
        """What happened within the last `hours` and is not dismissed: the critical first, then the most frequent.

        Raises:
            DatabaseUnavailable: it cannot be read now.
        """
        found: dict[AlertKey, Alert] = {}
        for hour in await read_alerts(self._database, self._clock() - hours * MS_PER_HOUR):
            later = found.get(hour.key)
            found[hour.key] = (
                Alert(hour.key, hour.count, hour.first_at, hour.last_at, hour.message)
                if later is None
                else Alert(hour.key, later.count + hour.count, hour.first_at, later.last_at, later.message)
            )
        return sorted(found.values(), key=lambda alert: (not alert.is_critical, -alert.count, -alert.last_at))

    async def dismiss(self, key: AlertKey) -> datetime | None:
        """Hide one for a day, and after that until it happens again. Until when; None where there is no such alert.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        until = self._clock() + DISMISSED_MS
        try:
            with changing("alert.dismiss", str(key), after={"until": from_ms(until)}):
                await dismiss_alert(self._database, key, until)
        except NoAlert:
            return None
        return from_ms(until)

    async def note(self, kind: str, message: str) -> None:
        """Count one that is about the gateway itself.

        Raises:
            DatabaseUnavailable: it was not counted.
        """
        now = self._clock()
        hour = AlertHour(AlertKey(kind, "", "", 0), now // MS_PER_HOUR, 1, now, now, message[:LONGEST_MESSAGE])
        await self._database.transact(lambda statements: count_alerts(statements, [hour]))

    async def run(self) -> None:
        """Forget what is old, for as long as the gateway runs."""
        while True:
            try:
                await forget_alerts(self._database, self._clock() - KEPT_DAYS * MS_PER_DAY)
            except Unavailable as exc:
                log.info("old alerts are deleted later: %s", exc)
            await asyncio.sleep(_TIDY_S)


async def watch_backlog(
    note: Note, read_bytes: Callable[[], int], *, limit_bytes: int = BACKLOG_BYTES, look_s: float = _LOOK_S
) -> None:
    """Note `journal_behind` with `Alerts.note` whenever more than that waits for the database, once it can be written at all."""
    behind = 0
    while True:
        waiting = read_bytes()
        behind = max(behind, waiting) if waiting > limit_bytes else behind
        if behind:
            try:
                await note("journal_behind", f"{behind} bytes of records wait for the database.")
                behind = 0
            except Unavailable:
                log.warning("%d bytes of records wait for the database", waiting)
        await asyncio.sleep(look_s)
