"""What an operator sees at the first start: a token, once, and a call to paste."""

import sys

from app.settings import Settings


def show_first_token(token: str, settings: Settings) -> None:
    """Print the token and a `curl` line to standard output; never to the log, and never again."""
    sys.stdout.write(_WELCOME.format(token=token, url=base_url(settings)))
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
