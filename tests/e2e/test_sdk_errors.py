"""What goes wrong, as OpenAI's SDK raises it: by its own classes, with what they carry."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.e2e.chat import HELLO, chunk, failure, whole, words
from tests.e2e.conftest import IMPATIENT, MODEL, PROVIDER_KEYS, UNREACHABLE
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, StandIn

NO_MESSAGES: Any = []


@pytest.mark.parametrize(
    ("token", "words_of_it"),
    [("lr_Ab3dEf9h_" + "x" * 43, "unknown"), ("lr_cut", "malformed"), ("sk-a-provider-s-own-key", "unknown")],
)
def test_a_token_that_is_none_is_an_authentication_error(
    sdk: OpenAI, standin: StandIn, token: str, words_of_it: str
) -> None:
    with pytest.raises(openai.AuthenticationError, match=words_of_it) as raised:
        sdk.with_options(api_key=token).chat.completions.create(model=MODEL, messages=HELLO)

    assert raised.value.code == "invalid_api_key"
    assert token not in raised.value.message
    assert not standin.posts


def test_an_unknown_model_is_not_found_and_the_nearest_three_are_told(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        sdk.chat.completions.create(model="gpt-test-larg", messages=HELLO)

    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert "'gpt-test-larg' does not exist" in raised.value.message
    assert all(repr(near) in raised.value.message for near in (MODEL, "gpt-test-small", "gpt-test-tiny"))


def test_an_unknown_model_cannot_be_retrieved(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        sdk.models.retrieve("gpt-test-larg")

    assert raised.value.code == "model_not_found"


def test_a_path_that_is_not_there_is_not_found(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        sdk.get("/nowhere", cast_to=object)

    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": NO_MESSAGES}, "messages"),
        ({"messages": [{"content": "Hi"}]}, "messages[0]"),
        ({"messages": "Hi"}, "messages"),
        ({"model": " "}, "model"),
        ({"model": None}, "model"),
        ({"stream_options": "usage"}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ],
)
def test_a_field_that_is_wrong_is_a_bad_request_that_names_it(
    sdk: OpenAI, standin: StandIn, change: Any, param: str
) -> None:
    create: Any = sdk.chat.completions.create

    with pytest.raises(openai.BadRequestError, match="Error code: 400") as raised:
        create(**{"model": MODEL, "messages": HELLO, **change})

    assert (raised.value.param, raised.value.type) == (param, "invalid_request_error")
    assert not standin.posts


def test_a_day_that_is_used_up_is_a_rate_limit_error_that_tells_when_to_come_back(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    standin.answer = whole()
    limited = sdk.with_options(api_key=gateway.add_token(rate_limit=1))
    limited.chat.completions.create(model=MODEL, messages=HELLO)

    with pytest.raises(openai.RateLimitError, match="limit of 1 requests a day") as raised:
        limited.chat.completions.create(model=MODEL, messages=HELLO)

    headers = raised.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 86_400
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert raised.value.code == "rate_limit_exceeded"
    assert len(standin.posts) == 1


def test_a_provider_s_rate_limit_comes_with_its_retry_after(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = failure(429, "Slow down", kind="tokens", retry_after="17")

    with pytest.raises(openai.RateLimitError, match="Slow down") as raised:
        sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=True)

    assert raised.value.response.headers["retry-after"] == "17"
    assert (raised.value.type, raised.value.code) == ("tokens", "code_429")


def test_the_sdk_s_own_retry_works(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = failure(503, "Overloaded", retry_after="0.01")
    patient = sdk.with_options(max_retries=2)

    with pytest.raises(openai.InternalServerError, match="Overloaded"):
        patient.chat.completions.create(model=MODEL, messages=HELLO)

    assert len(standin.posts) == 3


def test_a_token_that_is_not_for_the_model_is_denied(sdk: OpenAI, gateway: Gateway, standin: StandIn) -> None:
    restricted = sdk.with_options(api_key=gateway.add_token(models=["demo"]))

    with pytest.raises(openai.PermissionDeniedError) as raised:
        restricted.chat.completions.create(model=MODEL, messages=HELLO)

    assert (raised.value.param, raised.value.code) == ("model", "model_not_allowed")
    assert not standin.posts


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (402, openai.APIStatusError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_s_error_keeps_its_status_words_and_fields(
    sdk: OpenAI, gateway: Gateway, standin: StandIn, status: int, kind: type[openai.APIStatusError], stream: bool
) -> None:
    standin.answer = failure(status, "The provider's words", kind="its_kind", param="top_p")

    with pytest.raises(kind, match="The provider's words") as raised:
        sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=stream)

    row = gateway.row_of(raised.value.request_id or "")
    assert raised.value.status_code == status
    assert (raised.value.type, raised.value.param, raised.value.code) == ("its_kind", "top_p", f"code_{status}")
    assert (row["status"], row["outcome"], row["error"]) == (status, "error", "The provider's words")
    assert (row["input_tokens"], row["output_tokens"]) == (0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_is_not_there_is_a_502(sdk: OpenAI, gateway: Gateway, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError, match="cannot be reached") as raised:
        sdk.chat.completions.create(model=f"{UNREACHABLE}/any", messages=HELLO, stream=stream)

    row = gateway.row_of(raised.value.request_id or "")
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_unreachable")
    assert (row["provider"], row["model"], row["status"], row["outcome"]) == (UNREACHABLE, "any", 502, "error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_is_silent_for_too_long_is_a_504(
    sdk: OpenAI, gateway: Gateway, standin: StandIn, stream: bool
) -> None:
    standin.answer = Answer(delay_s=5)

    with pytest.raises(openai.InternalServerError, match=r"timeouts\.first_byte") as raised:
        sdk.chat.completions.create(model=f"{IMPATIENT}/slow", messages=HELLO, stream=stream)

    row = gateway.row_of(raised.value.request_id or "")
    assert (raised.value.status_code, raised.value.code) == (504, "upstream_timeout")
    assert (row["provider"], row["status"], row["outcome"]) == (IMPATIENT, 504, "error")
    assert standin.posts[0].wait_until_left()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(pieces=[b"<html>not the API</html>"], headers={"content-type": "text/html"}),
        Answer.json({"object": "list", "data": []}),
        Answer.json([]),
        Answer(pieces=[b'{"choices": [']),
        Answer(status=302, headers={"location": "https://elsewhere.example"}),
    ],
    ids=["html", "another-object", "a-list", "half", "a-redirect"],
)
def test_an_answer_that_is_none_is_a_502(sdk: OpenAI, standin: StandIn, answer: Answer) -> None:
    standin.answer = answer

    with pytest.raises(openai.InternalServerError) as raised:
        sdk.chat.completions.create(model=MODEL, messages=HELLO)

    assert (raised.value.status_code, raised.value.code) == (502, "upstream_invalid_response")


def test_a_client_that_leaves_because_of_an_error_in_the_stream_leaves_a_row_that_tells_of_it(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    error = {"message": "The engine stopped", "type": "server_error", "param": None, "code": "engine"}
    standin.answer = Answer.events(chunk({"content": "Hi"}), {"error": error}, done=False, hold=True)
    response = sdk.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)

    with pytest.raises(openai.APIError, match="The engine stopped"):
        list(response.parse())

    row = gateway.row_of(response.headers["x-request-id"])
    assert (row["status"], row["outcome"], row["error"]) == (200, "error", "The engine stopped")
    assert standin.posts[0].wait_until_left()


def test_an_error_in_the_midst_of_a_stream_is_raised_after_what_came_before(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    error = {"message": "The engine stopped", "type": "server_error", "param": None, "code": "engine"}
    standin.answer = Answer.events(chunk({"role": "assistant", "content": "Hi"}), {"error": error}, done=False)
    response = sdk.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
    contents: list[Any] = []

    with pytest.raises(openai.APIError, match="The engine stopped") as raised:
        contents.extend(chunk.choices[0].delta.content for chunk in response.parse())

    row = gateway.row_of(response.headers["x-request-id"])
    assert contents == ["Hi"]
    assert raised.value.code == "engine"
    assert (row["status"], row["outcome"], row["error"]) == (200, "error", "The engine stopped")


@pytest.mark.parametrize("cut", [{"reset": True}, {"until_close": True, "chunked": False}], ids=["reset", "closed"])
def test_a_stream_that_is_cut_is_raised_after_what_came_before(
    sdk: OpenAI, gateway: Gateway, standin: StandIn, cut: dict[str, bool]
) -> None:
    whole_stream = words("Hi", " there")
    standin.answer = Answer(headers=whole_stream.headers, pieces=whole_stream.pieces[:2], **({"chunked": True} | cut))
    response = sdk.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
    contents: list[Any] = []

    with pytest.raises(openai.APIError) as raised:
        contents.extend(chunk.choices[0].delta.content for chunk in response.parse())

    row = gateway.row_of(response.headers["x-request-id"])
    assert contents == ["", "Hi"]
    assert raised.value.code == "upstream_cut"
    assert (row["status"], row["outcome"]) == (200, "cut")


@pytest.mark.parametrize(("model", "name"), [(MODEL, "OPENAI_API_KEY"), ("sambanova/m", "SAMBANOVA_API_KEY")])
def test_a_provider_that_quotes_our_key_does_not_tell_it_to_the_client(
    sdk: OpenAI, standin: StandIn, model: str, name: str
) -> None:
    key = PROVIDER_KEYS[name]
    standin.answer = failure(401, f"Incorrect API key provided: {key}.", kind=f"not {key}")

    with pytest.raises(openai.AuthenticationError, match="Incorrect API key") as raised:
        sdk.chat.completions.create(model=model, messages=HELLO)

    assert key not in raised.value.response.text
