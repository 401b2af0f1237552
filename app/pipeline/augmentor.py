"""The stage of augmentors: puts what the web says before the question.

What was found is untrusted, and written so that it can be nothing but text (`app.web.context`). Whatever fails on the way, the call
goes on: with what is there, or unchanged.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from urllib.parse import quote, urlsplit

from app.core.book import Entry
from app.core.call import Call
from app.core.chat import ChatRequest, Role, ToolResult
from app.core.errors import RelayError
from app.core.explained import Explained
from app.core.frozen import frozen
from app.core.ports import Handler, NoteFailure
from app.core.reply import Reply
from app.core.smart import Augmentor
from app.core.web import Context, Page, SearchResult, Source
from app.pipeline.asking import Asker
from app.pipeline.augmenting.asking import ask_designator
from app.pipeline.augmenting.decision import DIRECT, Decision, decide_always, read_decision
from app.pipeline.augmenting.gathering import Gathered, Gatherer

log = logging.getLogger(__name__)

DONE = "x-relay-augmented"
SOURCES = "x-relay-sources"
FAILED = "failed"

MOST_SOURCES = 2048
"""Bytes of the header: proxies have some 4,000 for all headers of a response."""
_MOST_HOST = 100  # characters in a record
# What separates addresses is a space, which none of them holds; all else that an address may hold stays as it is.
_IN_URLS = "!#$%&'()*+,/:;=?@[]~"

ReadChat = Callable[[Call], ChatRequest | None]
ReadText = Callable[[ChatRequest], str]
WithMessage = Callable[[Call, ChatRequest, str, Role], Call]
WriteContext = Callable[[Sequence[SearchResult], Sequence[Page], int, date], Context | None]


@frozen
class _Ready:
    """A call for the target, and what its reply is to tell."""

    call: Call
    done: str
    sources: Sequence[Source] = ()


def _today() -> date:
    return datetime.now(UTC).date()


class SmartAugmentor:
    """Passes calls for an augmentor on, mostly with more in them.

    Args:
        read_text: the last words of the user.
        with_message: puts a message before these.
        lacks: what is not there that an augmentor's searches need, in words; None where all is.
        count: adds to what an augmentor, by its id, counts.
    """

    def __init__(
        self,
        asker: Asker,
        gatherer: Gatherer,
        *,
        read_chat: ReadChat,
        read_text: ReadText,
        with_message: WithMessage,
        write_context: WriteContext,
        count: Callable[..., None],
        note_failure: NoteFailure,
        lacks: Callable[[Augmentor], str | None],
        today: Callable[[], date] = _today,
    ) -> None:
        self._asker = asker
        self._gatherer = gatherer
        self._read_chat = read_chat
        self._read_text = read_text
        self._with_message = with_message
        self._write_context = write_context
        self._count = count
        self._note_failure = note_failure
        self._lacks = lacks
        self._today = today

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        """The target's reply to `call` with what was found on the web; which header tells what that was."""
        augmentor = _augmentor(entry)
        led = call.led("augmentor", augmentor.name, augmentor.target_model)
        self._count(entry.id, total_requests=1)
        try:
            ready = await self._prepare(call, led, entry, augmentor)
        except Exception:
            log.exception("%s: the augmentor %s failed by a fault of ours", call.id, augmentor.name)
            self._note_failure(call, "augmentor", augmentor.name, "failed")
            ready = _Ready(led, FAILED)
        return _told(await call_next(ready.call), ready)

    async def _prepare(self, call: Call, led: Call, entry: Entry, augmentor: Augmentor) -> _Ready:
        deadline = _deadline(call, entry)
        request, text = self._read(call)
        if request is None or augmentor.mode == "never":
            return _Ready(led, "direct")
        decision = await self._decide(call, augmentor, text, deadline)
        if decision is None or decision.is_direct:
            return _Ready(led, FAILED if decision is None else "direct")
        gathered = await self._gatherer.gather(call, augmentor, decision, deadline)
        for failure in gathered.failures:
            self._note_failure(call, "augmentor", augmentor.name, failure)
        _note_gaps(call, augmentor, gathered)
        context = await self._write(call, augmentor, gathered)
        if context is None:
            return _Ready(led, FAILED)
        more = self._with_message(led, request, context.text, augmentor.inject_as)
        self._count_fetched(entry, gathered)
        return _Ready(more, _done(gathered), context.sources)

    async def explain(self, call: Call, entry: Entry) -> Explained:
        """What it would do. No designator is asked, and nothing is looked up."""
        augmentor = _augmentor(entry)
        target = (augmentor.target_model,)
        request, text = self._read(call)
        if request is None:
            return Explained(target, ("Nothing is looked up: the last turn is no message of the user's.",))
        if augmentor.mode == "never":
            return Explained(target, ("Nothing is looked up: its mode is never.",))
        provider = augmentor.search_provider
        lacking = f" But {why}." if (why := self._lacks(augmentor)) else ""
        if augmentor.mode == "auto" and augmentor.designator_model is not None:
            words = f"The designator {augmentor.designator_model} decides what is looked up; searches are by {provider}.{lacking}"
            return Explained(target, (words,), asks=(augmentor.designator_model,))
        names_pages = decide_always(text).kept_to(augmentor.max_scrape_urls).pages
        more = ", and the pages that it names are read" if names_pages else ""
        return Explained(target, (f"The last message is searched for by {provider}{more}.{lacking}",))

    def _read(self, call: Call) -> tuple[ChatRequest | None, str]:
        """The chat and the user's last words; no chat where these are not what is to be answered."""
        request = None if call.free else self._read_chat(call)
        if (
            request is None
            or not request.messages
            or any(isinstance(p, ToolResult) for p in request.messages[-1].parts)
        ):
            return None, ""
        text = self._read_text(request).strip()
        return (request, text) if text else (None, "")

    async def _decide(self, call: Call, augmentor: Augmentor, text: str, deadline: float) -> Decision | None:
        """None where the designator failed. What it says that is no decision means that nothing is looked up."""
        if augmentor.mode == "always":
            return decide_always(text).kept_to(augmentor.max_scrape_urls)
        try:
            left_s = deadline - time.monotonic()
            async with asyncio.timeout(left_s):
                words = await ask_designator(self._asker, call, augmentor, text, self._today(), left_s)
        except TimeoutError:
            reason = "designator timed out"
        except RelayError as exc:
            log.info("%s: the designator of the augmentor %s: %s", call.id, augmentor.name, exc.message)
            reason = f"designator failed ({exc.code or exc.type})"
        else:
            return self._understand(call, augmentor, words, text)
        self._note_failure(call, "augmentor", augmentor.name, reason)
        return None

    def _understand(self, call: Call, augmentor: Augmentor, words: str, text: str) -> Decision:
        decision = read_decision(words, text)
        if decision is None:
            log.debug("%s: the designator of the augmentor %s said %r", call.id, augmentor.name, words[:200])
            self._note_failure(call, "augmentor", augmentor.name, "no decision")
            return DIRECT
        return decision.kept_to(augmentor.max_scrape_urls)

    async def _write(self, call: Call, augmentor: Augmentor, gathered: Gathered) -> Context | None:
        """What the model is given; None where that is nothing."""
        if not gathered.results and not gathered.pages:
            return None
        budget = augmentor.max_context_tokens
        # In a thread: escaping and cutting many long pages takes longer than the event loop may be held.
        context = await asyncio.to_thread(self._write_context, gathered.results, gathered.pages, budget, self._today())
        if context is None:
            self._note_failure(call, "augmentor", augmentor.name, "no room for what was found")
        return context

    def _count_fetched(self, entry: Entry, gathered: Gathered) -> None:
        self._count(
            entry.id,
            augmented_requests=1,
            search_requests=1 if gathered.results else 0,
            scrape_requests=1 if gathered.pages else 0,
        )


