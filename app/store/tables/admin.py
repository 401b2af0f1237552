"""The dashboard: who may use it, what they changed, and what they set for the gateway while it runs."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field

from app.store.tables.base import WITHOUT_ROWID, JsonOrNull, Row, count


class Administrator(Row, table=True):
    """Who may log in. `role` is `admin` or `viewer`; `password_hash` is Argon2's, with its parameters."""

    __tablename__ = "administrators"

    name: str = Field(primary_key=True, max_length=64)
    role: str = Field(max_length=8)
    password_hash: str
    created_at: int = Field(sa_type=BigInteger)
    changed_at: int = Field(sa_type=BigInteger)


class AdminSession(Row, table=True):
    """A login. Only the SHA-256 digest of what the cookie holds is kept.

    Attributes:
        seen_at: when it was last used, to the minute.
        expires_at: when it ends, however much it is used.
        address, agent: where it began, and what the browser calls itself.
    """

    __tablename__ = "admin_sessions"

    id: str = Field(primary_key=True, max_length=16)
    digest: bytes = Field(unique=True, max_length=32)
    administrator: str = Field(max_length=64)
    created_at: int = Field(sa_type=BigInteger)
    seen_at: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    address: str
    agent: str

    __table_args__ = (Index("ix_admin_sessions_administrator", "administrator"),)


class AdminSetup(Row, table=True):
    """The code by which the first password may be set. It is kept as text, so that each start can show it again.

    `shown_at` is when a start last showed it: of several workers one does.
    """

    __tablename__ = "admin_setup"

    code: str = Field(primary_key=True, max_length=32)
    shown_at: int = Field(sa_type=BigInteger)


class AuditEntry(Row, table=True):
    """A change that an administrator made. Entries are numbered without gaps, and each holds the hash of the one before.

    Attributes:
        actor: `admin:NAME`, `token:ID` or `cli:USER`.
        action: such as `token.modify`.
        subject: what was changed: an id or a name.
        before, after: its fields; null where it was not there. No secret is among them.
        hash: SHA-256 in hexadecimal over `previous_hash` and all else.
    """

    __tablename__ = "audit_log"

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: int = Field(sa_type=BigInteger)
    actor: str = Field(max_length=128)
    address: str = Field(max_length=64)
    action: str = Field(max_length=64)
    subject: str
    before: dict[str, Any] | None = Field(default=None, sa_type=JsonOrNull)
    after: dict[str, Any] | None = Field(default=None, sa_type=JsonOrNull)
    previous_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)

    __table_args__ = (
        Index("ix_audit_log_action_number", "action", "number"),
        Index("ix_audit_log_actor_number", "actor", "number"),
    )


class Setting(Row, table=True):
    """What an administrator set for the gateway while it runs, in the place of what the environment says."""

    __tablename__ = "settings"

    name: str = Field(primary_key=True, max_length=64)
    value: Any = Field(sa_type=JSON)
    changed_at: int = Field(sa_type=BigInteger)


class ProviderSwitch(Row, table=True):
    """A provider that an administrator switched off."""

    __tablename__ = "provider_switches"

    provider: str = Field(primary_key=True, max_length=200)
    switched_at: int = Field(sa_type=BigInteger)


class LiveWatch(Row, table=True):
    """Somebody looks at the live calls until then: only so long do the workers write theirs. One row, `name` is `calls`."""

    __tablename__ = "live_watch"

    name: str = Field(primary_key=True, max_length=16)
    until: int = Field(sa_type=BigInteger)


class LiveCalls(Row, table=True):
    """The calls that a worker has under way."""

    __tablename__ = "live_calls"

    worker_id: str = Field(primary_key=True, max_length=64)
    at: int = Field(sa_type=BigInteger)
    calls: Any = Field(sa_type=JSON)


class LiveStop(Row, table=True):
    """A call that is to be stopped, by whichever worker has it."""

    __tablename__ = "live_stops"

    request_id: str = Field(primary_key=True, max_length=64)
    asked_at: int = Field(sa_type=BigInteger)


class FirstByteHour(Row, table=True):
    """How many clients' calls of an hour had their first byte after so long. `bucket`: see `app.store.first_bytes`.

    The bucket comes first in the key: then each is summed up over the hours of a period without sorting.
    """

    __tablename__ = "usage_first_bytes"

    bucket: int = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    calls: int = count()

    __table_args__ = (WITHOUT_ROWID,)


class CacheHour(Row, table=True):
    """What a cache counted in an hour, as in `smart_caches`, from when there was this table on. It stays when the cache is gone."""

    __tablename__ = "cache_hours"

    cache_id: str = Field(primary_key=True, max_length=8)
    hour: int = Field(primary_key=True)
    total_requests: int = count()
    cache_hits: int = count()
    tokens_saved: int = count()
    cost_saved: int = count()

    __table_args__ = (WITHOUT_ROWID,)
