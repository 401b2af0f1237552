"""What a chat request must have, and how it is changed without being rebuilt."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequest
from app.core.jsonio import dumps, loads
from app.dialects.openai.request import MAX_NAME_LENGTH, pass_request, read_asked
from app.dialects.splice import Additions

NO_ADDITIONS = Additions()
MESSAGES = [{"role": "user", "content": "Hi"}]

AWKWARD_TEXT = st.text() | st.sampled_from(
    ["model", '"model"', "\\", '\\"', "mod\u00e9l", "\ud800", "\u2028", "stream_options", "{", "\n", "\\u006dodel"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | AWKWARD_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            AWKWARD_TEXT | st.sampled_from(["model", "stream", "stream_options", "usage"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
NAMES = st.text(min_size=1, max_size=20).filter(str.strip) | st.sampled_from(
    ["gpt-4", 'a"b', "a\\b", " gpt ", "\ud800x"]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Request bodies as clients write them: in any order and spacing, with escapes, with the same key twice."""
    members = [("model", draw(NAMES)), ("messages", MESSAGES)]
    members += draw(st.lists(st.tuples(AWKWARD_TEXT, VALUES), max_size=4))
    members += draw(
        st.lists(st.sampled_from([("model", "other"), ("stream", True), ("stream_options", {})]), max_size=2)
    )
    members = draw(st.permutations(members))
    ascii_only = draw(st.booleans())
    comma, colon, space = draw(st.sampled_from([(",", ":", ""), (", ", ": ", ""), (",\n\t", " : ", " \r\n")]))
    written = []
    for key, value in members:
        name = json.dumps(key, ensure_ascii=ascii_only)
        if draw(st.booleans()):
            name = name.replace("o", "\\u006f").replace("m", "\\u006D")
        written.append(name + colon + json.dumps(value, ensure_ascii=ascii_only))
    text = space + "{" + comma.join(written) + "}" + space
    return text.encode(errors="surrogatepass")


def rebuilt(
    payload: Mapping[str, Any], model: str, additions: Additions = NO_ADDITIONS, *, streamed: bool
) -> dict[str, Any]:
    """The request as somebody would write it who only thinks of what it means."""
    wanted: dict[str, Any] = {**additions.defaults, **payload}
    if streamed:
        wanted["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
    for key, value in additions.extra.items():
        wanted[key] = merged(wanted.get(key), value)
    return {**wanted, "model": model}


def merged(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {key: merged(under.get(key), value) for key, value in over.items()}
    return over


def meaning(data: bytes) -> Any:
    """The value, its integers beyond 64 bits as floats: which of both they become depends on the parser that was needed."""
    return json.loads(data, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**63 else float(digits))


def written(body: bytes, model: str, additions: Additions = NO_ADDITIONS, *, streamed: bool = False) -> bytes:
    payload = loads(body)
    return pass_request(body, payload, name=payload["model"], model=model, asks_usage=streamed, additions=additions)


@settings(deadline=None, max_examples=100)
@given(bodies(), NAMES)
@example(b'{"\\u006dodel":"a","messages":[{"role":"user"}],"x":{"model":"a"}}', "b")
@example(b'{"model":"a","model":"b","messages":[{"role":"user"}]}', "b")
@example(b'{"messages":[{"role":"user","content":"\\"model\\":\\"a\\""}],"model":"a"}', "b")
def test_spliced_request_means_what_a_rebuilt_one_means(body: bytes, model: str) -> None:
    payload = loads(body)
    if not isinstance(payload["model"], str):
        return

    out = written(body, model)

    assert meaning(out) == meaning(dumps(rebuilt(payload, model, streamed=False)))


@settings(deadline=None, max_examples=80)
@given(
    bodies(),
    NAMES,
    st.dictionaries(st.sampled_from(["a", "usage", "stream_options", "\ud800"]), VALUES, max_size=3),
    st.dictionaries(st.sampled_from(["a", "usage", "temperature"]), VALUES, max_size=3),
)
def test_additions_mean_the_same_spliced_and_rebuilt(
    body: bytes, model: str, extra: dict[str, Any], defaults: dict[str, Any]
) -> None:
    payload = loads(body)
    options = payload.get("stream_options")
    if not isinstance(payload["model"], str) or not isinstance(options, dict | None):
        return
    additions = Additions(extra, defaults)

    out = written(body, model, additions, streamed=True)

    assert meaning(out) == meaning(dumps(rebuilt(payload, model, additions, streamed=True)))


@given(st.text(max_size=20), st.sampled_from(["", " ", "\n\t"]))
def test_bytes_outside_of_the_models_name_are_untouched(content: str, space: str) -> None:
    message = json.dumps([{"role": "user", "content": content}], ensure_ascii=False)
    before = f'{space}{{"seed": 123456789012345678901234567890,"messages":{message}, "model" : '.encode()
    after = b',"x":1.50,"y":[1e2]\n}'

    out = written(before + b'"short"' + after, "provider/long-name")

    assert out == before + b'"provider/long-name"' + after


def test_body_that_needs_no_change_is_the_clients_own() -> None:
    body = b' {"messages":[{"role":"user","content":"\xc3\xa9"}],"model":"gpt-x","big":1.0e0} '

    assert written(body, "gpt-x") is body


def test_name_in_a_nested_object_stays() -> None:
    body = b'{"tools":[{"model":"a"}],"model":"a","messages":[{"role":"user"}]}'

    assert loads(written(body, "b")) == {"tools": [{"model": "a"}], "model": "b", "messages": [{"role": "user"}]}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"dear","messages":[{"role":"user"}],"model":"cheap"}',
        b'{"mod\\u0065l":"dear","messages":[{"role":"user"}],"model":"cheap"}',
        b'{"model":"dear","messages":[{"role":"user"}],"mode\\u006C":"cheap"}',
    ],
)
def test_second_model_never_reaches_a_provider_that_might_prefer_it(body: bytes) -> None:
    out = written(body, "cheap")

    assert b"dear" not in out
    assert loads(out)["model"] == "cheap"


