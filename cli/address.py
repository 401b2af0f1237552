"""Whether the gateway could listen where it is to."""

import socket

from app.settings import Settings


def try_address(settings: Settings) -> None:
    """Bind the address, as the server will, and let go of it; port 0 stands for any.

    Raises:
        OSError: it is taken, not of this machine, or not allowed.
    """
    for family, kind, _, _, address in socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
