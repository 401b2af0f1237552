"""How a PostgreSQL server is connected to: by asyncpg, which is imported when there is one."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import ExceptionContext, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 5
"""As SQLite's: a process that hangs while it holds a row must not hold up all others."""

# Where a firewall forgets a connection that is idle, it does so later than this.
_MAX_AGE_S = 300
_SETTINGS = {
    "application_name": "llm-relay",
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": "60s",
}
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d+)?")


class CannotConnect(ConnectionError):
    """The server is there but takes no connection from us: it is starting, full, or knows no such user or database."""


def describe_server(url: str) -> str:
    """`url` without user, password and options, which may be secrets too.

    Raises:
        ValueError: it is no URL of a server. The message may hold parts of it.
    """
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    # A password that holds one of these characters as it is ends up in the wrong part.
    misplaced = parts.fragment or "@" in parts.path + parts.query or "/" in parts.path[1:]
    if misplaced or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise ValueError("it is no URL")
    if parts.query:
        parse_qs(parts.query, strict_parsing=True)
    return f"postgresql://{hosts}{parts.path}"


def open_server(url: str) -> AsyncEngine:
    """An engine for the server at `url`; all that libpq's URLs may hold is left to asyncpg.

    Raises:
        ModuleNotFoundError: asyncpg is not installed.
    """
    import asyncpg

    options = parse_qs(urlsplit(url).query)
    settings = {name: value for name, value in _SETTINGS.items() if name not in options}

    async def connect() -> Any:
        try:
            return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as exc:
            raise CannotConnect(str(exc)) from exc

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_recycle=_MAX_AGE_S,
        pool_use_lifo=True,
        hide_parameters=True,  # an error of a driver, and so the log, holds no values; see `_hide_values`
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _hide_values)
    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool connect anew in place of what a server that went away has closed: asyncpg knows it without a ping."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _hide_values(context: ExceptionContext) -> None:
    """Take out of an error what PostgreSQL and asyncpg quote: the row in the details, and of a value that fits no column, itself."""
    orig, cause = context.original_exception, context.original_exception.__cause__
    state = getattr(cause, "sqlstate", None)
    if cause is None or state is None:
        return
    words = f"{type(cause).__name__} ({state})" if _is_quoting(state) else str(cause.args[0])
    cause.detail = None  # type: ignore[attr-defined] # as asyncpg's errors have it
    for each in (cause, orig, context.sqlalchemy_exception):
        if each is not None:
            each.args = (words,)


def _is_quoting(state: str) -> bool:
    """Whether the message may have a value: in the class of data exceptions, but for a text that is too long (PostgreSQL, appendix A)."""
    return state.startswith("22") and state != "22001"
