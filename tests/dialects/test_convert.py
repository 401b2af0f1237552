"""The crossing between dialects, and where the client's is the provider's, none."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.core.abilities import Rules
from app.core.errors import NotServed
from app.dialects.convert import Outgoing, incoming, incoming_error, outgoing
from app.dialects.counting import count_tokens
from app.dialects.openai.stream import ChatStream
from app.dialects.openai.whole import WholeReply
from app.dialects.splice import Additions
from tests.calls import make_call
from tests.recordings import Recording, recorded


def test_request_goes_out_with_the_providers_model_and_its_additions() -> None:
    call = make_call({"model": "m"})

    sent = outgoing(call, "M-1", Additions(extra={"n": 1}))

    assert json.loads(sent.body) == {**call.payload, "model": "M-1", "n": 1}


ADDING = Additions(extra={"n": 1})
REFUSING = Rules(unsupported=("stream_options", "user", "temperature"))


def test_usage_of_a_stream_is_not_asked_for_where_the_provider_refuses_that() -> None:
    sent = outgoing(make_call({"stream": True}), "M-1", ADDING, rules=REFUSING)

    assert "stream_options" not in json.loads(sent.body)
    assert not sent.unsupported


def test_parameters_that_the_provider_refuses_are_left_out_and_named() -> None:
    call = make_call({"stream": True, "stream_options": {"include_usage": True}, "user": "u", "seed": 1})

    sent = outgoing(call, "M-1", ADDING, rules=REFUSING)

    assert json.loads(sent.body) == {
        "model": "M-1",
        "messages": call.payload["messages"],
        "stream": True,
        "seed": 1,
        "n": 1,
    }
    assert list(sent.unsupported) == ["user"]


def test_parameters_that_the_provider_refuses_are_left_out_of_translated_requests_too() -> None:
    payload = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "stream": True,
    }
    call = make_call(payload, dialect="anthropic")

    sent = outgoing(call, "M-1", ADDING, rules=REFUSING)

    assert not {"temperature", "stream_options"} & json.loads(sent.body).keys()
    assert list(sent.unsupported) == ["temperature"]


GEMINI_ASKED = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"topK": 5, "maxOutputTokens": 7}}


def crossing(rules: Rules | None = None) -> Outgoing:
    """What a call by Gemini's API becomes for a provider of Chat Completions."""
    call = replace(make_call(), dialect="gemini", payload=GEMINI_ASKED, body=json.dumps(GEMINI_ASKED).encode())
    return outgoing(call, "m", Additions(), rules=rules)


def test_what_cannot_be_said_is_named_in_the_clients_words() -> None:
    assert list(crossing().unsupported) == ["generationConfig.topK"]


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (None, "max_tokens"),
        (Rules(max_completion_tokens=True), "max_completion_tokens"),
        (Rules(max_completion_tokens=False), "max_tokens"),
    ],
)
def test_limit_of_a_crossing_client_has_the_name_that_the_model_knows(rules: Rules | None, name: str) -> None:
    body = json.loads(crossing(rules).body)

    assert {key: body[key] for key in body if key.startswith("max_")} == {name: 7}


def test_call_that_is_neither_chat_nor_embeddings_is_left_as_it_is_whatever_the_model_takes() -> None:
    payload = {"model": "gpt-x", "prompt": "a cat", "user": "me"}
    call = make_call(payload, dialect="openai-images")
    rules = Rules(max_completion_tokens=True, system_prompt=False, unsupported=("user",))

    sent = outgoing(call, "gpt-x", Additions(), dialect="openai-images", rules=rules)

    assert (sent.body, list(sent.unsupported)) == (call.body, [])


def test_legacy_completions_keep_to_what_the_model_takes() -> None:
    payload = {"model": "m", "prompt": "Hi", "temperature": 0.5, "stop": ["a"], "max_tokens": 9}
    call = replace(
        make_call(), dialect="openai-completions", name="m", payload=payload, body=json.dumps(payload).encode()
    )
    rules = Rules(max_completion_tokens=True, system_prompt=False, unsupported=("temperature", "stop", "tools"))

    passed = outgoing(call, "M", Additions(), dialect="openai-completions", rules=rules)
    crossed = outgoing(call, "M", Additions(), dialect="anthropic", rules=rules)

    assert json.loads(passed.body) == {"model": "M", "prompt": "Hi", "max_tokens": 9}
    assert list(passed.unsupported) == list(crossed.unsupported) == ["temperature", "stop"]
    assert not {"temperature", "stop_sequences"} & json.loads(crossed.body).keys()


