"""Traces of the work on jobs (`MODEL_POOL_TRACES`): a span for each time a worker has a job, and in it one for each call.

They go to an OpenTelemetry collector by OTLP over HTTP; where it is and how they are sampled is told by OpenTelemetry's own
variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, …). Its packages are an extra, and are imported only when tracing begins. Names of spans
and attributes: OpenTelemetry's conventions for generative AI. Prompts and answers are in them only if that is asked for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from threading import Thread
from typing import Any

from pool_client.errors import ConfigurationError
from pool_client.job import Attempt, Job, Step
from pool_client.tracing import TRACER

SERVICE = "model-pool"
LEAVE_WITHIN_S = 3.0
"""The last spans are lost if the collector does not take them in this time."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider answered, as far as a trace shows it."""

    model: str | None
    """The provider's name for the model that answered."""
    content: str
    finish_reason: str | None


class _Tracing:
    """How this process traces."""

    def __init__(self, *, content: bool) -> None:
        try:
            self.api: Any = import_module("opentelemetry.trace")
            sdk: Any = import_module("opentelemetry.sdk.trace")
            export: Any = import_module("opentelemetry.sdk.trace.export")
            otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
            resources: Any = import_module("opentelemetry.sdk.resources")
        except ImportError as error:
            msg = f'MODEL_POOL_TRACES: {error.name} is not installed; pip install "model-pool[traces]", or leave the variable out'
            raise ConfigurationError(msg) from None
        self.content = content
        name = os.environ.get("OTEL_SERVICE_NAME") or SERVICE
        self.provider: Any = sdk.TracerProvider(resource=resources.Resource.create({"service.name": name}))
        self.provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
        self.tracer: Any = self.provider.get_tracer(TRACER)

    def context_of(self, traceparent: str) -> Any:
        """The context that a `traceparent` names; an empty one if it names none, so that a new trace begins."""
        found = _TRACEPARENT.fullmatch(traceparent)
        context = import_module("opentelemetry.context").Context()
        if found is None:
            return context
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        remote = self.api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self.api.TraceFlags(flags))
        return self.api.set_span_in_context(self.api.NonRecordingSpan(remote), context)


_now: list[_Tracing] = []
"""One, if this process traces."""


def start_tracing(*, content: bool) -> None:
    """Trace from now on. `content`: with prompts and answers.

    Raises:
        ConfigurationError: if OpenTelemetry is not installed.
    """
    _now[:] = [_Tracing(content=content)]


def stop_tracing() -> None:
    """Send what is not sent yet, and trace no more."""
    if _now:
        sending = Thread(target=_now.pop().provider.shutdown, name="last-traces", daemon=True)
        sending.start()
        sending.join(LEAVE_WITHIN_S)


@contextmanager
def job_traced(job_id: str, *, queue: str, traceparent: str) -> Iterator[None]:
    """While a worker has a job. Its span belongs to that of the submit, if the caller traces, too."""
    if not _now:
        yield
        return
    (it,) = _now
    facts = {
        "messaging.system": "model_pool",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "model_pool.job_id": job_id,
    }
    span = it.tracer.start_as_current_span(
        "complete",
        context=it.context_of(traceparent),
        kind=it.api.SpanKind.CONSUMER,
        attributes=facts,
        record_exception=False,  # its words may quote the prompt
        set_status_on_exception=False,
    )
    with span:
        yield


def trace_call(job: Job, attempt: Attempt, *, model_name: str, said: Said | None = None) -> None:
    """A call has ended. `model_name`: as it was asked for; `said`: what was answered, if anything."""
    if not _now:
        return
    (it,) = _now
    began_ns = round(attempt.started_at.timestamp() * 1e9)
    facts = {**_facts(job, attempt, model_name=model_name, said=said), **(_content(job, said) if it.content else {})}
    span = it.tracer.start_span(f"chat {model_name}", kind=it.api.SpanKind.CLIENT, start_time=began_ns, attributes=facts)
    if attempt.outcome != Step.OK:
        span.set_status(it.api.StatusCode.ERROR)
    span.end(end_time=began_ns + round(attempt.latency_ms * 1e6))


def _facts(job: Job, attempt: Attempt, *, model_name: str, said: Said | None) -> Mapping[str, Any]:
    facts: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": attempt.provider,
        "gen_ai.request.model": model_name,
        "gen_ai.request.max_tokens": job.max_tokens,
        "gen_ai.request.temperature": job.temperature,
        "gen_ai.response.model": said.model if said else None,
        "gen_ai.response.finish_reasons": [said.finish_reason] if said and said.finish_reason else None,
        "gen_ai.usage.input_tokens": attempt.usage.input_tokens or None,
        "gen_ai.usage.output_tokens": attempt.usage.output_tokens or None,
        "error.type": None if attempt.outcome == Step.OK else attempt.outcome,
        "http.response.status_code": attempt.status_code,
        "model_pool.job_id": job.id,
        "model_pool.model_id": attempt.model_id,
        "model_pool.key_id": attempt.key_id,
        "model_pool.cost_usd": float(attempt.cost_usd),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _content(job: Job, said: Said | None) -> Mapping[str, str]:
    asked = [{"role": it.role, "parts": [{"type": "text", "content": it.content}]} for it in job.messages]
    content = {"gen_ai.input.messages": json.dumps(asked)}
    if said is not None:
        reply = {"role": "assistant", "parts": [{"type": "text", "content": said.content}], "finish_reason": said.finish_reason}
        content["gen_ai.output.messages"] = json.dumps([reply])
    return content
