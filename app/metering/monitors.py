"""What operators are told of monitors."""

from app.metering.metrics import Metrics

REFUSED = "refused"


class MonitorSignals:
    """Counts what becomes of webhooks and of what they tell of."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def webhook_taken(self, status: str) -> None:
        """A webhook was answered with 200, and this."""
        self._metrics.count_webhook(status)

    def webhook_refused(self) -> None:
        """A webhook was answered with an error."""
        self._metrics.count_webhook(REFUSED)

    def events_given_up(self) -> None:
        """An event group is not asked for any more."""
        self._metrics.count_given_up()
