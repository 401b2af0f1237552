"""The gateways that are measured: how each is installed and started. A new one is a file here and a row below."""

from pathlib import Path
from typing import Protocol

from benchmarks.contenders.ferrogw import Ferrogw
from benchmarks.contenders.litellm import LiteLLM
from benchmarks.contenders.nginx import Nginx
from benchmarks.contenders.relay import Relay
from benchmarks.servers import Launch


class Contender(Protocol):
    """A gateway that can be put between the load and the stand-in provider."""

    name: str

    def install(self) -> str:
        """Make it runnable, which may take minutes the first time, and give its version.

        Raises:
            InstallFailed: it cannot be had here.
        """

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        """Write its configuration for the provider at `upstream` (a base URL that ends with /v1) into `folder`."""


RELAY: Contender = Relay()
PEERS: dict[str, Contender] = {peer.name: peer for peer in (Nginx(), Ferrogw(), LiteLLM())}
