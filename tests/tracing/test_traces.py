"""Traces from the submit to the provider, as a collector gets them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from collector import INSTALL, Collector, collecting
from optional_package import optional_package
from small_worker import SmallWorker
from system_fixture import Start

from pool_worker.embedded_redis import free_port
from pool_worker.tracing import LEAVE_WITHIN_S, job_traced, start_tracing, stop_tracing

PROMPT = "Whose is the purple elephant?"
CALLER = """
import sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pool_client import Pool

provider = TracerProvider(resource=Resource.create({"service.name": "the caller"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
with Pool(agent="log_analyzer", redis_url=sys.argv[1]) as pool, trace.get_tracer("mine").start_as_current_span("whatever"):
    print(pool.submit(sys.argv[2], max_tokens=40).result(timeout=30).model_dump_json())
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    optional_package("opentelemetry.exporter.otlp.proto.http.trace_exporter", install=INSTALL)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def traced(worker: SmallWorker, collector: Collector) -> Iterator[SmallWorker]:
    start_tracing(content=False)
    yield worker
    stop_tracing()


def test_one_trace_from_the_caller_to_the_provider(
    collector: Collector, start_system: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_POOL_TRACES", "true")
    running = start_system()
    url = running.system.settings.redis_url
    done = subprocess.run(
        [sys.executable, "-c", CALLER, str(url), PROMPT], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"content":' in done.stdout
    running.system.stop()

    (submit,), (complete,), (chat,) = (collector.spans(name) for name in ("submit", "complete", "chat "))
    (whole,) = collector.spans("whatever")
    assert [span.parent for span in (submit, complete, chat)] == [whole.id, submit.id, complete.id]
    assert {span.trace for span in (submit, complete, chat)} == {whole.trace}
    assert [span.service for span in (submit, complete, chat)] == ["the caller", "model-pool", "model-pool"]
    assert complete.facts["model_pool.job_id"] == chat.facts["model_pool.job_id"]
    assert not collector.holds("purple elephant")


def test_a_call_is_told_by_the_conventions_for_generative_ai(traced: SmallWorker, collector: Collector) -> None:
    job = traced.submit(PROMPT, tier="paid", max_tokens=30, temperature=0.5)
    traced.complete()
    result = job.result(timeout=1)
    stop_tracing()
    (chat,) = collector.spans("chat ")
    assert chat.name == "chat small"
    assert (
        chat.facts.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "small",
            "gen_ai.response.model": "small",
            "gen_ai.request.max_tokens": 30,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.usage.input_tokens": result.usage.input_tokens,
            "gen_ai.usage.output_tokens": result.usage.output_tokens,
            "model_pool.cost_usd": float(result.cost_usd),
        }.items()
    )
    assert "error.type" not in chat.facts
    assert not chat.failed
    assert chat.took_ms == pytest.approx(result.latency_ms, abs=0.01)
    assert not collector.holds("purple elephant")
    assert not collector.holds(result.content)


def test_a_call_in_vain_names_its_error(traced: SmallWorker, collector: Collector) -> None:
    traced.simulator.fault("groq", "status", status=500, body={"error": {"message": PROMPT}}, count=1)
    traced.submit(PROMPT, max_tokens=30)
    traced.complete()
    stop_tracing()
    failed, answered = collector.spans("chat ")
    assert (failed.facts["error.type"], failed.facts["http.response.status_code"], failed.failed) == (
        "ProviderFailedError",
        500,
        True,
    )
    assert (answered.facts["gen_ai.provider.name"], answered.failed) == ("cerebras", False)
    assert failed.parent == answered.parent == collector.spans("complete")[0].id
    assert not collector.holds("purple elephant"), "a provider's words may quote the prompt"


@pytest.mark.parametrize(
    ("traceparent", "trace", "parent"),
    [
        (f"00-{'ab' * 16}-{'cd' * 8}-01", b"\xab" * 16, b"\xcd" * 8),
        ("", None, b""),
        ("00-what-ever-01", None, b""),
        (f"00-{'00' * 16}-{'cd' * 8}-01", None, b""),
    ],
)
def test_whose_span_it_belongs_to(
    traced: SmallWorker, collector: Collector, traceparent: str, trace: bytes | None, parent: bytes
) -> None:
    traced.submit(max_tokens=30)
    traced.complete(replace(traced.claim(), traceparent=traceparent))
    stop_tracing()
    (complete,) = collector.spans("complete")
    assert complete.parent == parent
    assert trace in (None, complete.trace)


def test_what_interrupts_a_job_is_not_quoted(traced: SmallWorker, collector: Collector) -> None:
    with pytest.raises(ValueError, match="elephant"), job_traced("a-job", queue="free", traceparent=""):
        raise ValueError(PROMPT)
    stop_tracing()
    (complete,) = collector.spans("complete")
    assert complete.facts["model_pool.job_id"] == "a-job"
    assert not collector.holds("purple elephant")


def test_content_is_shown_to_whoever_asks_for_it(worker: SmallWorker, collector: Collector) -> None:
    start_tracing(content=True)
    job = worker.submit(PROMPT, max_tokens=30)
    worker.complete()
    stop_tracing()
    (chat,) = collector.spans("chat ")
    assert PROMPT in chat.facts["gen_ai.input.messages"]
    assert job.result(timeout=1).content in chat.facts["gen_ai.output.messages"]


def test_a_collector_that_is_away_costs_spans_and_no_jobs(worker: SmallWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    optional_package("opentelemetry.exporter.otlp.proto.http.trace_exporter", install=INSTALL)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    start_tracing(content=False)
    job = worker.submit(max_tokens=30)
    worker.complete()
    began = time.monotonic()
    stop_tracing()
    assert time.monotonic() - began < LEAVE_WITHIN_S + 1
    assert job.result(timeout=1).content


def test_nobody_is_traced_unasked(worker: SmallWorker, collector: Collector) -> None:
    worker.submit(max_tokens=30)
    worker.complete()
    assert collector.bodies == []


def test_without_the_packages_it_says_what_to_install() -> None:
    lacking = "import sys; sys.modules['opentelemetry.sdk.trace'] = None"
    program = f"{lacking}; from pool_worker.tracing import start_tracing; start_tracing(content=False)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert 'is not installed; pip install "model-pool[traces]"' in ended.stderr.splitlines()[-1]


def test_who_does_not_trace_does_not_load_what_it_takes() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter'))]"
    program = f"import sys, pool_client, pool_worker.completion; print({loaded})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
