"""What operators are told of monitors: by metrics, and by alerts where somebody may have to do something."""

from app.metering.metrics import Metrics
from app.metering.notices import Notices

REFUSED = "refused"


class MonitorSignals:
    """Hears what becomes of webhooks and of what they tell of."""

    def __init__(self, metrics: Metrics, notices: Notices) -> None:
        self._metrics = metrics
        self._notices = notices

    def webhook_taken(self, status: str) -> None:
        """A webhook was answered with 200, and this."""
        self._metrics.count_webhook(status)

    def webhook_refused(self, unverified: str | None) -> None:
        """A webhook was answered with an error.

        Args:
            unverified: why it was not found to be Parallel's, without words of its sender's; None where it was refused for something else.
        """
        self._metrics.count_webhook(REFUSED)
        if unverified is not None:
            self._notices.note("webhook_refused", unverified)

    def events_given_up(self, message: str) -> None:
        """An event group is not asked for any more."""
        self._metrics.count_given_up()
        self._notices.note("events_given_up", message)
