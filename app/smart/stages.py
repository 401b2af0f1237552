"""What belongs to smart models, wired together: where they are looked up, and the stage of each kind."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.core.call import Call
from app.core.ports import CacheStore, CountFailure, NoteFailure, PriceList, Recorder, SmartStage
from app.core.record import CallRecord
from app.core.smart import Kind
from app.dialects.conversation import last_user_text, read_chat, read_question_answer, write_question
from app.dialects.estimate import estimate
from app.pipeline import build_sender
from app.pipeline.alias import Alias
from app.pipeline.asking import Asker
from app.pipeline.board import Board
from app.pipeline.limits import Limits
from app.pipeline.metering import Metering
from app.pipeline.names import Names
from app.pipeline.router import Router
from app.pipeline.routing.candidates import Survey
from app.pipeline.routing.choosing import DesignatorChooser
from app.pipeline.routing.question import QuestionReader
from app.pipeline.searching import Searcher
from app.pipeline.updates import UpdateRule
from app.providers.registry import Registry
from app.providers.updates import KEY, MODEL
from app.settings import Settings
from app.smart.augmentors import Augmentors
from app.smart.caches import Caches
from app.smart.embedding import Embedders, Opened
from app.smart.live import LiveBook
from app.smart.sessions import RouterSessions
from app.smart.stats import Stats
from app.store.db import Database
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.opening import open_cache_store

log = logging.getLogger(__name__)

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SmartModels:
    """All of it.

    Attributes:
        live: which there are.
        names: the stage that resolves names, with the stages of all kinds.
        asker: sends calls of the gateway's own.
    """

    live: LiveBook
    names: Names
    asker: Asker
    sessions: RouterSessions
    caches: Caches
    augmentors: Augmentors
    stats: Stats

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What runs for as long as the gateway does."""
        return (self.live.run, self.stats.run, self.sessions.run, self.sessions.run_sweep, *self.caches.loops)

    async def refresh(self) -> None:
        """Read what there is; once before the first call.

        Raises:
            DatabaseUnavailable: it cannot be read.
        """
        await self.live.refresh()
        await self.caches.refresh()

    async def aclose(self) -> None:
        """Write what is not written yet."""
        try:
            await self.caches.aclose()
        finally:
            try:
                await self.stats.flush()
            finally:
                await self.augmentors.aclose()


def open_smart_models(
    settings: Settings,
    database: Database,
    registry: Registry,
    recorder: Recorder,
    board: Board,
    prices: PriceList,
    limits: Limits | None,
    transport: httpx.AsyncBaseTransport,
    count_failure: CountFailure,
    default_model: Callable[[], str | None],
) -> SmartModels:
    """Makes it; nothing is read yet, and nothing is imported that only some kinds of smart models need.

    Args:
        default_model: gives the setting of now.
    """
    live, stats = LiveBook(database), Stats(database)
    sender = build_sender(registry, recorder, board, prices, limits)
    asker = Asker(registry, sender, write_question, read_question_answer)
    sessions = RouterSessions(database)
    router = Router(
        Survey(registry, live, board, registry.known),
        QuestionReader(read_chat, estimate),
        DesignatorChooser(asker, registry, prices, registry.known),
        sessions,
        board,
        prices,
        count_failure,
    )
    note_failure = _noter(count_failure)
    updates = UpdateRule(f"{KEY}/{MODEL}", settings.monitors.words, _read_text)
    caches = Caches(
        database,
        _open_store(settings),
        live,
        asker,
        Embedders(asker, _open_local, settings.local_embedder_dir),
        prices,
        stats,
        note_failure,
        updates,
    )
    searcher = Searcher([stage for stage in (Metering(recorder, prices), limits) if stage is not None])
    augmentors = Augmentors(settings, transport, asker, searcher, stats, note_failure)
    alias = Alias()
    stages: dict[Kind, SmartStage] = {
        "alias": alias,
        "redirect": alias,
        "router": router,
        "cache": caches.stage,
        "augmentor": augmentors.stage,
    }
    reserve = None if limits is None else limits.admit
    names = Names(registry, live, stages, default_model, reserve, updates)
    return SmartModels(live, names, asker, sessions, caches, augmentors, stats)


def open_to_look(
    settings: Settings, database: Database, registry: Registry, prices: PriceList, transport: httpx.AsyncBaseTransport
) -> SmartModels:
    """The same for commands that only look at ways: whatever would be sent cannot be recorded, and fails."""
    return open_smart_models(
        settings,
        database,
        registry,
        _NoRecorder(),
        Board(),
        prices,
        None,
        transport,
        lambda *_: None,
        lambda: settings.default_model,
    )


class _NoRecorder:
    def record(self, *records: CallRecord) -> None:
        raise RuntimeError("a call was made by a command that only looks")


def _read_text(call: Call) -> str:
    request = read_chat(call)
    return "" if request is None else last_user_text(request)


def _noter(count_failure: CountFailure) -> NoteFailure:
    """Gives what counts, and says in the call's record and in the log, that a stage could not do its part."""

    def note_failure(call: Call, kind: Kind, name: str, reason: str) -> None:
        count_failure(kind, name, reason)
        call.trace.notes += (f"{kind} {name}: {reason}",)
        log.warning("%s: %s %s: %s; the call goes on", call.id, kind, name, reason)

    return note_failure


def chroma_server(settings: Settings) -> ChromaServer | None:
    """Where semantic caches keep their entries; None for a file."""
    if not settings.chroma_url:
        return None
    return ChromaServer(
        settings.chroma_url,
        settings.chroma_token,
        settings.chroma_tenant,
        settings.chroma_database,
        settings.ca_file,
    )


def _open_store(settings: Settings) -> CacheStore:
    return open_cache_store(settings.data_dir, chroma_server(settings), settings.chroma_collection_prefix)


async def _open_local(folder: Path | None) -> Opened:
    from app.embedders.local import open_local

    return await open_local(folder)
