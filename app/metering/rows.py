"""A call's record as a row of `request_logs`."""

from collections.abc import Mapping, Sequence
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


async def insert_records(database: Database, records: Sequence[CallRecord]) -> None:
    """Write `records`, each once, however often this is called with them, and count what follows from those that are new."""
    by_id = {record.id: record for record in records}

    def count(statements: Statements, new: Sequence[str]) -> None:
        count_failures(statements, [by_id[each] for each in new if each in by_id])

    await insert_calls(database, [_row(record) for record in records], count)


def _row(record: CallRecord) -> dict[str, object]:
    usage = record.usage
    return {
        "id": record.id,
        "received_at": record.received_at,
        "parent_id": record.parent_id,
        "helper": record.helper,
        "token_id": record.token_id,
        "username": record.username,
        "end_user": record.end_user,
        "tags": ",".join(record.tags),
        "name": record.name,
        "alias": record.alias,
        "router": record.router,
        "cache": record.cache,
        "augmentor": record.augmentor,
        "provider": record.provider,
        "model": record.model,
        "surface": record.surface,
        "streamed": record.streamed,
        "status": record.status,
        "outcome": record.outcome.value,
        **usage_columns(usage),
        "service_tier": usage.tier or None,
        "usage_estimated": usage.estimated,
        "cost": record.cost,
        "reported_cost": usage.cost,
        "price_version": record.price_version,
        "cache_hit": record.cache_hit,
        "first_byte_ms": record.first_byte_ms,
        "total_ms": record.total_ms,
        "client": record.client,
        "charged": record.charged,
        "attempts": record.attempts,
        "rescued": record.rescued,
        "warnings": ",".join(record.warnings) or None,
        "error": record.error,
        "holds": record.holds,
    }


def usage_columns(usage: Usage) -> dict[str, int]:
    """The columns of `usage`, as `request_logs` and the rollups have them."""
    return {column: getattr(usage, name) for name, column in _COLUMNS.items()}


def read_usage_columns(row: Mapping[str, Any]) -> Usage:
    """The usage that a row of `request_logs` tells, its costs in USD."""
    counts = {name: row[column] for name, column in _COLUMNS.items()}
    tier, estimated = row["service_tier"] or "", bool(row["usage_estimated"])
    return Usage(**counts, tier=tier, estimated=estimated, cost=row["reported_cost"])
