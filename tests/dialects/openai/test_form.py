"""Forms with a file: what is read of one, what is replaced in it, and what is refused."""

import email
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidRequest
from app.dialects.convert import outgoing
from app.dialects.openai.form import pass_form, read_asked
from app.dialects.splice import Additions
from tests.calls import make_call

KIND = b'multipart/form-data; boundary="b"'
HEAD = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
END = b"\r\n--b--\r\n"
OTHER = b'Content-Disposition: form-data; name="a"'


def form(*fields: bytes, end: bytes = END) -> bytes:
    """A form of these fields, each its head and its value."""
    return b"\r\n".join(b"--b\r\n" + field for field in fields) + end


def field(name: str, value: bytes = b"m", further: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{further}\r\n\r\n'.encode() + value


def encoded(fields: dict[str, Any], file: bytes, boundary: str = "b") -> tuple[bytes, bytes]:
    """A form as httpx writes it, and its Content-Type."""
    request = httpx.Request(
        "POST",
        "http://a",
        data=fields,
        files={"file": ('a "b"; name=model.wav', file, "audio/wav")},
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )
    return request.read(), request.headers["content-type"].encode()


def parsed(body: bytes, content_type: bytes) -> dict[str, bytes]:
    """The fields of a form, by the standard library."""
    parts: Any = email.message_from_bytes(b"Content-Type: " + content_type + b"\r\n\r\n" + body).get_payload()
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}


def test_form_of_an_ordinary_client_is_read() -> None:
    body, kind = encoded({"model": "whisper-1", "stream": "true", "timestamp_granularities[]": ["word"]}, b"\0RIFF")

    asked = read_asked(body, kind)

    assert (asked.name, asked.streamed, asked.body) == ("whisper-1", True, body)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=20).filter(str.strip),
    st.binary(max_size=200).map(lambda data: data.replace(b"\r", b"")),
    st.from_regex(r"[0-9A-Za-z'()+_,\-./:=?]{1,70}", fullmatch=True).filter(
        lambda text: not set(text) & set("()<>@,;:/[]?=' ")
    ),
)
def test_model_is_replaced_and_every_other_byte_stays(model: str, file: bytes, boundary: str) -> None:
    body, kind = encoded({"prompt": "model", "model": "a"}, file, boundary)

    sent = pass_form(body, kind, name="a", model=model)

    assert read_asked(sent, kind).name == model
    assert sent == body.replace(b'name="model"\r\n\r\na', b'name="model"\r\n\r\n' + model.encode())
    assert pass_form(sent, kind, name=model, model="a") == body


def test_standard_library_reads_the_same_form() -> None:
    file = bytes(range(256)).replace(b"\r", b"") * 40
    body, kind = encoded({"model": "a", "language": "de"}, file)

    fields = parsed(pass_form(body, kind, name="a", model="M-1"), kind)

    assert fields == {"model": b"M-1", "language": b"de", "file": file}


def test_form_with_the_providers_own_name_is_not_rebuilt() -> None:
    body, kind = encoded({"model": "m"}, b"sound")
    call = replace(
        make_call(), dialect="openai-transcriptions", name="m", body=body, headers=((b"content-type", kind),)
    )

    assert outgoing(call, "m", Additions(extra={"n": 1}), dialect=call.dialect).body is body


@pytest.mark.parametrize(
    ("value", "streamed"),
    [(b"true", True), (b"True", True), (b"1", True), (b"false", False), (b"0", False), (b"", False)],
)
def test_stream_is_read(value: bytes, *, streamed: bool) -> None:
    assert read_asked(form(field("model"), field("stream", value)), KIND).streamed is streamed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ((field("file", b"x"),), "model"),
        ((field("model", b" "),), "model"),
        ((field("model", b"\xff"),), "model"),
        ((field("model"), field("model")), "model"),
        ((field("model"), field("Model")), "model"),
        ((field("MODEL"),), "model"),
        ((field("model", further='; filename="a"'),), "model"),
        ((field("model"), field("stream", b"soon")), "stream"),
        ((field("model"), field("stream"), field("stream")), "stream"),
    ],
)
def test_field_that_is_wrong_is_named(fields: tuple[bytes, ...], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_asked(form(*fields), KIND)

    assert raised.value.param == param


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"application/json",
        b"multipart/form-data",
        b"multipart/mixed; boundary=b",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=b; boundary=c",
        b"multipart/form-data; boundary=" + b"b" * 71,
        b"multipart/form-data; boundary*=utf-8''c; boundary=b",
        b"multipart/form-data; boundary*0=c; boundary=b",
        b"multipart/form-data; boundary =c; boundary=b",
        b'multipart/form-data; x="\\"; boundary=c; y=\\""; boundary=b',
        b"multipart/form-data, boundary=c; boundary=b",
    ],
)
def test_content_type_that_is_no_forms_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_asked(form(field("model")), kind)

    assert raised.value.code == "invalid_form"


