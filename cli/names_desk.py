"""The desk of smart models as commands have it: on the server's database, with the providers that it would have."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cli.database import Directory, on_directory

if TYPE_CHECKING:
    from app.smart.desk import SmartDesk

T = TypeVar("T")


def on_desk(env_file: Path | None, work: "Callable[[SmartDesk], Awaitable[T]]", *, offline: bool = True) -> T:
    """Do `work` at the desk; what it refuses is told, with status 1.

    Args:
        offline: providers are not asked for their lists, and those that have no list of their own may have any model.
    """

    async def do(directory: Directory) -> T:
        from app.smart.desk import NoSuchName

        if not offline:
            await directory.registry.discover()
        try:
            return await work(desk_of(directory))
        except NoSuchName as exc:
            raise ValueError(f"{exc} 'llm-relay names list' shows all.") from exc

    return on_directory(env_file, do)


def desk_of(directory: Directory) -> "SmartDesk":
    """The desk."""
    from app.smart.desk import SmartDesk
    from app.smart.search_setup import look_at_searches

    async def nothing() -> None:
        """No server here to be told, and no list on its way."""

    settings, registry = directory.settings, directory.registry
    lacks = look_at_searches(settings, registry).lacks
    return SmartDesk(
        directory.db, registry, lambda: settings.default_model, refresh=nothing, settled=nothing, lacks=lacks
    )
