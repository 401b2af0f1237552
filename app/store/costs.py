"""Changes the costs of logged calls, and the sums over them, together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.core.money import from_pico_usd, to_pico_usd
from app.store.db import Database
from app.store.rollups import change_costs
from app.store.statements import Statements
from app.store.tables import REQUEST_LOGS

Row = dict[str, Any]

Place = tuple[int, str]
"""Of a row in the order of arrival: its `received_at` and id."""

FIRST: Place = (-1, "")

_NAMES = tuple(column.name for column in REQUEST_LOGS.columns)
# What was answered from a cache, or never asked anybody, has no price.
_ASKED = (
    "received_at >= :since AND received_at < :until AND provider IS NOT NULL AND model IS NOT NULL AND NOT cache_hit"
)
_COUNT = f"SELECT count(*) FROM request_logs WHERE {_ASKED}"  # noqa: S608 - our words
_SELECT = (
    f"SELECT {', '.join(_NAMES)} FROM request_logs WHERE {_ASKED}"  # noqa: S608 - our columns
    " AND (received_at > :at OR (received_at = :at AND id > :id)) ORDER BY received_at, id LIMIT :most"
)
# SQLite has one writer at a time; a server is told that the rows are to be written, so that no other changes them in between.
_LOCK = " FOR UPDATE"
_UPDATE = "UPDATE request_logs SET cost = :cost, price_version = :version WHERE id = :id"


@dataclass(frozen=True)
class Changed:
    """What became of a batch of rows.

    Attributes:
        last: the place of the last one; None where there were no more.
        rows: how many were looked at; `changed` of them have another cost or version now.
        old, new: sums in pico-USD; what is unknown counts nothing.
        unknown: how many have no cost now.
    """

    last: Place | None
    rows: int = 0
    changed: int = 0
    old: int = 0
    new: int = 0
    unknown: int = 0


async def count_asked(db: Database, since: int, until: int) -> int:
    """How many calls of a period went to a provider; both ends in milliseconds since 1970, the second excluded."""
    values = {"since": since, "until": until}
    return int((await db.transact(lambda statements: statements.rows(_COUNT, values), writes=False))[0][0])


async def change_batch(
    db: Database,
    period: tuple[int, int],
    after: Place,
    most: int,
    reprice: Callable[[Row], Row],
    *,
    writes: bool = True,
) -> Changed:
    """Price the next rows of a period anew, and change the sums with them, in one transaction.

    Args:
        after: the place after which they come.
        reprice: gives a row with what it costs now, `cost` as a Decimal in USD or None, and `price_version`.
        writes: False only looks.
    """
    values = {"since": period[0], "until": period[1], "at": after[0], "id": after[1], "most": most}
    select = _SELECT + _LOCK if writes and db.path is None else _SELECT

    def work(statements: Statements) -> Changed:
        rows = [dict(zip(_NAMES, row, strict=True)) for row in statements.rows(select, values)]
        if not rows:
            return Changed(None)
        pairs = [(row, _stored(reprice(_with_decimals(row)))) for row in rows]
        changed = [(row, new) for row, new in pairs if _differ(row, new)]
        if writes and changed:
            statements.many(
                _UPDATE,
                [{"id": row["id"], "cost": new["cost"], "version": new["price_version"]} for row, new in changed],
            )
            change_costs(statements, [(row, row["cost"], new["cost"]) for row, new in changed])
        return Changed(
            (rows[-1]["received_at"], rows[-1]["id"]),
            len(rows),
            len(changed),
            sum(row["cost"] or 0 for row in rows),
            sum(new["cost"] or 0 for _, new in pairs),
            sum(new["cost"] is None for _, new in pairs),
        )

    return await db.transact(work, writes=writes)


def _with_decimals(row: Row) -> Row:
    costs = {name: None if row[name] is None else from_pico_usd(row[name]) for name in ("cost", "reported_cost")}
    return row | costs


def _stored(row: Row) -> Row:
    return row | {"cost": None if row["cost"] is None else to_pico_usd(row["cost"])}


def _differ(one: Row, other: Row) -> bool:
    return any(one[name] != other[name] for name in ("cost", "price_version"))
