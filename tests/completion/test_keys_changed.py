"""Keys change in the vault while a worker runs: it takes them over, and nobody is blamed for what has been replaced."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from small_worker import SmallWorker, fill_vault, open_small_worker

from pool_client import Pool
from pool_worker import redis_keys
from pool_worker.health.renewed import start_anew
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AlertRow
from pool_worker.rollout.orders import order_keys
from pool_worker.rollout.presence import Presence, read_presences
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys

NEW = "sim-groq-new-secret"


@pytest.fixture
def own(sqlite_ledger: Path, tmp_path: Path, redis_url: str, opened_worker: SmallWorker) -> Iterator[SmallWorker]:
    """A worker whose vault is no other test's."""
    shutil.copy(sqlite_ledger, tmp_path / "ledger.db")
    fill_vault(tmp_path)
    opened_worker.simulator.reset()
    simulator = opened_worker.simulator
    opened = open_small_worker(tmp_path, redis_url=redis_url, simulator=simulator)
    with opened as worker, Pool(redis_url=redis_url) as worker.client:
        yield worker
    opened_worker.simulator.reset()


@pytest.fixture
def vault(own: SmallWorker) -> Iterator[Vault]:
    settings: Settings = own.pool.settings
    engine = open_database(settings.ledger_url)
    yield Vault(engine, master_keys(settings), actor="ann")
    engine.dispose()


def presence(worker: SmallWorker) -> Presence:
    (found,) = worker.run(read_presences(worker.pool.redis))
    return found


def test_a_worker_takes_over_what_changed_in_the_vault(own: SmallWorker, vault: Vault) -> None:
    vault.rotate("groq#1", NEW)
    vault.revoke("groq#2")
    vault.add("cerebras", "sim-cerebras-new-secret", priority=2)
    vault.add("openrouter", "nobody-serves-it-here")
    assert own.run(order_keys(own.pool.redis)) == 1
    own.look_around()
    assert own.pool.secrets["groq#1"] == NEW
    assert "groq#2" not in own.pool.secrets
    assert own.pool.secrets["cerebras#2"] == "sim-cerebras-new-secret"
    assert "openrouter#1" not in own.pool.secrets, "only those of the providers that are served"
    assert own.redis.smembers(redis_keys.enrolled_keys("groq")) == {"groq#1"}
    assert own.redis.smembers(redis_keys.enrolled_keys("cerebras")) == {"cerebras#1", "cerebras#2"}
    assert presence(own).key_changes == 1
    assert vault.audit(key_id="groq#1", limit=1)[0].actor == "worker small@test"


def test_while_the_vault_is_away_the_present_keys_are_used_and_it_is_said(own: SmallWorker, vault: Vault) -> None:
    vault.revoke("groq#1")
    there = own.pool.settings
    own.pool.settings = there.model_copy(update={"database_url": "postgresql://nobody:wr0ng@127.0.0.1:1/none"})
    own.run(order_keys(own.pool.redis))
    own.look_around()
    assert own.pool.secrets["groq#1"] == "sim-groq-1"
    assert (presence(own).key_changes, presence(own).keys_trouble) == (0, "the database is away (OperationalError)")
    own.pool.settings = there
    own.look_around()
    assert "groq#1" not in own.pool.secrets
    assert (presence(own).key_changes, presence(own).keys_trouble) == (1, "")


def complete_with_the_old_secret(worker: SmallWorker) -> str:
    """The next job is called before the worker has noticed that keys have changed."""

    async def scenario() -> str:
        worker.redis.incr(redis_keys.KEY_CHANGES)
        it = worker.claim()
        async with worker.pool.following:
            task = asyncio.create_task(worker.work_on(it))
            while not await asyncio.to_thread(lambda: worker.simulator.counts()["totals"]["unauthorized"]):
                pass
        return await task

    return str(worker.run(scenario()))


def test_a_key_that_was_rotated_under_a_call_is_not_blamed_and_serves_the_job(own: SmallWorker, vault: Vault) -> None:
    vault.rotate("groq#1", NEW)
    vault.revoke("groq#2")
    own.simulator.replace_secret("groq#1", NEW)
    job = own.submit()
    assert complete_with_the_old_secret(own).startswith("succeeded on groq-small after 2 call(s)")
    first, second = job.result(timeout=5).attempts
    assert (first.outcome, first.key_id, first.status_code) == ("KeyReplacedError", "groq#1", 401)
    assert (second.outcome, second.key_id) == ("ok", "groq#1")
    assert own.held() == {}
    assert own.rows(AlertRow) == []


def test_a_key_that_was_revoked_under_a_call_is_no_matter_for_an_alert(own: SmallWorker, vault: Vault) -> None:
    vault.revoke("groq#1")
    own.simulator.replace_secret("groq#1", NEW)
    job = own.submit()
    assert complete_with_the_old_secret(own).startswith("succeeded on groq-small after 2 call(s)")
    assert [attempt.outcome for attempt in job.result(timeout=5).attempts] == ["KeyReplacedError", "ok"]
    assert own.held() == {}
    assert own.rows(AlertRow) == []


def test_a_new_secret_starts_anew(own: SmallWorker, redis_client: redis.Redis) -> None:
    own.simulator.replace_secret("groq#1", NEW)
    own.submit()
    assert own.complete().startswith("succeeded on groq-small after 2 call(s)")
    assert own.held()["key:groq#1"] > 3000
    own.run(start_anew(own.pool.redis, "groq#1", because="has a new secret", now=own.pool.now()))
    assert own.held() == {}
    assert not redis_client.exists(redis_keys.health("key:groq#1"), redis_keys.failures("key:groq#1"))
    assert [(row.severity, row.title) for row in own.rows(AlertRow)][1:] == [("info", "groq#1 has a new secret")]


def test_who_waits_for_a_key_is_tried_again_when_one_comes(own: SmallWorker, vault: Vault) -> None:
    own.simulator.fault("mistral", "unauthorized")
    own.submit(model="mistral-small")
    assert own.complete().startswith("failed: AuthenticationError")
    own.submit(model="mistral-small")
    assert own.complete().startswith("parked: mistral#1")
    own.simulator.replace_secret("mistral#1", NEW)
    own.simulator.clear_faults()
    vault.rotate("mistral#1", NEW)
    own.run(start_anew(own.pool.redis, "mistral#1", because="has a new secret", now=own.pool.now()))
    own.run(order_keys(own.pool.redis))
    own.look_around()
    own.run(own.pool.jobs.release_due())
    assert own.complete().startswith("succeeded on mistral-small")
