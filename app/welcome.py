"""What an operator sees at the first start: a token, once, and a call to paste; and how to come into the dashboard."""

import sys

from app.auth.administrators import AdministratorDesk, InvalidPassword
from app.settings import InvalidSettings, Settings


def show_first_token(token: str, settings: Settings) -> None:
    """Print the token and a `curl` line to standard output; never to the log, and never again."""
    sys.stdout.write(_WELCOME.format(token=token, url=base_url(settings)))
    sys.stdout.flush()


async def welcome_administrator(desk: AdministratorDesk, settings: Settings) -> None:
    """Make the first administrator with ADMIN_PASSWORD, or print the code by which a first visit sets a password.

    The code goes to standard output, as the first token does, and never to the log. Each start prints it until it was used.

    Raises:
        InvalidSettings: ADMIN_PASSWORD cannot be a password.
    """
    if settings.admin_password is not None:
        try:
            await desk.ensure_first(settings.admin_password)
        except InvalidPassword as exc:
            raise InvalidSettings(f"ADMIN_PASSWORD: {exc}") from exc
    elif code := await desk.show_code():
        sys.stdout.write(_FIRST_VISIT.format(url=base_url(settings), code=code))
        sys.stdout.flush()


def base_url(settings: Settings) -> str:
    """Where the gateway can be reached from this machine."""
    scheme = "https" if settings.ssl_certfile else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - all addresses include this one
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


_WELCOME = """
This is the first start, so here is a first token. It is shown only now:

    {token}

Try it:

    curl {url}/v1/chat/completions \\
      -H "Authorization: Bearer {token}" \\
      -H "Content-Type: application/json" \\
      -d '{{"model": "demo", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

More tokens: llm-relay tokens add --username NAME

"""

_FIRST_VISIT = """
The dashboard waits for its first visit: open {url}/admin and set a password with this code:

    {code}

"""
