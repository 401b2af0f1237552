"""Refuses texts that no database of ours keeps: PostgreSQL has no NUL in any."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from app.core.jsonio import Json

_NUL = "\0"
_ESCAPED_NUL = b"\\u0000"  # JSON has it in no other form


async def refuse_nul(request: Request) -> None:
    """Raises `RequestValidationError` where path, query or JSON body hold one. A body that the route reads by itself is left alone."""
    # The route's own parameters come after that of the application's path, which holds them all.
    named = [*reversed(request.path_params.items()), *request.query_params.multi_items()]
    if getattr(request.scope["route"], "body_field", None) is not None:  # FastAPI has read it before
        named += _texts_of(await request.body())
    for name, text in named:
        if _NUL in text:
            fault = {"type": "value_error", "loc": ("", name), "msg": "must not hold the character NUL"}
            raise RequestValidationError([fault])


def _texts_of(body: bytes) -> Iterator[tuple[str, str]]:
    """Those of a JSON body that may hold one, each with the outermost field that it is in."""
    if _ESCAPED_NUL not in body:
        return
    try:
        value = json.loads(body)
    except ValueError:
        return  # which its model refuses
    fields = value.items() if isinstance(value, dict) else [("", value)]
    for name, each in fields:
        yield "", name
        for text in _within(each):
            yield name, text


def _within(value: Json) -> Iterator[str]:
    left: list[Any] = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
