"""Verifies that a webhook is Parallel's, as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from app.core.errors import AuthenticationFailed

MOST_SKEW_S = 300
"""That a webhook's time may be away from ours, either way; as in the standard's own libraries."""

_CHALLENGE = (("www-authenticate", "Standard-Webhooks"),)  # RFC 9110, 11.6.1: every 401 has one
_PREFIX = "whsec_"
_ID = re.compile(rb"[!-~]{1,200}")
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_VERSION = b"v1,"
# Of some ninety signatures: more than any rotation has, and little work.
_MOST_SIGNATURES_BYTES = 4096

Headers = Mapping[bytes, bytes]
"""Of a request, by their names in lower case."""


class NotSigned(AuthenticationFailed):
    """A webhook that is not Parallel's, or that is too old; or our secret is another."""

    code = "invalid_signature"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=_CHALLENGE)


class Verifier:
    """Knows the keys that webhooks are signed with.

    Args:
        secrets: any of them may have been used, so that one can be replaced by another.
        clock: seconds since 1970.
    """

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float]) -> None:
        self._keys = tuple(dict.fromkeys(key for secret in secrets for key in _keys_of(secret)))
        self._clock = clock

    def verify(self, headers: Headers, body: bytes) -> str:
        """The id of the webhook whose body, byte by byte, is this.

        Raises:
            NotSigned: a header is missing or malformed, the time is not about now, or no signature is right.
        """
        webhook_id, timestamp = headers.get(b"webhook-id", b""), headers.get(b"webhook-timestamp", b"")
        signatures = headers.get(b"webhook-signature", b"")
        if not _ID.fullmatch(webhook_id):
            raise NotSigned("The header webhook-id is missing or malformed.")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise NotSigned("The header webhook-timestamp is missing or malformed.")
        if not signatures or len(signatures) > _MOST_SIGNATURES_BYTES:
            raise NotSigned("The header webhook-signature is missing or too long.")
        skew_s = self._clock() - int(timestamp)
        if abs(skew_s) > MOST_SKEW_S:
            raise NotSigned(
                f"The webhook's time is {abs(skew_s):.0f} s {'ago' if skew_s > 0 else 'ahead'}; {MOST_SKEW_S} s are allowed."
            )
        if not self._is_signed(b".".join((webhook_id, timestamp, body)), signatures):
            raise NotSigned("No signature in the header webhook-signature is right.")
        return webhook_id.decode()

    def _is_signed(self, content: bytes, signatures: bytes) -> bool:
        """Compare all keys with all signatures: the time that it takes tells nothing of either."""
        given = [each.removeprefix(_VERSION) for each in signatures.split(b" ") if each.startswith(_VERSION)]
        right = False
        for key in self._keys:
            expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256))
            for signature in given:
                right |= hmac.compare_digest(expected, signature)
        return right


def _keys_of(secret: str) -> Iterator[bytes]:
    """What a secret may stand for: base64 after its prefix; for accounts of before that, itself as it is written."""
    yield secret.encode()
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    if key:  # anybody could sign with no key at all
        yield key
