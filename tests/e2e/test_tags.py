"""Tags and end users, by every way that a client has to give them: what the record says, and what no provider sees."""

import json
from collections.abc import Iterator
from typing import Any

import google.genai
import httpx
import ollama
import openai
import pytest
from google.genai import types as gemini

from tests.e2e.chat import HELLO, failure, whole, words
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, Row, running_gateway
from tests.e2e.standin import Answer, StandIn

TAG = "team-7f3a91"
CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/api/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 9},
    "/v1/embeddings": {"input": "Hi"},
    "/v1/images/generations": {"prompt": "Hi"},
    "/v1/audio/speech": {"input": "Hi", "voice": "a"},
    "/v1/moderations": {"input": "Hi"},
    "/api/chat": {"messages": HELLO},
    "/api/generate": {"prompt": "Hi"},
    "/api/embed": {"input": "Hi"},
    "/api/embeddings": {"prompt": "Hi"},
}
"""What is asked on every path that names its model in the body."""


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    address = {"base_url": f"{provider.base_url}/v1", **ONE_ATTEMPT}
    config: dict[str, Any] = {
        "openai": {**address, "supported_models": ["m", "claude@20250514", "@cf/meta/llama"]},
        "claude": {**address, "base_url": provider.base_url, "api_format": "anthropic", "supported_models": ["opus"]},
        "google": {**address, "base_url": provider.base_url, "api_format": "gemini", "supported_models": ["flash"]},
        "local": {**address, "base_url": provider.base_url, "api_format": "ollama", "supported_models": ["llama"]},
        "$names": {"fast": {"targets": ["openai/m"], "tags": ["of-the-name", "shared"]}},
    }
    with running_gateway(tmp_path_factory.mktemp("tags"), config) as running:
        yield running


@pytest.fixture(scope="module")
def client(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


def row_after(relay: Gateway, answer: httpx.Response) -> Row:
    return relay.row_of(answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("streamed", [False, True])
def test_tag_behind_the_name_is_recorded_and_reaches_no_provider(
    relay: Gateway, client: httpx.Client, standin: StandIn, path: str, *, streamed: bool
) -> None:
    standin.answer = failure(400, "seen")

    answer = client.post(path, json={"model": f"openai/m@{TAG}:latest", "stream": streamed, **ASKED[path]})

    row = row_after(relay, answer)
    assert (row["name"], row["tags"], row["model"]) == ("openai/m", TAG, "m")
    assert standin.posts[0].json["model"] == "m"
    assert TAG.encode() not in standin.posts[0].body


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
@pytest.mark.parametrize("model", ["opus", "flash", "llama"])
def test_tag_behind_the_name_does_not_cross(
    relay: Gateway, client: httpx.Client, standin: StandIn, path: str, model: str
) -> None:
    standin.answer = failure(400, "seen")

    answer = client.post(path, json={"model": f"{model}@{TAG}", "stream": False, **ASKED[path]})

    assert row_after(relay, answer)["tags"] == TAG
    assert TAG not in standin.posts[0].path
    assert TAG.encode() not in standin.posts[0].body


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("generateContent", {"contents": CONTENTS}),
        ("streamGenerateContent", {"contents": CONTENTS}),
        ("streamGenerateContent?alt=sse", {"contents": CONTENTS}),
        ("countTokens", {"contents": CONTENTS}),
        ("embedContent", {"model": f"models/flash@{TAG}", "content": CONTENTS[0]}),
        ("batchEmbedContents", {"requests": [{"model": f"models/flash@{TAG}", "content": CONTENTS[0]}]}),
    ],
)
def test_tag_in_the_path_is_recorded_and_reaches_no_provider(
    relay: Gateway, client: httpx.Client, standin: StandIn, method: str, body: dict[str, Any]
) -> None:
    standin.answer = failure(400, "seen")

    answer = client.post(f"/v1beta/models/flash@{TAG}:{method}", json=body)

    row = row_after(relay, answer)
    assert (row["name"], row["tags"], row["model"]) == ("flash", TAG, "flash")
    assert TAG not in standin.posts[0].path
    assert TAG.encode() not in standin.posts[0].body


def test_tag_behind_the_name_in_a_form_is_recorded_and_reaches_no_provider(
    relay: Gateway, client: httpx.Client, standin: StandIn
) -> None:
    standin.answer = Answer.json({"text": "Hi"})

    answer = client.post("/v1/audio/transcriptions", data={"model": f"openai/m@{TAG}"}, files={"file": b"RIFF"})

    assert answer.json() == {"text": "Hi"}
    assert row_after(relay, answer)["tags"] == TAG
    assert b"\r\n\r\nm\r\n" in standin.posts[0].body
    assert TAG.encode() not in standin.posts[0].body


