"""Stand-ins for providers that hold a request to their API's rules, and answer with the next turn of one conversation.

The rules are those that the APIs themselves enforce in a conversation with tools: OpenAI's reference of Chat and of Responses,
Anthropic's on tool use and extended thinking, Google's on thought signatures, Ollama's on tool calling. A request that breaks
one gets a 400 with the rule, as there.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.jsonio import dumps
from tests.e2e.standin import EVENT_STREAM, Answer, Exchange


@dataclass(frozen=True)
class Call:
    """A tool call of the script."""

    id: str
    name: str
    arguments: dict[str, str]


@dataclass(frozen=True)
class Said:
    """One answer of the model. `proof` is what the provider signs it with; `redacted`: its reasoning is that proof alone."""

    proof: str
    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    redacted: bool = False


PARIS = Call("1", "weather", {"city": "Paris"})
ROME = Call("2", "picture", {"of": "Rome"})
LYON = Call("3", "weather", {"city": "Lyon"})

SCRIPT = (
    Said("proof-one", "Two cities. ", "I look. ", (PARIS, ROME)),
    Said("proof-two", "Another one. ", calls=(LYON,), redacted=True),
    Said("proof-three", "Now I know. ", "Lyon has 18 degrees."),
    Said("proof-four", text="The same."),
)


@dataclass(frozen=True)
class Result:
    """A result of a tool, as it came. `name` is that of its call."""

    name: str
    text: str
    is_error: bool
    images: int


@dataclass(frozen=True)
class Turn:
    """What came of one turn of the conversation. `proofs` are those of this provider, in their order."""

    role: str
    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    results: tuple[Result, ...] = ()
    proofs: tuple[str, ...] = ()
    images: int = 0


class BrokenRule(Exception):
    """A request that the API would refuse."""


def need(fact: object, rule: str) -> None:
    """Refuse the request where `fact` is not one."""
    if not fact:
        raise BrokenRule(rule)


class Strict(ABC):
    """One provider.

    Attributes:
        script: what the model answers, by the number of its answers before.
        broken: the rules that requests have broken since `begin`.
        turns: what the last request said.
    """

    model: str

    def __init__(self) -> None:
        self.script: Sequence[Said] = SCRIPT
        self.broken: list[str] = []
        self.turns: list[Turn] = []
        self.body = b""

    def begin(self, script: Sequence[Said] = SCRIPT) -> None:
        """Begin a new conversation."""
        self.script, self.broken, self.turns, self.body = script, [], [], b""

    def answer(self, exchange: Exchange) -> Answer:
        """The next turn of the script, or the rule that the request breaks."""
        payload = exchange.json
        self.body = exchange.body
        try:
            self.turns = self.read(payload)
        except BrokenRule as exc:
            self.broken.append(str(exc))
            return Answer.json({"error": {"message": str(exc), "type": "invalid_request_error"}}, 400)
        said = self.script[sum(turn.role == "assistant" for turn in self.turns)]
        return self.write(said, streamed=payload.get("stream") is True or ":stream" in exchange.path)

    @abstractmethod
    def read(self, payload: Any) -> list[Turn]:
        """The turns of a request. Raises `BrokenRule`."""

    @abstractmethod
    def write(self, said: Said, *, streamed: bool) -> Answer:
        """An answer."""

    @abstractmethod
    def signature(self, said: Said) -> str:
        """What the provider signs `said` with, as it writes it."""


def add_result(turns: list[Turn], result: Result) -> None:
    """Neighbouring results are one turn."""
    if turns and turns[-1].role == "results":
        turns[-1] = Turn("results", results=(*turns[-1].results, result))
    else:
        turns.append(Turn("results", results=(result,)))


def add_answer(
    turns: list[Turn],
    *,
    text: str = "",
    calls: tuple[tuple[str, Any], ...] = (),
    proofs: tuple[str, ...] = (),
) -> None:
    """Neighbouring items of the model are one turn."""
    before = turns.pop() if turns and turns[-1].role == "assistant" else Turn("assistant")
    turns.append(
        Turn("assistant", before.text + text, (*before.calls, *calls), proofs=(*before.proofs, *proofs)),
    )


def typed_events(events: Sequence[Any]) -> Answer:
    """A stream whose events name their types."""
    pieces = [b"event: " + event["type"].encode() + b"\ndata: " + dumps(event) + b"\n\n" for event in events]
    return Answer(200, EVENT_STREAM, pieces, chunked=True)
