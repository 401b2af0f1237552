"""Who asks, told by the user's name alone: `root` is an administrator."""

from typing import cast

from app.api.admin.authorise import Authorise, authoriser
from app.api.client_address import address_reader
from app.auth.guard import Guard
from app.core.errors import AuthenticationFailed
from app.core.principal import Principal


class _Names:
    async def identify(self, authorization: str | None, _client: str) -> Principal:
        name = (authorization or "").removeprefix("Bearer ")
        if not name:
            raise AuthenticationFailed("who?")
        return Principal(token_id="a", username=name, daily_limit=1, admin=name == "root")


def authorise_by_name() -> Authorise:
    """What administrators' routes ask."""
    return authoriser(cast(Guard, _Names()), address_reader(()))
