"""Tags of a call: by header, behind the model's name and in the body; none of them reaches a provider, and no secret is one."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.core.errors import InvalidRequest
from app.core.redaction import redact
from app.core.tags import InvalidTags, read_tags
from app.dialects.asker import without_tags
from app.dialects.dialect import Asked
from app.dialects.openai.form import pass_form
from app.dialects.opening import write_body
from app.dialects.splice import Additions, rewrite

log = logging.getLogger(__name__)

TAG_HEADER = b"x-proxy-tag"
_MAX_USER_LENGTH = 256

Rename = Callable[[Asked, str, Mapping[str, Any]], Asked]
"""What was asked, of the model by another name; with the ASGI scope."""
SplitName = Callable[[str], Awaitable[tuple[str, str]]]
"""A model's name and what stands behind the `@`, "" where a model is called so as it stands."""


def is_tagged(asked: Asked, headers: Mapping[bytes, bytes]) -> bool:
    """Whether `read_tagged` has anything to read; nearly all calls end here."""
    return "@" in asked.name or asked.tags != () or TAG_HEADER in headers


async def read_tagged(
    asked: Asked,
    scope: Mapping[str, Any],
    *,
    call_id: str,
    credential: str,
    split_name: SplitName,
    rename: Rename,
) -> tuple[Asked, tuple[str, ...]]:
    """What was asked without its tags, and the tags: sorted, each once.

    Raises:
        InvalidRequest: there are too many, or one cannot be a tag.
    """
    texts = [*_header_texts(scope), *asked.tags]
    if asked.tags:
        payload = without_tags(asked.payload)
        asked = replace(asked, payload=payload, body=write_body(payload), tags=())
    if "@" in asked.name and asked.name.isprintable():  # else it is no model's, with a tag or without
        # First of all: cut at an @ or a colon of its own, a secret could no longer be told.
        name, suffix = await split_name(redact(asked.name, (credential,)))
        if name != asked.name:
            asked = rename(asked, name, scope)
            texts.append(suffix.partition(":")[0])
    try:
        tags = read_tags(texts, (credential,))
    except InvalidTags as exc:
        raise InvalidRequest(str(exc), code="invalid_tags") from None
    if tags.dropped:
        log.info("%s: tags left out, as they look like secrets: %d", call_id, tags.dropped)
    return asked, tags.names


def read_end_user(text: str, credential: str) -> str:
    """Who a client asks for, as it is recorded."""
    safe = redact(text[: 2 * _MAX_USER_LENGTH], (credential,))[:_MAX_USER_LENGTH]
    return safe if safe.isprintable() else "".join(each if each.isprintable() else " " for each in safe)


def rename_body(asked: Asked, name: str, _scope: Mapping[str, Any]) -> Asked:
    """Where the name is the body's `model`."""
    body = rewrite(asked.body, asked.payload, name=asked.name, model=name, additions=Additions())
    return replace(asked, body=body, payload={**asked.payload, "model": name}, name=name)


def rename_form(asked: Asked, name: str, scope: Mapping[str, Any]) -> Asked:
    """Where it is a form's."""
    content_type = dict(scope["headers"]).get(b"content-type", b"")
    body = pass_form(asked.body, content_type, name=asked.name, model=name)
    return replace(asked, body=body, payload={**asked.payload, "model": name}, name=name)


def rename_path(asked: Asked, name: str, _scope: Mapping[str, Any]) -> Asked:
    """Where it is a part of the path."""
    return replace(asked, name=name)


def _header_texts(scope: Mapping[str, Any]) -> Iterator[str]:
    """All lines of the header, which make one list (RFC 9110, 5.3)."""
    for name, value in scope["headers"]:
        if name == TAG_HEADER:
            try:
                yield value.decode()
            except UnicodeDecodeError:
                yield value.decode("latin-1")
