"""What the pipeline asks of the rest of the gateway."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from app.core.book import Book, Entry
from app.core.cached import CacheEntry, CachePage
from app.core.call import Call, Route, Target
from app.core.embedding import TextVector
from app.core.explained import Explained
from app.core.frozen import frozen
from app.core.limits import Ask, Reservation
from app.core.receipt import Bill
from app.core.record import CallRecord
from app.core.reply import Reply
from app.core.smart import Kind
from app.core.usage import NO_USAGE, Usage

Handler = Callable[[Call], Awaitable[Reply]]
"""Takes a call inward and gives its reply."""


class Provider(Protocol):
    """A place that calls are sent to."""

    async def send(self, call: Call, target: Target) -> Reply:
        """Send `call` and return as soon as the first bytes of the reply are here.

        Raises:
            UpstreamUnreachable: no connection.
            UpstreamTimeout: no byte within the provider's first-byte timeout.
            UpstreamError: the provider answered with an error status.
            UpstreamInvalid: the answer is none.
        """


class Directory(Protocol):
    """Who has which model, answered from memory."""

    def find(self, name: str) -> Route | None:
        """What `name` stands for, as the client spells it."""

    def is_listed(self, name: str) -> bool:
        """Whether a model or a name is known to be called so, be it usable or not."""

    def withheld(self, name: str) -> str | None:
        """Why the model that `name` would stand for is switched off, "" where nobody said; None where it is not."""

    def why_unusable(self, name: str) -> str | None:
        """Why no target of that name of the configuration can be used; None where one can, or there is no such name."""

    async def settled(self) -> None:
        """Return when every provider has been asked for its models once, or has had its time to answer."""

    def nearest(self, name: str, most: int = 3) -> Sequence[str]:
        """The names most like `name`, best first."""

    def provider(self, key: str, secret: int = 0) -> Provider:
        """The provider with that key in the configuration, to be asked by that one of its API keys."""


class Shelf(Protocol):
    """Where the smart models are; what is read there may be another one at the next look."""

    @property
    def book(self) -> Book:
        """All of them, as they are now."""


class SmartStage(Protocol):
    """What one kind of smart model does with a call for it."""

    def handle(self, call: Call, entry: Entry, call_next: Handler) -> Awaitable[Reply]:
        """Give the reply to `call`, mostly by passing it on, `led` to another name, which is then resolved in its turn."""


@runtime_checkable
class Explains(Protocol):
    """A stage that can tell what it would do; one that cannot leads to its first target."""

    async def explain(self, call: Call, entry: Entry) -> Explained:
        """What `handle` would do with `call`: nothing is sent, counted or kept."""


CountFailure = Callable[[Kind, str, str], None]
"""Counts that a smart model could not do its part: its kind, its name, and why, in one word of few."""


class Sessions(Protocol):
    """Which model a conversation has with a router, shared by all workers."""

    async def find(self, key: str) -> str | None:
        """The model of the conversation with that key; None where it has none any more, or that cannot be known now."""

    def keep(self, key: str, model: str, ttl_s: float, *, instead_of: str | None = None) -> None:
        """Let it have `model` for so long, from now on, unless it has got another one in the meantime than `instead_of`. Never waits."""


class Rescue(Protocol):
    """One stream, read and written anew, so that it can break off and be carried on by another target.

    Attributes:
        call: what the first target is asked.
        media_type: of the client's stream.
        ended: what was given last ends it.
    """

    call: Call
    media_type: str
    ended: bool

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for a piece of a reply.

        Raises:
            UpstreamFailure: the provider reported an error in the midst of it; what came before that has been given.
        """

    def close(self) -> bytes:
        """The client's last bytes, when the reply is at its end.

        Raises:
            UpstreamFailure: as `feed`.
        """

    def carry_on(self, used: Usage) -> Call | None:
        """What the next target is asked, after the last one broke off and had used so much; None where it cannot go on."""


OpenRescue = Callable[[Call], Rescue | None]
"""None where the call cannot be understood well enough."""


@frozen
class Priced:
    """What something costs.

    Attributes:
        cost: in USD; None where no price is known.
        version: of the prices; `provider` where it is the provider's own figure.
    """

    cost: Decimal | None
    version: str | None


class Forecasts(Protocol):
    """What calls may cost before they are made, answered from memory."""

    def most(self, target: Target, input_tokens: int, output_tokens: int, pieces: Usage) -> Decimal | None:
        """The most that a call of so many tokens and `pieces` can cost in USD; None where no price of these is known."""

    def is_priced(self, target: Target) -> bool:
        """Whether a price is known of the target, be it for tokens or for anything else."""

    async def settled(self) -> None:
        """Return when the prices that are on their way after the start are there, or have had their time."""


