"""Settings that administrators change while the gateway runs. What they set comes before what the environment says."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from app.core.audit import changing
from app.core.jsonio import Json
from app.settings import MOST_DAYS, Settings
from app.store.db import Database
from app.store.settings import StoredSetting, change_settings, list_settings
from app.store.times import from_ms

log = logging.getLogger(__name__)

_MOST_LETTERS = 300


class NoSuchSetting(LookupError):
    """There is none of that name that could be changed here; the message is a sentence."""


class InvalidSetting(ValueError):
    """That cannot be its value; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """One of them.

    Attributes:
        name: its field in `Settings`.
        variable: of the environment.
        words: what it does.
        most: of a number.
    """

    name: str
    variable: str
    kind: Literal["text", "number", "switch"]
    words: str
    most: int = 0

    def check(self, value: Json) -> Any:
        """What `Settings` has for a value.

        Raises:
            InvalidSetting: it cannot be.
        """
        match self.kind:
            case "switch":
                if isinstance(value, bool):
                    return value
                raise InvalidSetting(f"{self.name} is true or false.")
            case "number":
                if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= self.most:
                    return value
                raise InvalidSetting(f"{self.name} is a whole number from 0 to {self.most:,}.")
        text = value.strip() if isinstance(value, str) else value
        if text in (None, ""):
            return None
        if isinstance(text, str) and text.isprintable() and len(text) <= _MOST_LETTERS:
            return text
        raise InvalidSetting(f"{self.name} is a text of {_MOST_LETTERS} letters at most, or null.")


LIVE_SETTINGS = (
    LiveSetting(
        "default_model",
        "DEFAULT_MODEL",
        "text",
        "The model that answers where a client names one that does not exist; nothing: that is an error.",
    ),
    LiveSetting(
        "retention_days",
        "RETENTION_DAYS",
        "number",
        "For how many days calls, and what monitors found, are kept; 0 is for ever. Sums stay.",
        MOST_DAYS,
    ),
    LiveSetting(
        "bodies_retention_days",
        "BODIES_RETENTION_DAYS",
        "number",
        "For how many days is kept what was said in calls of tokens with log_bodies; 0 is for ever.",
        MOST_DAYS,
    ),
    LiveSetting(
        "client_addresses",
        "CLIENT_ADDRESSES",
        "switch",
        "Note with each call the address that it came from. Off: calls from now on are kept, logged and traced without it.",
    ),
    LiveSetting(
        "dns_resolution",
        "DNS_RESOLUTION",
        "switch",
        "Ask the DNS for the names of clients' addresses. It happens beside the calls, and no call waits for it.",
    ),
)
_BY_NAME = {each.name: each for each in LIVE_SETTINGS}


def find_setting(name: str) -> LiveSetting:
    """The one of that name.

    Raises:
        NoSuchSetting
    """
    if (found := _BY_NAME.get(name)) is None:
        raise NoSuchSetting(f"There is no setting {name!r} that can be changed here; there are {', '.join(_BY_NAME)}.")
    return found


def settings_with(environment: Settings, said: Mapping[str, Json]) -> Settings:
    """`environment` with what administrators said in its place. What cannot be, as of another version, is told in the log."""
    fields: dict[str, Any] = {}
    for name, value in said.items():
        try:
            fields[name] = find_setting(name).check(value)
        except (NoSuchSetting, InvalidSetting) as exc:
            log.error("the setting %s of the database is left out: %s", name, exc)
    return replace(environment, **fields) if fields else environment


class LiveSettings:
    """Those of now, of one worker: whoever reads one does so each time, as `live.now.retention_days`.

    Attributes:
        environment: what they are without administrators.
    """

    def __init__(self, environment: Settings) -> None:
        self.environment = environment
        self.now = environment

    def take(self, said: Mapping[str, Json]) -> None:
        """Have them be what administrators say by now."""
        before, self.now = self.now, settings_with(self.environment, said)
        for each in LIVE_SETTINGS:
            if (value := getattr(self.now, each.name)) != getattr(before, each.name):
                log.info("the setting %s is %s now", each.name, value)


@dataclass(frozen=True, slots=True)
class SettingView:
    """One of them.

    Attributes:
        value: of now.
        environment: what it would be without administrators.
        changed: when one of them set it; None where none did.
    """

    setting: LiveSetting
    value: Json
    environment: Json
    changed: datetime | None


CheckModel = Callable[[str], Awaitable[str | None]]
"""Why a name cannot be the default model; None where it can."""


class SettingsDesk:
    """Shows them and changes them. All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(
        self,
        db: Database,
        environment: Settings,
        refresh: Callable[[], Awaitable[None]],
        check_model: CheckModel,
    ) -> None:
        self._db = db
        self._environment = environment
        self._refresh = refresh
        self._check_model = check_model

    async def list_all(self) -> list[SettingView]:
        """All that can be changed here."""
        stored = {each.name: each for each in await list_settings(self._db)}
        return [self._view(each, stored.get(each.name)) for each in LIVE_SETTINGS]

    async def show(self, name: str) -> SettingView:
        """One of them.

        Raises:
            NoSuchSetting
        """
        setting = find_setting(name)
        return next(view for view in await self.list_all() if view.setting is setting)

    async def set(self, name: str, value: Json) -> SettingView:
        """Set one in the place of the environment.

        Raises:
            NoSuchSetting, InvalidSetting
        """
        setting, before = find_setting(name), await self.show(name)
        checked = setting.check(value)
        if name == "default_model" and checked is not None and (why := await self._check_model(checked)) is not None:
            raise InvalidSetting(why)
        with changing("setting.change", name, before=_noted(before), after={"value": checked, "set_here": True}):
            await change_settings(self._db, {name: checked})
        await self._refresh()
        return await self.show(name)

    async def reset(self, name: str) -> SettingView:
        """Have the environment say it again.

        Raises:
            NoSuchSetting
        """
        before = await self.show(name)
        if before.changed is not None:
            after = {"value": before.environment, "set_here": False}
            with changing("setting.change", name, before=_noted(before), after=after):
                await change_settings(self._db, {}, [name])
            await self._refresh()
        return await self.show(name)

    def _view(self, setting: LiveSetting, stored: StoredSetting | None) -> SettingView:
        environment = getattr(self._environment, setting.name)
        if stored is None:
            return SettingView(setting, environment, environment, None)
        now = settings_with(self._environment, {setting.name: stored.value})
        return SettingView(setting, getattr(now, setting.name), environment, from_ms(stored.changed_at))


def _noted(view: SettingView) -> dict[str, Json]:
    """For the audit log. One that is set here stays as it is whatever the environment says."""
    return {"value": view.value, "set_here": view.changed is not None}
