"""What belongs to smart models, wired together: where they are looked up, and the stage of each kind."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.core.ports import Directory, SmartStage
from app.core.smart import Kind
from app.pipeline.alias import Alias
from app.pipeline.names import Names
from app.settings import Settings
from app.smart.live import LiveBook
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class SmartModels:
    """All of it.

    Attributes:
        loops: are run for as long as the gateway runs.
    """

    live: LiveBook
    names: Names
    loops: Sequence[Callable[[], Awaitable[None]]]


def open_smart_models(settings: Settings, database: Database, directory: Directory) -> SmartModels:
    """Makes it; nothing is read yet."""
    live = LiveBook(database)
    alias = Alias()
    stages: dict[Kind, SmartStage] = {"alias": alias, "redirect": alias}
    return SmartModels(live, Names(directory, live, stages, settings.default_model), (live.run,))
