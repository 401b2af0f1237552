"""A provider's whole chat reply: collected, checked, mended where the provider needs it, its usage read."""

from collections.abc import Mapping, Sequence

from app.core.errors import UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, dumps, is_utf8
from app.core.usage import Usage
from app.dialects.collected import Collected
from app.dialects.openai.errors import read_error
from app.dialects.openai.stream import Mender
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class WholeReply(Collected):
    """Feed it the provider's bytes; the client's come in one piece, at the close."""

    def __init__(
        self,
        *,
        provider: str,
        request: Mapping[str, Json],
        mender: Mender | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        super().__init__(provider)
        self._request = request
        self._secrets = secrets
        self._mender = mender
        self._usage: Usage | None = None

    def close(self, *, certain: bool) -> bytes:
        """The client's body: as it came, unless it had to be mended. JSON shows by itself whether it is whole.

        Raises:
            UpstreamInvalid: it is no chat completion.
            UpstreamError: it is an error that came with status 200.
        """
        body = self._body()
        reply = self._read(body)
        mended = reply if self._mender is None else self._mender.mend_whole(reply)
        usage = read_usage(reply.get("usage"), reply.get("service_tier"))
        self._usage = usage if usage is not None else self._estimate(reply["choices"])
        if mended is reply and is_utf8(body) and not body.startswith(_BYTE_ORDER_MARK):
            return body
        try:
            return dumps(mended)
        except InvalidJson as exc:
            raise UpstreamInvalid(f"The reply of {self._provider} cannot be passed on: {exc}.") from None

    def read_usage(self) -> Usage:
        """What was used; known after the close, and before it estimated for the request alone."""
        return self._usage or self._estimate([])

    def _read(self, body: bytes) -> dict[str, Json]:
        reply = self._decoded(body)
        if not isinstance(reply, dict):
            raise UpstreamInvalid(f"The reply of {self._provider} is no JSON object.")
        if isinstance(reply.get("choices"), list):
            return reply
        if reply.get("error"):
            raise read_error(200, body, provider=self._provider, retry_after=None, secrets=self._secrets)
        raise UpstreamInvalid(f"The reply of {self._provider} is no chat completion: it has no 'choices'.")

    def _estimate(self, choices: list[Json]) -> Usage:
        characters = 0
        for choice in choices:
            message = choice.get("message") if isinstance(choice, dict) else None
            content = message.get("content") if isinstance(message, dict) else None
            characters += len(content) if isinstance(content, str) else 0
        return Usage(
            input=estimate_tokens(count_prompt_characters(self._request)),
            output=estimate_tokens(characters),
            estimated=True,
        )
