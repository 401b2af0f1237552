"""Counts what was used in a day or month before a limit on it was set."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.limits import BUDGET_PER_DAY, BUDGET_PER_MONTH, TOKENS_PER_DAY, end_of, period_of
from app.store.calls import COMPLETION, PROMPT
from app.store.times import MS_PER_DAY, now_ms

_ALL_TOKENS = " + ".join(f"u.{name}_tokens" for name in (*PROMPT, *COMPLETION))
_SUMS = {TOKENS_PER_DAY: _ALL_TOKENS, BUDGET_PER_DAY: "u.cost", BUDGET_PER_MONTH: "u.cost"}
_COLUMNS = {"token": "token_id", "user": "username"}
_S_PER_DAY = 86_400


async def count_spent(connection: AsyncConnection, kind: str, name: str, limits: Mapping[str, object]) -> None:
    """Let the limits that are set in `limits` count what the token or user (`kind`) has used today and this month.

    What counts already is not taken back: it may be more, for calls without a known cost.
    """
    now_s = now_ms() / 1000
    for limit, used in _SUMS.items():
        if limits.get(limit) is None:
            continue
        period = period_of(limit, now_s)
        sql = (
            'INSERT INTO limit_uses (subject, "limit", period, used, reserved)'  # noqa: S608 - our words
            f" SELECT CAST(:subject AS VARCHAR), CAST(:limit AS VARCHAR), CAST(:period AS INTEGER), CAST(coalesce(sum({used}), 0) AS BIGINT), 0"
            f" FROM usage_days u JOIN usage_keys k ON k.id = u.key_id WHERE k.{_COLUMNS[kind]} = :name AND u.day BETWEEN :first AND :last"
            ' ON CONFLICT (subject, "limit", period) DO UPDATE'
            " SET used = CASE WHEN excluded.used > limit_uses.used THEN excluded.used ELSE limit_uses.used END"
        )
        first = (end_of(limit, period - 1) or 0) // _S_PER_DAY
        values = {"subject": f"{kind}:{name}", "limit": limit, "period": period, "name": name}
        await connection.execute(text(sql), values | {"first": first, "last": now_ms() // MS_PER_DAY})
