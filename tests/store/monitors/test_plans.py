"""What runs each few seconds goes by an index: with many event groups kept, a walk through all of them would block other writers."""

import pytest

from app.store.db import Database
from app.store.monitors import deliveries, feed, fetches, retention
from tests.databases import sqlite_only

QUERIES = {
    "to be delivered": deliveries._UNQUEUED,
    "to be fetched": fetches._DUE,
    "to be numbered": feed._NEW,
    "to be deleted": retention._EVENTS,
}


@sqlite_only
@pytest.mark.parametrize("name", QUERIES)
async def test_query_goes_by_an_index(name: str, database: Database) -> None:
    values = {"since": 1, "now": 1, "before": 1, "most": 10}

    plan = await database.transact(
        lambda statements: statements.rows(f"EXPLAIN QUERY PLAN {QUERIES[name]}", values), writes=False
    )

    steps = [row[3] for row in plan]
    assert [step for step in steps if step.startswith("SCAN ")] == []
    assert any(step.startswith("SEARCH ") for step in steps)
