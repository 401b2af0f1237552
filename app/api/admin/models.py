"""Models over HTTP: what is known of them and by whom, what they cost, and what an administrator says of both."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from app.api.admin.authorise import Authorise
from app.api.admin.refused import Conflicting, InvalidParameters, NotFound, Refusals, refusing
from app.core.abilities import Capability
from app.desks.models import (
    SAID,
    InvalidModel,
    ModelDesk,
    ModelKnown,
    ModelView,
    NoSuchModel,
    Price,
    Said,
    source_of,
    usd_of,
)
from app.metering.prices import Found
from app.metering.rates_form import InvalidRates, write_rates

_MOST_TOKENS = 1_000_000_000


_REFUSALS: Refusals = {
    NoSuchModel: partial(NotFound, code="model_not_found"),
    ModelKnown: partial(Conflicting, code="model_exists"),
    InvalidModel: InvalidParameters,
    InvalidRates: InvalidParameters,
}


def _printable(text: str) -> str:
    words = " ".join(text.split())
    if not words or not words.isprintable():
        raise ValueError("must be text that can be printed")
    return words


Tokens = Annotated[int, Field(ge=1, le=_MOST_TOKENS)]
Rates = Annotated[
    dict[str, Any],
    Body(
        description="By the names of rates, USD for a million tokens, or for one of what is not counted in tokens, as a number"
        " or a text; as an object with `base` and `above` where it depends on the size of the prompt; `variants` by service tier.",
        examples=[{"input": "1.25", "output": {"base": "10", "above": {"200000": "15"}}}],
    ),
]


class ModelSaid(BaseModel):
    """What an administrator says of a model; null says nothing, and the next source counts."""

    model_config = ConfigDict(extra="forbid")

    family: Annotated[str, Field(max_length=200), AfterValidator(_printable)] | None = Field(
        None, description="Of models that it belongs to, such as llama."
    )
    context_length: Tokens | None = Field(None, description="In tokens.")
    max_output_tokens: Tokens | None = Field(None, description="The most that it writes in one reply.")
    capabilities: Annotated[list[Capability], Field(min_length=1, max_length=20)] | None = None
    description: Annotated[str, Field(max_length=4000), AfterValidator(_printable)] | None = None
    enabled: bool | None = Field(
        None, description="true: it is offered, also where its provider does not list it. false: it is not."
    )

    def columns(self, *, given_only: bool) -> dict[str, Any]:
        """By the names of the catalogue."""
        said = self.model_dump(exclude_unset=given_only)
        if said.get("capabilities") is not None:
            said["capabilities"] = tuple(dict.fromkeys(said["capabilities"]))
        return said


class NewModel(ModelSaid):
    """A model of which nothing was said yet; it is offered unless `enabled` says something else."""

    provider: str
    model: str
    enabled: bool | None = True


class PriceInForce(BaseModel):
    """What a model costs now: all null where nobody knows. A call keeps its provider's own figure where that tells one."""

    source: str | None = Field(description="admin, litellm, genai-prices or free.")
    version: str | None
    input: str | None = Field(description="USD for a million tokens.")
    output: str | None = Field(description="USD for a million tokens.")
    rates: dict[str, Any] | None


class ModelShown(BaseModel):
    """A model, what is known of it, and who says so.

    The origins are administrators (`custom`), the operator's `file`, a look-up (`synced`), its `provider`, LiteLLM's file (`litellm`), the
    `shipped` file, what comes with the prices (`bundled`), or its `name`.
    """

    id: str
    provider: str
    model: str
    listed: bool = Field(description="Its provider lists it, or it was added.")
    added: bool = Field(description="An administrator offers it.")
    enabled: bool
    reason: str | None = Field(description="Why it is switched off, where somebody said.")
    family: str | None
    context_length: int | None
    max_output_tokens: int | None
    capabilities: list[str] | None
    description: str | None
    origins: dict[str, str] = Field(description="Who says each thing.")
    price: PriceInForce
    said: ModelSaid | None = Field(description="What an administrator says of it.")


class ModelPage(BaseModel):
    """Some of all models that were asked for."""

    models: list[ModelShown]
    total: int


class PriceShown(BaseModel):
    """A price that an administrator set, or that was taken over."""

    id: str
    provider: str
    model: str
    source: str
    version: str
    rates: dict[str, Any]


class PriceShownList(BaseModel):
    """All of them, but not the bundled ones."""

    prices: list[PriceShown]


class _ProviderKey(StringConvertor):
    """A provider in a path: not what prices stand below, so that their paths are no models' where a method is none of theirs."""

    regex = "(?!prices/)[^/]+"


