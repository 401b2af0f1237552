"""Traces and metrics of finished calls for an OpenTelemetry collector, by OTLP over HTTP.

Made from records when calls are over, so that nothing of it is on their way. All standard variables (`OTEL_…`) hold.
"""

import asyncio
import hashlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from app import __version__
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.metering.genai import (
    DURATION_BUCKETS_S,
    FIRST_TOKEN_BUCKETS_S,
    TOKEN_BUCKETS,
    Attribute,
    FindBaseUrl,
    common_attributes,
    operation_of,
    span_attributes,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

SERVICE = "llm-relay"
FLUSH_S = 5.0

Label = Callable[[str, str], tuple[str, str]]
"""The bounded names of a provider and its model."""


class Telemetry:
    """Gives finished calls to a collector, in threads of its own.

    Args:
        environ: holds `OTEL_EXPORTER_OTLP_ENDPOINT` and whatever else the SDK reads.
        label: of a target in metrics, where names are to be bounded.
        find_base_url: where a provider is.

    Raises:
        ModuleNotFoundError: the packages of the extra `otel` are not installed.
    """

    def __init__(self, environ: Mapping[str, str], label: Label, find_base_url: FindBaseUrl) -> None:
        # The SDK reads the environment only, and .env is as good a place for settings.
        os.environ.update({name: value for name, value in environ.items() if name.startswith("OTEL_")})
        resource = _resource()
        self._spans = _Spans(_tracer_provider(resource, ids := _Ids()), ids, find_base_url)
        self._measures = _Measures(_meter_provider(resource), label, find_base_url)

    def observe(self, records: Sequence[CallRecord]) -> None:
        """Tell of finished calls."""
        for record in records:
            self._spans.add(record)
            self._measures.add(record)

    async def aclose(self) -> None:
        """Send the rest, as far as the collector takes it within `FLUSH_S`."""
        # A thread that nobody waits for: a collector that hangs must not keep the process from its exit.
        thread = threading.Thread(target=self._shut_down, name="telemetry", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, FLUSH_S)

    def _shut_down(self) -> None:
        self._spans.provider.shutdown()
        self._measures.provider.shutdown()


class _Ids:
    """Ids of spans by those of calls, so that calls which were made for another one find their parent."""

    def __init__(self) -> None:
        self._call = ""

    def take(self, call_id: str) -> None:
        """The next span is that call's."""
        self._call = call_id

    def generate_span_id(self) -> int:
        """As the SDK asks for it."""
        return span_id_of(self._call)

    def generate_trace_id(self) -> int:
        """The same; for calls that are no part of a client's trace."""
        return trace_id_of(self._call)

    def is_trace_id_random(self) -> bool:
        """Whether samplers may take it for random: a digest is as good."""
        return True


class _Spans:
    def __init__(self, provider: "TracerProvider", ids: _Ids, find_base_url: FindBaseUrl) -> None:
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.provider = provider
        self._ids = ids
        self._find_base_url = find_base_url
        self._tracer = provider.get_tracer(SERVICE, __version__)
        self._kind = SpanKind.CLIENT
        self._error = StatusCode.ERROR
        self._read_parent = TraceContextTextMapPropagator().extract

    def add(self, record: CallRecord) -> None:
        self._ids.take(record.id)
        begun_ns = round(record.received_at * 1_000_000_000)
        attributes = common_attributes(record, record.name, self._find_base_url) | span_attributes(record)
        span = self._tracer.start_span(
            f"{operation_of(record)} {record.name}",
            context=self._parent(record),
            kind=self._kind,
            attributes=attributes,
            start_time=begun_ns,
        )
        if record.outcome in (Outcome.ERROR, Outcome.CUT):
            span.set_status(self._error)
        span.end(begun_ns + record.total_ms * 1_000_000)

    def _parent(self, record: CallRecord) -> "Context":
        from opentelemetry.context import Context

        client = self._read_parent({"traceparent": record.traceparent} if record.traceparent else {}, Context())
        return client if record.parent_id is None else _within(record.parent_id, client)


def _within(parent_id: str, client: "Context") -> "Context":
    """The span of the call with that id, which is in the trace of its client, or in one of its own."""
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        get_current_span,
        set_span_in_context,
    )

    above = get_current_span(client).get_span_context()
    trace_id = above.trace_id if above.is_valid else trace_id_of(parent_id)
    flags = above.trace_flags if above.is_valid else TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, span_id_of(parent_id), True, flags)), client)


class _Measures:
    def __init__(self, provider: "MeterProvider", label: Label, find_base_url: FindBaseUrl) -> None:
        self.provider = provider
        self._label = label
        self._find_base_url = find_base_url
        meter = provider.get_meter(SERVICE, __version__)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_S,
        )
        self._first_token = meter.create_histogram(
            "gen_ai.server.time_to_first_token",
            "s",
            "Time to generate first token for successful responses.",
            explicit_bucket_boundaries_advisory=FIRST_TOKEN_BUCKETS_S,
        )

    def add(self, record: CallRecord) -> None:
        _, model = self._label(record.provider or "", record.model or "")
        attributes = common_attributes(record, model, self._find_base_url)
        self._duration.record(record.total_ms / 1000, attributes)
        if record.outcome is not Outcome.ERROR and record.model is not None:
            attributes["gen_ai.response.model"] = model
        if record.usage.total:
            self._tokens.record(record.usage.prompt, _of_type(attributes, "input"))
            self._tokens.record(record.usage.completion, _of_type(attributes, "output"))
        if record.streamed and record.outcome is Outcome.OK and record.first_byte_ms is not None:
            self._first_token.record(record.first_byte_ms / 1000, attributes)


def span_id_of(call_id: str) -> int:
    """The id of a call's span."""
    return int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8])


def trace_id_of(call_id: str) -> int:
    """The id of its trace, where its client has none."""
    return int.from_bytes(hashlib.sha256(call_id.encode()).digest()[8:24])


def _of_type(attributes: Mapping[str, Attribute], kind: str) -> dict[str, Attribute]:
    return {**attributes, "gen_ai.token.type": kind}


def _resource() -> "Resource":
    from opentelemetry.sdk.resources import Resource

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.instance.id": str(uuid.uuid4()), "service.version": __version__}
    return Resource.create(own if named else own | {"service.name": SERVICE})


def _tracer_provider(resource: "Resource", ids: _Ids) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)  # type: ignore[arg-type] # as it asks
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _meter_provider(resource: "Resource") -> "MeterProvider":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider([reader], resource=resource, shutdown_on_exit=False)
