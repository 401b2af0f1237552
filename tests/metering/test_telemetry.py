"""Spans of calls that were made for other calls; all else is tested with a real receiver (tests/e2e/test_telemetry.py)."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.core.record import CallRecord
from app.metering.telemetry import _Ids, _Spans
from tests.calls import make_record

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def spans_of(*records: CallRecord) -> list[ReadableSpan]:
    exporter, ids = InMemorySpanExporter(), _Ids()
    provider = TracerProvider(shutdown_on_exit=False, id_generator=ids)  # type: ignore[arg-type] # as it asks
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = _Spans(provider, ids, lambda _provider: None)
    for record in records:
        spans.add(record)
    return list(exporter.get_finished_spans())


@pytest.mark.parametrize("traceparent", [None, TRACEPARENT])
def test_call_that_was_made_for_another_one_is_below_it(traceparent: str | None) -> None:
    helper = make_record(id="req_2", parent_id="req_1", helper="designator", traceparent=traceparent)

    below, above = spans_of(helper, make_record(id="req_1", traceparent=traceparent))  # it ends first

    assert below.parent is not None
    assert below.context is not None
    assert above.context is not None
    assert below.parent.span_id == above.context.span_id
    assert below.context.trace_id == above.context.trace_id
    assert below.context.span_id != above.context.span_id
    assert (above.parent is None) is (traceparent is None)
