"""The administrators' API as an application that is built when it is first asked: its models would slow every start down."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.admin.authorise import Authorise, is_for_everybody, role_of_route
from app.api.admin.refused import InvalidParameters
from app.api.admin.texts import refuse_nul
from app.api.errors import on_exception, on_http_exception, on_relay_error, respond
from app.api.later import Later
from app.core.errors import BodyTooLarge, RelayError, UpstreamError

MakeRouters = Callable[[], Sequence[APIRouter]]
Handler = Callable[[Request, Exception], Awaitable[Response]]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""More than any export of settings has."""


class Admin(Later):
    """An ASGI application of the routers that `make_routers` gives; that imports them too."""

    def __init__(self, make_routers: MakeRouters, authorise: Authorise) -> None:
        super().__init__(lambda: _build(make_routers, authorise))

    def describe(self) -> dict[str, Any]:
        """Its OpenAPI document; `x-role` of each operation is the least role that it asks for."""
        app: FastAPI = self.get()
        document = app.openapi()
        for operations in document["paths"].values():
            for method, operation in operations.items():
                operation.setdefault("x-role", role_of_route(operation, method))
                operation["responses"].pop("422", None)  # FastAPI's own for what cannot be, which is 400 here
        for schema in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(schema, None)
        return document


class _Bounded:
    """Reads no more of a body than any of ours has, and has nobody keep an answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        read = 0

        async def receive_some() -> Any:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise BodyTooLarge(f"The request body is larger than {MAX_BODY_BYTES} bytes.")
            return message

        async def send_unkept(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [header for header in message["headers"] if header[0] != b"cache-control"]
                message["headers"] = [*headers, (b"cache-control", b"no-store")]
            await send(message)

        await self._app(scope, receive_some, send_unkept)


def _build(make_routers: MakeRouters, authorise: Authorise) -> FastAPI:
    app = FastAPI(
        title="LLM Relay",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_nul)],
    )
    from app.metering.reports import InvalidReport

    for router in make_routers():
        app.include_router(router)
    app.add_exception_handler(RelayError, on_relay_error)
    app.add_exception_handler(UpstreamError, _on_upstream_error)
    app.add_exception_handler(InvalidReport, _on_invalid_report)
    app.add_exception_handler(RequestValidationError, _for_callers(authorise, _on_invalid_parameters))
    app.add_exception_handler(HTTPException, _for_callers(authorise, _on_http_exception))
    app.add_exception_handler(Exception, on_exception)
    app.add_middleware(_Bounded)
    return app


def _for_callers(authorise: Authorise, handler: Handler) -> Handler:
    """FastAPI reads a body before anybody asks whose it is: what is wrong with one is told to those only who may send it."""

    async def handle(request: Request, exc: Exception) -> Response:
        if "route" in request.scope and not is_for_everybody(request.scope):
            try:
                await authorise(request)
            except RelayError as refusal:
                return await on_relay_error(request, refusal)
        return await handler(request, exc)

    return handle


async def _on_http_exception(request: Request, exc: Exception) -> Response:
    """What FastAPI makes of an error while a body is read has that as its cause."""
    if isinstance(exc.__cause__, RelayError):
        return await on_relay_error(request, exc.__cause__)
    return await on_http_exception(request, exc)


async def _on_upstream_error(request: Request, exc: Exception) -> Response:
    """A service that was asked for it says what cannot be by 422 too."""
    if isinstance(exc, UpstreamError) and exc.status == 422:
        return respond(InvalidParameters(exc.message, param=exc.param), request)
    return await on_relay_error(request, exc)


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
