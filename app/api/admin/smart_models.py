"""Smart models over HTTP: the same calls for each kind, with the fields of its definition."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, WrapValidator, create_model
from pydantic_core import PydanticUndefined
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from app.api.admin.authorise import FOR_VIEWERS, Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import Conflicting, InvalidParameters, NotFound, Refusals, refusing
from app.core.smart import CLASSES, AugmentorStats, CacheStats, Kind, definition_of
from app.smart.conflict import Conflict, NameTaken
from app.smart.definition import PLURALS, InvalidName
from app.smart.desk import NoSuchName, SmartDesk, Stored


class NameIsTaken(Conflicting):
    """Something else is called so."""

    code = "name_taken"

    def __init__(self, message: str, conflict: Conflict) -> None:
        super().__init__(message, param="name")
        self.details = {"conflicts_with": {"kind": conflict.kind, "name": conflict.name}}


_REFUSALS: Refusals = {NoSuchName: partial(NotFound, code="name_not_found"), InvalidName: InvalidParameters}

TAKEN: dict[int | str, dict[str, Any]] = {
    409: {"description": "The name is taken; `error.conflicts_with` has the `kind` and the `name` of what has it."}
}


_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "There is none in whose place it could be."}}


class ConflictShown(BaseModel):
    """What is called so already."""

    kind: str = Field(
        description="Of a smart model; `configuration` for a name there; `model` for a provider's model.",
    )
    name: str


class Validity(BaseModel):
    """Whether a definition can be."""

    valid: bool
    faults: list[str] = Field(description="What is wrong: the field, and what would mend it.")
    warnings: list[str] = Field(description="What it lacks and can do without, if not well.")
    conflicts_with: ConflictShown | None = None


class CacheStatsShown(CacheStats):
    """What a cache has done since it was made; costs in USD."""

    hit_rate: float | None = Field(description="Percent of the calls; null while there were none.")


class AugmentorStatsShown(AugmentorStats):
    """What an augmentor has done since it was made: only what was really fetched is counted."""

    augmentation_rate: float | None = Field(description="Percent of the calls; null while there were none.")


_STATS: Mapping[Kind, type[BaseModel]] = {"cache": CacheStatsShown, "augmentor": AugmentorStatsShown}
_RATES: Mapping[Kind, tuple[str, str]] = {
    "cache": ("hit_rate", "cache_hits"),
    "augmentor": ("augmentation_rate", "augmented_requests"),
}


class _Shown(BaseModel):
    id: str
    created_at: ShownMoment
    updated_at: ShownMoment


class UnreadableShown(BaseModel):
    """One that this version cannot read: it does nothing, and can be removed by its id."""

    id: str
    name: str
    why: str


class _Key(StringConvertor):
    """An id or a name in a path, but not what stands there for something else."""

    regex = "(?!validate$)[^/]+"


def smart_models_router(authorise: Authorise, desk: SmartDesk, kind: Kind) -> APIRouter:
    """All below the path of one kind, for those whom `authorise` lets in."""
    plural = PLURALS[kind]
    register_url_convertor("smart_key", _Key())
    router = APIRouter(prefix=f"/admin/api/{plural}", tags=["smart models"], dependencies=[Depends(authorise)])
    shown = _shown_class(kind)
    fields: Any = {plural: (list[shown], ...), "unreadable": (list[UnreadableShown], ...)}  # type: ignore[valid-type] # made here
    page = create_model(f"{kind.capitalize()}List", __doc__="By their names.", **fields)
    definition, changes = _as_written(CLASSES[kind]), _as_written(_changes_class(kind))

    async def list_all(
        owner_tag: Annotated[str | None, Query(description="Only those with this owner tag.")] = None,
    ) -> Any:
        unreadable = [
            UnreadableShown(id=each.id, name=each.name, why=each.why)
            for each in await desk.list_unreadable(kind, owner_tag)
        ]
        return {
            plural: [show_smart_model(each) for each in await desk.list_all(kind, owner_tag)],
            "unreadable": unreadable,
        }

    async def add(written: Any) -> Any:
        with refusing_names():
            return show_smart_model(await desk.add(kind, written))

    async def validate(
        written: Any,
        replaces: Annotated[str | None, Query(description="The id or name of the one that it would replace.")] = None,
    ) -> Validity:
        return await _validity(desk, kind, written, replaces)

    async def show(key: str) -> Any:
        with refusing_names():
            return show_smart_model(await desk.show(key, kind))

    async def put(key: str, written: Any) -> Any:
        with refusing_names():
            return show_smart_model(await desk.change(kind, key, written, anew=True))

    async def patch(key: str, written: Any) -> Any:
        with refusing_names():
            return show_smart_model(await desk.change(kind, key, written))

    async def delete(key: str) -> Response:
        with refusing_names():
            await desk.delete(kind, key)
        return Response(status_code=204)

    for function, body in ((add, definition), (validate, definition), (put, definition), (patch, changes)):
        function.__annotations__["written"] = body  # what a call holds is another class for each kind
    path = "/{key:smart_key}"
    one, several = f"{_article(kind)} {kind}", plural
    router.get("", summary=f"All {several}", response_model=page)(list_all)
    router.post("", summary=f"Add {one}", status_code=201, response_model=shown, responses=TAKEN)(add)
    router.post("/validate", responses=_UNKNOWN, summary=f"Whether {one} could be added so", openapi_extra=FOR_VIEWERS)(
        validate
    )
    router.get(path, summary=f"One of the {several}, by its id or name", response_model=shown)(show)
    router.put(path, summary=f"Define {one} anew", response_model=shown, responses=TAKEN)(put)
    router.patch(path, summary=f"Change {one}", response_model=shown, responses=TAKEN)(patch)
    router.delete(path, summary=f"Remove {one}", status_code=204)(delete)
    return router


@contextmanager
def refusing_names() -> Iterator[None]:
    """Says in the API's way what a desk of names refuses."""
    with refusing(_REFUSALS):
        try:
            yield
        except NameTaken as exc:
            raise NameIsTaken(str(exc), exc.conflict) from exc


