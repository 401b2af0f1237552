"""The providers that are inside of the gateway, as its settings have them."""

from collections.abc import Sequence

from app.core.updates import Pending
from app.providers.demo import Demo
from app.providers.registry import BuiltIn
from app.providers.updates import MonitorUpdates
from app.settings import Settings
from app.settings.monitors import PARALLEL_KEYS


def built_in_providers(settings: Settings, pending: Pending) -> Sequence[BuiltIn]:
    """The demo, and where Parallel can be asked for anything, what monitors found."""
    if not settings.secret(PARALLEL_KEYS):
        return (Demo(),)
    return Demo(), MonitorUpdates(pending, settings.monitors.updates_per_reply)
