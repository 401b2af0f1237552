"""Sessions of the dashboard: what a login gives, for how long it is good, and how it ends."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from app.core.audit import changing
from app.store.administrators import (
    Administrator,
    delete_session,
    find_session,
    insert_session,
    list_sessions,
    mark_seen,
)
from app.store.administrators import NoSession as NoSession
from app.store.administrators import Session as Session
from app.store.db import Database
from app.store.times import now_ms

LIFE_MS = 12 * 3_600_000
"""After a login; then it is over, however much it is used."""

IDLE_MS = 2 * 3_600_000
"""Without a request that somebody made; then it is over too."""

_SEEN_STEP_MS = 60_000  # that it is used is written once a minute at most
_AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Login:
    """A session with what its browser has to send.

    Attributes:
        cookie: the secret itself; it is kept nowhere else.
        csrf: what a page says in a header with each change. It can be had of the cookie only.
    """

    session: Session
    cookie: str

    @property
    def csrf(self) -> str:
        return hashlib.sha256(f"csrf:{self.cookie}".encode()).hexdigest()

    def is_csrf(self, said: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(said.encode(), self.csrf.encode())


class Sessions:
    """All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, administrator: Administrator, address: str, agent: str) -> Login:
        """After a login that succeeded.

        Raises:
            NoSession: the password was changed meanwhile.
        """
        cookie, now = secrets.token_urlsafe(32), now_ms()
        session = Session(
            id=secrets.token_hex(8),
            administrator=administrator.name,
            created_at=now,
            seen_at=now,
            expires_at=now + LIFE_MS,
            address=address,
            agent="".join(letter for letter in agent[:_AGENT_LENGTH] if letter.isprintable()),
            role=administrator.role,
        )
        with changing("session.begin", administrator.name, after={"session": session.id, "agent": session.agent}):
            await insert_session(self._db, session, _digest(cookie), administrator.password_hash, idle=now - IDLE_MS)
        return Login(session, cookie)

    async def find(self, cookie: str, *, attended: bool = True) -> Login | None:
        """Whose cookie that is; None where nobody's, or where the session is over.

        Args:
            attended: somebody is there; what a page asks by itself keeps no session from being idle.
        """
        if not cookie or (session := await find_session(self._db, _digest(cookie))) is None:
            return None
        now = now_ms()
        if now >= session.expires_at or now >= session.seen_at + IDLE_MS:
            return None
        if attended and now >= session.seen_at + _SEEN_STEP_MS:
            await mark_seen(self._db, session.id, now)
        return Login(session, cookie)

    async def list_all(self, of: str | None = None) -> list[Session]:
        """All that are good, the last used first; those of one administrator where `of` is given."""
        now = now_ms()
        sessions = await list_sessions(self._db, now, now - IDLE_MS)
        return [each for each in sessions if of is None or each.administrator == of]

    async def end(self, session_id: str, of: str | None = None) -> bool:
        """By a log-out or by an administrator; False where there is none of that id, or it is of another one than `of`."""
        if of is not None and session_id not in {each.id for each in await self.list_all(of)}:
            return False
        try:
            with changing("session.end", session_id):
                await delete_session(self._db, session_id)
        except NoSession:
            return False
        return True

    async def end_all_of(self, administrator: str) -> int:
        """All of one administrator; how many there were."""
        return sum([await self.end(each.id) for each in await self.list_all(administrator)])


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
