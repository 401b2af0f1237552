"""Settings over HTTP: those that can be changed while the gateway runs."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import InvalidParameters, NotFound, Refusals, refusing
from app.desks.settings import InvalidSetting, NoSuchSetting, SettingsDesk, SettingView

_REFUSALS: Refusals = {NoSuchSetting: partial(NotFound, code="setting_not_found"), InvalidSetting: InvalidParameters}


class NewValue(BaseModel):
    """What a setting is to be."""

    model_config = ConfigDict(extra="forbid")

    value: Any = Field(description="A text, a whole number, true or false, as its kind says; null is none.")


class SettingShown(BaseModel):
    """A setting."""

    name: str
    variable: str = Field(description="Of the environment.")
    kind: str = Field(description="text, number or switch.")
    words: str = Field(description="What it does.")
    value: Any
    environment: Any = Field(description="What it is where no administrator set it.")
    changed: ShownMoment | None = Field(description="When an administrator set it; null where none did.")
    most: int | None = Field(description="Of a number.")


class SettingList(BaseModel):
    """All that can be changed here."""

    settings: list[SettingShown]


def settings_router(authorise: Authorise, desk: SettingsDesk) -> APIRouter:
    """All below `/admin/api/settings`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/settings", tags=["settings"], dependencies=[Depends(authorise)])

    @router.get("", summary="Settings that can be changed while the gateway runs")
    async def list_all() -> SettingList:
        return SettingList(settings=[_shown(view) for view in await desk.list_all()])

    @router.get("/{name}", summary="One setting")
    async def show(name: str) -> SettingShown:
        with refusing(_REFUSALS):
            return _shown(await desk.show(name))

    @router.put("/{name}", summary="Set one in the place of the environment; all workers have it within two seconds")
    async def put(name: str, new: NewValue) -> SettingShown:
        with refusing(_REFUSALS):
            return _shown(await desk.set(name, new.value))

    @router.delete("/{name}", summary="Have the environment say it again")
    async def reset(name: str) -> SettingShown:
        with refusing(_REFUSALS):
            return _shown(await desk.reset(name))

    return router


def _shown(view: SettingView) -> SettingShown:
    setting = view.setting
    return SettingShown(
        name=setting.name,
        variable=setting.variable,
        kind=setting.kind,
        words=setting.words,
        value=view.value,
        environment=view.environment,
        changed=view.changed,
        most=setting.most if setting.kind == "number" else None,
    )
