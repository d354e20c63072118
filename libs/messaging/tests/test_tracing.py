"""Spans by a receiver's eyes, and that there is nothing of them without one."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from messaging import tracing
from messaging.spans import MOST_LINKS
from otlp_receiver import Receiver, receiving, tree


def parent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """What a receiver was sent, once `traces` is left."""
    with receiving() as here:
        yield here


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


def test_a_span_is_sent_with_its_service_its_parent_and_what_was_noted(receiver: Receiver) -> None:
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
    assert tree(receiver.spans).splitlines()[1].endswith("  GET")


def test_what_is_said_names_the_span_that_says_it(receiver: Receiver) -> None:
    with tracing.export_traces("a-service", receiver.url), tracing.start_span("work", "internal", {}):
        ((name, value),) = tracing.build_trace_headers(tracing.get_traceparent())
    (span,) = receiver.spans
    assert (name, value.decode()[:-3]) == ("traceparent", f"00-{span.trace}-{span.id}")


def test_a_batch_belongs_to_its_first_cause_and_is_linked_to_the_others_each_once(receiver: Receiver) -> None:
    with (
        tracing.export_traces("a-service", receiver.url),
        tracing.start_span("around", "internal", {}),
        tracing.start_span("batch", "consumer", {}, caused_by=[parent(1), parent(2), parent(1), parent(3), parent(2)]),
    ):
        pass
    batch = next(span for span in receiver.spans if span.name == "batch")
    assert (batch.trace, batch.parent) == (f"{1:032x}", f"{1:016x}")
    assert [link for _, link in batch.links] == [f"{2:016x}", f"{3:016x}"]


def test_links_are_bounded(receiver: Receiver) -> None:
    causes = [parent(number) for number in range(1, 4_000)]
    with (
        tracing.export_traces("a-service", receiver.url),
        tracing.start_span("batch", "consumer", {}, caused_by=causes),
    ):
        pass
    assert len(receiver.spans[0].links) == MOST_LINKS


@pytest.mark.parametrize(
    "malformed",
    ["", "nonsense", "00-0-0-01", parent(0), parent(1).upper()[:-2] + "ZZ", parent(1) + "-more", "ff" + parent(1)[2:]],
)
def test_a_malformed_cause_is_passed_over(receiver: Receiver, malformed: str) -> None:
    with tracing.export_traces("a-service", receiver.url):
        with tracing.start_span("caused", "consumer", {}, caused_by=[malformed, parent(7)]):
            pass
        with tracing.start_span("alone", "consumer", {}, caused_by=[malformed]):
            pass
    spans = {span.name: span for span in receiver.spans}
    assert (spans["caused"].parent, spans["caused"].links) == (f"{7:016x}", ())
    assert (spans["alone"].parent, spans["alone"].links) == ("", ())


def test_headers_that_cannot_be_a_cause_are_none() -> None:
    heard = [[("ce_id", b"1"), ("traceparent", b"\xff\xfe")], [], [("traceparent", b"0" * 600)]]
    assert list(tracing.extract_traceparents(heard)) == ["\ufffd\ufffd"]


def test_an_error_is_told_by_its_type_alone(receiver: Receiver) -> None:
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


def test_a_receiver_that_is_away_fails_nothing_and_does_not_hold_up_the_end() -> None:
    began = time.monotonic()
    with tracing.export_traces("a-service", "http://127.0.0.1:9"), tracing.start_span("work", "internal", {}):
        pass
    assert time.monotonic() - began < 10
