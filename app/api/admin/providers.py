"""Providers over HTTP: which there are, what keeps one from being used, and those that are added while the gateway runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.admin.authorise import Authorise
from app.api.admin.refused import InvalidParameters, Refusals, refusing
from app.core.errors import RelayError
from app.provider_desk import FixedProvider, InvalidConfig, NoSuchProvider, ProviderDesk, ProviderView

_FIXED: dict[int | str, dict[str, Any]] = {409: {"description": "It is in the configuration file, or built in."}}
Definition = Annotated[
    dict[str, Any],
    Body(
        description="An entry as `config.json` has it. `api_key_env` names the variable that holds the key; no key is kept.",
        examples=[{"base_url": "https://api.acme.example/v1", "api_key_env": "ACME_API_KEY"}],
    ),
]


class UnknownProvider(RelayError):
    """There is no provider of that key."""

    status = 404
    type = "invalid_request_error"
    code = "provider_not_found"


class ProviderIsFixed(RelayError):
    """It is not changed here."""

    status = 409
    type = "invalid_request_error"
    code = "provider_in_configuration"


_REFUSALS: Refusals = {
    NoSuchProvider: UnknownProvider,
    FixedProvider: ProviderIsFixed,
    InvalidConfig: InvalidParameters,
}


class ProviderShown(BaseModel):
    """A provider, without the value of any key, header or parameter."""

    key: str
    name: str
    state: str = Field(description="`ready`, or what keeps it from being used.")
    source: str = Field(description="config, added or built in.")
    base_url: str | None
    api_format: list[str]
    api_key_env: list[str] = Field(description="The variables that may hold its key.")
    headers: list[str] = Field(description="The names of further headers.")
    prices: str | None = Field(description="Whose list of prices is its own, where it is said.")
    models: int | None = Field(description="How many are known; null while it has not told.")


class ProviderList(BaseModel):
    """All of them, in the order in which they are searched for a model."""

    providers: list[ProviderShown]


def providers_router(authorise: Authorise, desk: ProviderDesk) -> APIRouter:
    """All below `/admin/api/providers`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/providers", tags=["providers"], dependencies=[Depends(authorise)])

    @router.get("", summary="All providers, and whether they can be used")
    async def list_all() -> ProviderList:
        return ProviderList(providers=[_shown(view) for view in desk.list_all()])

    @router.get("/{key}", summary="One provider")
    async def show(key: str) -> ProviderShown:
        with refusing(_REFUSALS):
            return _shown(desk.show(key))

    @router.put("/{key}", summary="Add a provider, or change one that was added", responses=_FIXED)
    async def put(key: str, definition: Definition) -> ProviderShown:
        with refusing(_REFUSALS):
            await desk.put(key, definition)
            return _shown(desk.show(key))

    @router.delete("/{key}", status_code=204, summary="Remove a provider that was added", responses=_FIXED)
    async def delete(key: str) -> Response:
        with refusing(_REFUSALS):
            await desk.delete(key)
        return Response(status_code=204)

    return router


def _shown(view: ProviderView) -> ProviderShown:
    state, entry = view.state, view.entry
    return ProviderShown(
        key=state.key,
        name=state.name,
        state=state.state,
        source=view.source,
        base_url=entry.base_url if entry else None,
        api_format=list(entry.api_format) if entry else [],
        api_key_env=list(entry.api_key_env) if entry else [],
        headers=list(entry.headers) if entry else [],
        prices=entry.prices if entry else None,
        models=None if state.models is None else len(state.offered),
    )
