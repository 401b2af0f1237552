"""A call's record as a row of `request_logs`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app.core.jsonio import Json, dumps
from app.core.record import CallRecord
from app.core.usage import Usage
from app.metering.alerts import count_failures
from app.store.db import Database
from app.store.requests import insert_calls
from app.store.rollups import CLASSES
from app.store.statements import Statements

# In the order of the fields of `Usage`.
_USAGE_COLUMNS = (*CLASSES, "service_tier", "reported_cost", "usage_estimated")
_NAMES = (*CallRecord._fields, *_USAGE_COLUMNS)
# Of what is told of one call: what is more tells nobody more.
_MOST_FAILURES = 20
_LONGEST = 500


async def insert_records(database: Database, records: Sequence[CallRecord]) -> None:
    """Write `records`, each once, however often this is called with them, and count what follows from those that are new."""
    by_id = {record.id: record for record in records}

    def count(statements: Statements, new: Sequence[str]) -> None:
        count_failures(statements, [by_id[each] for each in new if each in by_id])

    await insert_calls(database, _Rows(records), count)


class _Rows:
    """The rows of records, each made when it is wanted, however often they are gone through."""

    def __init__(self, records: Sequence[CallRecord]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return map(_row, self._records)


def _row(record: CallRecord) -> dict[str, object]:
    """With all columns, most of which are what the record calls by the same name."""
    row: dict[str, object] = dict(zip(_NAMES, (*record, *record.usage), strict=True))
    row["tags"] = ",".join(record.tags)
    row["outcome"] = record.outcome.value
    row["service_tier"] = record.usage.tier or None
    row["warnings"] = ",".join(record.warnings) or None
    is_plain = not (record.failures or record.way or record.similarity)
    row["story"] = None if is_plain else _story(record)
    return row


def _story(record: CallRecord) -> str:
    """How it came to its answer, where that is not plain: JSON."""
    failures = [asdict(each) | {"message": each.message[:_LONGEST]} for each in record.failures[:_MOST_FAILURES]]
    story: dict[str, Json] = {"way": record.way, "similarity": record.similarity, "failures": failures}
    return dumps({name: value for name, value in story.items() if value}).decode()


def read_usage_columns(row: Mapping[str, Any]) -> Usage:
    """The usage that a row of `request_logs` tells, its costs in USD."""
    usage = Usage._make([row[column] for column in _USAGE_COLUMNS])
    return usage._replace(tier=usage.tier or "", estimated=bool(usage.estimated))