def test_stream_asks_for_usage_at_the_front_and_leaves_the_rest() -> None:
    body = b'{"model":"a", "messages":[{"role":"user"}], "stream":true}'

    out = written(body, "a", streamed=True)

    assert out == b'{"stream_options":{"include_usage":true},' + body[1:]


def test_stream_that_asks_for_usage_already_is_untouched() -> None:
    body = b'{"model":"a","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}'

    assert written(body, "a", streamed=True) is body


@pytest.mark.parametrize("options", [b"null", b"{}", b'{"include_usage":false}', b'{"include_usage":1}'])
def test_stream_that_refuses_usage_is_asked_for_it_all_the_same(options: bytes) -> None:
    body = b'{"model":"a","messages":[{"role":"user"}],"stream":true,"stream_options":' + options + b"}"

    assert loads(written(body, "a", streamed=True))["stream_options"] == {"include_usage": True}


def test_other_stream_options_stay() -> None:
    body = b'{"model":"a","messages":[{"role":"user"}],"stream":true,"stream_options":{"x":1}}'

    assert loads(written(body, "a", streamed=True))["stream_options"] == {"x": 1, "include_usage": True}


def test_extra_parameter_wins_over_the_client_and_objects_merge() -> None:
    body = b'{"model":"a","messages":[{"role":"user"}],"n":5,"o":{"p":1,"q":{"r":2}}}'

    out = loads(written(body, "a", Additions(extra={"n": 1, "o": {"q": {"s": 3}}})))

    assert out["n"] == 1
    assert out["o"] == {"p": 1, "q": {"r": 2, "s": 3}}


def test_default_parameter_gives_way_to_the_client_also_where_it_said_null() -> None:
    body = b'{"model":"a","messages":[{"role":"user"}],"n":null}'

    out = loads(written(body, "a", Additions(defaults={"n": 1, "m": 2})))

    assert out["n"] is None
    assert out["m"] == 2


def test_extra_parameter_cannot_change_the_model() -> None:
    body = b'{"model":"a","messages":[{"role":"user"}]}'

    assert loads(written(body, "b", Additions(extra={"model": "c"})))["model"] == "b"


def test_byte_order_mark_is_not_passed_on() -> None:
    request = read_asked(b'\xef\xbb\xbf{"model":"a","messages":[{"role":"user"}]}')

    assert request.body == b'{"model":"a","messages":[{"role":"user"}]}'


def test_facts_are_read() -> None:
    request = read_asked(
        b'{"model":" GPT ","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}'
    )

    assert (request.name, request.streamed, request.wants_usage) == (" GPT ", True, True)


@pytest.mark.parametrize("stream", [b"false", b"null"])
def test_stream_is_off_where_it_says_so(stream: bytes) -> None:
    request = read_asked(b'{"model":"a","messages":[{"role":"user"}],"stream":' + stream + b"}")

    assert (request.streamed, request.wants_usage) == (False, False)


@pytest.mark.parametrize(
    ("member", "param"),
    [
        ('"model":null', "model"),
        ('"model":""', "model"),
        ('"model":"  "', "model"),
        ('"model":1', "model"),
        ('"model":["a"]', "model"),
        (f'"model":"{"a" * (MAX_NAME_LENGTH + 1)}"', "model"),
        ('"messages":null', "messages"),
        ('"messages":[]', "messages"),
        ('"messages":{}', "messages"),
        ('"messages":"Hi"', "messages"),
        ('"messages":[{"role":"user"},"Hi"]', "messages[1]"),
        ('"messages":[{"content":"Hi"}]', "messages[0]"),
        ('"messages":[{"role":null}]', "messages[0]"),
        ('"stream":"true"', "stream"),
        ('"stream":1', "stream"),
        ('"stream_options":[]', "stream_options"),
        ('"stream_options":true', "stream_options"),
    ],
)
def test_field_at_fault_is_named(member: str, param: str) -> None:
    body = f'{{"model":"a","messages":[{{"role":"user"}}],{member}}}'.encode()

    with pytest.raises(InvalidRequest) as caught:
        read_asked(body)

    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_missing_field_is_named(missing: str) -> None:
    payload = {"model": "a", "messages": MESSAGES}
    del payload[missing]

    with pytest.raises(InvalidRequest, match="is missing") as caught:
        read_asked(dumps(payload))

    assert caught.value.param == missing


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b"1", b"\xff", b"{}{}", b"<html>", b"[" * 100_000])
def test_body_that_is_no_json_object_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_asked(body)

    assert caught.value.code == "invalid_json"


def test_body_that_nests_too_deeply_to_be_rewritten_is_the_clients_fault() -> None:
    deep = b"[" * 1015 + b"]" * 1015
    body = b'{"model":"a","messages":[{"role":"user"}],"model":"a","x":' + deep + b"}"

    with pytest.raises(InvalidRequest, match="too deeply") as caught:
        written(body, "b")

    assert caught.value.code == "invalid_json"