def test_official_clients_may_put_a_tag_behind_the_name(relay: Gateway, standin: StandIn) -> None:
    headers = {"authorization": f"Bearer {relay.token}"}
    before = len(relay.rows())

    standin.answer = words("Hi")
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, http_client=http) as sdk:
        asked = sdk.chat.completions.create(model=f"openai/m@{TAG}", messages=HELLO, stream=True)
        said = [chunk.choices[0].delta.content for chunk in asked if chunk.choices]
    assert "".join(filter(None, said)) == "Hi"
    standin.answer = whole("Hi")
    with ollama.Client(host=relay.base_url, headers=headers, trust_env=False) as local:
        assert (local.show(f"openai/m@{TAG}").modelinfo or {})["general.basename"] == "openai/m"
        assert local.chat(f"openai/m@{TAG}:latest", messages=HELLO).message.content == "Hi"
        assert local.pull(f"openai/m@{TAG}").status == "success"
    options = gemini.HttpOptions(base_url=relay.base_url, client_args={"trust_env": False})
    google_client = google.genai.Client(api_key=relay.token, http_options=options)
    assert google_client.models.generate_content(model=f"m@{TAG}", contents="Hi").text == "Hi"

    rows = relay.wait_for_rows(before + 3)[before:]
    assert [row["tags"] for row in rows] == [TAG] * 3
    assert not any(TAG.encode() in post.body for post in standin.posts)


def test_all_ways_make_one_list(relay: Gateway, standin: StandIn) -> None:
    standin.answer = whole("Hi")
    token = relay.add_token(tags=("of-the-token", "shared"))
    headers = [
        ("authorization", f"Bearer {token}"),
        ("x-proxy-tag", "b ,  a"),
        ("x-proxy-tag", "shared,"),
    ]
    body = {"model": "fast@z,b", "messages": HELLO, "metadata": {"tags": ["c,d", "a"], "trace": "t"}}

    answer = httpx.post(f"{relay.base_url}/v1/chat/completions", json=body, headers=headers, trust_env=False)

    assert answer.status_code == 200
    row = row_after(relay, answer)
    assert row["tags"] == "a,b,c,d,of-the-name,of-the-token,shared,z"
    assert (row["name"], row["alias"]) == ("fast", "fast")
    assert standin.posts[0].json == {"model": "m", "messages": HELLO, "metadata": {"trace": "t"}}
    assert "x-proxy-tag" not in standin.posts[0].headers


def test_tags_in_the_body_leave_nothing_that_a_provider_would_refuse(
    relay: Gateway, client: httpx.Client, standin: StandIn
) -> None:
    standin.answer = failure(400, "seen")

    answer = client.post("/v1/messages", json={"model": "opus", "metadata": {"tags": "b, a"}, **ASKED["/v1/messages"]})

    assert row_after(relay, answer)["tags"] == "a,b"
    assert "metadata" not in standin.posts[0].json


def test_call_without_tags_has_none(relay: Gateway, client: httpx.Client, standin: StandIn) -> None:
    standin.answer = whole("Hi")

    answer = client.post(
        "/v1/chat/completions", json={"model": "openai/m", "messages": HELLO}, headers={"x-proxy-tag": ","}
    )

    assert (row_after(relay, answer)["tags"], row_after(relay, answer)["end_user"]) == ("", None)


@pytest.mark.parametrize(
    "model", ["claude@20250514", "openai/claude@20250514", "@cf/meta/llama", "openai/@cf/meta/llama"]
)
@pytest.mark.parametrize("tag", ["", f"@{TAG}"])
def test_at_sign_of_a_models_own_name_stays(
    relay: Gateway, client: httpx.Client, standin: StandIn, model: str, tag: str
) -> None:
    standin.answer = whole("Hi")

    answer = client.post("/v1/chat/completions", json={"model": model + tag, "messages": HELLO})

    row = row_after(relay, answer)
    assert (row["name"], row["tags"]) == (model, tag[1:])
    assert standin.posts[0].json["model"] == model.removeprefix("openai/")


