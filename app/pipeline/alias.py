"""Aliases and redirects: other names for models."""

from collections.abc import Awaitable

from app.core.book import Entry, target_of
from app.core.call import Call
from app.core.ports import Handler
from app.core.reply import Reply


class Alias:
    """Leads calls to the target of their name."""

    def handle(self, call: Call, entry: Entry, call_next: Handler) -> Awaitable[Reply]:
        """Pass the call on, led to the target."""
        model = entry.model
        return call_next(call.led(model.kind, model.name, target_of(model, call.wanted)))
