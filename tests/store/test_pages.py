"""Pages of calls; what is on them is tested in `tests/metering/test_requests.py`."""

import pytest
from sqlalchemy import text

from app.store.calls import SORTS, Status, Wanted, conditions_on
from app.store.db import Database
from app.store.selection import Selection


@pytest.mark.parametrize("status", [None, "success", "error"])
@pytest.mark.parametrize(
    ("sort", "index"),
    [("cost", "cost"), ("input_tokens", "prompt"), ("output_tokens", "completion"), ("response_time_ms", "total_ms")],
)
async def test_first_calls_of_a_day_in_each_order_come_from_an_index(
    database: Database, sort: str, index: str, status: Status | None
) -> None:
    where, _ = conditions_on(Wanted(Selection(1, 1), status))
    sql = (
        f"SELECT r.id FROM request_logs r WHERE r.received_at / 86400000 = 1{where} ORDER BY {SORTS[sort]} DESC LIMIT 5"
    )

    async with database.read() as connection:
        if database.path is None:
            for other in ("seqscan", "bitmapscan", "sort"):  # what is cheaper with no rows
                await connection.execute(text(f"SET LOCAL enable_{other} = off"))
        plan = (await connection.execute(text(f"EXPLAIN {'QUERY PLAN ' if database.path else ''}{sql}"))).all()

    steps = " ".join(str(row[-1]) for row in plan)
    assert f"ix_request_logs_day_{index}" in steps
    assert "TEMP B-TREE" not in steps
    assert "Sort" not in steps
