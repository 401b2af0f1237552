"""What is kept of one call when it has ended."""

from app.core.frozen import frozen
from app.core.reply import Outcome
from app.core.usage import Usage


@frozen
class CallRecord:
    """One row of `request_logs`, and one line of the log.

    Attributes:
        id: the request id.
        received_at: seconds since the epoch.
        name: what the client asked for.
        provider: None where the call never got as far, like `model`, the provider's own name for it.
        status: of the reply, or of the error that ended it; where a ping had gone out before, the client saw 200.
        first_byte_ms: from arrival to the first byte of the reply; None where none came.
        charged: whether the call kept its unit of quota.
        attempts: how often any target was asked.
        rescued: its stream broke off and was carried on by another target, which is the one that is named.
        error: our or the provider's words, redacted.
    """

    id: str
    received_at: float
    token_id: str
    username: str
    name: str
    provider: str | None
    model: str | None
    surface: str
    streamed: bool
    status: int
    outcome: Outcome
    usage: Usage
    first_byte_ms: int | None
    total_ms: int
    client: str
    charged: bool
    attempts: int = 0
    rescued: bool = False
    error: str | None = None
