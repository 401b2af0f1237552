"""Single calls as they are shown: pages of them, one with those that were made for it, and all of them as a file."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from app.core.cursors import InvalidCursor, read_cursor, write_cursor
from app.core.jsonio import Json, dumps, loads
from app.core.moments import write_moment
from app.core.money import from_pico_usd, write_usd
from app.metering.reports import InvalidReport
from app.metering.spreadsheet import guard_cell
from app.store.calls import (
    COMPLETION,
    PROMPT,
    After,
    Order,
    Status,
    Wanted,
    count_calls,
    read_call,
    read_helper_costs,
)
from app.store.db import Database
from app.store.pages import read_calls
from app.store.rollups import CLASSES
from app.store.selection import Selection
from app.store.times import from_ms

MAX_LIMIT = 500
"""Calls on a page."""

Format = Literal["csv", "jsonl"]
View = dict[str, Json]

COLUMNS = (
    "id",
    "received_at",
    "parent_id",
    "helper",
    "token_id",
    "username",
    "end_user",
    "tags",
    "name",
    "alias",
    "router",
    "cache",
    "augmentor",
    "provider",
    "model",
    "surface",
    "streamed",
    "status",
    "outcome",
    "prompt_tokens",
    "completion_tokens",
    *CLASSES,
    "service_tier",
    "usage_estimated",
    "cost",
    "reported_cost",
    "price_version",
    "cache_hit",
    "first_byte_ms",
    "total_ms",
    "client",
    "charged",
    "attempts",
    "rescued",
    "warnings",
    "error",
    "asked_ms",
    "way",
    "similarity",
    "failures",
)
"""What is shown of a call, in this order in files."""

_TRUTHS = ("streamed", "usage_estimated", "cache_hit", "charged", "rescued")
_LISTS = ("tags", "warnings")
_COSTS = ("cost", "reported_cost")


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls.

    Attributes:
        requests: by `COLUMNS`, and of those that were made for them `helper_calls`, `helper_unpriced` and `total_cost`.
        next_cursor: where the next page begins; None where this is the last.
        total: how many there are on all pages; None where nobody asked.
    """

    requests: Sequence[View]
    next_cursor: str | None
    total: int | None


class Requests:
    """Single calls in a database. All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, wanted: Wanted, *, limit: int = 50, cursor: str | None = None, with_total: bool = False
    ) -> Page:
        """A page of at most `limit` calls.

        Raises:
            InvalidReport: `cursor` is none of this order.
        """
        if cursor is not None:
            wanted = replace(wanted, after=_read_cursor(cursor, wanted))
        rows, after = await read_calls(self._db, wanted, limit)
        helpers = await read_helper_costs(self._db, [row["id"] for row in rows])
        total = await count_calls(self._db, wanted) if with_total else None
        views = [view_of(row) | _with_helpers(row, *helpers.get(row["id"], (0, 0, 0))) for row in rows]
        return Page(views, None if after is None else _write_cursor(after, wanted), total)

    async def one(self, call_id: str) -> tuple[View, list[View]] | None:
        """One call as on a page, and those that were made for it; None where there is none of that id."""
        found = await read_call(self._db, call_id)
        if found is None:
            return None
        row, children = found
        costs = [child["cost"] for child in children]
        sums = len(children), sum(cost or 0 for cost in costs), costs.count(None)
        return view_of(row) | _with_helpers(row, *sums), [view_of(child) for child in children]

    async def export(self, wanted: Wanted, file_format: Format) -> AsyncIterator[bytes]:
        """All of them as a file, piece by piece: whatever their number, only a page of them is in memory."""
        write = _csv if file_format == "csv" else _jsonl
        if file_format == "csv":
            yield _csv_line(COLUMNS)
        after: After | None = wanted.after
        while True:
            rows, after = await read_calls(self._db, replace(wanted, after=after), MAX_LIMIT)
            if rows:
                yield b"".join([write(view_of(row)) for row in rows])
            if after is None:
                return


def want(
    selection: Selection,
    *,
    status: Status | None = None,
    helpers: bool = False,
    failed: str = "",
    sort: str = "timestamp",
    order: Order = "desc",
) -> Wanted:
    """Which calls, and in what order. `failed` is `provider/model`."""
    provider, _, model = failed.partition("/")
    return Wanted(selection, status, helpers, (provider, model) if failed else None, sort, order)


def view_of(row: Mapping[str, Any]) -> View:
    """A row of `request_logs` by `COLUMNS`."""
    view = dict(row)
    view["received_at"] = write_moment(from_ms(row["received_at"]))
    for name in _TRUTHS:
        view[name] = bool(row[name])
    for name in _LISTS:
        view[name] = [each for each in (row[name] or "").split(",") if each]
    for name in _COSTS:
        view[name] = None if row[name] is None else write_usd(from_pico_usd(row[name]))
    story = loads(row["story"]) if row["story"] else {}
    view |= {"way": story.get("way", []), "failures": story.get("failures", []), "similarity": story.get("similarity")}
    view["prompt_tokens"] = sum(row[f"{name}_tokens"] for name in PROMPT)
    view["completion_tokens"] = sum(row[f"{name}_tokens"] for name in COMPLETION)
    return {name: view[name] for name in COLUMNS}


def _with_helpers(row: Mapping[str, Any], count: int, cost: int, unpriced: int) -> View:
    """`total_cost` is the call's own and its helpers' as far as they are known; None where nothing is."""
    own = row["cost"]
    known = own is not None or count > unpriced
    total: Decimal | None = from_pico_usd((own or 0) + cost) if known else None
    return {
        "helper_calls": count,
        "helper_unpriced": unpriced,
        "total_cost": None if total is None else write_usd(total),
    }


def _write_cursor(after: After, wanted: Wanted) -> str:
    return write_cursor(wanted.sort, wanted.order, after.value, after.id)


def _read_cursor(cursor: str, wanted: Wanted) -> After:
    try:
        sort, order, value, call_id = read_cursor(cursor, str, str, int, str)
    except InvalidCursor as exc:
        raise InvalidReport(str(exc), "cursor") from None
    if (sort, order) != (wanted.sort, wanted.order):
        raise InvalidReport("The cursor is of a page with another sort or order; begin anew without it.", "cursor")
    return After(value, call_id)


def _jsonl(view: View) -> bytes:
    return dumps(view) + b"\n"


def _csv(view: View) -> bytes:
    return _csv_line([_cell(view[name]) for name in COLUMNS])


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode(errors="replace")


def _cell(value: Json) -> str:
    if isinstance(value, list):
        value = ",".join(each if isinstance(each, str) else dumps(each).decode() for each in value)
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return guard_cell(value) if isinstance(value, str) else str(value)