def catalog_router(authorise: Authorise, desk: ModelDesk) -> APIRouter:
    """All below `/admin/api/models`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/models", tags=["models"], dependencies=[Depends(authorise)])
    register_url_convertor("provider_key", _ProviderKey())
    path = "/{provider:provider_key}/{model:path}"
    _add_prices(router, desk)

    @router.get("", summary="Models of providers that can be used")
    async def find(
        provider: Annotated[str | None, Query(description="Only this provider's.")] = None,
        q: Annotated[str, Query(description="Only those whose name holds this.")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> ModelPage:
        views, total = await desk.find(provider, q, offset=offset, limit=limit)
        return ModelPage(models=[_shown(view) for view in views], total=total)

    @router.post(
        "",
        summary="Offer a model that its provider does not list, or say something of one for the first time",
        status_code=201,
        responses={409: {"description": "Something was said of it already."}},
    )
    async def add(new: NewModel) -> ModelSaid:
        said = new.columns(given_only=False)
        with refusing(_REFUSALS):
            return _said(await desk.add(said.pop("provider"), said.pop("model"), said))

    @router.get(path, summary="One model")
    async def show(provider: str, model: str) -> ModelShown:
        with refusing(_REFUSALS):
            return _shown(await desk.show(provider, model))

    @router.put(path, summary="Say this of a model, and nothing else")
    async def put(provider: str, model: str, said: ModelSaid) -> ModelSaid:
        with refusing(_REFUSALS):
            return _said(await desk.say(provider, model, said.columns(given_only=False), anew=True))

    @router.patch(path, summary="Say something more of a model")
    async def patch(provider: str, model: str, said: ModelSaid) -> ModelSaid:
        with refusing(_REFUSALS):
            return _said(await desk.say(provider, model, said.columns(given_only=True)))

    @router.delete(path, status_code=204, summary="Take back what was said of a model")
    async def delete(provider: str, model: str) -> Response:
        with refusing(_REFUSALS):
            await desk.take_back(provider, model)
        return Response(status_code=204)

    return router


def _add_prices(router: APIRouter, desk: ModelDesk) -> None:
    @router.get("/prices", summary="Prices that were set or taken over")
    async def list_prices() -> PriceShownList:
        return PriceShownList(prices=[_price(each) for each in await desk.own_prices.list_all()])

    @router.get("/prices/{provider}/{model:path}", summary="Your own price of a model")
    async def show_price(provider: str, model: str) -> PriceShown:
        with refusing(_REFUSALS):
            return _price(await desk.own_prices.show(provider, model))

    @router.put("/prices/{provider}/{model:path}", summary="Set your own price of a model")
    async def put_price(provider: str, model: str, rates: Rates) -> PriceShown:
        with refusing(_REFUSALS):
            return _price(await desk.set_price(provider, model, rates))

    @router.delete("/prices/{provider}/{model:path}", status_code=204, summary="Remove your own price of a model")
    async def delete_price(provider: str, model: str) -> Response:
        with refusing(_REFUSALS):
            await desk.own_prices.delete(provider, model)
        return Response(status_code=204)


def price_in_force(price: Found) -> PriceInForce:
    """What was found of a price, as JSON has it."""
    return PriceInForce(
        source=source_of(price),
        version=price.version,
        input=usd_of(price, "input"),
        output=usd_of(price, "output"),
        rates=None if price.rates is None else write_rates(price.rates),
    )


def _shown(view: ModelView) -> ModelShown:
    known = view.known
    return ModelShown(
        id=str(view.target),
        provider=view.target.provider,
        model=view.target.model,
        listed=view.listed,
        added=view.added,
        enabled=known.disabled is None,
        reason=known.disabled or None,
        family=known.family,
        context_length=known.abilities.context_length,
        max_output_tokens=known.abilities.max_output_tokens,
        capabilities=None if known.abilities.capabilities is None else list(known.abilities.capabilities),
        description=known.description,
        origins=dict(view.origins),
        price=price_in_force(view.price),
        said=None if view.said is None else _said(view.said),
    )


def _said(model: Said) -> ModelSaid:
    # Not checked again: what a command or an earlier gateway has let in is shown too.
    values = {name: getattr(model, name) for name in SAID}
    return ModelSaid.model_construct(
        **values | {"capabilities": None if model.capabilities is None else list(model.capabilities)}
    )


def _price(price: Price) -> PriceShown:
    return PriceShown(
        id=f"{price.provider}/{price.model}",
        provider=price.provider,
        model=price.model,
        source=price.source,
        version=price.version,
        rates=dict(price.rates),
    )
