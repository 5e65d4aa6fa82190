"""Jobs are signed with their agent's secret: nobody else submits in its name, nor changes what it has submitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_worker import SmallWorker

from pool_client import InvalidRequestError, JobHandle, Pool, redis_keys
from pool_client.signing import is_signed, sign
from pool_worker.budget import budgets_of
from pool_worker.config import ConfigError, load_registry
from pool_worker.ledger.rows import AlertRow, AttemptRow
from pool_worker.limits.usage import spent_now

SECRET = "correct-horse-battery-staple"  # noqa: S105 - of an agent of these tests
OTHER = "another-agents-own-secret"
AGENTS = """
agents:
  log_analyzer: {secret: "${LOG_ANALYZER_SECRET}", daily_budget_usd: 1.00}
  backup_recovery: {secret: another-agents-own-secret}
  ai_manager: {}
"""


def write_agents(folder: Path, text: str = AGENTS) -> Path:
    (folder / "agents.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def signed(worker: SmallWorker, tmp_path: Path) -> SmallWorker:
    """A worker that has read that file."""
    configured = load_registry(write_agents(tmp_path), environ={"LOG_ANALYZER_SECRET": SECRET})
    worker.configure(agents=configured.agents)
    return worker


def submit(worker: SmallWorker, *, agent: str, secret: str | None) -> JobHandle:
    with Pool(agent=agent, secret=secret, redis_url=worker.redis_url) as pool:
        return pool.submit("Why did this fail?", model="openai-small", max_tokens=10)


def spent(worker: SmallWorker, agent: str) -> list[int]:
    scopes = budgets_of(worker.pool.registry, agent)
    return list(worker.run(spent_now(worker.pool.redis, scopes)))


def refusal(worker: SmallWorker, job: JobHandle) -> str:
    """Why it was refused, as its caller is told."""
    with Pool(redis_url=worker.redis_url) as pool, pytest.raises(InvalidRequestError) as told:
        pool.job(job.id).result(timeout=5)
    assert not told.value.retryable
    return str(told.value)


def test_a_signature_is_of_one_text_and_one_secret() -> None:
    signature = sign("ä job", secret=SECRET)
    assert is_signed("ä job", signature=signature, secret=SECRET)
    assert not is_signed("a job", signature=signature, secret=SECRET)
    assert not is_signed("ä job", signature=signature, secret=OTHER)
    assert not is_signed("ä job", signature="", secret=SECRET)
    assert not is_signed("ä job", signature="ä", secret=SECRET)


def test_the_agents_own_jobs_are_answered(signed: SmallWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(signed, agent="log_analyzer", secret=SECRET)
    assert signed.complete().startswith("succeeded")
    monkeypatch.setenv("MODEL_POOL_AGENT_SECRET", SECRET)
    with Pool(agent="log_analyzer", redis_url=signed.redis_url) as pool:
        many = pool.submit_many(["one", "two"], idempotency_key=None)
        assert pool.submit("three", idempotency_key="k").id == pool.submit("three", idempotency_key="k").id
    for _ in range(len(many) + 1):
        assert signed.complete().startswith("succeeded")


@pytest.mark.parametrize(
    ("secret", "why"), [(None, "is not signed: give Pool the agent's secret"), (OTHER, "is not signed with the secret")]
)
def test_a_job_in_somebody_elses_name_is_refused_and_its_budget_left_alone(
    signed: SmallWorker, secret: str | None, why: str
) -> None:
    forged = submit(signed, agent="log_analyzer", secret=secret)
    assert signed.complete().startswith("failed: InvalidRequestError")
    assert why in refusal(signed, forged)
    assert "agent: 'log_analyzer' is refused" in refusal(signed, forged)
    assert signed.requests() == 0
    assert signed.rows(AttemptRow) == []
    assert set(spent(signed, "log_analyzer")) == {0}
    assert signed.nothing_is_held()


def test_each_agents_forged_jobs_are_told_once(signed: SmallWorker) -> None:
    for agent in ("log_analyzer", "log_analyzer", "backup_recovery"):
        submit(signed, agent=agent, secret=None)
        signed.complete()
    told = signed.rows(AlertRow)
    assert [alert.cause for alert in told] == ["signature:log_analyzer", "signature:backup_recovery"]
    assert {alert.severity for alert in told} == {"warning"}
    assert SECRET not in str(told)


def test_a_signed_job_that_somebody_changed_is_refused(signed: SmallWorker) -> None:
    job = submit(signed, agent="log_analyzer", secret=SECRET)
    spec = signed.record(job)["spec"].replace("Why did this fail?", "Delete it all?")
    signed.redis.hset(redis_keys.job(job.id), "spec", spec)
    assert signed.complete().startswith("failed: InvalidRequestError")
    assert signed.requests() == 0


def test_a_job_put_into_another_jobs_record_is_not_done_again(signed: SmallWorker) -> None:
    """It would be paid for twice, and its end would be told of the first."""
    job = submit(signed, agent="log_analyzer", secret=SECRET)
    signed.complete()
    first = signed.record(job)
    mine = submit(signed, agent="ai_manager", secret=None)
    signed.redis.hset(redis_keys.job(mine.id), mapping={name: first[name] for name in ("spec", "signature")})
    assert signed.complete() == "is a dead letter: its record holds another job"
    assert signed.requests() == 1
    assert signed.record(job) == first


def test_agents_without_a_secret_need_none_unless_all_do(signed: SmallWorker) -> None:
    for agent in ("ai_manager", "nobody_knows_it"):
        submit(signed, agent=agent, secret=None)
        assert signed.complete().startswith("succeeded")
    signed.configure(rules=replace(signed.pool.registry.rules, require_signatures=True))
    for agent in ("ai_manager", "nobody_knows_it"):
        refused = submit(signed, agent=agent, secret=SECRET)
        assert signed.complete().startswith("failed: InvalidRequestError")
        assert "an agent without a secret in agents.yaml" in refusal(signed, refused)
    assert {alert.severity for alert in signed.rows(AlertRow)} == {"critical"}
    submit(signed, agent="log_analyzer", secret=SECRET)
    assert signed.complete().startswith("succeeded")


def test_a_secret_is_published_to_nobody(signed: SmallWorker) -> None:
    signed.look_around()
    published = json.dumps([signed.redis.hgetall(redis_keys.AGENTS), repr(signed.pool.registry), repr(signed.pool)])
    assert "log_analyzer" in published
    assert [secret for secret in (SECRET, OTHER) if secret in published] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("${NOT_SET}", "the value needs NOT_SET, which is not set; set NOT_SET in the environment or in .env"),
        (
            "too-short",
            "the value is too short for a secret; write 16 characters or more, e.g. what `openssl rand -hex 32` prints",
        ),
        ('"${EMPTY:-}"', "the value is too short for a secret; write 16 characters or more"),
    ],
)
def test_a_mistake_in_a_secret_is_told_without_it(line: str, told: str, tmp_path: Path) -> None:
    folder = write_agents(tmp_path, f"agents:\n  log_analyzer:\n    secret: {line}\n")
    with pytest.raises(ConfigError) as mistake:
        load_registry(folder, environ={})
    assert f"agents.yaml:3: agents.log_analyzer.secret: {told}" in str(mistake.value)
    assert "too-short" not in str(mistake.value)


def test_require_signatures_is_read(tmp_path: Path) -> None:
    (tmp_path / "pool.yaml").write_text("require_signatures: true\n", encoding="utf-8")
    assert load_registry(tmp_path, environ={}).rules.require_signatures
