"""The demo's requests, plan and account, without running it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pool_client.building import build_job
from pool_client.job import Attempt, Failure, Result, Usage
from pool_client.options import AgentDefaults
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker.cli.demo.account import (
    Account,
    Peak,
    Verdict,
    agent_accounts,
    checks_of,
    failovers_of,
    hops_of,
    provider_accounts,
)
from pool_worker.cli.demo.requests import make_requests
from pool_worker.cli.demo.scenario import PATIENT_JOBS, divided_workers, real_scenario, simulated_scenario
from pool_worker.cli.demo.tables import WIDTH, account_view
from pool_worker.cli.demo.tracking import EndedJob
from pool_worker.cli.demo.waits import WaitAccount, wait_accounts
from pool_worker.cli.screen import as_text
from pool_worker.config import load_registry
from pool_worker.ledger.reports import UsageRow
from pool_worker.registry import Registry
from pool_worker.settings import Settings

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(Path(__file__).parents[2] / "configs", profile="thirty-two-keys")


def test_requests_are_varied_valid_and_always_the_same(registry: Registry) -> None:
    requests = make_requests(480)
    assert len({request.prompt for request in requests}) == 480
    assert requests[:100] == make_requests(100)
    assert {request.agent for request in requests} == set(registry.agents)
    lengths = sorted(len(request.prompt) for request in requests)
    assert lengths[0] < 150
    assert lengths[-1] > 2000
    assert not any("$" in request.prompt for request in requests)
    for request in requests:
        job = build_job(request.prompt, None, dict(request.options), agent=request.agent, defaults=AgentDefaults(), now=NOW)
        assert job.model is None or job.model in registry.models


def test_every_queue_is_served_and_the_free_workers_have_half_each(registry: Registry) -> None:
    workers = {worker.name: set(worker.queues) for worker in divided_workers(registry)}
    assert set().union(*workers.values()) == {*registry.queues(), MAINTENANCE_QUEUE}
    assert workers["free-a"] & workers["free-b"] == {"free"}
    assert {"free.cerebras", "free.openrouter"} <= workers["free-a"]
    assert {"free.groq", "free.mistral"} <= workers["free-b"]


def test_the_last_jobs_of_the_simulated_demo_are_for_the_provider_that_most_went_to(tmp_path: Path, repository: Path) -> None:
    scenario = simulated_scenario(Settings(home=tmp_path, config_dir=repository / "configs"), tmp_path)
    patient = scenario.waves[-1][-scenario.patient :]
    assert scenario.patient == PATIENT_JOBS
    assert {request.options["model"] for request in patient} == {"cerebras_gpt_oss_120b"}
    assert {(request.agent, request.options["on_exhausted"]) for request in patient} == {("backup_recovery", "park")}
    assert scenario.outage is not None
    assert scenario.outage.provider == scenario.pinned == "cerebras"


def test_a_demo_leaves_the_users_own_alone(tmp_path: Path, repository: Path) -> None:
    given = Settings(
        home=tmp_path / "own",
        redis_url="redis://127.0.0.1:1/0",
        database_url="postgresql://u@h/d",
        config_dir=repository / "configs",
    )
    for scenario in (simulated_scenario(given, tmp_path / "demo"), real_scenario(given, tmp_path / "demo")):
        settings = scenario.plan.settings
        assert settings.home.is_relative_to(tmp_path / "demo")
        assert (settings.redis_url, settings.database_url) == (None, None)
    assert not (tmp_path / "own").exists()


def test_real_jobs_are_few_and_cheap_and_any_model_may_answer(tmp_path: Path, repository: Path) -> None:
    scenario = real_scenario(Settings(home=tmp_path, config_dir=repository / "configs"), tmp_path)
    options = [request.options for wave in scenario.waves for request in wave]
    assert scenario.jobs == len(options) == 24
    assert scenario.outage is None
    assert all(each["max_cost_usd"] == Decimal("0.01") and each["max_tokens"] == 200 for each in options)
    assert not any({"model", "required_capabilities"} & each.keys() for each in options)


def attempt(number: int, outcome: str, *, at_ms: float, latency_ms: float = 0.0, **more: object) -> Attempt:
    started_at = NOW + timedelta(milliseconds=at_ms)
    return Attempt(number=number, outcome=outcome, queue="free", started_at=started_at, latency_ms=latency_ms, **more)  # type: ignore[arg-type]


def ended(
    job_id: str,
    attempts: list[Attempt],
    *,
    took_ms: float = 100,
    failed: bool = False,
    degraded: bool = False,
    parked_for: str | None = None,
) -> EndedJob:
    at = NOW + timedelta(milliseconds=took_ms)
    outcome = (
        Failure(job_id=job_id, type="FailoverError", message="no", attempts=attempts, at=at)
        if failed
        else Result(job_id=job_id, content="yes", model_id="m", provider="groq", degraded=degraded, attempts=attempts)
    )
    return EndedJob(job_id, "log_analyzer", NOW, at, outcome, parked_for)


FAILED_OVER = [
    attempt(1, "ProviderFailedError", at_ms=10, latency_ms=20, provider="cerebras"),
    attempt(2, "moved", at_ms=32, reason="capacity is free at free.groq"),
    attempt(3, "ok", at_ms=37, latency_ms=50, provider="groq"),
]
RESTED = [
    attempt(1, "WindowSpentError", at_ms=10, latency_ms=5, provider="cerebras"),
    attempt(2, "paused", at_ms=15, reason="every candidate has failed"),
    attempt(3, "ok", at_ms=2000, latency_ms=50, provider="cerebras"),
]


def test_failovers_are_counted_by_reason_and_timed_unless_the_job_rested() -> None:
    jobs = [ended("a", FAILED_OVER), ended("b", RESTED), ended("c", [attempt(1, "ok", at_ms=5, provider="groq")])]
    failovers = failovers_of(jobs)
    assert failovers.reasons == {("cerebras", "ProviderFailedError"): 1, ("cerebras", "WindowSpentError"): 1}
    assert (failovers.jobs, failovers.rests) == (2, 1)
    assert failovers.added_ms == (7.0,)  # 37 - (10 + 20); the one that rested is not among them
    assert hops_of(jobs) == {"free.groq": 1}


def test_jobs_that_waited_are_counted_by_what_for_and_timed_until_the_call_that_answered() -> None:
    jobs = [
        ended("a", [attempt(1, "ok", at_ms=3000)], parked_for="groq#3: requests per minute"),
        ended("b", RESTED, parked_for="every candidate has failed"),
        ended("c", [attempt(1, "ok", at_ms=1000)], parked_for="groq#1: requests per minute"),
        ended("d", [], failed=True, parked_for="groq#2: requests per minute"),
        ended("e", FAILED_OVER),
    ]
    assert wait_accounts(jobs) == (
        WaitAccount("groq has no requests left this minute", 3, (1000.0, 3000.0)),
        WaitAccount("every candidate has failed", 1, (2000.0,)),
    )


def test_the_best_second_may_begin_at_any_time(registry: Registry) -> None:
    jobs = [ended(str(took_ms), [], took_ms=took_ms) for took_ms in (100, 900, 1050, 1300, 2400)]
    assert account_with(jobs, registry, verdict=None).best_second == 3
    assert account_with([], registry, verdict=None).best_second == 0


def test_an_agents_times_are_medians() -> None:
    jobs = [ended(str(at_ms), [attempt(1, "ok", at_ms=at_ms)], took_ms=10 * at_ms) for at_ms in (1, 2, 30)]
    (account,) = agent_accounts([*jobs, ended("x", [], failed=True, took_ms=5)])
    assert (account.jobs, account.answered, account.wait_ms, account.longest_ms) == (4, 3, 2, 300)
    assert account.answer_ms == (10 + 20) / 2


def usage_row(group: str, *, calls: int = 10, refusals: int = 0, tokens: int = 100) -> UsageRow:
    return UsageRow(group, calls, calls - refusals, refusals, 0, tokens, tokens, Decimal(0), 1234.0, 900.0, 2345.6, 2345.6)


PEAKS = {
    "groq#1": Peak(0.5, "requests/min"),
    "groq": Peak(1.0, "requests/min"),
    "cerebras": Peak(0.9, "requests/min"),
    "openrouter": Peak(0.2, "requests/day"),
    "openrouter#10": Peak(1.0, "requests/day"),
}


def account_with(jobs: list[EndedJob], registry: Registry, *, verdict: Verdict | None, planned: int | None = None) -> Account:
    by_key = [usage_row(f"openrouter#{number}", tokens=12_345) for number in (10, 2, 1)] + [usage_row("groq#1")]
    by_provider = [usage_row("openrouter", calls=30), usage_row("groq")]
    return Account(
        planned=len(jobs) if planned is None else planned,
        ended=jobs,
        providers=provider_accounts(by_provider, by_key, PEAKS, registry),
        agents=agent_accounts(jobs),
        hops=hops_of(jobs),
        failovers=failovers_of(jobs),
        waits=wait_accounts(jobs),
        verdict=verdict,
        cost_usd=Decimal(0),
        usage=Usage(input_tokens=200, output_tokens=200),
    )


GOOD = Verdict(requests=40, down=0, refused=0, overshoot=0.0, duplicates=0, tokens=400)


def test_all_is_well(registry: Registry) -> None:
    checks = checks_of(account_with([ended("a", FAILED_OVER)], registry, verdict=GOOD))
    assert all(check.holds for check in checks)
    assert checks[0].text == "1 of 1 jobs answered, 0 failed, 0 lost"


@pytest.mark.parametrize(
    ("jobs", "planned", "verdict", "words"),
    [
        ([ended("a", [], failed=True)], 1, GOOD, "0 of 1 jobs answered, 1 failed, 0 lost"),
        ([ended("a", [])], 2, GOOD, "1 of 2 jobs answered, 0 failed, 1 lost"),
        ([ended("a", [])], 1, Verdict(40, 0, 0, 0.5, 0, 400), "a key over a limit"),
        ([ended("a", [])], 1, Verdict(40, 0, 0, 0.0, 2, 400), "2 jobs charged twice"),
        ([ended("a", [])], 1, Verdict(40, 1, 0, 0.0, 0, 400), "the ledger has 40 calls and 400 tokens, the simulator 41 and 400"),
        ([ended("a", [])], 1, Verdict(40, 0, 0, 0.0, 0, 401), "the ledger has 40 calls and 400 tokens, the simulator 40 and 401"),
    ],
)
def test_what_must_hold(jobs: list[EndedJob], planned: int, verdict: Verdict, words: str, registry: Registry) -> None:
    checks = checks_of(account_with(jobs, registry, verdict=verdict, planned=planned))
    assert [check.text[: len(words)] for check in checks if not check.holds and check.must_hold] == [words]


@pytest.mark.parametrize(
    ("jobs", "verdict"), [([ended("a", [], degraded=True)], GOOD), ([ended("a", [])], Verdict(40, 0, 3, 0.0, 0, 400))]
)
def test_what_only_ought_to_hold(jobs: list[EndedJob], verdict: Verdict, registry: Registry) -> None:
    checks = checks_of(account_with(jobs, registry, verdict=verdict))
    assert [check.must_hold for check in checks if not check.holds] == [False]


def test_the_page_fits_eighty_columns_and_says_it_all(registry: Registry) -> None:
    parked = ended("c", [attempt(1, "ok", at_ms=2400)], parked_for="groq#1: requests per minute")
    account = account_with([ended("a", FAILED_OVER), ended("b", RESTED), parked], registry, verdict=GOOD)
    page = as_text(account_view(account, checks_of(account), compared=registry.models["gemini_flash"]), width=WIDTH)
    assert max(len(line) for line in page.splitlines()) <= WIDTH
    assert "…" not in page
    lines = page.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == ["groq#1", "openrouter", "├", "├", "└"]
    assert [line.split()[1] for line in lines[4:7]] == ["openrouter#1", "openrouter#2", "openrouter#10"]
    assert all(words in page for words in ("1 × cerebras: window spent", "1 × cerebras: provider failed", "free.groq 1", "100%"))
    flat = " ".join(page.split())
    assert "waits 1 job had to wait, parked: groq has no requests left this minute; the calls" in flat
    assert "the calls that answered them began after 2.4 s" in flat
    assert "capacity: how much of the limit on requests/min was in use at the busiest moment; openrouter: requests/day" in flat


def test_without_a_wait_that_is_said(registry: Registry) -> None:
    account = account_with([ended("a", FAILED_OVER)], registry, verdict=GOOD)
    assert "no job had to wait for capacity" in as_text(account_view(account, [], compared=None), width=WIDTH)
