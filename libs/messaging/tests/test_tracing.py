"""Spans as a receiver sees them, and no trace of tracing without one."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from messaging import tracing
from messaging.otel import MAX_LINKS
from otlp_receiver import Receiver, draw_tree, run_receiver


def build_traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver. It has all spans when `export_traces` has ended."""
    with run_receiver() as receiver:
        yield receiver


def test_without_a_receiver_there_is_no_span_and_no_header() -> None:
    with tracing.export_traces("a-service", ""), tracing.start_span("work", "internal", {}) as span:
        span.set_attribute("count", 1)
        span.record_error(ValueError())
        assert tracing.get_tracer() is tracing.get_traceparent() is tracing.get_trace_id() is None
        assert tracing.build_trace_headers(tracing.get_traceparent()) == []
        assert tracing.get_log_fields() == {}
    assert tracing.start_span("one", "internal", {}) is tracing.trace_call("GET", "http://other.test")


@pytest.mark.parametrize("module", ["gateway", "scheduler", "spaces_writer", "shopify_fetcher", "facebook_fetcher"])
def test_without_a_receiver_no_service_loads_the_library(module: str) -> None:
    program = f"import sys, {module}.app; sys.exit(any(m.startswith('opentelemetry.sdk') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_span_is_exported_with_its_service_its_parent_and_its_attributes(receiver: Receiver) -> None:
    with (
        tracing.export_traces("a-service", receiver.url + "/"),
        tracing.start_span("outer", "consumer", {"topic": "t"}) as outer,
    ):
        outer.set_attribute("count", 3)
        trace = tracing.get_trace_id()
        with tracing.trace_call("GET", "http://graph.test:8080/v25.0/me?access_token=hidden") as call:
            tracing.record_status(call, 200)
        assert tracing.get_log_fields() == {"trace_id": trace}
    assert receiver.paths == {"/v1/traces"}
    inner, outermost = sorted(receiver.spans, key=lambda span: span.name)
    assert (outermost.name, outermost.service, outermost.parent, outermost.trace) == ("outer", "a-service", "", trace)
    assert outermost.attributes == {"topic": "t", "count": 3}
    assert (inner.name, inner.parent, inner.trace) == ("GET", outermost.id, trace)
    assert inner.attributes == {
        "http.request.method": "GET",
        "server.address": "graph.test",
        "http.response.status_code": 200,
    }
    assert draw_tree(receiver.spans).splitlines()[1].endswith("  GET")


def test_the_headers_of_a_message_name_the_span_that_sends_it(receiver: Receiver) -> None:
    with tracing.export_traces("a-service", receiver.url), tracing.start_span("work", "internal", {}):
        ((name, value),) = tracing.build_trace_headers(tracing.get_traceparent())
    (span,) = receiver.spans
    assert (name, value.decode()[:-3]) == ("traceparent", f"00-{span.trace}-{span.id}")


def test_the_parent_of_a_batch_is_its_first_cause_and_each_other_cause_is_linked_once(receiver: Receiver) -> None:
    with (
        tracing.export_traces("a-service", receiver.url),
        tracing.start_span("around", "internal", {}),
        tracing.start_span("batch", "consumer", {}, caused_by=map(build_traceparent, (1, 2, 1, 3, 2))),
    ):
        pass
    batch = next(span for span in receiver.spans if span.name == "batch")
    assert (batch.trace, batch.parent) == (f"{1:032x}", f"{1:016x}")
    assert [link for _, link in batch.links] == [f"{2:016x}", f"{3:016x}"]


def test_links_are_bounded(receiver: Receiver) -> None:
    causes = [build_traceparent(number) for number in range(1, 4_000)]
    with (
        tracing.export_traces("a-service", receiver.url),
        tracing.start_span("batch", "consumer", {}, caused_by=causes),
    ):
        pass
    assert len(receiver.spans[0].links) == MAX_LINKS


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "nonsense",
        "00-0-0-01",
        build_traceparent(0),
        build_traceparent(1).upper()[:-2] + "ZZ",
        build_traceparent(1) + "-more",
        "ff" + build_traceparent(1)[2:],
    ],
)
def test_a_malformed_cause_is_ignored(receiver: Receiver, malformed: str) -> None:
    with tracing.export_traces("a-service", receiver.url):
        with tracing.start_span("caused", "consumer", {}, caused_by=[malformed, build_traceparent(7)]):
            pass
        with tracing.start_span("alone", "consumer", {}, caused_by=[malformed]):
            pass
    spans = {span.name: span for span in receiver.spans}
    assert (spans["caused"].parent, spans["caused"].links) == (f"{7:016x}", ())
    assert (spans["alone"].parent, spans["alone"].links) == ("", ())


def test_other_headers_and_too_long_ones_are_no_causes() -> None:
    headers = [[("ce_id", b"1"), ("traceparent", b"\xff\xfe")], [], [("traceparent", b"0" * 600)]]
    assert list(tracing.extract_traceparents(headers)) == ["\ufffd\ufffd"]


def test_of_an_error_only_the_type_is_recorded(receiver: Receiver) -> None:
    with (
        tracing.export_traces("a-service", receiver.url),
        pytest.raises(ValueError, match="shpat"),
        tracing.start_span("work", "internal", {}),
    ):
        raise ValueError("shpat_0123")
    (span,) = receiver.spans
    assert span.failed
    assert (span.attributes, span.events) == ({"error.type": "ValueError"}, 0)
    assert b"shpat" not in b"".join(receiver.bodies)


def test_a_receiver_that_does_not_answer_fails_nothing_and_does_not_delay_the_end() -> None:
    start = time.monotonic()
    with tracing.export_traces("a-service", "http://127.0.0.1:9"), tracing.start_span("work", "internal", {}):
        pass
    assert time.monotonic() - start < 10
