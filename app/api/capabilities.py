"""`/v1/capabilities`: what is known of each model, and which parameters it can be told."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.listing import Identify, respond_json
from app.core.errors import UnknownModel
from app.core.jsonio import Json
from app.dialects.parameters import PARAMETERS, taken
from app.providers.snapshot import ListedModel
from app.smart.listing import ModelLists

_QUERY = {"parameters": [{"name": "model", "in": "query", "required": False, "schema": {"type": "string"}}]}


def capabilities_router(identify: Identify, lists: ModelLists) -> APIRouter:
    """`/v1/capabilities`, answered from memory; each token is told of the models that it may use."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/capabilities", summary="What each model can do and can be told", openapi_extra=_QUERY)
    async def capabilities(request: Request) -> Response:
        principal = await identify(request)
        name = request.query_params.get("model")
        if name is None:
            models = lists.visible(principal)
        elif (model := lists.find(name, principal)) is not None:
            models = [model]
        else:
            raise UnknownModel(f"The model {name!r} does not exist here. GET /v1/models lists all.", param="model")
        entries = []
        for each in models:
            entries.append(entry(each))
            await asyncio.sleep(0)  # the first time an entry takes a while, and there may be hundreds
        return respond_json({"object": "list", "data": entries})

    return router


def entry(model: ListedModel) -> dict[str, Json]:
    """What is known of one model. `parameters` are those that a client of any API can have said, and how that is done."""
    rules, abilities = model.known.rules, model.known.abilities
    said = taken(model.formats[0], model.target.model, rules) if model.formats else {}
    unsaid = [name for name in PARAMETERS if name not in said] if model.formats else []
    further = [name for name in rules.unsupported if name not in PARAMETERS] if rules is not None else []
    return {
        "id": model.id,
        "object": "model.capabilities",
        "owned_by": model.owner,
        "dialects": list(model.formats),
        "family": model.known.family,
        "description": model.known.description,
        "context_length": abilities.context_length,
        "max_output_tokens": abilities.max_output_tokens,
        "capabilities": None if abilities.capabilities is None else list(abilities.capabilities),
        "parameters": said,
        "unsupported_parameters": unsaid + further,
        "system_prompt": rules is None or rules.system_prompt,
    }
