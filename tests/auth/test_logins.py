"""How many logins are tried, and whose they are."""

import pytest

from app.auth.administrators import AdministratorDesk
from app.auth.logins import LOGINS_PER_MINUTE, Logins, client_of
from app.auth.sessions import Sessions
from app.core.errors import RateLimited
from app.store.db import Database


async def test_who_has_a_network_of_ipv6_has_no_more_tries(database: Database) -> None:
    logins = Logins(AdministratorDesk(database), Sessions(database))

    for number in range(LOGINS_PER_MINUTE):
        await logins.count(f"2001:db8:0:1:{number}::7")

    with pytest.raises(RateLimited):
        await logins.count("2001:db8:0:1:ffff:ffff:ffff:ffff")
    await logins.count("2001:db8:0:2::7")


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
