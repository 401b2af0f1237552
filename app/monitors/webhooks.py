"""Takes the webhooks by which Parallel tells of monitors: only those that it signed, each once."""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from app.core.errors import InvalidRequest, Unavailable
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, Json, loads
from app.core.redaction import redact
from app.monitors.remote import DETECTED, EVENT_TYPES, FAILED, OUR_KEY
from app.monitors.signature import Headers, Verifier
from app.store.db import Database
from app.store.monitors.webhooks import Webhook, take_webhook
from app.store.storable import storable
from app.store.times import now_ms, to_ms

log = logging.getLogger(__name__)

_STATUSES = {"unknown": "unknown_monitor"}
_ID = re.compile(r"[!-~]{1,200}")
_MOST_ERROR_CHARACTERS = 500
_REMIND_S = 60.0


class NotSetUp(Unavailable):
    """The operator has not said what webhooks are signed with."""


@frozen
class Receipt:
    """What came of a webhook.

    Attributes:
        status: `stored`, `noted`, `duplicate`, `unknown_monitor`, or `ignored` where it is of a type that we do not know.
        event_group_id: that it told of, if any.
    """

    status: str
    event_group_id: str | None = None


class Receiver:
    """Takes them.

    Args:
        read_secrets: gives what they are signed with at the moment; without any, none is taken.
        insecure: without secrets, all are taken, whoever sent them.
        on_stored: called when an event group is there that was not before.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        read_secrets: Callable[[], Sequence[str]],
        *,
        insecure: bool = False,
        on_stored: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._read_secrets = read_secrets
        self._known: Sequence[str] = ()
        self._verifier: Verifier | None = None
        self._insecure = insecure
        self._on_stored = on_stored
        self._clock = clock
        self._reminded_at: float | None = None

    async def take(self, headers: Headers, body: bytes) -> Receipt:
        """Take one, and return when it is on the disk.

        Args:
            body: as it was sent, byte by byte.

        Raises:
            NotSetUp: there is no secret.
            NotSigned: it is not Parallel's.
            InvalidRequest: it is Parallel's, and cannot be understood.
            DatabaseUnavailable: it may not be kept, and has to be sent again.
        """
        webhook_id = self._check(headers, body)
        now = self._clock()
        webhook = _read(webhook_id, body, now)
        if webhook is None:
            return Receipt("ignored")
        result = await take_webhook(self._database, webhook, now)
        if result == "unknown":
            log.info("a webhook is about the monitor %s at Parallel, which is none of ours", webhook.parallel_id)
        if result == "stored":
            self._on_stored()
        return Receipt(_STATUSES.get(result, result), webhook.event_group_id)

    def _check(self, headers: Headers, body: bytes) -> str:
        """The id of a webhook that may be taken."""
        if (verifier := self._verifier_now()) is not None:
            return verifier.verify(headers, body)
        if self._insecure:
            self._remind("PARALLEL_WEBHOOK_INSECURE is true: webhooks are taken unsigned, whoever sent them.")
            webhook_id = headers.get(b"webhook-id", b"").decode("latin-1")
            return webhook_id if _ID.fullmatch(webhook_id) else f"sha256_{hashlib.sha256(body).hexdigest()}"
        self._remind(
            "A webhook was refused, as PARALLEL_WEBHOOK_SECRET is not set: set it to the secret that Parallel shows under"
            " Settings, Webhooks."
        )
        raise NotSetUp("No webhook can be taken: the gateway has no secret to verify it with.")

    def _verifier_now(self) -> Verifier | None:
        """By the secrets of the moment; None where there is none."""
        secrets = self._read_secrets()
        if secrets != self._known:
            self._known = secrets
            self._verifier = Verifier(secrets, lambda: self._clock() / 1000) if secrets else None
        return self._verifier

    def _remind(self, words: str) -> None:
        """Tell the operator, once a minute at most."""
        now = time.monotonic()
        if self._reminded_at is None or now - self._reminded_at >= _REMIND_S:
            self._reminded_at = now
            log.warning(words)


def _read(webhook_id: str, body: bytes, now: int) -> Webhook | None:
    """What a body says; None where it is of a type that we do not know.

    Raises:
        InvalidRequest: it is not as Parallel writes them.
    """
    try:
        message = loads(body)
    except InvalidJson as exc:
        raise InvalidRequest(f"The body is not JSON: {exc}.") from None
    kind = _member(message, "type")
    if not isinstance(kind, str):
        raise InvalidRequest("The field 'type' must be a string.", param="type")
    if kind not in EVENT_TYPES:
        log.info("a webhook of a type that is not known is ignored")
        return None
    data = _member(message, "data")
    event = _member(data, "event")
    parallel_id = _read_id(_member(data, "monitor_id"), "data.monitor_id")
    monitor_id = _member(_member(data, "metadata"), OUR_KEY)
    ours = monitor_id if isinstance(monitor_id, str) and _ID.fullmatch(monitor_id) else None
    if kind == DETECTED:
        group = _read_id(_member(event, "event_group_id"), "data.event.event_group_id")
        return Webhook(webhook_id, kind, parallel_id, ours, group)
    error = _read_error(event) if kind == FAILED else None
    ran_at = _read_moment(_member(message, "timestamp"), now)
    return Webhook(webhook_id, kind, parallel_id, ours, ran_at=ran_at, error=error)


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, Mapping) else None


def _read_id(value: Json, path: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidRequest(f"The field {path!r} must be an id: 1 to 200 characters without spaces.", param=path)
    return value


def _read_error(event: Json) -> str:
    """Why a run failed, as it can be stored, and not at any length."""
    error = _member(event, "error") or _member(event, "error_message")
    text = error if isinstance(error, str) else _member(error, "message")
    if not isinstance(text, str) or not text.strip():
        return "The run failed; Parallel did not say why."
    return storable(redact(text[:_MOST_ERROR_CHARACTERS]))


def _read_moment(text: Json, now: int) -> int:
    """A moment by RFC 3339 as milliseconds since 1970; `now` where it is none, or later."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return now if moment is None else min(now, max(0, to_ms(moment.replace(tzinfo=moment.tzinfo or UTC))))
    except (ValueError, OverflowError):
        return now
