"""The last stage: hands the call to its provider."""

from app.core.call import Call
from app.core.ports import Directory
from app.core.reply import Reply


class Send:
    """Sends each call to the provider of its target."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def __call__(self, call: Call) -> Reply:
        """The provider's reply, its first bytes here."""
        target = call.target
        if target is None:
            raise ValueError("a call is sent before its name is resolved")
        reply = await self._directory.provider(target.provider, target.secret).send(call, target)
        if not call.free:
            read_usage = reply.read_usage
            reply.read_usage = lambda: read_usage().answered()
        return reply
