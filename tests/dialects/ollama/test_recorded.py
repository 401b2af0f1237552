"""Every recorded reply and request: what is read says what the official client reads, in any pieces, and so does what is written."""

import json
from typing import Any

import httpx
import ollama
import pytest

from app.core.chat import Text
from app.core.events import Completion, Failed, fold, merge
from app.core.usage import Usage
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from tests.dialects.ollama.playing import ABOUT, cut, read_in, without_ids, written_by
from tests.recordings import Recording, recorded

REPLIES = recorded("native-chat.*", "ollama") + recorded("native-generate.*", "ollama")
STREAMS = [param for param in REPLIES if not isinstance(param.values[0], Recording) or param.values[0].streamed]
REQUESTS = [
    param for param in REPLIES if not isinstance(param.values[0], Recording) or param.values[0].document["request"]
]
EACH_REPLY = pytest.mark.parametrize("recording", REPLIES)
EACH_STREAM = pytest.mark.parametrize("recording", STREAMS)

Said = dict[str, Any]


def is_generate(recording: Recording) -> bool:
    return recording.path.stem.startswith("native-generate")


def completion_of(recording: Recording) -> Completion:
    if recording.streamed:
        return fold(read_in([recording.body]))
    return fold(OLLAMA.read_reply(json.loads(recording.body)))


