"""Queries on administrators, their sessions, and the code by which the first of them is made."""

from dataclasses import dataclass

from app.store.db import Database
from app.store.statements import Statements

_ADMINISTRATORS = "SELECT name, role, password_hash, created_at, changed_at FROM administrators"
_INSERT = (
    "INSERT INTO administrators (name, role, password_hash, created_at, changed_at)"
    " VALUES (:name, :role, :password_hash, :now, :now) ON CONFLICT (name) DO NOTHING RETURNING name"
)
_INSERT_FIRST = (
    "INSERT INTO administrators (name, role, password_hash, created_at, changed_at)"
    " SELECT :name, :role, :password_hash, CAST(:now AS BIGINT), CAST(:now AS BIGINT)"
    " WHERE NOT EXISTS (SELECT 1 FROM administrators) ON CONFLICT (name) DO NOTHING RETURNING name"
)
_CHANGE_HASH = (
    "UPDATE administrators SET password_hash = :password_hash, changed_at = :now WHERE name = :name RETURNING name"
)
_SET_ROLE = "UPDATE administrators SET role = :role, changed_at = :now WHERE name = :name RETURNING name"
_DELETE = "DELETE FROM administrators WHERE name = :name RETURNING name"
_LOCK = (
    "INSERT INTO revisions (subject, number) VALUES ('administrators', 1)"
    " ON CONFLICT (subject) DO UPDATE SET number = revisions.number + 1"
)
_OTHER_ADMINS = "SELECT COUNT(*) FROM administrators WHERE role = 'admin' AND name <> :name"
_SESSION_COLUMNS = "id, administrator, created_at, seen_at, expires_at, address, agent"
_INSERT_SESSION = (
    f"INSERT INTO admin_sessions (digest, {_SESSION_COLUMNS})"  # noqa: S608 - our columns
    " SELECT :digest, :id, name, CAST(:created_at AS BIGINT), CAST(:created_at AS BIGINT), CAST(:expires_at AS BIGINT), :address, :agent"
    " FROM administrators WHERE name = :administrator AND password_hash = :password_hash RETURNING id"
)
_FORGET_OLD = "DELETE FROM admin_sessions WHERE expires_at <= :now OR seen_at <= :idle"
_SESSION = (
    "SELECT s.id, s.administrator, s.created_at, s.seen_at, s.expires_at, s.address, s.agent, a.role"
    " FROM admin_sessions s JOIN administrators a ON a.name = s.administrator WHERE s.digest = :digest"
)
_SESSIONS = (
    "SELECT s.id, s.administrator, s.created_at, s.seen_at, s.expires_at, s.address, s.agent, a.role"
    " FROM admin_sessions s JOIN administrators a ON a.name = s.administrator"
    " WHERE s.expires_at > :now AND s.seen_at > :idle ORDER BY s.seen_at DESC, s.id"
)
_SEEN = "UPDATE admin_sessions SET seen_at = :now WHERE id = :id"
_DELETE_SESSION = "DELETE FROM admin_sessions WHERE id = :id RETURNING id"
_DELETE_SESSIONS = "DELETE FROM admin_sessions WHERE administrator = :name"
_SHOW_CODE = "INSERT INTO admin_setup (code, shown_at) SELECT :code, CAST(:now AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM admin_setup)"
_CLAIM_CODE = "UPDATE admin_setup SET shown_at = :now WHERE shown_at < :since RETURNING code"
_CODE = "SELECT code FROM admin_setup"


class Exists(Exception):
    """There is one already; nothing was written."""


class OnlyOne(Exception):
    """Nobody else may change anything; nothing was written."""