def show_smart_model(stored: Stored) -> dict[str, Any]:
    """One of them, as JSON has it."""
    shown = definition_of(stored.model) | {
        "id": stored.id,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }
    if stored.kind in _RATES:
        rate, part = _RATES[stored.kind]
        calls = stored.stats["total_requests"]
        shown["stats"] = {**stored.stats, rate: round(100 * stored.stats[part] / calls, 2) if calls else None}
    return shown


async def _validity(desk: SmartDesk, kind: Kind, written: Any, key: str | None) -> Validity:
    with refusing_names():
        before = None if key is None else await desk.show(key, kind)
    try:
        model = await desk.validate(kind, written, before)
    except NameTaken as exc:
        conflict = ConflictShown(kind=exc.conflict.kind, name=exc.conflict.name)
        return Validity(valid=False, faults=[str(exc)], warnings=[], conflicts_with=conflict)
    except InvalidName as exc:
        return Validity(valid=False, faults=str(exc).splitlines(), warnings=[])
    return Validity(valid=True, faults=[], warnings=list(map(str, await desk.warnings_of(model))))


def _as_written(model: type[BaseModel]) -> Any:
    """The class in the document, and what was sent as it is: the desk reads it, with words of its own for each fault."""
    # Built at once: FastAPI keeps pydantic from warning of what it adds to a parameter only while it makes that parameter.
    built = create_model(model.__name__, __doc__=model.__doc__, __base__=model, __cls_kwargs__={"defer_build": False})
    return Annotated[built, WrapValidator(lambda written, _read: written)]


def _shown_class(kind: Kind) -> type[BaseModel]:
    fields: dict[str, Any] = {"stats": (_STATS[kind], ...)} if kind in _STATS else {}
    base = (CLASSES[kind], _Shown)
    return create_model(f"{kind.capitalize()}Shown", __doc__=CLASSES[kind].__doc__, __base__=base, **fields)


def _changes_class(kind: Kind) -> type[BaseModel]:
    """The same fields, none of which has to be there. What is not given stays, so that no default is shown."""
    fields: dict[str, Any] = {}
    for name, field in CLASSES[kind].model_fields.items():
        given = copy(field)
        given.default, given.default_factory = PydanticUndefined, lambda: None
        fields[name] = (field.annotation, given)
    words = f"What of {_article(kind)} {kind} is to be another; what is not given stays."
    return create_model(f"{kind.capitalize()}Change", __doc__=words, __config__=ConfigDict(extra="forbid"), **fields)


def _article(kind: Kind) -> str:
    return "an" if kind[0] in "aeiou" else "a"
