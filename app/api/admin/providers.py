"""Providers over HTTP: which there are, what keeps one from being used, and how they are added and changed while the gateway runs."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.refused import Conflicting, InvalidParameters, NotFound, Refusals, refusing
from app.core.moments import write_moment
from app.desks.providers import (
    SWITCHED_OFF,
    FixedProvider,
    InvalidConfig,
    NoSuchProvider,
    ProviderDesk,
    ProviderExists,
    ProviderView,
)
from app.providers.trial import Trial

_FIXED: dict[int | str, dict[str, Any]] = {409: {"description": "It is in the configuration file, or built in."}}
Definition = Annotated[
    dict[str, Any],
    Body(
        description="An entry as `config.json` has it. `api_key_env` names the variable that holds the key, which ends in `_API_KEY`; no key is kept.",
        examples=[{"base_url": "https://api.acme.example/v1", "api_key_env": "ACME_API_KEY"}],
    ),
]


_REFUSALS: Refusals = {
    NoSuchProvider: partial(NotFound, code="provider_not_found"),
    FixedProvider: partial(Conflicting, code="provider_in_configuration"),
    ProviderExists: partial(Conflicting, code="provider_exists"),
    InvalidConfig: InvalidParameters,
}


class TrialShown(BaseModel):
    """What asking a provider for its models came to."""

    ok: bool
    words: str
    models: int | None = Field(description="How many it lists; null where it did not tell.")
    at: str | None = Field(description="When it was asked; null where it was not.")
    ms: int = Field(description="How long it took.")


class NewProvider(BaseModel):
    """A provider to be added."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(description="What it is called in names of models: lower case, such as acme.")
    definition: dict[str, Any]


class ProviderShown(BaseModel):
    """A provider, without the value of any key, header or parameter."""

    key: str
    name: str
    state: str = Field(description="`ready`, or what keeps it from being used.")
    source: str = Field(
        description="Where it is defined: config, added or built in; gone where the configuration has it no more, and only what was"
        " changed over it is left."
    )
    changed_here: bool = Field(
        description="The configuration defines it, but what was put here counts in the place of that."
    )
    changes: list[str] = Field(description="The fields in which that differs.")
    base_url: str | None
    api_format: list[str]
    api_key_env: list[str] = Field(description="The variables that may hold its key.")
    headers: list[str] = Field(description="The names of further headers.")
    prices: str | None = Field(description="Whose list of prices is its own, where it is said.")
    models: int | None = Field(description="How many are known; null while it has not told.")
    switched_off: bool = Field(description="An administrator switched it off.")
    trial: TrialShown | None = Field(description="How asking it last went in the worker that answers; null: not yet.")


class ProviderList(BaseModel):
    """All of them, in the order in which they are searched for a model."""

    providers: list[ProviderShown]


def providers_router(authorise: Authorise, desk: ProviderDesk) -> APIRouter:
    """All below `/admin/api/providers`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/providers", tags=["providers"], dependencies=[Depends(authorise)])

    @router.get("", summary="All providers, and whether they can be used")
    async def list_all() -> ProviderList:
        return ProviderList(providers=[_shown(view) for view in await desk.list_all()])

    @router.post("", status_code=201, summary="Add a provider", responses=_FIXED)
    async def add(new: NewProvider) -> ProviderShown:
        with refusing(_REFUSALS):
            await desk.add(new.key, new.definition)
            return await _show(new.key)

    @router.get("/{key}", summary="One provider")
    async def show(key: str) -> ProviderShown:
        with refusing(_REFUSALS):
            return await _show(key)

    @router.get(
        "/{key}/definition",
        summary="The entry of a provider, as it counts",
        description="Values that may be secret are hidden; sent back by PUT, they stay as they are.",
        responses=_FIXED,
        openapi_extra=FOR_ADMINS,
    )
    async def definition(key: str) -> dict[str, Any]:
        with refusing(_REFUSALS):
            return await desk.definition(key)

    @router.put(
        "/{key}",
        summary="Add a provider, or change one",
        description="Of a provider of the configuration this counts in the place of its whole entry there, in all workers, until"
        " it is reset. What is hidden of that entry stays there, and is sent to the host that it names only.",
    )
    async def put(key: str, definition: Definition) -> ProviderShown:
        with refusing(_REFUSALS):
            await desk.put(key, definition)
            return await _show(key)

    @router.post(
        "/{key}/reset",
        summary="Have the configuration's entry of a provider count again",
        description="Where the configuration has none any more, only the change is forgotten, and the answer is null.",
    )
    async def reset(key: str) -> ProviderShown | None:
        with refusing(_REFUSALS):
            was_gone = (await desk.show(key)).source == "gone"
            await desk.reset(key)
            return None if was_gone else await _show(key)

    @router.delete("/{key}", status_code=204, summary="Remove a provider that was added", responses=_FIXED)
    async def delete(key: str) -> Response:
        with refusing(_REFUSALS):
            await desk.delete(key)
        return Response(status_code=204)

    @router.post("/{key}/test", summary="Ask a provider for its models, with each of its keys")
    async def test(key: str) -> TrialShown:
        with refusing(_REFUSALS):
            return _trial(await desk.test(key))

    @router.post("/{key}/disable", summary="Have a provider be used no more", responses=_FIXED)
    async def disable(key: str) -> ProviderShown:
        with refusing(_REFUSALS):
            await desk.switch(key, on=False)
            return await _show(key)

    @router.post("/{key}/enable", summary="Have a provider be used again", responses=_FIXED)
    async def enable(key: str) -> ProviderShown:
        with refusing(_REFUSALS):
            await desk.switch(key, on=True)
            return await _show(key)

    async def _show(key: str) -> ProviderShown:
        return _shown(await desk.show(key))

    return router


def _trial(trial: Trial) -> TrialShown:
    return TrialShown(
        ok=trial.can_be_used,
        words=trial.words,
        models=None if trial.told is None else len(trial.told),
        at=write_moment(datetime.fromtimestamp(trial.at, UTC)) if trial.at else None,
        ms=trial.ms,
    )


def _shown(view: ProviderView) -> ProviderShown:
    state, entry = view.state, view.entry
    return ProviderShown(
        key=state.key,
        name=state.name,
        state=state.state,
        source=view.source,
        changed_here=view.changes is not None,
        changes=list(view.changes or ()),
        base_url=entry.base_url if entry else None,
        api_format=list(entry.api_format) if entry else [],
        api_key_env=list(entry.api_key_env) if entry else [],
        headers=list(entry.headers) if entry else [],
        prices=entry.prices if entry else None,
        models=None if state.models is None else len(state.offered),
        switched_off=state.state == SWITCHED_OFF,
        trial=None if view.trial is None else _trial(view.trial),
    )
