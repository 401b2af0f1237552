"""The administrators' API as an application that is built when it is first asked: its models would slow every start down."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.admin.refused import InvalidParameters
from app.api.errors import on_exception, on_http_exception, on_relay_error, respond
from app.api.later import Later
from app.core.errors import RelayError

MakeRouters = Callable[[], Sequence[APIRouter]]


class Admin(Later):
    """An ASGI application of the routers that `make_routers` gives; that imports them too."""

    def __init__(self, make_routers: MakeRouters) -> None:
        super().__init__(lambda: _build(make_routers))

    def describe(self) -> dict[str, Any]:
        """Its OpenAPI document."""
        app: FastAPI = self.get()
        return app.openapi()


def _build(make_routers: MakeRouters) -> FastAPI:
    app = FastAPI(title="LLM Relay", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    from app.metering.reports import InvalidReport

    for router in make_routers():
        app.include_router(router)
    app.add_exception_handler(RelayError, on_relay_error)
    app.add_exception_handler(InvalidReport, _on_invalid_report)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_exception)
    return app


async def _on_invalid_report(request: Request, exc: Exception) -> Response:
    return respond(InvalidParameters(str(exc), param=getattr(exc, "param", None)), request)


async def _on_invalid_parameters(request: Request, exc: Exception) -> Response:
    """Names each parameter that is at fault, and what is wrong with it; never what was sent, which may be a secret."""
    faults = exc.errors() if isinstance(exc, RequestValidationError) else []
    named = [(_name(fault), _words(fault)) for fault in faults]
    message = " ".join(f"{name}: {words}." if name else f"{words}." for name, words in named)
    return respond(InvalidParameters(message, param=(named[0][0] or None) if named else None), request)


def _name(fault: dict[str, Any]) -> str:
    """Of the parameter; a body that is no JSON has none."""
    return "" if fault["type"] == "json_invalid" else ".".join(str(part) for part in fault["loc"][1:])


def _words(fault: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such parameter"
    if fault["type"] == "json_invalid":
        return "The body is no JSON"
    if fault["type"].startswith("date_"):
        return "must be a day, YYYY-MM-DD"
    return str(fault["msg"]).removeprefix("Value error, ").rstrip(".")
