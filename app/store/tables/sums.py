"""Sums of calls: by hour, by day, and of all that was."""

from sqlalchemy import BigInteger, PrimaryKeyConstraint
from sqlmodel import Field

from app.store.tables.base import WITHOUT_ROWID, Row, table_of


class UsageKey(Row, table=True):
    """What calls have in common that are summed up together. Absent names are empty.

    Attributes:
        id: a digest of all the others, so that nobody has to look it up.
    """

    __tablename__ = "usage_keys"

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    token_id: str = Field(max_length=8)
    username: str
    tags: str
    name: str
    alias: str
    router: str
    cache: str
    augmentor: str
    provider: str
    model: str
    surface: str
    client: str

    __table_args__ = (WITHOUT_ROWID,)


class _Sums(Row):
    """Sums over rows of `request_logs` in one period: tokens, costs and all that is not said otherwise of both kinds of calls.

    Attributes:
        calls: the clients' own; `helper_calls` are those made for them.
        ok: the clients' own that went well (`app.core.reply.went_well`).
        estimated: calls whose tokens are our estimate; `unpriced` are those without a known price.
        total_ms: of the clients' own.
        first_bytes: the clients' own of which any byte came, over which `first_byte_ms` is summed.
    """

    calls: int = Field(sa_type=BigInteger)
    helper_calls: int = Field(sa_type=BigInteger)
    ok: int = Field(sa_type=BigInteger)
    charged: int = Field(sa_type=BigInteger)
    cache_hits: int = Field(sa_type=BigInteger)
    estimated: int = Field(sa_type=BigInteger)
    unpriced: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    cache_read_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    cache_write_1h_tokens: int = Field(sa_type=BigInteger)
    input_audio_tokens: int = Field(sa_type=BigInteger)
    input_image_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    output_audio_tokens: int = Field(sa_type=BigInteger)
    output_image_tokens: int = Field(sa_type=BigInteger)
    images: int = Field(sa_type=BigInteger)
    searches: int = Field(sa_type=BigInteger)
    requests: int = Field(sa_type=BigInteger)
    audio_ms: int = Field(sa_type=BigInteger)
    cost: int = Field(sa_type=BigInteger)
    total_ms: int = Field(sa_type=BigInteger)
    first_byte_ms: int = Field(sa_type=BigInteger)
    first_bytes: int = Field(sa_type=BigInteger)


class UsageHour(_Sums, table=True):
    """Sums of an hour, counted from 1970 in UTC, of calls with one key."""

    __tablename__ = "usage_hours"

    hour: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True, sa_type=BigInteger)

    __table_args__ = (PrimaryKeyConstraint("hour", "key_id"), WITHOUT_ROWID)


class UsageDay(_Sums, table=True):
    """Sums of a day, of calls with one key."""

    __tablename__ = "usage_days"

    day: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True, sa_type=BigInteger)

    __table_args__ = (PrimaryKeyConstraint("day", "key_id"), WITHOUT_ROWID)


class UsageTotal(_Sums, table=True):
    """Sums of an hour, of all calls: what every report without a filter reads, however many keys there are.

    Attributes:
        cost_mills: thousandths of a USD; `cost` is only what is left of them, call by call. Of all keys together one column might
            be too small, and then no call of that hour could be kept.
    """

    __tablename__ = "usage_totals"

    hour: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    cost_mills: int = Field(sa_type=BigInteger)


USAGE_KEYS = table_of(UsageKey)
USAGE_HOURS = table_of(UsageHour)
USAGE_DAYS = table_of(UsageDay)
USAGE_TOTALS = table_of(UsageTotal)