def write_sources(sources: Sequence[Source]) -> str:
    """Their addresses in their order, with a space between them; the first ones, where all are too long for a header."""
    written = ""
    for source in sources:
        url = quote(source.url, safe=_IN_URLS, errors="replace")
        longer = f"{written} {url}".strip()
        if len(longer) > MOST_SOURCES:
            break
        written = longer
    return written


def _told(reply: Reply, ready: _Ready) -> Reply:
    reply.headers.append((DONE.encode(), ready.done.encode()))
    if written := write_sources(ready.sources):
        reply.headers.append((SOURCES.encode(), written.encode("ascii")))
    return reply


def _note_gaps(call: Call, augmentor: Augmentor, gathered: Gathered) -> None:
    """The record says which pages are lacking, by their hosts: what follows may hold a secret. Why they are is in the log."""
    for host in dict.fromkeys(map(_host_of, gathered.lost)):
        call.trace.gaps += (f"augmentor {augmentor.name}: page not read ({host})",)


def _host_of(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return host[:_MOST_HOST] if host and host.isprintable() else "no address"


def _done(gathered: Gathered) -> str:
    return "+".join([*(["search"] if gathered.results else []), *(["scrape"] if gathered.pages else [])])


def _deadline(call: Call, entry: Entry) -> float:
    """By when all has to be there, on the monotonic clock. Of a client's own deadline it takes no more than half."""
    now = time.monotonic()
    deadline = now + _augmentor(entry).time_budget_ms / 1000
    return deadline if call.deadline is None else min(deadline, now + max(0.0, call.deadline - now) / 2)


def _augmentor(entry: Entry) -> Augmentor:
    if not isinstance(entry.model, Augmentor):
        raise TypeError(f"{entry.model.name} is no augmentor")
    return entry.model
