"""Takes a changed configuration while calls go on."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.config import Config, InvalidConfig, load_config
from app.overrides import Overrides, load_overrides
from app.settings import InvalidSettings, Settings

log = logging.getLogger(__name__)

LOOK_S = 1.0


@dataclass(frozen=True)
class Files:
    """What the files say, and how the secrets that they name are found."""

    config: Config
    overrides: Overrides
    secret: Callable[[Sequence[str]], str | None]


Apply = Callable[[Files], None]


class Reloader:
    """Looks at the files now and then, and at once on SIGHUP. One that cannot be used changes nothing, and is told of.

    Args:
        apply: takes what the files say. Raises `InvalidConfig` or `InvalidSettings` where it cannot.
    """

    def __init__(self, settings: Settings, read_settings: Callable[[], Settings], apply: Apply) -> None:
        self._path = settings.config_path
        self._overrides_path = settings.overrides_path
        self._read_settings = read_settings
        self._apply = apply
        self._hung_up = asyncio.Event()
        self._seen = self._look()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread, as in tests
            loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._hung_up.wait()
            seen = self._look()
            if seen != self._seen or self._hung_up.is_set():
                self._seen = seen
                self._hung_up.clear()
                self.reload()

    def reload(self) -> None:
        """Read settings and configuration anew and apply them, or keep what is."""
        try:
            settings = self._read_settings()
            self._apply(Files(load_config(self._path), load_overrides(settings.overrides_path), settings.secret))
        except (InvalidConfig, InvalidSettings) as exc:
            log.error("the configuration was changed but cannot be used; the old one stays in force:\n%s", exc)
            return
        if settings.overrides_path != self._overrides_path:
            self._overrides_path = settings.overrides_path
            self._seen = self._look()
        log.info("took the changed configuration %s", self._path)

    def _look(self) -> tuple[object, ...]:
        return tuple(_fingerprint(path) for path in (self._path, self._overrides_path) if path is not None)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