@pytest.mark.parametrize("secret", ["own", "sk-proj-1", "Bearer x", "lr_abcdefgh_0123456789"])
def test_secret_is_never_a_tag(relay: Gateway, client: httpx.Client, standin: StandIn, secret: str) -> None:
    secret = relay.token if secret == "own" else secret
    standin.answer = whole("Hi")
    body = {"model": f"openai/m@{secret}", "messages": HELLO, "metadata": {"tags": [secret, "kept"]}}

    answer = client.post("/v1/chat/completions", json=body, headers={"x-proxy-tag": secret})

    assert answer.status_code == 200
    row = row_after(relay, answer)
    assert (row["name"], row["tags"]) == ("openai/m", "kept")
    lines = [json.loads(line) for line in relay.log_file.read_text().splitlines()]
    assert any(row["id"] in str(line) and "tags left out, as they look like secrets: 3" in str(line) for line in lines)
    assert secret not in relay.log_file.read_text()


@pytest.mark.parametrize(
    ("path", "find"),
    [
        ("/v1/chat/completions", lambda error: error["error"]["message"]),
        ("/v1/messages", lambda error: error["error"]["message"]),
        ("/v1beta/models/flash:generateContent", lambda error: error["error"]["message"]),
        ("/api/chat", lambda error: error["error"]),
    ],
)
def test_tag_that_is_none_is_refused_in_the_clients_words(client: httpx.Client, path: str, find: Any) -> None:
    body = {"model": "openai/m", "messages": HELLO, "max_tokens": 9, "contents": CONTENTS}

    answer = client.post(path, json=body, headers={"x-proxy-tag": "x" * 101})

    assert answer.status_code == 400
    assert "too long: 100 characters at most" in find(answer.json())
    assert "x-ratelimit-limit-requests" not in answer.headers


def test_name_that_cannot_be_printed_has_no_tag_and_is_no_models(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json={"model": "openai/m@a\u0019b", "messages": HELLO})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_empty_list_of_tags_reaches_no_provider_either(relay: Gateway, client: httpx.Client, standin: StandIn) -> None:
    standin.answer = whole("Hi")

    answer = client.post(
        "/v1/chat/completions", json={"model": "openai/m", "messages": HELLO, "metadata": {"tags": []}}
    )

    assert row_after(relay, answer)["tags"] == ""
    assert "metadata" not in standin.posts[0].json


@pytest.mark.parametrize("tags", [7, ["a", 7], {"a": "b"}])
def test_tags_of_another_kind_are_refused(client: httpx.Client, tags: Any) -> None:
    body = {"model": "openai/m", "messages": HELLO, "metadata": {"tags": tags}}

    answer = client.post("/v1/chat/completions", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "metadata.tags"


@pytest.mark.parametrize(
    ("path", "fields", "recorded"),
    [
        ("/v1/chat/completions", {"user": "u-1"}, "u-1"),
        ("/v1/chat/completions", {"safety_identifier": "u-2"}, "u-2"),
        ("/v1/chat/completions", {"user": "u-1", "safety_identifier": "u-2"}, "u-1"),
        ("/v1/chat/completions", {"user": 7}, None),
        ("/v1/chat/completions", {"user": ""}, None),
        ("/v1/responses", {"user": "u-3"}, "u-3"),
        ("/v1/completions", {"user": "u-4"}, "u-4"),
        ("/v1/embeddings", {"user": "u-5"}, "u-5"),
        ("/v1/images/generations", {"user": "u-6"}, "u-6"),
        ("/v1/messages", {"metadata": {"user_id": "u-7"}}, "u-7"),
        ("/v1/chat/completions", {"user": "x" * 300}, "x" * 256),
        ("/v1/chat/completions", {"user": "a\nb\x00c"}, "a b c"),
        ("/v1/chat/completions", {"user": "sk-proj-0123456789"}, "[redacted]"),
    ],
)
def test_end_user_is_recorded(
    relay: Gateway, client: httpx.Client, standin: StandIn, path: str, fields: dict[str, Any], recorded: str | None
) -> None:
    standin.answer = failure(400, "seen")

    answer = client.post(path, json={"model": "openai/m", **ASKED[path], **fields})

    assert row_after(relay, answer)["end_user"] == recorded


def test_own_token_is_never_the_end_user(relay: Gateway, client: httpx.Client, standin: StandIn) -> None:
    standin.answer = whole("Hi")

    answer = client.post(
        "/v1/chat/completions", json={"model": "openai/m", "messages": HELLO, "user": f"me {relay.token}"}
    )

    assert row_after(relay, answer)["end_user"] == "me [redacted]"
