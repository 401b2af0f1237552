"""Queries on what monitors found and their users have not been told: it is claimed by the call that tells it, and marked when it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.updates import UpdateGroup, read_updates
from app.store.db import Database
from app.store.monitors.groups import read_list
from app.store.statements import Statements

# Whoever asks at the same moment may have taken what was found; with so many at once somebody else tells it all.
_TRIES = 4

_PENDING = "username = :username AND processed_at IS NULL"
# Only of what is fetched: before, there may stand a JSON `null`, which PostgreSQL does not count.
_COUNT = "CASE WHEN fetched_at IS NULL THEN 0 ELSE json_array_length(events) END"
_NEWEST = (
    f"SELECT event_group_id, {_COUNT} FROM monitor_events WHERE {_PENDING} AND claimed_until <= :now"  # noqa: S608 - our words
    f" AND {_COUNT} > 0 ORDER BY received_at DESC, event_group_id DESC LIMIT :most"
)
_STANDING = (
    f"SELECT COALESCE(SUM(CASE WHEN claimed_until <= :now THEN {_COUNT} ELSE 0 END), 0),"  # noqa: S608 - our words
    " COALESCE(SUM(CASE WHEN fetched_at IS NULL AND gave_up_at IS NULL THEN 1 ELSE 0 END), 0),"
    f" COALESCE(SUM(CASE WHEN claimed_until > :now AND claimed_by <> :claim AND {_COUNT} > 0 THEN 1 ELSE 0 END), 0)"
    f" FROM monitor_events WHERE {_PENDING}"
)
_HELD = f"SELECT event_group_id FROM monitor_events WHERE {_PENDING} AND claimed_by = :claim"  # noqa: S608 - our words
# Each row by itself, and all in the order of their ids, as whoever else changes several of them does: so no two wait for each
# other crosswise.
_ONE = "event_group_id = :group AND processed_at IS NULL"
_CLAIM = (
    f"UPDATE monitor_events SET claimed_by = :claim, claimed_until = :until WHERE {_ONE} AND claimed_until <= :now"  # noqa: S608 - our words
    " RETURNING event_group_id, monitor_id, received_at, events"
)
_MINE = f"{_ONE} AND claimed_by = :claim"
_MARK = f"UPDATE monitor_events SET processed_at = :now, claimed_by = NULL, claimed_until = 0 WHERE {_MINE}"  # noqa: S608 - our words
_RELEASE = f"UPDATE monitor_events SET claimed_by = NULL, claimed_until = 0 WHERE {_MINE}"  # noqa: S608 - our words
_RENEW = f"UPDATE monitor_events SET claimed_until = :until WHERE {_MINE}"  # noqa: S608 - our words


@dataclass(frozen=True, slots=True)
class Claim:
    """Of one call on the event groups of one user.

    Attributes:
        id: by lot, 64 characters at most.
    """

    id: str
    username: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim got, as `app.core.updates.Taken` tells it."""

    groups: tuple[UpdateGroup, ...]
    remaining: int
    missing: int
    elsewhere: int


async def claim_updates(db: Database, claim: Claim, most: int, *, now: int, until: int) -> Claimed:
    """Claim the newest event groups of a user that are pending, up to `most` updates, but one group at least.

    Raises:
        DatabaseUnavailable: nothing is claimed, or where that is in doubt, it may be, until `until`.
    """
    whose = {"username": claim.username, "now": now}

    def work(statements: Statements) -> Claimed:
        rows: Sequence[Sequence[Any]] = ()
        for _ in range(_TRIES):
            chosen = _newest(statements.rows(_NEWEST, whose | {"most": most}), most)
            if not chosen or (rows := _claim(statements, chosen, {"claim": claim.id, "now": now, "until": until})):
                break
        remaining, missing, elsewhere = statements.rows(_STANDING, whose | {"claim": claim.id})[0]
        return Claimed(_groups(statements, rows), int(remaining), int(missing), int(elsewhere))

    return await db.transact(work)


async def mark_processed(db: Database, claims: Sequence[Claim], now: int) -> None:
    """Keep that what is still claimed by these has been told."""
    await _change(db, _MARK, claims, now=now)


async def release_updates(db: Database, claims: Sequence[Claim]) -> None:
    """Let others claim at once what these have."""
    await _change(db, _RELEASE, claims)


async def renew_claims(db: Database, claims: Sequence[Claim], until: int) -> None:
    """Let them hold until then, where nobody else has claimed the same in the meantime."""
    await _change(db, _RENEW, claims, until=until)


async def _change(db: Database, sql: str, claims: Sequence[Claim], **values: object) -> None:
    """Run a statement on each group that is held by one of the claims."""

    def work(statements: Statements) -> None:
        held = sorted(
            (row[0], claim.id)
            for claim in claims
            for row in statements.rows(_HELD, {"username": claim.username, "claim": claim.id})
        )
        if held:
            statements.many(sql, [{"group": group, "claim": claim, **values} for group, claim in held])

    await db.transact(work)


def _newest(found: Sequence[Sequence[Any]], most: int) -> list[str]:
    """Ids of the first groups that have no more than `most` updates together, or of the first alone; sorted."""
    chosen: list[str] = []
    updates = 0
    for group_id, count in found:
        updates += count
        if chosen and updates > most:
            break
        chosen.append(group_id)
    return sorted(chosen)


def _claim(statements: Statements, group_ids: Sequence[str], values: dict[str, object]) -> Sequence[Sequence[Any]]:
    # The condition once more: between the look and this, another worker may have come.
    return [row for group in group_ids for row in statements.rows(_CLAIM, values | {"group": group})]


def _groups(statements: Statements, rows: Sequence[Sequence[Any]]) -> tuple[UpdateGroup, ...]:
    """The rows of `_claim` as they are told, the oldest first."""
    if not rows:
        return ()
    names = _names("monitor", sorted({monitor_id for _, monitor_id, _, _ in rows}))
    queries: dict[str, str] = dict(
        statements.rows(f"SELECT id, query FROM monitors WHERE id IN ({_places(names)})", names)  # type: ignore[arg-type] # noqa: S608 - our words; rows of two
    )
    return tuple(
        UpdateGroup(group_id, queries.get(monitor_id, ""), received_at, read_updates(read_list(events)))
        for received_at, group_id, monitor_id, events in sorted(
            (received_at, group_id, monitor_id, events) for group_id, monitor_id, received_at, events in rows
        )
    )


def _names(name: str, values: Sequence[str]) -> dict[str, object]:
    return {f"{name}{number}": value for number, value in enumerate(values)}


def _places(names: dict[str, object]) -> str:
    return ", ".join(f":{name}" for name in names)