def test_usage_that_a_client_of_legacy_completions_will_not_get_is_named() -> None:
    payload = {"model": "m", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}}
    call = replace(make_call(), dialect="openai-completions", name="m", payload=payload, streamed=True)
    call = replace(call, body=json.dumps(payload).encode(), wants_usage=True)

    sent = outgoing(call, "m", Additions(), dialect="openai-completions", rules=REFUSING)

    assert json.loads(sent.body) == {"model": "m", "prompt": "Hi", "stream": True}
    assert list(sent.unsupported) == ["stream_options"]


def test_request_in_the_providers_own_dialect_passes_where_nothing_has_to_change() -> None:
    body = b'{"contents" : [{"parts": [{"text":"Hi"}]}]}'
    call = replace(make_call(), dialect="gemini", payload=json.loads(body), body=body)

    sent = outgoing(call, "m", Additions(), dialect="gemini", rules=Rules(system_prompt=False, unsupported=("stop",)))

    assert sent.body == body


def test_request_that_only_its_own_dialect_knows_passes_whatever_parameters_its_model_refuses() -> None:
    payload = {"model": "m", "prompt": {"id": "pmpt_1"}, "temperature": 0.5}
    call = replace(make_call(), dialect="responses", name="m", payload=payload, body=json.dumps(payload).encode())

    sent = outgoing(call, "m", Additions(), dialect="responses", rules=Rules(unsupported=("temperature",)))

    assert json.loads(sent.body) == {"model": "m", "prompt": {"id": "pmpt_1"}}
    assert sent.unsupported == ("temperature",)


def test_provider_is_told_its_model_where_the_client_named_none() -> None:
    payload = {"prompt": "a cat"}
    call = replace(
        make_call(), dialect="openai-images", name="gpt-image-1", payload=payload, body=b'{"prompt":"a cat"}'
    )

    sent = outgoing(call, "image-of-theirs", Additions(), dialect="openai-images")

    assert json.loads(sent.body) == {"prompt": "a cat", "model": "image-of-theirs"}


@pytest.mark.parametrize(("streamed", "kind"), [(True, ChatStream), (False, WholeReply)])
def test_reply_is_read_as_it_was_asked_for(kind: type, *, streamed: bool) -> None:
    assert isinstance(incoming(make_call({"stream": streamed}), provider="Acme", model="m"), kind)


def test_stream_of_a_client_that_asked_for_usage_has_it() -> None:
    call = make_call({"stream": True, "stream_options": {"include_usage": True}})
    stream = incoming(call, provider="Acme", model="m")

    out = stream.feed(
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    )

    assert b'"usage":{' in out
    assert b"chatcmpl-req_0123456789" in out


@pytest.mark.parametrize("dialect", ["ollama", "ollama-generate"])
def test_translated_reply_tells_ollamas_clients_how_long_the_call_took(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = make_call(dialect=dialect)
    now_ns = int(call.started_at * 1e9) + 7
    monkeypatch.setattr("app.dialects.ollama.times.time", SimpleNamespace(monotonic_ns=lambda: now_ns))
    reply = incoming(call, provider="Acme", model="m", dialect="anthropic")

    out = reply.feed(b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}')

    assert json.loads(out + reply.close(certain=True))["total_duration"] == 7


def test_error_of_a_provider_tells_no_key() -> None:
    error = incoming_error(401, b"key my-own-key is wrong", provider="Acme", retry_after=None, secret="my-own-key")

    assert error.message == "key [redacted] is wrong"


def test_tools_count_where_tokens_are_estimated() -> None:
    tool = {"name": "look", "description": "d" * 4000, "input_schema": {"type": "object"}}
    payload = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}

    counted = count_tokens(replace(make_call(), dialect="anthropic-count", payload=payload))

    assert counted is not None
    assert json.loads(counted)["input_tokens"] > 1000


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({"store": False, "include": ["reasoning.encrypted_content"]}, ()),
        ({"store": False, "include": []}, ()),
        ({"store": True}, ("store",)),
        ({"include": ["reasoning.encrypted_content", "file_search_call.results"]}, ("include",)),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, ()),
        ({"reasoning": {"effort": "low", "summary": "detailed"}}, ("reasoning.summary",)),
    ],
)
def test_what_holds_anyway_is_not_named_as_missing(own: dict[str, object], named: tuple[str, ...]) -> None:
    call = replace(make_call(dialect="responses"), payload={"model": "m", "input": "Hi", **own})

    sent = outgoing(call, "M-1", Additions())

    assert tuple(sent.unsupported) == named


