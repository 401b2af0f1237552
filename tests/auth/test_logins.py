"""How many logins are tried, and whose they are."""

import pytest

from app.auth.administrators import FIRST_NAME, AdministratorDesk, WrongCode
from app.auth.logins import LOGINS_PER_MINUTE, Logins, WrongPassword, client_of
from app.auth.sessions import Sessions
from app.core.errors import RateLimited
from app.store.db import Database

PASSWORD = "correct horse battery"


async def test_who_has_a_network_of_ipv6_has_no_more_tries(database: Database) -> None:
    logins = Logins(AdministratorDesk(database), Sessions(database))

    for number in range(LOGINS_PER_MINUTE):
        with pytest.raises(WrongPassword):
            await logins.begin("ann", PASSWORD, f"2001:db8:0:1:{number}::7", "")

    with pytest.raises(RateLimited):
        await logins.begin("ann", PASSWORD, "2001:db8:0:1:ffff:ffff:ffff:ffff", "")
    with pytest.raises(WrongPassword):
        await logins.begin("ann", PASSWORD, "2001:db8:0:2::7", "")


async def test_first_visit_is_one_try_each_time(database: Database) -> None:
    desk, sessions = AdministratorDesk(database), Sessions(database)
    logins, code = Logins(desk, sessions), await desk.show_code()
    assert code is not None

    for _ in range(LOGINS_PER_MINUTE - 1):
        with pytest.raises(WrongCode):
            await logins.begin_first("xxxx-xxxx-xxxx", PASSWORD, "192.0.2.7", "")
    login = await logins.begin_first(code, PASSWORD, "192.0.2.7", "")

    assert (login.session.administrator, login.session.role) == (FIRST_NAME, "admin")
    with pytest.raises(RateLimited):
        await logins.begin(FIRST_NAME, PASSWORD, "192.0.2.7", "")


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_client_of_an_address(address: str, client: str) -> None:
    assert client_of(address) == client