@pytest.mark.parametrize(
    ("kind", "boundary"), [(b'boundary="b\\"c"', b"b\\"), (b"boundary=b,c", b"b,c"), (b'boundary="b c"', b"b c")]
)
def test_boundary_that_some_readers_take_for_another_is_refused(kind: bytes, boundary: bytes) -> None:
    body = form(field("model")).replace(b"--b", b"--" + boundary)

    with pytest.raises(InvalidRequest) as raised:
        read_asked(body, b"multipart/form-data; " + kind)

    assert raised.value.code == "invalid_form"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"--b",
        b"--b--",
        HEAD + b"m",
        HEAD + b"m\r\n--b",
        HEAD + b"m\r\n--b-",
        b"preamble\r\n" + HEAD + b"m" + END,
        form(field("model"), end=END + b"more"),
        form(field("model", b"m\r\n--bc"), field("file")),
        form(b"\r\n\r\nm"),
        form(b"Content-Type: text/plain\r\n\r\nm"),
        form(b"Content-Disposition: form-data\r\n\r\nm"),
        form(b'Content-Disposition: attachment; name="model"\r\n\r\nm'),
        form(b'Content-Disposition: form-data;\r\n name="model"\r\n\r\nm'),
        form(b'Content-Disposition : form-data; name="model"\r\n\r\nm'),
        form(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"\r\n\r\nm'),
        form(field("model"), b'Content-Disposition: form-data; name="a"\nContent-Disposition: x\r\n\r\nm'),
        form(field("model"), b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\nm"),
        form(field("model"), b'Content-Disposition: form-data; name="a"; name="model"\r\n\r\nm'),
        form(field("model"), b'Content-Disposition: form-data; name="mod\\el"\r\n\r\nm'),
        form(field("model"), b"Content-Disposition: form-data; name='model'\r\n\r\nm"),
        form(field("model"), b'Content-Disposition: form-data; name="model"; name="a"\r\n\r\nn'),
        form(field("model"), b"Content-Disposition: form-data; name=\"a\"; name*=utf-8''model\r\n\r\nn"),
        form(field("model"), OTHER + b"\r\nContent-Disposition: form-data; name=model\r\n\r\nn"),
        form(field("model"), b"X: y\nContent-Disposition: form-data; name=model\r\n" + OTHER + b"\r\n\r\nn"),
        form(field("model"), b"X: y\r\n Content-Disposition: form-data; name=model\r\n" + OTHER + b"\r\n\r\nn"),
        form(field("model"), b'Content-Disposition: form-data; q="\\"; name=model; z=\\""; name="a"\r\n\r\nn'),
        form(field("model"), b'Content-Disposition: form-data; name*0="model"; name="a"\r\n\r\nn'),
        form(field("model"), field("model[]", b"n")),
        form(field("model"), field("a", b"x\n--b\n" + OTHER + b"\n\nn")),
        form(field("model"), field("a", b"x\r--b\r\n" + OTHER + b"\r\n\r\nn")),
        form(field("model", b"m\r\n--bXX" + OTHER + b"\r\n\r\nn")),
        form(b'Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name="model"\r\n\r\nbQ=='),
        form(b"X: " + b"x" * 9000 + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nm'),
        form(*[field("a")] * 201),
    ],
)
def test_form_that_could_be_read_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_asked(body, KIND)


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([HEAD, END, b"\r\n", b"--b", b"m", b";", b'"'])).map(b"".join)
)
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        asked = read_asked(body, KIND)
    except InvalidRequest:
        return
    assert asked.name in pass_form(body, KIND, name=asked.name, model=asked.name).decode(errors="replace")
