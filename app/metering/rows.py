"""A call's record as a row of `request_logs`."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from app.core.record import CallRecord
from app.core.usage import Usage
from app.metering.alerts import count_failures
from app.store.db import Database
from app.store.requests import insert_calls
from app.store.statements import Statements

# By the classes of usage.
_COLUMNS = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "input_audio": "input_audio_tokens",
    "input_image": "input_image_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "output_audio": "output_audio_tokens",
    "output_image": "output_image_tokens",
    "images": "images",
    "searches": "searches",
    "requests": "requests",
    "audio_ms": "audio_ms",
}
_read_classes = attrgetter(*_COLUMNS)
# What is in a row as it is in its record.
_SAME = (
    "id",
    "received_at",
    "parent_id",
    "helper",
    "token_id",
    "username",
    "end_user",
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
    "cost",
    "price_version",
    "cache_hit",
    "first_byte_ms",
    "total_ms",
    "client",
    "charged",
    "attempts",
    "rescued",
    "error",
    "holds",
)
_read_same = attrgetter(*_SAME)


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
    row: dict[str, object] = dict(zip(_SAME, _read_same(record), strict=True))
    usage = record.usage
    row.update(usage_columns(usage))
    row["tags"] = ",".join(record.tags)
    row["outcome"] = record.outcome.value
    row["service_tier"] = usage.tier or None
    row["usage_estimated"] = usage.estimated
    row["reported_cost"] = usage.cost
    row["warnings"] = ",".join(record.warnings) or None
    return row


def usage_columns(usage: Usage) -> dict[str, int]:
    """The columns of `usage`, as `request_logs` and the rollups have them."""
    return dict(zip(_COLUMNS.values(), _read_classes(usage), strict=True))


def read_usage_columns(row: Mapping[str, Any]) -> Usage:
    """The usage that a row of `request_logs` tells, its costs in USD."""
    counts = {name: row[column] for name, column in _COLUMNS.items()}
    tier, estimated = row["service_tier"] or "", bool(row["usage_estimated"])
    return Usage(**counts, tier=tier, estimated=estimated, cost=row["reported_cost"])
