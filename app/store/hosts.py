"""Queries on the names of clients' addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.store.db import Database
from app.store.statements import Statements

_READ = "SELECT hostname, looked_up_at FROM client_hosts WHERE address = :address"
_WRITE = (
    "INSERT INTO client_hosts (address, hostname, looked_up_at) VALUES (:address, :hostname, :looked_up_at)"
    " ON CONFLICT (address) DO UPDATE SET hostname = excluded.hostname, looked_up_at = excluded.looked_up_at"
)


@dataclass(frozen=True, slots=True)
class StoredHost:
    """What an address was called when it was looked up; None where it had no name."""

    hostname: str | None
    looked_up_at: int


async def read_hosts(db: Database, addresses: Sequence[str]) -> dict[str, StoredHost]:
    """Those of `addresses` that were looked up at any time."""

    def read(statements: Statements) -> dict[str, StoredHost]:
        found = {address: statements.rows(_READ, {"address": address}) for address in addresses}
        return {address: StoredHost(*rows[0]) for address, rows in found.items() if rows}

    return await db.transact(read, writes=False)


async def write_hosts(db: Database, hosts: Mapping[str, StoredHost]) -> None:
    """Keep `hosts` by their addresses, in the place of what was known before."""
    # In order, so that two workers never wait for each other crosswise.
    rows = [
        {"address": address, "hostname": host.hostname, "looked_up_at": host.looked_up_at}
        for address, host in sorted(hosts.items())
    ]
    if rows:
        await db.transact(lambda statements: statements.many(_WRITE, rows))
