"""What a text has to be for every database to take it."""


def storable(text: str) -> str:
    """`text` without lone surrogates and NUL. Clients and providers can send both."""
    return text.encode(errors="replace").decode().replace("\0", "?")
