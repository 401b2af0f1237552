"""OpenTelemetry: a real gateway tells a real receiver of OTLP, which decodes what came by the official messages."""

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.chat import failure, whole, words
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Exchange, StandIn, running_standin

pytestmark = pytest.mark.xdist_group("telemetry")

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
SECRET_WORDS = "planted words of a prompt"


@pytest.fixture(scope="module")
def collector() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(collector: StandIn, provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"openai": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"], "retries": 0}}
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.base_url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=planted",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }
    with running_gateway(tmp_path_factory.mktemp("gateway"), config, environ) as running:
        yield running


def content(exchange: Exchange) -> bytes:
    return gzip.decompress(exchange.body) if exchange.headers.get("content-encoding") == "gzip" else exchange.body


def spans(collector: StandIn) -> dict[str, Span]:
    """All that came, by their request id."""
    found = {}
    for exchange in collector.posts:
        if exchange.path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(content(exchange))
            for each in (span for r in request.resource_spans for s in r.scope_spans for span in s.spans):
                found[str(attributes(each)["llm_relay.request_id"])] = each
    return found


def attributes(message: Any) -> dict[str, Any]:
    """Of a span, a data point or a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in message.attributes}


def points(collector: StandIn, name: str) -> list[Any]:
    """The data points of a metric in the last message that has it."""
    found: list[Any] = []
    for exchange in list(collector.posts):
        if exchange.path == "/v1/metrics":
            request = ExportMetricsServiceRequest.FromString(content(exchange))
            for scope in (scope for r in request.resource_metrics for scope in r.scope_metrics):
                for metric in scope.metrics:
                    if metric.name == name:
                        found = list(metric.histogram.data_points)
    return found


def ask(gateway: Gateway, *, stream: bool = False, **headers: str) -> str:
    """Make a call; its request id."""
    answer = httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        json=chat("gpt-x", stream=stream) | {"messages": [{"role": "user", "content": SECRET_WORDS}]},
        headers={"authorization": f"Bearer {gateway.token}"} | headers,
        timeout=WAIT_S,
        trust_env=False,
    )
    return answer.headers["x-request-id"]


def span_of(collector: StandIn, request_id: str) -> Span:
    give_up_at = time.monotonic() + WAIT_S
    while request_id not in (found := spans(collector)):
        assert time.monotonic() < give_up_at, "no span came"
        time.sleep(0.05)
    return found[request_id]


def test_call_is_a_span_with_its_own_times(gateway: Gateway, collector: StandIn, provider: StandIn) -> None:
    provider.answer = whole()

    before = time.time_ns()
    span = span_of(collector, ask(gateway))

    told = attributes(span)
    assert (span.name, span.kind) == ("chat gpt-x", Span.SPAN_KIND_CLIENT)
    assert before - 1_000_000 <= span.start_time_unix_nano <= span.end_time_unix_nano <= time.time_ns()
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("gpt-x", "gpt-x")
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (21, 9)
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", provider.port)
    assert "error.type" not in told
    assert span.parent_span_id == b""


def test_client_that_is_in_a_trace_is_the_parent(gateway: Gateway, collector: StandIn, provider: StandIn) -> None:
    provider.answer = whole()

    span = span_of(collector, ask(gateway, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01"))

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)


@pytest.mark.parametrize("traceparent", ["", "garbage", f"00-{'0' * 32}-{PARENT_ID}-01", "x" * 5000])
def test_parent_that_is_none_is_left_alone(
    gateway: Gateway, collector: StandIn, provider: StandIn, traceparent: str
) -> None:
    provider.answer = whole()

    span = span_of(collector, ask(gateway, traceparent=traceparent))

    assert span.parent_span_id == b""
    assert any(span.trace_id)


def test_call_that_failed_is_an_error_without_its_words(
    gateway: Gateway, collector: StandIn, provider: StandIn
) -> None:
    provider.answer = failure(503, "planted words of an error")

    span = span_of(collector, ask(gateway))

    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "503"
    assert b"planted words" not in span.SerializeToString()


def test_metrics_are_those_of_the_conventions(gateway: Gateway, collector: StandIn, provider: StandIn) -> None:
    provider.answer = words("Hi", " there")
    span_of(collector, ask(gateway, stream=True))

    def told(name: str, **wanted: str) -> list[Any]:
        return [each for each in points(collector, name) if wanted.items() <= attributes(each).items()]

    give_up_at = time.monotonic() + WAIT_S
    while not told("gen_ai.server.time_to_first_token"):
        assert time.monotonic() < give_up_at, "no metric came"
        time.sleep(0.05)

    (first_token,) = told("gen_ai.server.time_to_first_token")
    assert first_token.count == 1
    (tokens,) = told("gen_ai.client.token.usage", **{"gen_ai.token.type": "output"})
    assert tokens.sum == tokens.count * 9
    assert list(tokens.explicit_bounds) == [4**power for power in range(14)]
    assert attributes(tokens)["gen_ai.provider.name"] == "openai"
    assert told("gen_ai.client.operation.duration", **{"gen_ai.request.model": "gpt-x"})


def test_nothing_that_was_said_is_told_and_the_collector_is_asked_as_it_wants(
    gateway: Gateway, collector: StandIn, provider: StandIn
) -> None:
    provider.answer = whole("planted words of a reply")

    span_of(collector, ask(gateway))

    posts = list(collector.posts)
    assert not [post for post in posts if b"planted words" in content(post)]
    assert {post.headers["x-collector-key"] for post in posts} == {"planted"}
    request = ExportTraceServiceRequest.FromString(content(next(post for post in posts if post.path == "/v1/traces")))
    resource = attributes(request.resource_spans[0].resource)
    assert (resource["service.name"], "service.instance.id" in resource) == ("llm-relay", True)


def test_last_calls_are_told_at_the_stop(collector: StandIn, provider: StandIn, tmp_path: Path) -> None:
    provider.answer = whole()
    config = {"openai": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"]}}
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.base_url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}

    with running_gateway(tmp_path, config, environ) as gateway:
        request_id = ask(gateway)
        assert request_id not in spans(collector)

    assert request_id in spans(collector)


def test_gateway_stops_in_time_where_the_collector_is_away(provider: StandIn, tmp_path: Path) -> None:
    provider.answer = whole()
    config = {"openai": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"]}}

    with running_gateway(tmp_path, config, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as gateway:
        assert gateway.row_of(ask(gateway))["status"] == 200
