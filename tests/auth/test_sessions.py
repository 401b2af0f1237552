"""Sessions as the database has them."""

import pytest

from app.auth.administrators import AdministratorDesk
from app.auth.sessions import NoSession, Sessions
from app.store.db import Database


async def test_login_by_a_password_that_was_changed_meanwhile_is_none(database: Database) -> None:
    desk, sessions = AdministratorDesk(database), Sessions(database)
    found = await desk.add("ana", "admin", "an old password")
    await desk.set_password("ana", "a new password")

    with pytest.raises(NoSession):
        await sessions.begin(found, "127.0.0.1", "")

    assert await sessions.list_all() == []
