"""Queries on alerts: what went wrong, counted by the hour, and what of it nobody wants to see for a while."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.alert import AlertKey
from app.store.db import Database
from app.store.statements import Statements
from app.store.storable import storable

MS_PER_HOUR = 3_600_000

_COUNT = (
    "INSERT INTO alerts (kind, provider, model, status, hour, count, first_at, last_at, message)"
    " VALUES (:kind, :provider, :model, :status, :hour, :count, :first_at, :last_at, :message)"
    " ON CONFLICT (kind, provider, model, status, hour) DO UPDATE SET count = alerts.count + excluded.count,"
    " first_at = CASE WHEN excluded.first_at < alerts.first_at THEN excluded.first_at ELSE alerts.first_at END,"
    " message = CASE WHEN excluded.last_at >= alerts.last_at THEN excluded.message ELSE alerts.message END,"
    " last_at = CASE WHEN excluded.last_at > alerts.last_at THEN excluded.last_at ELSE alerts.last_at END"
)
_SAME = "d.kind = alerts.kind AND d.provider = alerts.provider AND d.model = alerts.model AND d.status = alerts.status"
# What was dismissed is seen again when it happens again after that time.
_SEEN = f"NOT EXISTS (SELECT 1 FROM alert_dismissals d WHERE {_SAME} AND d.until >= alerts.last_at)"  # noqa: S608 - our words
_COLUMNS = "kind, provider, model, status, hour, count, first_at, last_at, message"
_READ = f"SELECT {_COLUMNS} FROM alerts WHERE last_at >= :since AND {_SEEN} ORDER BY last_at DESC"  # noqa: S608 - our words
_EXISTS = (
    "SELECT 1 FROM alerts WHERE kind = :kind AND provider = :provider AND model = :model AND status = :status LIMIT 1"
)
_DISMISS = (
    "INSERT INTO alert_dismissals (kind, provider, model, status, until)"
    " VALUES (:kind, :provider, :model, :status, :until)"
    " ON CONFLICT (kind, provider, model, status) DO UPDATE SET until = excluded.until"
)
_MOST_CLAIMED = 50
_NEW = (
    f"SELECT {_COLUMNS} FROM alerts WHERE notified_at IS NULL AND first_at >= :since AND {_SEEN}"  # noqa: S608 - our words
    " AND NOT EXISTS (SELECT 1 FROM alerts b WHERE b.kind = alerts.kind AND b.provider = alerts.provider"
    " AND b.model = alerts.model AND b.status = alerts.status AND b.hour < alerts.hour"
    " AND b.last_at > alerts.first_at - :quiet AND NOT EXISTS (SELECT 1 FROM alert_dismissals e WHERE e.kind = b.kind"
    " AND e.provider = b.provider AND e.model = b.model AND e.status = b.status AND e.until >= b.last_at))"
)
_ROW = "kind = :kind AND provider = :provider AND model = :model AND status = :status AND hour = :hour"
_CLAIM = f"UPDATE alerts SET notified_at = :now WHERE {_ROW} AND notified_at IS NULL RETURNING hour"  # noqa: S608 - our words
_RELEASE = f"UPDATE alerts SET notified_at = NULL WHERE {_ROW}"  # noqa: S608 - our words
_FORGET = "DELETE FROM alerts WHERE last_at < :before"
_FORGET_DISMISSALS = "DELETE FROM alert_dismissals WHERE until < :before"


@dataclass(frozen=True, slots=True)
class AlertHour:
    """How often one alert was within an hour. `message` is that of the last time."""

    key: AlertKey
    hour: int
    count: int
    first_at: int
    last_at: int
    message: str


def count_alerts(statements: Statements, hours: Sequence[AlertHour]) -> None:
    """Add to what is counted, inside a transaction."""
    rows = [_values(each.key) | _facts(each) for each in hours]
    # In one order, so that two workers never wait for each other crosswise.
    rows.sort(key=lambda row: (row["kind"], row["provider"], row["model"], row["status"], row["hour"]))
    if rows:
        statements.many(_COUNT, rows)


async def read_alerts(db: Database, since: int) -> list[AlertHour]:
    """The hours in which something happened at `since` or later, the last one first, without what is dismissed."""
    rows = await db.transact(lambda statements: statements.rows(_READ, {"since": since}), writes=False)
    return [alert_hour(row) for row in rows]


class NoAlert(LookupError):
    """There is none of that key; nothing was written."""


async def dismiss_alert(db: Database, key: AlertKey, until: int) -> None:
    """Hide one until then.

    Raises:
        NoAlert: there is no such alert.
    """

    def dismiss(statements: Statements) -> None:
        if not statements.rows(_EXISTS, _values(key)):
            raise NoAlert
        statements.many(_DISMISS, [_values(key) | {"until": until}])

    await db.transact(dismiss)


async def forget_alerts(db: Database, before: int) -> None:
    """Delete what is older."""

    def forget(statements: Statements) -> None:
        statements.many(_FORGET, [{"before": before}])
        statements.many(_FORGET_DISMISSALS, [{"before": before}])

    await db.transact(forget)


def alert_hour(row: Sequence[object]) -> AlertHour:
    """A row of the columns in their order."""
    kind, provider, model, status, *facts = row
    return AlertHour(AlertKey(kind, provider, model, status), *facts)  # type: ignore[arg-type] # as the table has them


def _facts(hour: AlertHour) -> dict[str, object]:
    return {
        "hour": hour.hour,
        "count": hour.count,
        "first_at": hour.first_at,
        "last_at": hour.last_at,
        "message": storable(hour.message),
    }


def _values(key: AlertKey) -> dict[str, object]:
    provider, model = storable(key.provider), storable(key.model)
    return {"kind": key.kind, "provider": provider, "model": model, "status": key.status}


async def claim_alerts(db: Database, kinds: Sequence[str], *, since: int, now: int, quiet_ms: int) -> list[AlertHour]:
    """Those of `kinds` that are new, for whoever asks first: each is given once, whoever asks.

    New is what began at `since` or later, is not dismissed, and had been quiet for so long before.
    """
    values: dict[str, object] = {"since": since, "quiet": quiet_ms}
    sql = f"{_NEW} AND kind IN ({', '.join(f':kind{number}' for number in range(len(kinds)))}) LIMIT {_MOST_CLAIMED}"
    values |= {f"kind{number}": kind for number, kind in enumerate(kinds)}
    found = await db.transact(lambda statements: statements.rows(sql, values), writes=False)
    if not found:
        return []

    def claim(statements: Statements) -> list[AlertHour]:
        hours = [alert_hour(row) for row in found]
        return [each for each in hours if statements.rows(_CLAIM, _values(each.key) | {"hour": each.hour, "now": now})]

    return await db.transact(claim)


async def release_alerts(db: Database, hours: Sequence[AlertHour]) -> None:
    """Let others claim what was claimed."""
    rows = [_values(each.key) | {"hour": each.hour} for each in hours]
    await db.transact(lambda statements: statements.many(_RELEASE, rows))
