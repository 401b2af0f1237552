"""A form with a file in it (multipart/form-data, RFC 7578): two of its fields are read, one is replaced, all else stays.

What readers of forms could take one way or another is refused: a provider must not find another model in it than we did.
"""

import re
from collections.abc import Iterator

from app.core.errors import InvalidRequest
from app.core.frozen import frozen
from app.dialects.dialect import Asked
from app.dialects.opening import is_name

FORMS = frozenset({"openai-transcriptions", "openai-translations"})
"""The dialects whose requests are forms; their Content-Type tells where a field ends, so it goes along as it came."""

# Escaped quotes are left out: to half of all readers they end the value.
_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]+)=("(?:[^"\\]|\\[^"])*"|[^\s;"]*)[ \t]*')
# RFC 2046, 5.1.1, without the space and, as some readers end it there, the comma.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_\-./:=?]{1,70}")
# Others may be read one way or another: quotes, escapes.
_NAME = re.compile(rb"[\w.\[\]-]+")
# Forms of this API have some ten fields, each with a name, a type and a file's name in its head.
_MOST_FIELDS = 200
_MOST_HEAD_BYTES = 8 * 1024
_PLAIN_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary"})
_SWITCHES = {"true": True, "1": True, "false": False, "0": False, "": False}


@frozen
class _Field:
    """A field, and where in the body its value begins and ends."""

    name: bytes
    is_file: bool
    start: int
    end: int


def read_asked(body: bytes, content_type: bytes) -> Asked:
    """What must be known of a form; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    fields = list(_read_fields(body, _read_boundary(content_type)))
    name = _read_text(body, fields, "model")
    if not is_name(name):
        raise InvalidRequest("The form's field 'model' is missing or not valid: give a model's name.", param="model")
    streamed = _SWITCHES.get((_read_text(body, fields, "stream") or "").strip().lower())
    if streamed is None:
        raise InvalidRequest("The form's field 'stream' must be true or false.", param="stream")
    return Asked(body, {"model": name, "stream": streamed}, name, streamed, wants_usage=True)


def pass_form(body: bytes, content_type: bytes, *, name: str, model: str) -> bytes:
    """The body of a form that was read, with `model` in the place of `name`."""
    if model == name:
        return body
    field = _only(list(_read_fields(body, _read_boundary(content_type))), b"model")
    if field is None:
        raise ValueError("a form is passed on before it was read")
    return body[: field.start] + model.encode() + body[field.end :]


def _read_boundary(content_type: bytes) -> bytes:
    kind, parameters = _read_parameters(content_type)
    boundary = parameters.get(b"boundary", b"")
    if kind != b"multipart/form-data" or _BOUNDARY.fullmatch(boundary) is None:
        raise _wrong(
            "the Content-Type must be multipart/form-data with a boundary of 1 to 70 letters, digits and '()+_-./:=?"
        )
    return boundary


def _read_fields(body: bytes, boundary: bytes) -> Iterator[_Field]:
    delimiter = b"--" + boundary
    if not body.startswith(delimiter):
        raise _wrong("it must begin with its boundary")
    at = len(delimiter)
    for _ in range(_MOST_FIELDS):
        if body.startswith(b"--", at):
            if body[at + 2 :].strip():
                raise _wrong("there is more behind its end")
            return
        if not body.startswith(b"\r\n", at):
            raise _wrong("there is more in a line than its boundary")
        start = body.find(b"\r\n\r\n", at, at + _MOST_HEAD_BYTES) + 4
        next_at = body.find(delimiter, at)
        end = next_at - 2
        if start < 4 or end < start:
            raise _wrong("a field has no end")
        if not body.startswith(b"\r\n", end):
            raise _wrong("its boundary stands within a field")
        name, is_file = _read_head(body[at + 2 : start - 4])
        yield _Field(name, is_file, start, end)
        at = next_at + len(delimiter)
    raise _wrong(f"it has more than {_MOST_FIELDS} fields")


def _read_head(head: bytes) -> tuple[bytes, bool]:
    """The name of a field, and whether it is a file."""
    dispositions = []
    for line in head.split(b"\r\n"):
        key, colon, value = line.partition(b":")
        if not colon or key.strip() != key or b"\n" in line or b"\r" in line:
            raise _wrong("a field's head is not of lines with a name and a value")
        if key.lower() == b"content-disposition":
            dispositions.append(value.strip())
        elif key.lower() == b"content-transfer-encoding" and value.strip().lower() not in _PLAIN_ENCODINGS:
            raise _wrong("a field must not be encoded")
    if len(dispositions) != 1:
        raise _wrong("a field must have one Content-Disposition")
    kind, parameters = _read_parameters(dispositions[0])
    if kind != b"form-data" or _NAME.fullmatch(parameters.get(b"name", b"")) is None:
        raise _wrong("a field has no name of letters, digits, '_', '-', '.' and brackets")
    return parameters[b"name"], not parameters.keys().isdisjoint((b"filename", b"filename*"))


def _read_parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """What a header says before its parameters, in lower case, and these. Of a name none is there twice, nor spelled otherwise."""
    kind, _, _ = value.partition(b";")
    parameters: dict[bytes, bytes] = {}
    at = len(kind)
    while at < len(value):
        match = _PARAMETER.match(value, at)
        key = match[1].lower() if match else b""
        if match is None or key in parameters or (b"*" in key and key != b"filename*"):
            raise _wrong("the parameters of a Content-Type or Content-Disposition are not plain")
        parameters[key] = match[2].strip(b'"')
        at = match.end()
    return kind.strip().lower(), parameters


def _read_text(body: bytes, fields: list[_Field], name: str) -> str | None:
    field = _only(fields, name.encode())
    if field is None:
        return None
    try:
        if not field.is_file:
            return body[field.start : field.end].decode()
    except UnicodeDecodeError:
        pass
    raise InvalidRequest(f"The form's field {name!r} must be a text in UTF-8.", param=name)


def _only(fields: list[_Field], name: bytes) -> _Field | None:
    """The field of that name, which others have to spell the same; `name[]` is it to readers that know lists."""
    alike = [field for field in fields if field.name.lower().partition(b"[")[0] == name]
    if len(alike) > 1 or any(field.name != name for field in alike):
        raise InvalidRequest(f"The form's field {name.decode()!r} must be there once.", param=name.decode())
    return alike[0] if alike else None


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"The request body is not a form that can be read: {what}.", code="invalid_form")
