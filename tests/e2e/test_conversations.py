"""Conversations of several turns with tools, each client's SDK before each provider: ids, order and signatures arrive intact."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import Clients
from tests.e2e.speakers import KEEPS_SIGNATURES, PIXEL, SPEAKERS, SYSTEM, Given, Heard, Speaker
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.e2e.strict.base import LYON, PARIS, ROME, SCRIPT, Call, Result, Strict
from tests.e2e.strict.registry import STRICT

PROVIDERS = {name: make() for name, make in STRICT.items()}
EXPECTED: list[Any] = [
    ("system", SYSTEM),
    ("user", "How are Paris and Rome?"),
    ("assistant", "I look.", [("weather", PARIS.arguments), ("picture", ROME.arguments)]),
    ("results", [("picture", "Rome from above", False), ("weather", "no such city", True)]),
    ("assistant", "", [("weather", LYON.arguments)]),
    ("results", [("weather", "18 degrees", False)]),
    ("assistant", "Lyon has 18 degrees.", []),
    ("user", "And tomorrow?"),
]
EACH_CLIENT = pytest.mark.parametrize("client", SPEAKERS)
EACH_PROVIDER = pytest.mark.parametrize("origin", PROVIDERS)


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a strict provider of each dialect, each under a path of its own."""
    config: dict[str, Any] = {
        name: {
            "base_url": f"{provider.base_url}/{name}" + ("/v1" if name in ("openai", "responses") else ""),
            "api_format": name,
            "supported_models": [strict.model],
            **ONE_ATTEMPT,
        }
        for name, strict in PROVIDERS.items()
    }
    with running_gateway(tmp_path_factory.mktemp("conversations"), config) as running:
        yield running


@pytest.fixture(scope="module")
def clients(relay: Gateway) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NO_PROXY", "127.0.0.1")
        opened = Clients(relay.base_url, relay.add_token("conversations", rate_limit=100_000))
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(autouse=True)
def strict(standin: StandIn) -> None:
    """All providers, before a new conversation."""
    for each in PROVIDERS.values():
        each.begin()
    standin.answer = answer


def answer(exchange: Exchange) -> Answer:
    """The answer of the provider that was asked."""
    return PROVIDERS[exchange.path.split("/")[1]].answer(exchange)


@EACH_PROVIDER
@EACH_CLIENT
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_conversation_with_tools_arrives_intact(client: str, origin: str, clients: Clients, *, streamed: bool) -> None:
    strict = PROVIDERS[origin]
    speaker = SPEAKERS[client](clients, f"{origin}/{strict.model}", streamed=streamed)

    begun = first_half(speaker)
    heard = [*begun, *second_half(speaker, begun[-1])]

    assert strict.broken == []
    assert [reply.text for reply in heard] == [said.text for said in SCRIPT]
    assert [called(reply) for reply in heard] == [scripted(said.calls) for said in SCRIPT]
    assert heard[0].reasoning == SCRIPT[0].reasoning
    assert conversation(strict) == EXPECTED
    assert proofs(strict) == (proofs_given(strict) if client in KEEPS_SIGNATURES else [])


@EACH_CLIENT
@pytest.mark.parametrize(("origin", "goal"), list(permutations(PROVIDERS, 2)))
def test_conversation_goes_on_at_another_provider(client: str, origin: str, goal: str, clients: Clients) -> None:
    before, strict = PROVIDERS[origin], PROVIDERS[goal]
    speaker = SPEAKERS[client](clients, f"{origin}/{before.model}", streamed=True)

    begun = first_half(speaker)
    speaker.model = f"{goal}/{strict.model}"
    heard = second_half(speaker, begun[-1])

    assert (before.broken, strict.broken) == ([], [])
    assert [reply.text for reply in heard] == [said.text for said in SCRIPT[2:]]
    assert conversation(strict) == EXPECTED
    for said in SCRIPT[:2]:
        assert said.proof.encode() not in strict.body
        assert before.signature(said).encode() not in strict.body or not before.signature(said)


def first_half(speaker: Speaker) -> list[Heard]:
    """Two answers that call tools. The results of the first come in another order, one a picture and one an error."""
    speaker.say("How are Paris and Rome?")
    first = speaker.ask()
    weather, picture = first.calls
    speaker.give(
        [Given(picture, "Rome from above", image=PIXEL), Given(weather, "no such city", is_error=True)],
    )
    return [first, speaker.ask()]


def second_half(speaker: Speaker, before: Heard) -> list[Heard]:
    """The result of the last call, and one more question."""
    [call] = before.calls
    speaker.give([Given(call, "18 degrees")])
    third = speaker.ask()
    speaker.say("And tomorrow?")
    return [third, speaker.ask()]


def called(reply: Heard) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in reply.calls]


def scripted(calls: tuple[Call, ...]) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in calls]


def conversation(strict: Strict) -> list[Any]:
    """What came in the last request. A picture that a tool gave may also be shown in words of the user behind it."""
    assert sum(turn.images + sum(result.images for result in turn.results) for turn in strict.turns) == 1
    told: list[Any] = []
    for turn in strict.turns:
        if turn.role == "assistant":
            told.append((turn.role, turn.text.strip(), list(turn.calls)))
        elif turn.role == "results":
            told.append((turn.role, [outcome(result) for result in turn.results]))
        elif not turn.images:
            told.append((turn.role, turn.text))
    return told


def outcome(result: Result) -> tuple[str, str, bool]:
    """A result, and whether it is an error: some APIs have no other place to say so than its text."""
    text = result.text.removeprefix("Error: ")
    return result.name, text, result.is_error or text != result.text


def proofs(strict: Strict) -> list[str]:
    return [proof for turn in strict.turns for proof in turn.proofs]


def proofs_given(strict: Strict) -> list[str]:
    """What the provider signed before the last request."""
    return [signature for said in SCRIPT[:3] if (signature := strict.signature(said))]
