"""One worker does what all are told while they run; callers, jobs and a person see what came of it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from small_worker import SmallWorker, open_small_worker

from pool_client import ModelUnavailableError, Tier
from pool_client.queues import list_names
from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow
from pool_worker.resources.following import look_around
from pool_worker.rollout.orders import disable_model, enable_model

GROQ = {
    "base_url": "https://api.groq.com/openai/v1",
    "limits": [{"unit": "requests", "limit": 30, "per": "minute", "kind": "sliding"}],
}
OPENAI = {"base_url": "https://api.openai.com/v1", "tier": "paid"}
SMALL = {"id": "groq-small", "provider": "groq", "model": "small", "cost": 0}


@pytest.fixture
def folder(worker: SmallWorker, tmp_path: Path) -> Path:
    """Configuration files for the worker to read."""
    worker.pool.settings = worker.pool.settings.model_copy(update={"config_dir": tmp_path, "simulator_url": worker.simulator.url})
    return tmp_path


def write(folder: Path, *models: dict[str, Any], **providers: dict[str, Any]) -> None:
    (folder / "providers.yaml").write_text(yaml.safe_dump({"providers": {"groq": GROQ, "openai": OPENAI, **providers}}))
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": {"free_tier": [SMALL, *models]}}))


def reload(worker: SmallWorker) -> None:
    worker.redis.incr(redis_keys.RELOADS)
    worker.look_around()


def why_not(worker: SmallWorker, model_id: str) -> str | None:
    """As callers are told."""
    (model,) = worker.client.models(model_id=model_id)
    return model.why_not


def test_a_disabled_model_is_rejected_with_the_reason_and_the_others_answer(worker: SmallWorker) -> None:
    disable_model(worker.redis, "groq-small", reason="it rambles")
    worker.look_around()
    assert why_not(worker, "groq-small") == "disabled by a person: it rambles"
    pinned, free = worker.submit(model="groq-small"), worker.submit()
    worker.complete()
    with pytest.raises(ModelUnavailableError, match="groq-small, to which the job is pinned: disabled by a person: it rambles"):
        pinned.result(timeout=5)
    assert worker.complete().startswith("succeeded on cerebras-small")
    assert free.result(timeout=5).provider == "cerebras"

    enable_model(worker.redis, "groq-small")
    worker.look_around()
    assert why_not(worker, "groq-small") is None
    worker.submit()
    assert worker.complete().startswith("succeeded on groq-small")


def test_a_call_under_way_ends_normally(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "slow", delay_s=0.3)
    job = worker.submit(model="groq-small")

    def disable(_: object) -> None:
        disable_model(worker.redis, "groq-small")
        looks.append(asyncio.create_task(look_around(worker.pool)))

    looks: list[asyncio.Task[None]] = []
    assert worker.interrupt(disable).startswith("succeeded on groq-small")
    assert job.result(timeout=5).provider == "groq"
    assert why_not(worker, "groq-small") == "disabled by a person"


def test_no_reason_leaves_the_earlier_one(worker: SmallWorker) -> None:
    assert disable_model(worker.redis, "groq-small") is None
    assert disable_model(worker.redis, "groq-small", reason="it rambles") == ""
    assert disable_model(worker.redis, "groq-small") == "it rambles"
    assert worker.redis.hgetall(redis_keys.DISABLED_MODELS) == {"groq-small": "it rambles"}


def test_a_new_model_of_a_known_provider_is_there_after_a_reload(worker: SmallWorker, folder: Path) -> None:
    write(folder, {**SMALL, "id": "groq-again", "capabilities": ["coding"]})
    reload(worker)
    assert [model.id for model in worker.client.models(capability="coding")] == ["groq-again"]
    job = worker.submit(model="groq-again")
    assert worker.complete().startswith("succeeded on groq-again")
    assert job.result(timeout=5).provider == "groq"


def test_one_line_of_the_log_says_what_was_taken(worker: SmallWorker, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder)
    reload(worker)
    write(folder, {**SMALL, "id": "groq-again"})
    caplog.clear()
    reload(worker)
    worker.look_around()
    assert [line for line in caplog.messages if "configuration" in line] == [
        "small@test has taken the configuration as it is now: new: model groq-again"
    ]


def test_a_changed_limit_holds_from_then_on(worker: SmallWorker, folder: Path) -> None:
    write(folder, groq={**GROQ, "limits": [{"unit": "requests", "limit": 1, "per": "minute", "kind": "sliding"}]})
    reload(worker)
    ends = []
    for _ in range(3):
        worker.submit(model="groq-small", on_exhausted="fail", cache=False)
        ends.append(worker.complete().split()[0])
    assert ends == ["succeeded", "succeeded", "failed:"], "one for each of its two keys"


def test_what_was_disabled_and_the_vaults_keys_outlast_a_reload(worker: SmallWorker, folder: Path) -> None:
    keys = worker.pool.registry.keys
    disable_model(worker.redis, "groq-small")
    write(folder)
    reload(worker)
    assert worker.pool.registry.keys == keys
    assert why_not(worker, "groq-small") == "disabled by a person"


def test_no_job_is_moved_to_a_queue_that_no_worker_reads(worker: SmallWorker, folder: Path) -> None:
    """It says so, and as soon as a worker serves it, another reload takes the provider into use."""
    cohere = {"id": "cohere-small", "provider": "cohere", "model": "small", "cost": 0}
    write(folder, cohere, cohere={"base_url": "https://api.cohere.com/v1", "needs_key": False})
    reload(worker)
    assert why_not(worker, "cohere-small") == (
        "provider cohere is disabled: no worker that runs serves its queue free.cohere: start the workers again"
    )
    job = worker.submit(model="cohere-small")
    worker.complete()
    with pytest.raises(ModelUnavailableError, match="start the workers again"):
        job.result(timeout=5)
    assert not worker.redis.exists(*list_names("free.cohere"))

    other = redis_keys.worker("other@test")
    worker.redis.set(other, '{"pid": 1, "queues": ["free.cohere"], "since": "2026-11-21T10:00:00+00:00"}')
    reload(worker)
    assert why_not(worker, "cohere-small") is None
    worker.submit(model="cohere-small")
    assert worker.complete() == "moved to free.cohere"


def test_files_with_mistakes_change_nothing_and_are_told_once(
    worker: SmallWorker, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, {**SMALL, "id": "other", "rpm_limit": "many"}, {**SMALL, "id": "third", "provider": "grok"})
    before = worker.pool.registry
    with caplog.at_level(logging.ERROR):
        reload(worker)
        worker.look_around()
    assert worker.pool.registry is before
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert sum("rpm_limit" in line for line in lines) == sum("grok" in line for line in lines) == 1
    (alert,) = worker.rows(AlertRow)
    assert alert.severity == "critical"
    assert all(words in alert.message for words in ("small@test keeps", "models.yaml:", "rpm_limit", "grok"))
    assert "rpm_limit" in worker.pool.presence.trouble

    write(folder)
    reload(worker)
    assert worker.pool.presence.trouble == ""
    assert [row.title for row in worker.rows(AlertRow)][1:] == ["The configuration was taken"]


def test_a_model_that_was_removed_fails_its_jobs_with_a_reason(worker: SmallWorker, folder: Path) -> None:
    write(folder)
    job = worker.submit(model="cerebras-small")
    reload(worker)
    worker.complete()
    with pytest.raises(ModelUnavailableError, match="no such model is configured"):
        job.result(timeout=5)
    assert not worker.redis.exists(redis_keys.enrolled_models("cerebras"))
    assert [model.tier for model in worker.client.models()] == [Tier.FREE]


def test_one_that_starts_later_knows_what_the_others_were_told(
    filled_home: Path, redis_url: str, redis_client: redis.Redis, opened_worker: SmallWorker
) -> None:
    """A reload may have come while it was reading the files: it reads them once more."""
    disable_model(redis_client, "groq_gpt_oss_120b", reason="it rambles")
    redis_client.set(redis_keys.RELOADS, 3)
    with open_small_worker(filled_home, redis_url=redis_url, simulator=opened_worker.simulator) as late:
        assert json.loads(redis_client.get(redis_keys.worker("small@test")))["reloads"] == 3
        assert late.pool.registry.unusable_models["groq_gpt_oss_120b"] == "disabled by a person: it rambles"