def heard_by_client(body: bytes, *, generate: bool, streamed: bool) -> Said:
    """What the official client makes of `body`."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    client: Any = ollama.Client(host="http://ollama.test", transport=transport)
    if generate:
        answer = client.generate(model="m", prompt="Hi", stream=streamed)
        replies = list(answer) if streamed else [answer]
        texts = [reply.response for reply in replies]
        thoughts, calls = [reply.thinking for reply in replies], []
    else:
        answer = client.chat(model="m", messages=[{"role": "user", "content": "Hi"}], stream=streamed)
        replies = list(answer) if streamed else [answer]
        texts = [reply.message.content for reply in replies]
        thoughts = [reply.message.thinking for reply in replies]
        calls = [call for reply in replies for call in reply.message.tool_calls or []]
    last = replies[-1]
    assert [reply.done for reply in replies] == [False] * (len(replies) - 1) + [True]
    text, reasoning = "".join(text or "" for text in texts), "".join(thought or "" for thought in thoughts)
    if text.startswith("<think>"):  # an old server leaves in the text what the client takes for it
        reasoning, _, text = (side.strip() for side in text.removeprefix("<think>").partition("</think>"))
    return {
        "model": last.model,
        "text": text,
        "reasoning": reasoning,
        "calls": [(call.function.name, dict(call.function.arguments)) for call in calls],
        "reason": last.done_reason,
        "usage": Usage(input=last.prompt_eval_count or 0, output=last.eval_count or 0),
    }


def said_by(completion: Completion) -> Said:
    return {
        "model": completion.model,
        "text": completion.text,
        "reasoning": completion.reasoning,
        "calls": [(call.name, json.loads(call.arguments)) for call in completion.tool_calls],
        "reason": {"tool_calls": "stop"}.get(completion.reason, completion.reason),
        "usage": completion.usage,
    }


@EACH_REPLY
def test_what_is_read_is_what_the_official_client_reads(recording: Recording) -> None:
    heard = heard_by_client(recording.body, generate=is_generate(recording), streamed=recording.streamed)

    completion = completion_of(recording)

    assert said_by(completion) == heard
    assert heard["text"] or heard["calls"]


@EACH_REPLY
def test_reply_with_tool_calls_finished_for_them(recording: Recording) -> None:
    completion = completion_of(recording)

    assert completion.reason == ("tool_calls" if completion.tool_calls else "stop")


@EACH_REPLY
def test_time_is_the_recorded_one(recording: Recording) -> None:
    first = json.loads(recording.body.split(b"\n")[0])

    completion = completion_of(recording)

    assert completion.created is not None
    assert OLLAMA.write_reply(completion, ABOUT)["created_at"] == first["created_at"][:19] + "Z"


@EACH_STREAM
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_make_no_difference(recording: Recording, size: int) -> None:
    whole = read_in([recording.body])

    pieces = read_in(cut(recording.body, size))

    assert without_ids(merge(pieces)) == without_ids(merge(whole))


@EACH_STREAM
def test_place_of_a_cut_makes_no_difference(recording: Recording) -> None:
    body = recording.body
    whole = merge(read_in([body]))
    places = {
        *range(min(len(body), 300)),
        *range(0, len(body), len(body) // 150 + 1),
        *range(len(body) - 50, len(body)),
    }

    read = [merge(read_in([body[:place], body[place:]])) for place in sorted(places)]

    assert all(events == whole for events in read)


@EACH_STREAM
def test_last_line_needs_no_line_end(recording: Recording) -> None:
    whole = read_in([recording.body])

    events = read_in([recording.body.rstrip(b"\n")], certain=False)

    assert events == whole


@EACH_REPLY
@pytest.mark.parametrize("goal", [OLLAMA, OLLAMA_GENERATE], ids=lambda dialect: str(dialect.name))
def test_whole_reply_that_is_written_says_the_same_to_the_official_client(recording: Recording, goal: Any) -> None:
    completion = completion_of(recording)

    body = json.dumps(goal.write_reply(completion, ABOUT)).encode()

    heard = heard_by_client(body, generate=goal is OLLAMA_GENERATE, streamed=False)
    wanted = said_by(completion)
    # The official client has no place for tool calls in a reply of /api/generate.
    assert heard == (wanted if goal is OLLAMA else {**wanted, "calls": []})


@EACH_REPLY
@pytest.mark.parametrize("goal", [OLLAMA, OLLAMA_GENERATE], ids=lambda dialect: str(dialect.name))
def test_stream_that_is_written_says_the_same_to_the_official_client(recording: Recording, goal: Any) -> None:
    document = recording.body
    events = read_in([document]) if recording.streamed else OLLAMA.read_reply(json.loads(document))

    body = written_by(goal.write_stream(ABOUT), events)

    heard = heard_by_client(body, generate=goal is OLLAMA_GENERATE, streamed=True)
    wanted = said_by(fold(events))
    assert heard == (wanted if goal is OLLAMA else {**wanted, "calls": []})


@EACH_REPLY
def test_reply_that_is_written_is_read_as_it_was(recording: Recording) -> None:
    completion = completion_of(recording)

    whole = fold(OLLAMA.read_reply(OLLAMA.write_reply(completion, ABOUT)))

    assert whole == completion


@pytest.mark.parametrize("recording", [param for param in REQUESTS if "generate" not in str(param.id)])
def test_chat_request_that_is_written_again_says_the_same(recording: Recording) -> None:
    request = OLLAMA.read_request(recording.request)

    encoded = OLLAMA.write_request(request, recording.request["model"], recording.request["stream"])

    # An empty value says nothing to Ollama.
    assert encoded.payload == {
        key: value for key, value in recording.request.items() if value not in (None, "", {}, [])
    }
    assert not encoded.unsupported


@pytest.mark.parametrize("recording", [param for param in REQUESTS if "chat" not in str(param.id)])
def test_generate_request_becomes_a_chat_that_says_the_same(recording: Recording) -> None:
    request = OLLAMA_GENERATE.read_request(recording.request)

    encoded = OLLAMA_GENERATE.write_request(request, recording.request["model"], recording.request["stream"])

    (asked,) = request.messages
    assert asked.parts == (Text(recording.request["prompt"]),)
    assert encoded.payload == {
        "model": recording.request["model"],
        "messages": [{"role": "user", "content": recording.request["prompt"]}],
        "stream": recording.request["stream"],
    }
    assert not encoded.unsupported


@pytest.mark.parametrize("recording", recorded("*error-*", "ollama"))
def test_recorded_error_keeps_its_status_and_words(recording: Recording) -> None:
    found = json.loads(recording.body)["error"]

    error = OLLAMA.read_error(recording.status, recording.body, "Ollama", None, ())

    words = found["message"] if isinstance(found, dict) else found
    assert (error.status, error.message) == (recording.status, words)
    assert json.loads(OLLAMA.write_error(error))["error"] == words


@pytest.mark.parametrize("recording", recorded("*error-*", "openai", "anthropic", "gemini"))
def test_another_providers_error_is_told_in_ollamas_shape(recording: Recording) -> None:
    error = OLLAMA.read_error(recording.status, recording.body, "Acme", None, ())

    written = OLLAMA.write_error(error)

    assert error.status >= 400
    assert ollama.ResponseError(written.decode(), error.status).error == error.message


def test_stream_without_a_recording_of_its_own_fails_with_the_servers_words() -> None:
    lines = [{"message": {"content": "Hel"}, "done": False}, {"error": "model runner has unexpectedly stopped"}]

    events = read_in([json.dumps(line).encode() + b"\n" for line in lines])

    assert events[-1] == Failed(
        "model runner has unexpectedly stopped", status=500, body={"error": "model runner has unexpectedly stopped"}
    )
