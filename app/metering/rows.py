"""A call's record as a row of `request_logs`."""

from collections.abc import Sequence

from app.core.record import CallRecord
from app.store.db import Database
from app.store.requests import insert_calls


async def insert_records(database: Database, records: Sequence[CallRecord]) -> None:
    """Write `records`, each once, however often this is called with them."""
    await insert_calls(database, [_row(record) for record in records])


def _row(record: CallRecord) -> dict[str, object]:
    usage = record.usage
    return {
        "id": record.id,
        "received_at": record.received_at,
        "token_id": record.token_id,
        "username": record.username,
        "name": record.name,
        "provider": record.provider,
        "model": record.model,
        "surface": record.surface,
        "streamed": record.streamed,
        "status": record.status,
        "outcome": record.outcome.value,
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "cost": usage.cost,
        "usage_estimated": usage.estimated,
        "first_byte_ms": record.first_byte_ms,
        "total_ms": record.total_ms,
        "client": record.client,
        "charged": record.charged,
        "error": record.error,
        "attempts": record.attempts,
        "rescued": record.rescued,
    }
