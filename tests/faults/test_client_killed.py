"""Fault 5: a program is killed while it submits a long batch, and submits it again. No job twice, none missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from checker import check
from lab import until
from runs import Seed, StartLab, sized, tell

from pool_client import JobHandle, Progress
from pool_client import redis_keys as shared_keys
from pool_client.queues import list_names

HERE = Path(__file__).parent


def start(url: str, count: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.Popen([sys.executable, "-m", "submitting", url, str(count)], stdout=subprocess.PIPE, env=environment)


def killed_at(client: redis.Redis, program: subprocess.Popen[bytes], *, jobs: int) -> None:
    """Kill it when so many keys are taken, if it gets there."""
    until(lambda: accepted(client) >= jobs or program.poll() is not None, within_s=60, what="progress")
    program.kill()
    program.communicate()


def accepted(client: redis.Redis) -> int:
    """Jobs so far; those that have been claimed count, too."""
    return int(client.info("keyspace").get("db0", {}).get("keys", 0)) // 2


def finished(program: subprocess.Popen[bytes]) -> list[str]:
    """The ids of its jobs, when it has submitted them all."""
    told, _ = program.communicate(timeout=300)
    assert program.returncode == 0
    found: list[str] = json.loads(told)
    return found


@pytest.mark.timeout(1200)
def test_a_batch_submitted_again_after_kills_is_there_once(redis_url: str, redis_client: redis.Redis, seed: Seed) -> None:
    count, kills, rng = sized(2_000, 100_000), sized(3, 10), seed.rng()
    stages = sorted(rng.randrange(count) for _ in range(kills))
    for stage in stages:
        killed_at(redis_client, start(redis_url, count), jobs=stage)
    found = finished(start(redis_url, count))

    messages = [json.loads(text) for name in list_names("free") for text in redis_client.lrange(name, 0, -1)]
    queued = [message["headers"]["id"] for message in messages]
    tell(f"fault 5: {count} jobs, killed {kills} times after {stages} jobs: {len(queued)} queued; {seed}")
    assert len(found) == len(set(found)) == count, seed
    assert len(queued) == count, seed
    assert set(queued) == set(found), f"every handle has its message; {seed}"
    prompts = {prompt_of(redis_client, job_id) for job_id in found}
    assert prompts == {f"line {number}: what does it tell?" for number in range(count)}, seed
    assert redis_client.hgetall(shared_keys.batch("lines")) == {"jobs": str(count)}, seed


def prompt_of(client: redis.Redis, job_id: str) -> str:
    text = client.hget(shared_keys.job(job_id), "spec")
    assert text is not None
    return str(json.loads(text)["messages"][0]["content"])


@pytest.mark.timeout(300)
def test_while_workers_work_on_it_each_job_is_called_once(start_lab: StartLab, seed: Seed) -> None:
    """Jobs that have ended are not submitted anew, either."""
    count, rng, lab = sized(300, 5_000), seed.rng(), start_lab()
    lab.start_worker("a")
    stages = sorted(rng.randrange(count) for _ in range(2))
    for stage in stages:
        killed_at(lab.redis.client, start(lab.redis.url, count), jobs=stage)
    found = finished(start(lab.redis.url, count))
    jobs = [JobHandle(job_id, lab.caller) for job_id in found]
    lab.quiesce(jobs, within_s=120)
    again = finished(start(lab.redis.url, count))
    findings = check(lab, jobs)
    tell(f"fault 5, under work: {findings}, killed after {stages} jobs; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert again == found, "also those that have ended"
    assert lab.caller.progress("lines") == Progress(jobs=count, succeeded=count), seed
