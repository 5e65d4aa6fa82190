"""Traces of what a program submits, where it makes any (OpenTelemetry).

Nothing is imported for it: a program that traces has imported OpenTelemetry itself. The job's message carries the span's address,
in W3C's form `traceparent`, as a header; workers that do not know it leave it alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

TRACER = "model_pool"


def submitting(agent: str, *, jobs: int) -> AbstractContextManager[str]:
    """While it lasts, jobs are being submitted; gives the `traceparent` for their messages, "" where nobody traces."""
    trace = sys.modules.get("opentelemetry.trace")
    return nullcontext("") if trace is None else _span(trace, agent, jobs=jobs)


@contextmanager
def _span(trace: Any, agent: str, *, jobs: int) -> Iterator[str]:
    facts = {"model_pool.agent": agent, "messaging.batch.message_count": jobs}
    with trace.get_tracer(TRACER).start_as_current_span("submit", kind=trace.SpanKind.PRODUCER, attributes=facts) as span:
        yield _traceparent(span.get_span_context())


def _traceparent(context: Any) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else ""
