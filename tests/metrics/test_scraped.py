"""Prometheus reads the pages of real processes: their figures are those of the simulated providers."""

from __future__ import annotations

import json
import logging
import socket

import pytest
from scraping import free_ports, listens, scrape
from system_fixture import Start

from pool_worker.metrics.endpoint import serve_metrics
from pool_worker.metrics.exposition import GAUGES, WorkerCollector

JOBS = 40


def test_every_part_tells_its_figures(start_system: Start) -> None:
    beat = free_ports(3)
    running = start_system(workers=2, metrics_port=beat)
    workers = (beat + 1, beat + 2)
    jobs = running.pool.submit_many([f"Say {number}" for number in range(JOBS)])
    results = [job.result(timeout=30) for job in jobs]

    page, counts = scrape(*workers), running.counts()
    assert page.value("model_pool_jobs_ended_total", state="succeeded", agent="log_analyzer") == JOBS
    assert page.value("model_pool_jobs_in_flight") == 0
    assert page.value("model_pool_calls_total", outcome="ok") == counts["totals"]["requests"] == JOBS
    by_provider = {name: sum(key["requests"] for key in it["keys"].values()) for name, it in counts["providers"].items()}
    assert {name: page.value("model_pool_calls_total", provider=name) for name in by_provider} == by_provider
    assert page.value("model_pool_tokens_total", direction="output") == sum(it.usage.output_tokens for it in results)
    assert page.value("model_pool_call_seconds_count") == page.value("model_pool_job_seconds_count") == JOBS
    assert page.value("process_resident_memory_bytes") > 0
    assert all(scrape(port).value("model_pool_lease_seconds_count") for port in workers), "each worker has a page of its own"

    while not listens(beat):  # it comes when the workers work
        pass
    pool = scrape(beat)
    assert {gauge.name for gauge in GAUGES} <= pool.names()
    assert (pool.value("model_pool_redis_up"), pool.value("model_pool_workers")) == (1, 2)
    assert pool.value("model_pool_queue_jobs") == pool.value("model_pool_jobs_parked") == 0
    text = json.dumps([(it.labels, it.name) for it in (*page.samples, *pool.samples)])
    assert not any(job.id in text for job in jobs)
    assert "Say" not in text


def test_a_taken_port_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.WARNING):
        port = taken.getsockname()[1]
        assert not serve_metrics(WorkerCollector(lambda: 0), host="127.0.0.1", port=port)
    assert (
        f"no metrics: MODEL_POOL_METRICS_PORT {port} on 127.0.0.1 cannot be listened on (Address already in use)" in caplog.text
    )


def test_an_address_that_is_no_address_of_this_machine_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert not serve_metrics(WorkerCollector(lambda: 0), host="192.0.2.1", port=free_ports(1))
    assert "on 192.0.2.1 cannot be listened on" in caplog.text
