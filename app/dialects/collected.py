"""A provider's whole reply, collected until its body ends, and decoded."""

from app.core.errors import UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, loads_repaired

MAX_REPLY_BYTES = 128 * 1024 * 1024


class Collected:
    """What readers of whole replies share; the client's bytes come in one piece, at their close.

    Attributes:
        ended: always False: the end of a whole reply is the end of its body.
        failure: always None: an error is raised.
    """

    ended = False
    failure: str | None = None

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """Keep the next bytes.

        Raises:
            UpstreamInvalid: the reply is larger than any that a provider sends.
        """
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_REPLY_BYTES:
            raise UpstreamInvalid(f"The provider's reply is longer than {MAX_REPLY_BYTES} bytes.")
        return b""

    def _body(self) -> bytes:
        return b"".join(self._pieces)

    def _decoded(self, body: bytes) -> Json:
        try:
            return loads_repaired(body)
        except InvalidJson:
            raise UpstreamInvalid(f"The reply of {self._provider} is not valid JSON.") from None