class NoSession(LookupError):
    """There is none; nothing was written."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who may log in; times in milliseconds."""

    name: str
    role: str
    password_hash: str
    created_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A login, and the role that its administrator has now; times in milliseconds."""

    id: str
    administrator: str
    created_at: int
    seen_at: int
    expires_at: int
    address: str
    agent: str
    role: str


async def list_administrators(db: Database) -> list[Administrator]:
    """All of them, by name."""
    rows = await db.transact(lambda statements: statements.rows(f"{_ADMINISTRATORS} ORDER BY name", {}), writes=False)
    return [Administrator(*row) for row in rows]


async def find_administrator(db: Database, name: str) -> Administrator | None:
    """One of them."""
    rows = await db.transact(
        lambda statements: statements.rows(f"{_ADMINISTRATORS} WHERE name = :name", {"name": name}), writes=False
    )
    return Administrator(*rows[0]) if rows else None


async def add_administrator(
    db: Database, name: str, role: str, password_hash: str, now: int, *, only_as_first: bool = False
) -> None:
    """Let somebody in. The first one ends the code for it.

    Raises:
        Exists: there is one of that name, or, `only_as_first`, any.
    """
    values = {"name": name, "role": role, "password_hash": password_hash, "now": now}

    def add(statements: Statements) -> None:
        statements.rows(_LOCK, {})
        if not statements.rows(_INSERT_FIRST if only_as_first else _INSERT, values):
            raise Exists
        statements.rows("DELETE FROM admin_setup", {})

    await db.transact(add)


async def set_password(db: Database, name: str, password_hash: str, now: int) -> bool:
    """Change a password, and end all sessions of its administrator; False where there is none."""

    def change(statements: Statements) -> bool:
        statements.rows(_DELETE_SESSIONS, {"name": name})
        return bool(statements.rows(_CHANGE_HASH, {"name": name, "password_hash": password_hash, "now": now}))

    return await db.transact(change)


async def set_role(db: Database, name: str, role: str, now: int) -> None:
    """Give another role.

    Raises:
        OnlyOne: it is the last one who may change anything.
    """

    def change(statements: Statements) -> None:
        statements.rows(_LOCK, {})  # two that look whether there is another do so one after the other
        if role != "admin" and not statements.rows(_OTHER_ADMINS, {"name": name})[0][0]:
            raise OnlyOne
        statements.rows(_SET_ROLE, {"name": name, "role": role, "now": now})

    await db.transact(change)


async def delete_administrator(db: Database, name: str) -> None:
    """Remove one with all sessions.

    Raises:
        OnlyOne: it is the last one who may change anything.
    """

    def delete(statements: Statements) -> None:
        statements.rows(_LOCK, {})
        if not statements.rows(_OTHER_ADMINS, {"name": name})[0][0]:
            raise OnlyOne
        statements.rows(_DELETE_SESSIONS, {"name": name})
        statements.rows(_DELETE, {"name": name})

    await db.transact(delete)


async def insert_session(db: Database, session: Session, digest: bytes, password_hash: str, *, idle: int) -> None:
    """Keep a new login, and forget those that are over, or were last used before `idle`.

    Raises:
        NoSession: the password with that hash, by which somebody logged in, is none any more.
    """
    values = {
        "digest": digest,
        "id": session.id,
        "administrator": session.administrator,
        "password_hash": password_hash,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "address": session.address,
        "agent": session.agent,
    }

    def insert(statements: Statements) -> None:
        statements.rows(_FORGET_OLD, {"now": session.created_at, "idle": idle})
        if not statements.rows(_INSERT_SESSION, values):
            raise NoSession

    await db.transact(insert)


async def find_session(db: Database, digest: bytes) -> Session | None:
    """The login with that cookie, also one that is over."""
    rows = await db.transact(lambda statements: statements.rows(_SESSION, {"digest": digest}), writes=False)
    return Session(*rows[0]) if rows else None


async def list_sessions(db: Database, now: int, idle: int) -> list[Session]:
    """All that are not over and were used since `idle`, the last used first."""
    values = {"now": now, "idle": idle}
    rows = await db.transact(lambda statements: statements.rows(_SESSIONS, values), writes=False)
    return [Session(*row) for row in rows]


async def mark_seen(db: Database, session_id: str, now: int) -> None:
    """A login was used."""
    await db.transact(lambda statements: statements.rows(_SEEN, {"id": session_id, "now": now}))


async def delete_session(db: Database, session_id: str) -> None:
    """End a login.

    Raises:
        NoSession: there is none of that id.
    """

    def delete(statements: Statements) -> None:
        if not statements.rows(_DELETE_SESSION, {"id": session_id}):
            raise NoSession

    await db.transact(delete)


async def show_setup_code(db: Database, code: str, now: int, since: int) -> str | None:
    """The code for the first password, for the one process that is to show it; `code` where there is none yet.

    None where another has shown it after `since`, or where there are administrators already.
    """

    def show(statements: Statements) -> str | None:
        if statements.rows("SELECT 1 FROM administrators LIMIT 1", {}):
            return None
        statements.rows(_SHOW_CODE, {"code": code, "now": 0})
        claimed = statements.rows(_CLAIM_CODE, {"now": now, "since": since})
        return str(claimed[0][0]) if claimed else None

    return await db.transact(show)


async def read_setup_code(db: Database) -> str | None:
    """The code of now; None where no first password is awaited."""
    rows = await db.transact(lambda statements: statements.rows(_CODE, {}), writes=False)
    return str(rows[0][0]) if rows else None
