"""Holds what is kept against each other: rows of calls, their sums, the counters of tokens."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from app.store.cache_hours import COUNTS as CACHE_COUNTS
from app.store.db import Database
from app.store.first_bytes import Buckets, FirstBytes, read_buckets
from app.store.rollups import HOURS_PER_DAY, KEY, MILL, SUMS, Amounts, Key, Sums, by_day, by_hour, key_id, sum_up
from app.store.statements import Statements
from app.store.tables import REQUEST_LOGS
from app.store.times import MS_PER_DAY, MS_PER_HOUR, now_ms

Where = TypeVar("Where", int, tuple[int, int])
Report = Callable[[str, int, int], None]
"""Told what is worked on, how much of it is done, and how much there is of it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not fit.

    Attributes:
        check: which rule is broken.
        where: of what: a key in an hour or on a day, a token, a call, a limit.
        expected: what it should be, where that can be said; else empty.
        found: what it is.
    """

    check: str
    where: str
    expected: str
    found: str


_NAMES = tuple(column.name for column in REQUEST_LOGS.columns)
_SUMMED = {"id", "parent_id", "received_at", "status", "outcome", "usage_estimated", "cache_hit", *KEY, *SUMS}
_COLUMNS = tuple(name for name in _NAMES if name in _SUMMED)
_ROWS = f"SELECT {', '.join(_COLUMNS)} FROM request_logs WHERE received_at >= :from_ms AND received_at < :until_ms"  # noqa: S608 - our columns
_HOURS = f"SELECT hour, key_id, {', '.join(SUMS)} FROM usage_hours WHERE hour >= :first AND hour < :last"  # noqa: S608 - our columns
_DAY = f"SELECT day, key_id, {', '.join(SUMS)} FROM usage_days WHERE day = :day"  # noqa: S608 - our columns
_TOTALS = f"SELECT hour, cost_mills, {', '.join(SUMS)} FROM usage_totals WHERE hour >= :first AND hour < :last"  # noqa: S608 - our columns
_KEYS = f"SELECT id, {', '.join(KEY)} FROM usage_keys"  # noqa: S608 - our columns
_COUNTERS = (
    "SELECT t.id, t.username, t.lifetime_requests - t.lifetime_before, coalesce(s.charged, 0) FROM tokens t LEFT JOIN"
    " (SELECT k.token_id, sum(u.charged) AS charged FROM usage_days u JOIN usage_keys k ON k.id = u.key_id GROUP BY k.token_id) s"
    " ON s.token_id = t.id WHERE t.lifetime_requests - t.lifetime_before <> coalesce(s.charged, 0) ORDER BY t.id"
)
_DOUBLES = "SELECT id, count(*) FROM request_logs GROUP BY id HAVING count(*) > 1 ORDER BY id"
_ORPHANS = (
    "SELECT c.id, c.parent_id FROM request_logs c LEFT JOIN request_logs p ON p.id = c.parent_id"
    " WHERE c.parent_id IS NOT NULL AND p.id IS NULL AND c.received_at >= :from_ms ORDER BY c.id"
)
_RESERVED = (
    'SELECT subject, "limit", period, sum(held), sum(reserved) FROM'
    ' (SELECT subject, "limit", period, 0 AS held, reserved FROM limit_uses'
    ' UNION ALL SELECT subject, "limit", period, amount, 0 FROM limit_holds) both_sides'
    ' GROUP BY subject, "limit", period HAVING sum(held) <> sum(reserved) ORDER BY subject, "limit", period'
)
# Totals began earlier, and those of caches that are gone went with them.
_SAVED = (
    f"SELECT c.name, {', '.join(f'c.{name}, h.{name}' for name in CACHE_COUNTS)} FROM smart_caches c JOIN"  # noqa: S608 - our columns
    f" (SELECT cache_id, {', '.join(f'sum({name}) AS {name}' for name in CACHE_COUNTS)} FROM cache_hours GROUP BY cache_id) h"
    f" ON h.cache_id = c.id WHERE {' OR '.join(f'h.{name} > c.{name}' for name in CACHE_COUNTS)} ORDER BY c.name"
)
_UNKNOWN_KEYS = (
    "SELECT u.key_id, min(u.day) FROM usage_days u LEFT JOIN usage_keys k ON k.id = u.key_id WHERE k.id IS NULL"
    " GROUP BY u.key_id ORDER BY u.key_id"
)
_ZERO_OR_MORE = {
    "request_logs": (
        "id",
        [name for name in _NAMES if name.endswith(("_tokens", "_ms", "cost"))]
        + ["images", "searches", "requests", "attempts"],
    ),
    "usage_hours": ("hour", list(SUMS)),
    "usage_days": ("day", list(SUMS)),
    "usage_totals": ("hour", list(SUMS)),
    "usage_first_bytes": ("hour", ["calls"]),
    "cache_hours": ("hour", list(CACHE_COUNTS)),
    "limit_uses": ("subject", ["used", "reserved"]),
    "limit_holds": ("subject", ["amount"]),
    "quota_days": ("token_id", ["taken"]),
}
_MOST_SHOWN = 100  # of one rule: what is broken as a whole need not be told row by row


class Verification:
    """One look at a database, which is only read: `differences` gives them as they are found.

    Only an hour of calls and a day of sums are in memory at a time. Each hour is read in one transaction, so that a
    gateway may be at work meanwhile.

    Args:
        retention_days: how long rows are kept; 0 for ever. Sums of earlier days have none to be held against.
    """

    def __init__(self, db: Database, *, retention_days: int, report: Report, clock: Callable[[], int] = now_ms) -> None:
        self._db = db
        self._retention_days = retention_days
        self._report = report
        self._clock = clock
        self._keys: dict[int, Key] = {}

    async def differences(self) -> AsyncIterator[Difference]:
        """All that does not fit; nothing where all is well.

        Raises:
            DatabaseUnavailable: it cannot be read.
        """
        for difference in await self._read(self._check_keys):
            yield difference
        earliest, first, last = await self._read(self._period)
        for day in range(earliest, last + 1):
            check = partial(self._check_day if day >= first else self._check_old_day, day=day)
            for difference in await self._read(check):
                yield difference
            self._report("days of calls", day - earliest + 1, last - earliest + 1)
        others = (
            self._check_counters,
            self._check_rows(first),
            self._check_reserved,
            self._check_savings,
            self._check_signs,
        )
        for number, other in enumerate(others, 1):
            for difference in await self._read(other):
                yield difference
            self._report("other rules", number, len(others))

    async def _read(self, work: Callable[[Statements], Any]) -> Any:
        def consistent(statements: Statements) -> Any:
            if self._db.path is None:  # else each statement sees what was written since the one before
                statements.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", {})
            return work(statements)

        return await self._db.transact(consistent, writes=False)

    def _check_keys(self, statements: Statements) -> list[Difference]:
        self._keys = {row[0]: tuple(row[1:]) for row in statements.rows(_KEYS, {})}
        wrong = [
            Difference("keys have their digests as ids", _spell(key), str(key_id(key)), str(id_))
            for id_, key in self._keys.items()
            if key_id(key) != id_
        ]
        unknown = [
            Difference("sums have their keys", f"key {id_} from day {day} on", "a row of usage_keys", "none")
            for id_, day in statements.rows(_UNKNOWN_KEYS, {})
        ]
        return wrong[:_MOST_SHOWN] + unknown[:_MOST_SHOWN]

    def _period(self, statements: Statements) -> tuple[int, int, int]:
        """The earliest day, the first one of which all rows should be there, and the last."""
        ((oldest, newest),) = statements.rows("SELECT min(received_at), max(received_at) FROM request_logs", {})
        ((first_sum, last_sum),) = statements.rows("SELECT min(day), max(day) FROM usage_days", {})
        days = [ms // MS_PER_DAY for ms in (oldest, newest) if ms is not None] + [
            day for day in (first_sum, last_sum) if day is not None
        ]
        if not days:
            return 0, 0, -1
        first = min(days)
        if self._retention_days:
            first = max(first, self._clock() // MS_PER_DAY - self._retention_days + 1)
        return min(days), first, max(days)

    def _check_day(self, statements: Statements, day: int) -> list[Difference]:
        found: list[Difference] = []
        whole: Sums = {}
        first_bytes = FirstBytes()
        kept = _read_sums(statements, _HOURS, _hours_of(day))
        for hour in range(day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY):
            bounds = {"from_ms": hour * MS_PER_HOUR, "until_ms": (hour + 1) * MS_PER_HOUR}
            rows = (dict(zip(_COLUMNS, row, strict=True)) for row in statements.rows(_ROWS, bounds))
            keys, sums = sum_up(first_bytes.counting(rows))
            self._keys.update(keys)
            of_hour = {where: amounts for where, amounts in kept.items() if where[0] == hour}
            found += _compare("sums of an hour are those of its calls", sums, of_hour, self._spell_hour)
            whole |= sums
        days = _read_sums(statements, _DAY, {"day": day})
        found += _compare("sums of a day are those of its calls", by_day(whole), days, self._spell_day)
        found += _compare_first_bytes(statements, day, first_bytes.buckets)
        return found + _compare_totals(statements, day, kept)

    def _check_old_day(self, statements: Statements, day: int) -> list[Difference]:
        """Its rows may be gone."""
        return _compare_totals(statements, day, _read_sums(statements, _HOURS, _hours_of(day)))

    def _spell_hour(self, where: tuple[int, int]) -> str:
        return f"hour {where[0]}, {_spell(self._keys.get(where[1], ()))}"

    def _spell_day(self, where: tuple[int, int]) -> str:
        return f"day {where[0]}, {_spell(self._keys.get(where[1], ()))}"

    def _check_counters(self, statements: Statements) -> list[Difference]:
        return [
            Difference(
                "a token's lifetime is the sum of its charged calls", f"token {id_} of {user}", str(sums), str(counter)
            )
            for id_, user, counter, sums in statements.rows(_COUNTERS, {})[:_MOST_SHOWN]
        ]

    def _check_rows(self, first_day: int) -> Callable[[Statements], list[Difference]]:
        def check(statements: Statements) -> list[Difference]:
            doubles = [
                Difference("each call has one row", f"call {id_}", "1", str(count))
                for id_, count in statements.rows(_DOUBLES, {})[:_MOST_SHOWN]
            ]
            # A parent may have gone a moment before its child; so the first day is left out.
            bounds = {"from_ms": (first_day + 1) * MS_PER_DAY if self._retention_days else 0}
            orphans = [
                Difference("calls made for others have these", f"call {id_}", f"call {parent}", "none")
                for id_, parent in statements.rows(_ORPHANS, bounds)[:_MOST_SHOWN]
            ]
            return doubles + orphans

        return check

    def _check_reserved(self, statements: Statements) -> list[Difference]:
        return [
            Difference(
                "what is reserved of a limit is what calls hold",
                f"{limit} of {subject} in period {period}",
                str(held),
                str(reserved),
            )
            for subject, limit, period, held, reserved in statements.rows(_RESERVED, {})[:_MOST_SHOWN]
        ]

    def _check_savings(self, statements: Statements) -> list[Difference]:
        check = "what a cache counted by the hour is part of its total"
        found: list[Difference] = []
        for name, *counts in statements.rows(_SAVED, {})[:_MOST_SHOWN]:
            more = [each for each in zip(CACHE_COUNTS, counts[::2], counts[1::2], strict=True) if each[2] > each[1]]
            most = ", ".join(f"{column} {total} at most" for column, total, _ in more)
            found.append(
                Difference(check, f"cache {name}", most, ", ".join(f"{column} {hours}" for column, _, hours in more))
            )
        return found

    def _check_signs(self, statements: Statements) -> list[Difference]:
        found: list[Difference] = []
        for table, (id_, names) in _ZERO_OR_MORE.items():
            columns, below = ", ".join(names), " OR ".join(f"{name} < 0" for name in names)
            sql = f"SELECT {id_}, {columns} FROM {table} WHERE {below} ORDER BY 1"  # noqa: S608 - our names
            for row in statements.rows(sql, {})[:_MOST_SHOWN]:
                negative = [f"{name} {value}" for name, value in zip(names, row[1:], strict=True) if (value or 0) < 0]
                found.append(Difference("nothing is negative", f"{table}, {id_} {row[0]}", "", ", ".join(negative)))
        return found


def _compare_totals(statements: Statements, day: int, kept: Sums) -> list[Difference]:
    totals = {row[0]: _with_mills(row[1], row[2:]) for row in statements.rows(_TOTALS, _hours_of(day))}
    return list(_compare("totals of an hour are those of its keys", by_hour(kept), totals, lambda hour: f"hour {hour}"))


def _compare_first_bytes(statements: Statements, day: int, expected: Buckets) -> Iterator[Difference]:
    found = read_buckets(statements, day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY)
    for where in sorted(expected.keys() | found.keys()):
        if (wanted := expected.get(where, 0)) != (there := found.get(where, 0)):
            yield Difference(
                "first bytes of an hour are those of its calls",
                f"hour {where[1]}, bucket {where[0]}",
                f"calls {wanted}",
                f"calls {there}",
            )


def _compare(
    check: str, expected: Mapping[Where, Amounts], found: Mapping[Where, Amounts], spell: Callable[[Where], str]
) -> Iterator[Difference]:
    nothing = (0,) * len(SUMS)
    for where in sorted(expected.keys() | found.keys()):
        wanted, there = expected.get(where, nothing), found.get(where, nothing)
        if wanted == there:
            continue
        differing = [number for number in range(len(SUMS)) if wanted[number] != there[number]]
        yield Difference(
            check,
            spell(where),
            ", ".join(f"{SUMS[number]} {wanted[number]}" for number in differing),
            ", ".join(f"{SUMS[number]} {there[number]}" for number in differing),
        )


def _hours_of(day: int) -> dict[str, object]:
    return {"first": day * HOURS_PER_DAY, "last": (day + 1) * HOURS_PER_DAY}


def _read_sums(statements: Statements, sql: str, values: Mapping[str, object]) -> Sums:
    return {(row[0], row[1]): _whole(row[2:]) for row in statements.rows(sql, values)}


def _whole(amounts: Sequence[Any]) -> Amounts:
    return tuple(amounts)


def _with_mills(mills: int, amounts: Sequence[int]) -> Amounts:
    return tuple(
        amount + mills * MILL if name == "cost" else amount for name, amount in zip(SUMS, amounts, strict=True)
    )


def _spell(key: Key) -> str:
    parts = [f"{name} {part!r}" for name, part in zip(KEY, key, strict=False) if part]
    return ", ".join(parts) or "an unknown key"
