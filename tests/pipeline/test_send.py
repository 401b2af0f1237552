"""The last stage: what a provider answered was one request."""

import pytest

from app.core.call import Call, Target
from app.core.reply import Reply
from app.core.usage import Usage
from app.pipeline.send import Send
from tests.calls import make_call, make_reply


class Directory:
    """One provider for all."""

    def provider(self, key: str, secret: int = 0) -> "Directory":
        return self

    async def send(self, call: Call, target: Target) -> Reply:
        return make_reply(read_usage=lambda: Usage(3, output=4, tier="flex"))


@pytest.mark.parametrize(("free", "requests"), [(False, 1), (True, 0)])
async def test_call_that_is_answered_is_one_request_unless_it_costs_nothing(*, free: bool, requests: int) -> None:
    send = Send(Directory())  # type: ignore[arg-type] # nothing else of a directory is asked

    reply = await send(make_call(free=free).aimed(Target("acme", "m")))

    assert reply.read_usage() == Usage(3, output=4, tier="flex")._replace(requests=requests)
