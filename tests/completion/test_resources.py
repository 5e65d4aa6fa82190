"""A worker that starts says that it is there, and tells callers and Redis what it knows."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from small_worker import KEY_COUNTS, SmallWorker, open_small_worker

from pool_client import Pool
from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.ledger.rows import AttemptRow
from pool_worker.registry import Agent

Fresh = AbstractContextManager[SmallWorker]
ANALYZER = Agent(id="log_analyzer", task_type="analysis", max_tokens=7, temperature=0.5, daily_budget_usd=Decimal(1))


@pytest.fixture
def fresh(filled_home: Path, redis_url: str, opened_worker: SmallWorker) -> Fresh:
    return open_small_worker(filled_home, redis_url=redis_url, simulator=opened_worker.simulator, agents=(ANALYZER,))


def test_it_says_that_it_is_there(fresh: Fresh, redis_client: redis.Redis) -> None:
    with fresh as worker:
        name = redis_keys.worker("small@test")
        facts = json.loads(redis_client.get(name))
        assert facts["pid"] == os.getpid()
        assert facts["queues"] == sorted(worker.pool.registry.queues())
        assert 0 < redis_client.pttl(name) <= redis_keys.WORKER_TTL_MS


def test_callers_get_their_agents_defaults(fresh: Fresh, redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.hset(shared_keys.AGENTS, "of an earlier configuration", "{}")
    with fresh, Pool(agent="log_analyzer", redis_url=redis_url) as pool:
        spec = json.loads(redis_client.hget(shared_keys.job(pool.submit("x").id), "spec"))
        assert (spec["max_tokens"], spec["temperature"]) == (7, 0.5)
        assert redis_client.hkeys(shared_keys.AGENTS) == ["log_analyzer"]
        assert redis_client.smembers(shared_keys.TASK_TYPES) == {"analysis"}
        assert redis_client.smembers(shared_keys.PROVIDERS) == set(KEY_COUNTS)


def test_it_knows_the_vaults_keys_and_shows_no_secret(fresh: Fresh) -> None:
    with fresh as worker:
        assert [key.id for key in worker.pool.registry.keys_of("groq")] == ["groq#1", "groq#2"]
        assert worker.pool.secrets["groq#1"] == "sim-groq-1"
        assert "sim-groq" not in repr(worker.pool)


def test_it_knows_how_much_of_the_money_is_spent(fresh: Fresh) -> None:
    with fresh as worker:
        while not worker.pool.outlook.spent:
            worker.run(asyncio.sleep(0))
        assert worker.pool.outlook.spent == {"all": 0, "agent:log_analyzer": 0}


def test_a_key_that_came_later_is_read_when_it_is_leased(worker: SmallWorker) -> None:
    worker.pool.secrets = {key: secret for key, secret in worker.pool.secrets.items() if key != "groq#1"}
    worker.submit()
    assert worker.complete().startswith("succeeded on groq-small")
    assert worker.pool.secrets["groq#1"] == "sim-groq-1"


def test_a_secret_that_cannot_be_read_now_is_the_keys_trouble_and_not_the_jobs(worker: SmallWorker) -> None:
    """The vault's database is away; the jobs go on with the keys that are known."""
    worker.pool.settings = worker.pool.settings.model_copy(update={"database_url": "postgresql://nobody:wr0ng@127.0.0.1:1/none"})
    worker.pool.secrets = {key: secret for key, secret in worker.pool.secrets.items() if key != "groq#1"}
    worker.submit()
    assert worker.complete().startswith("succeeded on groq-small after 2 call(s)")
    first, second = worker.rows(AttemptRow)
    assert (first.outcome, first.key_id, first.cost) == ("SecretMissingError", "groq#1", 0)
    assert (second.outcome, second.key_id) == ("ok", "groq#2")
    assert "wr0ng" not in str(first)
    assert worker.held() == {"key:groq#1": pytest.approx(10, abs=1)}


def test_nor_is_a_vault_under_another_master_key(worker: SmallWorker, tmp_path: Path) -> None:
    worker.pool.settings = worker.pool.settings.model_copy(
        update={"home": tmp_path, "database_url": worker.pool.settings.ledger_url}
    )
    worker.pool.secrets = {key: secret for key, secret in worker.pool.secrets.items() if key != "groq#1"}
    worker.submit()
    assert worker.complete().startswith("succeeded on groq-small after 2 call(s)")
    assert [row.outcome for row in worker.rows(AttemptRow)] == ["SecretMissingError", "ok"]