def test_thinking_that_a_client_sees_by_default_is_not_named_as_missing() -> None:
    payload = {
        "model": "m",
        "max_tokens": 9000,
        "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }

    sent = outgoing(make_call(payload, dialect="anthropic"), "M-1", Additions())

    assert not sent.unsupported


SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://a.test/v.mp4"}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://a.test/p.png"}}
BEFORE = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("part", "goal"),
    [
        (SOUND, "anthropic"),
        (SOUND, "responses"),
        (SOUND, "ollama"),
        (FILE, "ollama"),
        (PICTURE, "ollama"),
        *((VIDEO, goal) for goal in ("anthropic", "responses", "gemini", "ollama")),
    ],
)
def test_message_of_which_nothing_can_be_told_is_refused(part: dict[str, object], goal: str) -> None:
    call = make_call({"model": "m", "messages": [*BEFORE, {"role": "user", "content": [part]}]})

    with pytest.raises(NotServed, match=r"messages\[2\]") as raised:
        outgoing(call, "M-1", Additions(), dialect=goal)

    assert (raised.value.param, raised.value.code) == ("messages[2]", "unsupported_parameter")


@pytest.mark.parametrize("goal", ["anthropic", "responses", "gemini", "ollama"])
@pytest.mark.parametrize(
    "content", [[SOUND, {"type": "text", "text": "What is it?"}], [VIDEO, {"type": "text", "text": "?"}], "", []]
)
def test_message_that_keeps_something_or_says_nothing_goes_on(content: object, goal: str) -> None:
    call = make_call({"model": "m", "messages": [*BEFORE, {"role": "user", "content": content}]})

    assert outgoing(call, "M-1", Additions(), dialect=goal).body


@pytest.mark.parametrize(
    ("dialect", "payload", "place"),
    [
        (
            "gemini",
            {
                "contents": [
                    {"parts": [{"text": "Hi"}]},
                    {"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}]},
                ]
            },
            "contents[1]",
        ),
        (
            "anthropic",
            {
                "system": "Be brief.",
                "max_tokens": 9,
                "messages": [
                    {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}
                ],
            },
            "messages[0]",
        ),
        (
            "responses",
            {"input": [{"role": "user", "content": "Hi"}, {"role": "user", "content": [{"type": "input_video"}]}]},
            "input[1]",
        ),
    ],
)
def test_message_of_which_nothing_can_be_told_is_called_as_the_client_has_it(
    dialect: str, payload: dict[str, object], place: str
) -> None:
    call = replace(make_call(dialect=dialect), payload={"model": "m", **payload})

    with pytest.raises(NotServed) as raised:
        outgoing(call, "M-1", Additions(), dialect="ollama")

    assert raised.value.param == place


ASKS = {"type": "text", "text": "What is it?"}


@pytest.mark.parametrize(
    ("own", "goal", "named"),
    [
        ({"messages": [{"role": "user", "content": [SOUND, ASKS]}]}, "anthropic", "input_audio"),
        ({"messages": [{"role": "user", "content": [FILE, ASKS]}]}, "ollama", "file"),
        ({"web_search_options": {}}, "ollama", "web_search_options"),
        (
            {"web_search_options": {"search_context_size": "low"}},
            "anthropic",
            "web_search_options.search_context_size",
        ),
    ],
)
def test_what_is_no_parameter_is_named_in_the_clients_words_too(own: dict[str, object], goal: str, named: str) -> None:
    sent = outgoing(make_call({"model": "m", **own}), "M-1", Additions(), dialect=goal)

    assert tuple(sent.unsupported) == (named,)


def test_googles_search_is_named_in_its_words() -> None:
    payload = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"googleSearch": {}}]}

    sent = outgoing(replace(make_call(dialect="gemini"), payload=payload), "M-1", Additions(), dialect="ollama")

    assert tuple(sent.unsupported) == ("tools.googleSearch",)


@pytest.mark.parametrize("recording", recorded("count_tokens.*", "anthropic", "gemini"))
def test_tokens_that_a_provider_counted_pass_byte_for_byte(recording: Recording) -> None:
    dialect = f"{recording.provider}-count"
    call = make_call(recording.request, dialect=dialect)

    reading = incoming(call, provider="Acme", model="m", dialect=dialect)

    assert reading.feed(recording.body) + reading.close(certain=True) == recording.body
    assert json.loads(outgoing(call, "m-1", Additions(), dialect=dialect).body).keys() >= recording.request.keys()
