"""Stages in their order, and the last one."""

from dataclasses import replace

import pytest

from app.core.call import Call, Target
from app.core.ports import Handler
from app.core.reply import Reply
from app.pipeline.send import Send
from app.pipeline.stage import chain
from app.providers.demo import Demo
from tests.calls import make_call


class Noting:
    """A stage that notes its turns, and changes the call."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self.name = name
        self.turns = turns

    async def handle(self, call: Call, call_next: Handler) -> Reply:
        self.turns.append(f"{self.name} in {call.name}")
        reply = await call_next(replace(call, name=call.name + self.name))
        self.turns.append(f"{self.name} out")
        return reply


class OneProvider:
    """A directory with the demo alone."""

    def provider(self, key: str, secret: int = 0) -> Demo:
        assert key == "demo"
        return Demo()


async def test_stages_take_their_turns_inward_and_outward() -> None:
    turns: list[str] = []

    async def last(call: Call) -> Reply:
        turns.append(f"last {call.name}")
        return await Demo().send(call, Target("demo", "demo"))

    handler = chain([Noting("a", turns), Noting("b", turns)], last)
    await handler(make_call({"model": "m"}))

    assert turns == ["a in m", "b in ma", "last mab", "b out", "a out"]


async def test_chain_may_have_no_stages() -> None:
    async def last(call: Call) -> Reply:
        return await Demo().send(call, Target("demo", "demo"))

    assert (await chain([], last)(make_call())).status == 200


async def test_call_is_sent_to_the_provider_of_its_target() -> None:
    reply = await Send(OneProvider())(make_call(target=Target("demo", "demo")))  # type: ignore[arg-type] # as much as it needs

    assert reply.status == 200


async def test_call_without_target_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="before its name is resolved"):
        await Send(OneProvider())(make_call())  # type: ignore[arg-type] # as much as it needs
