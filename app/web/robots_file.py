"""What a robots.txt says of an address. It runs in a process of its own: see `reader`."""

_NAME = "LLM-Relay"


def allows(body: bytes, url: str) -> bool:
    """Whether we may ask for `url`, by RFC 9309. A stranger's list of rules may be made to take long, and much memory."""
    from protego import Protego

    return bool(Protego.parse(body.decode("utf-8-sig", "replace")).can_fetch(url, _NAME))