class PriceList(Protocol):
    """What targets cost, answered from memory."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        """The cost of `usage` at a moment, in seconds since the epoch: the provider's own figure where it reported one."""


@frozen
class Estimate:
    """What a call will use, before it is known.

    Attributes:
        input_tokens: of the request, rather too many than too few.
        output_tokens: the most that the client lets the model write; None where it did not say.
        replies: how many it asks for at once.
        pieces: searches, pictures and milliseconds of sound, which may have a price of their own.
    """

    input_tokens: int
    output_tokens: int | None
    replies: int = 1
    pieces: Usage = NO_USAGE


EstimateCall = Callable[[Call], Estimate]


class Ledger(Protocol):
    """What is used and reserved of limits, by all workers."""

    async def reserve(self, call_id: str, asks: Sequence[Ask], deadline: float | None) -> Reservation:
        """Reserve all of `asks` for a call, or nothing; where calls under way may leave room, wait for a short while.

        Args:
            deadline: of the call, on the monotonic clock; None for none.

        Raises:
            Unavailable: it cannot be known now whether there is room. Nothing is reserved.
        """


class Receipt(Protocol):
    """Tells the client of one stream what it cost.

    Attributes:
        in_chunks: it has to see all bytes by `feed`; otherwise only `close` is called.
    """

    in_chunks: bool

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for `data`; what is not complete waits."""

    def close(self) -> bytes:
        """The client's last bytes."""


OpenReceipt = Callable[[Call, str, Callable[[], Bill]], Receipt | None]
"""By the stream's media type and what tells the bill up to now. None where such a stream has no place for it."""


class NoteFailure(Protocol):
    """Counts what a stage of a smart model could not do, and says so in the call's record."""

    def __call__(self, call: Call, kind: Kind, name: str, reason: str) -> None:
        """Note it. `reason` is a few words, of which there are few."""


class Recorder(Protocol):
    """Where finished calls go."""

    def record(self, *records: CallRecord) -> None:
        """Take the records of one call, its own first; never waits. When it returns, they survive the end of the process.

        A process that ends before leaves none of them.
        """


class CacheStore(Protocol):
    """What semantic caches keep. A collection is what one cache keeps with one embedder; nothing is found across two spaces of it.

    What has expired is never given. Vectors are little-endian float32 of length 1, equally long within a collection.
    Each method may raise `CacheUnavailable`; whoever is cancelled waits no longer, but what it wrote may be there.
    """

    async def warm(self) -> None:
        """Be ready, so that the first look-up does not wait for imports and connections."""

    async def get(self, collection: str, id: str) -> CacheEntry | None:  # noqa: A002 - the word of CacheEntry
        """The entry of exactly that id."""

    async def nearest(
        self, collection: str, space: str, vector: bytes, most: int = 8
    ) -> Sequence[tuple[CacheEntry, float]]:
        """The entries of a space that are most like `vector`, each with its cosine, best first."""

    async def put(self, collection: str, entry: CacheEntry) -> None:
        """Keep an entry, in place of the one that has its id."""

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Keep these no longer."""

    async def clear(self, collection: str) -> None:
        """Keep none of its entries."""

    async def drop(self, collection: str) -> None:
        """Forget the collection itself."""

    async def count(self, collection: str) -> int:
        """How many entries it has."""

    async def page(
        self, collection: str, *, text: str = "", after: str | None = None, most: int = 50, vectors: bool = False
    ) -> CachePage:
        """Entries to be looked at, the newest first.

        Args:
            text: only those whose questions hold this; capitals do not matter.
            after: what the page before gave. What is none begins anew.
            vectors: only those that have a vector, and with it.
        """

    async def collections(self) -> Sequence[str]:
        """All of them, sorted."""

    async def sweep(self, now: float) -> int:
        """Remove what has expired at a moment, in seconds since the epoch; how many entries that were."""

    async def aclose(self) -> None:
        """Let go of files, connections and threads."""


class Embedder(Protocol):
    """Makes vectors of texts.

    Attributes:
        name: of the model and the length of its vectors; vectors of different names cannot be compared.
    """

    name: str

    async def embed(self, texts: Sequence[str]) -> Sequence[TextVector]:
        """A vector for each text, in their order.

        Raises:
            EmbedderUnavailable: there are none to be had now.
        """
