"""A provider that does not answer is told of once, its tier too when it has no other; and that it answers again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from small_worker import SmallWorker

from pool_client.job import Tier
from pool_worker import redis_keys
from pool_worker.health.blame import fall
from pool_worker.ledger import reports
from pool_worker.ledger.rows import AlertRow
from pool_worker.limits.holds import key_scope, provider_scope
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.outages import is_expected
from pool_worker.maintenance.probes import probe_health
from pool_worker.registry import Provider

SOME_MINUTES = timedelta(minutes=5)
FREE = ("cerebras", "groq", "mistral")


def break_down(worker: SmallWorker, providers: Iterable[str], *, falls: int = 2) -> None:
    """They fail, and jobs have noticed."""
    for name in providers:
        worker.simulator.fault(name, "down")
        for _ in range(falls):
            worker.time_passes()
            worker.run(fall(worker.pool.redis, provider_scope(name), first_s=100, reason="it failed"))


def forget_falls(worker: SmallWorker) -> None:
    """No job has asked for so long that nobody knows any more."""
    for name in worker.redis.scan_iter(redis_keys.failures("*")):
        worker.redis.delete(name)


def told(worker: SmallWorker) -> list[str]:
    """What a probe tells people, some minutes later."""
    later = worker.pool.now() + SOME_MINUTES
    worker.pool.now = lambda: later
    worker.redis.delete(redis_keys.OUTBOX)
    worker.run(probe_health(worker.pool))
    return [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]


def test_a_provider_that_is_down_is_told_of_once_and_then_that_it_is_up(worker: SmallWorker) -> None:
    break_down(worker, ["groq"])
    assert told(worker) == ["warning: groq is down"]
    assert told(worker) == []
    worker.simulator.clear_faults()
    assert told(worker) == ["info: groq is up again"]
    assert told(worker) == []
    break_down(worker, ["groq"])
    assert told(worker) == ["warning: groq is down"]


def test_one_failure_and_one_check_in_vain_are_not_told_yet(worker: SmallWorker) -> None:
    break_down(worker, ["groq"], falls=1)
    assert told(worker) == []
    assert told(worker) == ["warning: groq is down"]


def test_the_reason_is_told_and_what_it_means_for_jobs(worker: SmallWorker) -> None:
    break_down(worker, ["groq"])
    told(worker)
    (row,) = worker.rows(AlertRow)
    assert row.source == "health"
    assert row.message.startswith("groq answered 503: Service Unavailable; ")
    assert "jobs go to other providers meanwhile, or wait" in row.message


def test_whoever_was_told_to_be_down_is_asked_until_it_answers_though_no_job_asks(worker: SmallWorker) -> None:
    break_down(worker, ["groq"])
    told(worker)
    forget_falls(worker)
    worker.simulator.clear_faults()
    assert told(worker) == ["info: groq is up again"]


def test_a_key_that_is_refused_is_an_answer(worker: SmallWorker) -> None:
    break_down(worker, ["groq"])
    told(worker)
    worker.simulator.clear_faults()
    worker.simulator.fault("groq", "unauthorized")
    assert told(worker) == ["info: groq is up again"]


def test_a_tier_without_any_provider_is_critical_until_one_is_back(worker: SmallWorker) -> None:
    break_down(worker, FREE[:2])
    assert sorted(told(worker)) == ["warning: cerebras is down", "warning: groq is down"]
    break_down(worker, FREE[2:])
    assert told(worker) == ["warning: mistral is down", "critical: every provider of the free tier is down"]
    (row,) = [row for row in worker.rows(AlertRow) if row.severity == "critical"]
    assert row.message.startswith("cerebras, groq, mistral.")
    assert told(worker) == []
    worker.simulator.clear_faults()
    for name in FREE[:2]:
        worker.simulator.fault(name, "down")
    assert told(worker) == ["info: mistral is up again", "info: the free tier is up again"]


def spoil_keys(worker: SmallWorker, *key_ids: str) -> None:
    """They are refused: their score is 0."""
    for key_id in key_ids:
        worker.redis.set(redis_keys.health(key_scope(key_id)), "0 0 1")


def test_a_provider_all_of_whose_keys_are_out_is_critical_until_one_works_again(worker: SmallWorker) -> None:
    spoil_keys(worker, "groq#1")
    assert told(worker) == []
    spoil_keys(worker, "groq#2")
    assert told(worker) == ["critical: no key of groq works"]
    (row,) = worker.rows(AlertRow)
    assert row.message.startswith("all 2 are refused or in quarantine")
    assert told(worker) == []
    worker.redis.set(redis_keys.health(key_scope("groq#2")), "5 0 1")
    assert told(worker) == ["info: a key of groq works again"]


def test_refused_keys_are_found_out_by_jobs_and_forgiven_by_a_success(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized")
    worker.submit()
    worker.complete()
    assert told(worker) == ["critical: no key of groq works"]
    worker.simulator.clear_faults()
    worker.time_passes()
    worker.enroll()
    for _ in range(10):  # each of the two gets one of five calls for which it is looked at
        worker.submit()
        worker.complete()
    assert told(worker) == ["info: a key of groq works again"]


def test_a_tier_without_a_key_is_as_good_as_down(worker: SmallWorker) -> None:
    break_down(worker, FREE[:2])
    spoil_keys(worker, "mistral#1")
    assert "critical: every provider of the free tier is down" in told(worker)


@pytest.fixture
def only_together() -> Iterator[str]:
    """Address of providers that answer only when all of `FREE` are being asked."""
    all_are_here = threading.Barrier(len(FREE), timeout=3)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                all_are_here.wait()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_are_asked_at_once(worker: SmallWorker, only_together: str) -> None:
    """So many that hang must not take so many times as long: beat asks every half minute."""
    break_down(worker, FREE)
    providers = worker.pool.registry.providers
    worker.configure(providers={**providers, **{name: replace(providers[name], base_url=only_together) for name in FREE}})
    assert worker.run(probe_health(worker.pool)) == len(FREE)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (Provider(id="groq", base_url=""), True),
        (Provider(id="own", base_url="", needs_key=False), True),
        (Provider(id="vllm", base_url="", tier=Tier.LOCAL), True),
        (Provider(id="ollama", base_url="", tier=Tier.LOCAL, needs_key=False), False),
    ],
)
def test_a_local_server_that_needs_no_key_may_never_have_been_there(provider: Provider, *, expected: bool) -> None:
    assert is_expected(provider) is expected


def test_who_is_not_expected_is_not_told_of(worker: SmallWorker) -> None:
    ollama = replace(worker.pool.registry.providers["ollama"], enabled=True, base_url="http://127.0.0.1:1/v1")
    worker.configure(providers={**worker.pool.registry.providers, "ollama": ollama})
    worker.pool.served_queues = frozenset(worker.pool.registry.queues())
    worker.run(fall(worker.pool.redis, provider_scope("ollama"), first_s=0.001, reason="it failed"))
    assert told(worker) == []


def test_in_the_ledger_an_alert_knows_when_it_was_over(worker: SmallWorker) -> None:
    for mend in (False, True):
        if mend:
            worker.simulator.clear_faults()
        else:
            break_down(worker, ["groq"])
        told(worker)
        worker.run(write_ledger(worker.pool))
    up, down = reports.list_alerts(worker.pool.books.engine)
    assert (down.title, down.resolved_at) == ("groq is down", down.created_at + SOME_MINUTES)
    assert (up.severity, up.acknowledged, up.resolved_at) == ("info", True, None)
    assert reports.list_alerts(worker.pool.books.engine, open_only=True) == []
