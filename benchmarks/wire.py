"""The requests and replies of the benchmark, as bytes, and what makes a reply right."""

import json
from dataclasses import dataclass
from typing import Any

MODELS = ("bench-small", "bench-burst", "bench-paced")

BURST_CHUNKS = 64
PACED_CHUNKS = 100
PACE_S = 0.020

_REPLY_TEXT = (
    "The last ferry back leaves the northern pier at a quarter to eleven in summer and at half past nine in winter; "
    "on public holidays it follows the Sunday timetable, so do look at the board beside the ticket office first. "
    "Bicycles travel free after six."
)
PIECE = " ferry"  # the text of every chunk, of the size of a common token
MESSAGES = [
    {"role": "system", "content": "You are the harbour's assistant. Be brief."},
    {"role": "user", "content": "Where does the ferry to the islands leave?"},
    {"role": "assistant", "content": "From the northern pier, every hour."},
    {"role": "user", "content": "And when does the last one come back?"},
]


@dataclass(frozen=True)
class Exchange:
    """A request and what must come back for it.

    `mark` is a piece of the reply that survives any re-serialising; it has to occur `marks` times. `done` stands at the end
    of a stream.
    """

    model: str
    stream: bool
    text: str
    mark: bytes
    marks: int
    path: str = "/v1/chat/completions"
    done: bytes = b"[DONE]"

    def payload(self) -> dict[str, Any]:
        """The body of the request."""
        return {"model": self.model, "messages": MESSAGES, "temperature": 0.2, "stream": self.stream}

    def request(self, authority: str, authorization: str) -> bytes:
        """The whole HTTP/1.1 request; `authorization` may be empty."""
        body = dump(self.payload())
        head = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {authority}",
            "User-Agent: OpenAI/Python 2.8.1",
            "Accept: application/json",
            "Content-Type: application/json",
            *([f"Authorization: {authorization}"] if authorization else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    def accepts(self, body: bytes) -> bool:
        """Say cheaply whether `body` is right; called for every reply."""
        return body.count(self.mark) == self.marks and (not self.stream or self.done in body)

    def read_text(self, body: bytes) -> str:
        """The text a client would show, parsed in full; called for the first reply of a load.

        Raises:
            ValueError, LookupError, TypeError: `body` is no reply of that API.
        """
        if not self.stream:
            return str(json.loads(body)["choices"][0]["message"]["content"])
        events = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
        choices = [choice for event in events if event != self.done for choice in json.loads(event)["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def stream_exchange(model: str, chunks: int) -> Exchange:
    """A call that is answered by a stream of so many chunks."""
    contents = chunks - 2  # the first chunk carries the role, the last one the reason of the end
    return Exchange(model, stream=True, text=PIECE * contents, mark=f'"{PIECE}"'.encode(), marks=contents)


def dump(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


SMALL = Exchange("bench-small", stream=False, text=_REPLY_TEXT, mark=_REPLY_TEXT.encode(), marks=1)
BURST = stream_exchange("bench-burst", BURST_CHUNKS)
PACED = stream_exchange("bench-paced", PACED_CHUNKS)


def whole_reply() -> bytes:
    """The HTTP response to a call that does not stream."""
    body = dump(
        {
            "id": "chatcmpl-BkQ8mTzR4nXw2LsVd7Yp0HcJfA1eU",
            "object": "chat.completion",
            "created": 1763800000,
            "model": "bench-small",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": _REPLY_TEXT, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_51db84afab",
        }
    )
    return response_head("application/json", f"Content-Length: {len(body)}") + body


def stream_reply(model: str, chunks: int, *, include_usage: bool) -> list[bytes]:
    """The HTTP response to a streamed call: the head, then one HTTP chunk for each SSE event, the end with the last."""
    role: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
    contents = [_event(model, {"content": PIECE}, None, include_usage=include_usage) for _ in range(chunks - 2)]
    pieces = [
        response_head("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked"),
        framed(_event(model, role, None, include_usage=include_usage)),
        *map(framed, contents),
        framed(_event(model, {}, "stop", include_usage=include_usage)),
    ]
    if include_usage:
        pieces.append(framed(_sse({**_chunk(model), "choices": [], "usage": _USAGE})))
    pieces[-1] += framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return pieces


def models_reply() -> bytes:
    """The HTTP response to `GET /v1/models`."""
    listed = [{"id": model, "object": "model", "created": 1763800000, "owned_by": "bench"} for model in MODELS]
    body = dump({"object": "list", "data": listed})
    return response_head("application/json", f"Content-Length: {len(body)}") + body


def not_found_reply() -> bytes:
    """The HTTP response to everything else."""
    body = b'{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}}'
    return response_head("application/json", f"Content-Length: {len(body)}", "404 Not Found") + body


_USAGE = {
    "prompt_tokens": 62,
    "completion_tokens": 71,
    "total_tokens": 133,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _chunk(model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-BkQ8mTzR4nXw2LsVd7Yp0HcJfA1eU",
        "object": "chat.completion.chunk",
        "created": 1763800000,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_51db84afab",
    }


def _event(model: str, delta: dict[str, Any], finish_reason: str | None, *, include_usage: bool) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _sse({**_chunk(model), "choices": [choice], **({"usage": None} if include_usage else {})})


def _sse(value: object) -> bytes:
    return b"data: " + dump(value) + b"\n\n"


def framed(data: bytes) -> bytes:
    """`data` as one HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def response_head(content_type: str, length: str, status: str = "200 OK") -> bytes:
    """The head of a response; `length` is the header that says how its body ends."""
    head = [
        f"HTTP/1.1 {status}",
        "Date: Sat, 22 Nov 2025 08:26:40 GMT",
        f"Content-Type: {content_type}",
        length,
        "Connection: keep-alive",
        "x-request-id: req_7f1c9a52b6d84e0fa3c1d2e4b5a69788",
        "openai-processing-ms: 412",
        "openai-version: 2020-10-01",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n"
