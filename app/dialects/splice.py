"""A request's body changed without being rebuilt: another model's name, further members."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.jsonio import Json, dumps
from app.dialects.opening import write_body

_MODEL_MEMBER = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*")')


@dataclass(frozen=True, slots=True)
class Additions:
    """What a provider's configuration puts into bodies: `extra` over what the client said (`tools` beside), `defaults` under it."""

    extra: Mapping[str, Json] = field(default_factory=dict)
    defaults: Mapping[str, Json] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.extra or self.defaults)

    def added_to(self, payload: Mapping[str, Json]) -> dict[str, Json]:
        """`payload` with all of it."""
        added = {**self.defaults, **payload}
        for key, value in self.extra.items():
            added[key] = _joined(key, added.get(key), value)
        return added


def rewrite(
    body: bytes,
    payload: Mapping[str, Json],
    *,
    name: str,
    model: str | None,
    additions: Additions,
    changes: Mapping[str, Json] | None = None,
    inserts: Mapping[str, Json] | None = None,
) -> bytes:
    """The body for a provider of the same dialect.

    Bytes are spliced where that is plainly safe; else the payload is written anew. Unknown fields survive either way.

    Args:
        name: what the client put into `model`.
        model: what is to stand there; None where it is no member of the dialect, or among `changes`.
        changes: members that the payload has, with other values.
        inserts: members that it does not have.

    Raises:
        InvalidRequest: it nests too deeply to be written anew.
    """
    changed, inserted = dict(changes or {}), dict(inserts or {})
    for key, value in additions.defaults.items():
        if key not in payload:
            inserted.setdefault(key, value)
    for key, value in additions.extra.items():
        if key in payload:
            changed[key] = _joined(key, changed.get(key, payload[key]), value)
        else:
            inserted[key] = _joined(key, inserted.get(key), value)
    if not changed and (spliced := _splice(body, name, model, inserted)) is not None:
        return spliced
    named = {} if model is None else {"model": model}
    return write_body({**payload, **changed, **inserted, **named})


def merged(under: Json, over: Json) -> Json:
    """`over` merged over `under`, objects key by key."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}
    return over


def _joined(key: str, under: Json, over: Json) -> Json:
    """The same of one member; tools of the configuration come to those of the client, which it could not do without."""
    if key == "tools" and isinstance(under, list) and isinstance(over, list):
        return [*under, *over]
    return merged(under, over)


def _splice(body: bytes, name: str, model: str | None, inserts: Mapping[str, Json]) -> bytes | None:
    """`body` with another model and further members, or None where only a parser could tell what to change.

    Safe means: the key "model" stands there once and is not spelled with escapes, so that it is the one at the top. That
    matters also where the name stays: of two such keys a provider might take the other, which nobody has allowed.
    """
    if model is not None:
        at = body.find(b'"model"')
        member = _MODEL_MEMBER.match(body, at) if at >= 0 else None
        if (
            member is None
            or body.find(b'"model"', at + 7) >= 0
            or body.find(b"\\u006") >= 0
            or member[1] != b'"' + name.encode(errors="surrogatepass") + b'"'
        ):
            return None
        if model != name:
            body = body[: member.start(1)] + dumps(model) + body[member.end(1) :]
    if inserts:
        if not body.startswith(b"{"):
            return None
        rest = body[1:].lstrip()
        body = dumps(inserts)[:-1] + (b"" if rest.startswith(b"}") else b",") + body[1:]
    return body
