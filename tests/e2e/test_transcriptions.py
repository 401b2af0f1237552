"""Sound that becomes text: forms by OpenAI's SDK through the running gateway, and replies of every kind.

The stand-in's answers are those of OpenAI's API reference, as the SDK's types have them.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import EVENT_STREAM, JSON, Answer, StandIn

SOUND = b"RIFF" + b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 40 + b"\r\n--end\r\n"
USAGE = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    "output_tokens": 45,
    "total_tokens": 59,
}
SRT = "1\n00:00:00,000 --> 00:00:01,000\nImagine\n\n"
MODEL = "gpt-4o-transcribe"


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    entry: dict[str, Any] = {
        "base_url": f"{provider.base_url}/v1",
        "supported_models": [MODEL],
        "headers": {"content-type": "application/json", "x-team": "a"},
        **ONE_ATTEMPT,
    }
    claude = {**entry, "base_url": provider.base_url, "api_format": "anthropic", "supported_models": ["opus"]}
    environ = {"MAX_BODY_BYTES": str(1024 * 1024)}
    folder = tmp_path_factory.mktemp("transcriptions")
    with running_gateway(folder, {"openai": entry, "claude": claude}, environ) as running:
        yield running


@pytest.fixture(scope="module")
def client(relay: Gateway) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0, http_client=http) as opened:
        yield opened


@pytest.fixture
def http(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


def test_form_reaches_the_provider_as_the_sdk_wrote_it(client: openai.OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.json({"text": "Imagine", "usage": USAGE})

    reply = client.audio.transcriptions.create(model=MODEL, file=("a.wav", SOUND), language="de")

    assert isinstance(reply, Transcription)
    assert reply.text == "Imagine"
    (post,) = standin.posts
    kind = post.headers["content-type"]
    assert post.path == "/v1/audio/transcriptions"
    assert kind.startswith("multipart/form-data; boundary=")
    assert post.headers["x-team"] == "a"
    assert post.body.startswith(b"--" + kind.partition("boundary=")[2].encode() + b"\r\n")
    assert SOUND + b"\r\n--" in post.body


def test_tokens_are_recorded(http: httpx.Client, standin: StandIn, relay: Gateway) -> None:
    standin.answer = Answer.json({"text": "Imagine", "usage": USAGE})

    answer = http.post("/v1/audio/transcriptions", data={"model": MODEL}, files={"file": SOUND})

    row = relay.row_of(answer.headers["x-request-id"])
    assert (row["surface"], row["model"]) == ("transcriptions", MODEL)
    assert (row["input_tokens"], row["input_audio_tokens"], row["output_tokens"]) == (0, 14, 45)


@pytest.mark.parametrize("streamed", [False, True])
def test_sound_that_is_counted_in_seconds_leaves_no_tokens_and_no_estimate(
    http: httpx.Client, standin: StandIn, relay: Gateway, *, streamed: bool
) -> None:
    said = {"text": "Imagine", "usage": {"type": "duration", "seconds": 9}}
    standin.answer = Answer.events({"type": "transcript.text.done", **said}) if streamed else Answer.json(said)
    form = {"model": MODEL, "stream": str(streamed).lower()}

    answer = http.post("/v1/audio/transcriptions", data=form, files={"file": SOUND})

    assert '"seconds":9' in answer.text
    row = relay.row_of(answer.headers["x-request-id"])
    assert (row["status"], row["outcome"], row["streamed"], row["cost"]) == (200, "ok", streamed, None)
    lines = [json.loads(line) for line in relay.log_file.read_text().splitlines()]
    (logged,) = [line for line in lines if line.get("request_id") == row["id"]]
    for told in (row, logged):
        assert {told[key] for key in told if key.endswith("_tokens")} == {0}
        assert told["audio_ms"] == 9000
        assert not told["usage_estimated"]


def test_only_the_name_of_the_model_differs(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"text": "Imagine"})
    request = http.build_request(
        "POST", "/v1/audio/transcriptions", data={"model": f"openai/{MODEL}"}, files={"file": SOUND}
    )
    body = request.read()

    http.send(request)

    assert standin.posts[0].body == body.replace(f"openai/{MODEL}".encode(), MODEL.encode())
    assert standin.posts[0].headers["content-type"] == request.headers["content-type"]


@pytest.mark.parametrize(
    ("wanted", "kind", "body"),
    [
        ("srt", "application/x-subrip", SRT.encode()),
        ("vtt", "text/vtt; charset=utf-8", b"WEBVTT\n\n00:00.000 --> 00:01.000\nImagine\n"),
        ("text", "text/plain; charset=utf-8", b"Imagine \xc3\xa9\n"),
    ],
)
def test_reply_has_the_form_that_was_asked_for(
    wanted: Any, kind: str, body: bytes, client: openai.OpenAI, standin: StandIn
) -> None:
    standin.answer = Answer(200, {"content-type": kind}, (body,))

    raw = client.audio.transcriptions.with_raw_response.create(
        model=MODEL, file=("a.wav", SOUND), response_format=wanted
    )

    assert (raw.headers["content-type"], raw.content) == (kind, body)


def test_words_and_their_times_come(client: openai.OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.json(
        {
            "task": "transcribe",
            "language": "english",
            "duration": 1.5,
            "text": "Imagine",
            "words": [{"word": "Imagine", "start": 0.0, "end": 1.2}],
        }
    )

    reply = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", SOUND), response_format="verbose_json", timestamp_granularities=["word"]
    )

    assert isinstance(reply, TranscriptionVerbose)
    assert reply.words
    assert (reply.words[0].word, reply.duration) == ("Imagine", 1.5)


def test_stream_comes_as_it_is_made(client: openai.OpenAI, standin: StandIn, relay: Gateway) -> None:
    standin.answer = Answer.events(
        {"type": "transcript.text.delta", "delta": "Ima"},
        {"type": "transcript.text.delta", "delta": "gine"},
        {"type": "transcript.text.done", "text": "Imagine", "usage": USAGE},
    )

    stream = client.audio.transcriptions.create(model=MODEL, file=("a.wav", SOUND), stream=True)

    events = list(stream)
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    row = relay.row_of(stream.response.headers["x-request-id"])
    assert (row["streamed"], row["output_tokens"]) == (1, 45)


def test_model_that_does_not_stream_answers_whole(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer(200, JSON, (b'{"text":', b'"Imagine"}'), chunked=True)

    answer = http.post("/v1/audio/transcriptions", data={"model": MODEL, "stream": "true"}, files={"file": SOUND})

    assert (answer.headers["content-type"], answer.content) == ("application/json", b'{"text":"Imagine"}')


def test_translations_go_to_their_own_path(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"text": "Hello"})

    answer = http.post("/v1/audio/translations", data={"model": MODEL}, files={"file": SOUND})

    assert answer.json() == {"text": "Hello"}
    assert standin.posts[0].path == "/v1/audio/translations"


def test_error_of_the_provider_comes_through(client: openai.OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.json(
        {"error": {"message": "Invalid file format.", "type": "invalid_request_error", "param": None, "code": None}},
        400,
    )

    with pytest.raises(openai.BadRequestError, match="Invalid file format"):
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", SOUND))


def test_error_in_the_midst_of_a_stream_ends_it(http: httpx.Client, standin: StandIn, relay: Gateway) -> None:
    standin.answer = Answer(
        200,
        EVENT_STREAM,
        (b'data: {"type":"transcript.text.delta","delta":"Ima"}\n\n',),
        chunked=True,
        reset=True,
    )

    answer = http.post("/v1/audio/transcriptions", data={"model": MODEL, "stream": "true"}, files={"file": SOUND})

    assert b'"code":"upstream_cut"' in answer.content
    assert relay.row_of(answer.headers["x-request-id"])["outcome"] == "cut"


def test_provider_that_transcribes_nothing_is_told_of(client: openai.OpenAI, standin: StandIn) -> None:
    with pytest.raises(openai.BadRequestError, match="does not serve 'transcriptions'"):
        client.audio.transcriptions.create(model="opus", file=("a.wav", SOUND))

    assert standin.posts == []


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("application/json", b'{"model":"m"}', "invalid_form"),
        ("multipart/form-data; boundary=b", b"--b\r\nno end", "invalid_form"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", None),
    ],
)
def test_what_is_no_form_is_refused(
    kind: str, body: bytes, code: str | None, http: httpx.Client, standin: StandIn
) -> None:
    answer = http.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert standin.posts == []


def test_form_that_is_too_large_is_refused(client: openai.OpenAI, standin: StandIn) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", SOUND * 4))

    assert raised.value.status_code == 413
    assert standin.posts == []


def test_model_that_the_token_may_not_use_is_refused(relay: Gateway, standin: StandIn) -> None:
    token = relay.add_token("other", models=["openai/other"])

    answer = httpx.post(
        f"{relay.base_url}/v1/audio/transcriptions",
        data={"model": MODEL},
        files={"file": SOUND},
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )

    assert answer.status_code == 403
    assert standin.posts == []
