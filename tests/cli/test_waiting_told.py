"""Whoever waits for a job at the command line learns what it waits for: on stderr, and the answer alone on stdout."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
import redis
from command_line import CommandLine
from stand_in_worker import StandInWorker

from pool_client import JobHandle, JobState, Pool, redis_keys
from pool_worker import redis_keys as worker_keys
from pool_worker.cli.waiting import LOOK_EVERY_S
from pool_worker.cli.whereabouts import LOOKED_AT, look, where_words


@pytest.fixture
def pool(redis_url: str) -> Iterator[Pool]:
    with Pool(redis_url=redis_url) as pool:
        yield pool


@pytest.fixture
def worker(redis_client: redis.Redis) -> StandInWorker:
    """It serves `free`, and says so."""
    facts = json.dumps({"pid": 1, "since": "2026-01-01T00:00:00Z", "queues": ["free"]})
    redis_client.set(worker_keys.worker("w@h"), facts)
    redis_client.hset(worker_keys.WORKERS, "w@h", facts)
    return StandInWorker(redis_client)


def where(client: redis.Redis, job: JobHandle) -> str:
    return where_words(look(client, job.status()))


def park(client: redis.Redis, job: JobHandle, *, reason: str, for_s: float = 3600) -> None:
    due_ms = int((time.time() + for_s) * 1000)
    record = {"state": "parked", "due_ms": due_ms, "wait_reason": reason}
    client.hset(redis_keys.job(job.id), mapping=record)


@contextmanager
def waiting(cli: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command under way; whatever it does, it is ended."""
    with subprocess.Popen(
        cli.command(*arguments), cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().rstrip()


def test_how_many_stand_before_a_queued_job(redis_client: redis.Redis, pool: Pool, worker: StandInWorker) -> None:
    first, second = pool.submit("x"), pool.submit("x")
    assert [where(redis_client, job) for job in (first, second)] == [
        "queued in free, next in turn",
        "queued in free, behind 1 job",
    ]
    pool.submit_many(["x"] * 2, priority="high")
    low = pool.submit("x", priority="low")
    assert where(redis_client, second) == "queued in free, behind 3 jobs"
    assert where(redis_client, low) == "queued in free, behind 4 jobs"


def test_long_queues_are_not_read_whole(redis_client: redis.Redis, pool: Pool, worker: StandInWorker) -> None:
    jobs = pool.submit_many(["x"] * (LOOKED_AT + 1))
    assert where(redis_client, jobs[-2]) == f"queued in free, behind {LOOKED_AT - 1} jobs"
    assert where(redis_client, jobs[-1]) == f"queued in free, behind more than {LOOKED_AT} jobs"


def test_a_queue_that_nobody_serves(redis_client: redis.Redis, pool: Pool, worker: StandInWorker) -> None:
    assert where(redis_client, pool.submit("x", tier="premium")) == "queued in premium, next in turn; no worker serves premium"


def test_who_runs_it_and_what_it_waits_for(redis_client: redis.Redis, pool: Pool, worker: StandInWorker) -> None:
    job = pool.submit("x")
    worker.take()
    assert where(redis_client, job) == "running"
    redis_client.hset(redis_keys.job(job.id), "worker", "w@h")
    assert where(redis_client, job) == "running on w@h"
    park(redis_client, job, reason="groq#1: requests per minute")
    assert where(redis_client, job).endswith(", because groq has no requests left this minute")
    park(redis_client, job, reason="others wait for the same and come first", for_s=-1)
    assert where(redis_client, job) == "parked until its turn comes, because others wait for the same and come first"


def test_a_long_wait_says_what_for_again_when_that_changes_and_prints_the_answer_alone(
    cli: CommandLine, redis_url: str, redis_client: redis.Redis, pool: Pool, worker: StandInWorker
) -> None:
    pool.submit("the one before")
    with waiting(cli, "submit", "Why?", "--redis", redis_url) as submit:
        assert next_line(submit) == "waiting: queued in free, behind 1 job"
        worker.answer(worker.take())
        job = pool.job(worker.take().id)
        park(redis_client, job, reason="groq#1: requests per minute")
        line = next_line(submit)
        while not line.startswith("waiting: parked until "):
            assert line in {"waiting: queued in free, next in turn", "waiting: running"}
            line = next_line(submit)
        assert line.endswith(", because groq has no requests left this minute")
        worker.answer(job.id, "Because.")
        answer, about = submit.communicate(timeout=20)
    assert (submit.returncode, answer) == (0, "Because.\n")
    assert "waiting" not in about


def test_another_time_to_come_back_is_no_news_another_reason_is(
    cli: CommandLine, redis_url: str, redis_client: redis.Redis, pool: Pool, worker: StandInWorker
) -> None:
    with waiting(cli, "submit", "Why?", "--redis", redis_url) as submit:
        next_line(submit)
        job = pool.job(worker.take().id)
        park(redis_client, job, reason="groq#1: requests per minute")
        while "requests" not in next_line(submit):
            pass
        looks_at_later = time.monotonic() + 3 * LOOK_EVERY_S
        while time.monotonic() < looks_at_later:
            park(redis_client, job, reason="groq#2: requests per minute", for_s=7200)
        park(redis_client, job, reason="groq#1: tokens per day", for_s=9000)
        assert next_line(submit).endswith(", because groq has no tokens left today")


def test_a_short_wait_says_nothing(cli: CommandLine, redis_url: str, redis_client: redis.Redis) -> None:
    with StandInWorker(redis_client).serving(lambda _: "At once."):
        ended = cli.run("submit", "Why?", "--redis", redis_url)
    assert ended.stdout == "At once.\n"
    assert len(ended.stderr.splitlines()) == 1


def test_with_no_worker_it_says_how_to_start_one(cli: CommandLine, redis_url: str) -> None:
    ended = cli.run("submit", "Why?", "--redis", redis_url, "--timeout", "3")
    assert (ended.returncode, ended.stdout) == (124, "")
    first, *last = ended.stderr.splitlines()
    assert first.startswith("waiting: queued in free, next in turn; no worker is running; to start one: ")
    assert first.endswith(f"model-pool up --redis {redis_url}")
    assert last[0].startswith("no answer within 3 s: queued in free")
    assert "For its answer: " in last[1]


def test_with_no_worker_for_the_queue_it_says_how_to_start_one(cli: CommandLine, redis_url: str, worker: StandInWorker) -> None:
    told = cli.run("submit", "Why?", "--tier", "paid", "--redis", redis_url, "--timeout", "0").stderr
    assert "no worker serves paid; to start one: " in told
    assert f"model-pool worker --queues paid --redis {redis_url}" in told


def test_ctrl_c_says_how_to_come_back(cli: CommandLine, redis_url: str, worker: StandInWorker) -> None:
    with waiting(cli, "submit", "Why?", "--redis", redis_url) as submit:
        next_line(submit)
        submit.send_signal(signal.SIGINT)
        answer, told = submit.communicate(timeout=20)
    assert (submit.returncode, answer) == (130, "")
    command = told.rpartition("model-pool ")[2].split()
    assert command[0] == "result"
    assert command[2:] == ["--redis", redis_url]

    worker.answer(worker.take(), "Because.")
    assert cli.run(*command).stdout == "Because.\n"


def test_result_waits_no_longer_than_it_may(cli: CommandLine, redis_url: str, pool: Pool, worker: StandInWorker) -> None:
    ended = cli.run("result", pool.submit("x").id, "--redis", redis_url, "--timeout", "0")
    assert (ended.returncode, ended.stdout) == (124, "")
    assert ended.stderr.startswith("no answer within 0 s: queued in free, next in turn\n")


def test_cancel_says_what_is_true_now(cli: CommandLine, redis_url: str, pool: Pool, worker: StandInWorker) -> None:
    running = pool.submit("x")
    worker.take()
    queued = pool.submit("x")
    ended = pool.submit("x", priority="high")
    worker.answer(worker.take())
    said = [cli.run("cancel", job.id, "--redis", redis_url).stdout for job in (queued, running, ended)]
    assert said == [
        f"job {queued.id} is cancelled\n",
        f"job {running.id} is running: its worker was told, and stops if it still can\n",
        f"job {ended.id} had succeeded before; nothing was changed\n",
    ]
    assert queued.status().state is JobState.CANCELLED
    assert json.loads(cli.run("cancel", queued.id, "--redis", redis_url, "--json").stdout) == {
        "job_id": queued.id,
        "state": "cancelled",
    }
    failed = cli.run("result", queued.id, "--redis", redis_url)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("The job was cancelled.\nThe whole story: ")


def test_a_job_carries_what_the_options_say(cli: CommandLine, redis_url: str, pool: Pool, worker: StandInWorker) -> None:
    limits = ("--max-cost", "0.05", "--max-latency-ms", "2000")
    ended = cli.run(
        "submit", "x", "--no-wait", *limits, "--exclude", "groq", "--exclude", "mistral", "--no-cache", "--redis", redis_url
    )
    assert ended.returncode == 0, ended.stderr
    job = worker.take()
    assert (job.max_cost_usd, job.max_latency_ms, job.cache) == (Decimal("0.05"), 2000, False)
    assert job.excluded_providers == {"groq", "mistral"}
    cli.run("submit", "x", "--no-wait", "--redis", redis_url)
    assert worker.take().cache is None


@pytest.mark.parametrize("command", ["job", "result", "cancel"])
def test_a_wrong_id_is_told(cli: CommandLine, redis_url: str, command: str) -> None:
    ended = cli.run(command, "no-such-job", "--redis", redis_url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("job no-such-job is not known")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x", "--deadline", "-1"), "--deadline: -1.0 is not valid: give seconds from now"),
        (("x", "--max-tokens", "9999999"), "--max-tokens: 9999999 is not valid"),
        (("x", "--agent", "a b", "--task-type", "c d"), "; --task-type: 'c d' is not valid"),
        (("x", "--exclude", "groq", "--exclude", "a b"), "--exclude: 'a b' is not valid: use only letters"),
        (("x", "--max-cost", "inf"), "--max-cost: inf is not valid: "),
        (("x", "--agent", ""), "--agent: '' is not valid: it must not be empty"),
        ((" ",), "PROMPT: is empty; give a text"),
        (("-",), "stdin: is empty; give a text"),
    ],
)
def test_a_refused_job_names_the_options(cli: CommandLine, redis_url: str, arguments: tuple[str, ...], words: str) -> None:
    ended = cli.run("submit", *arguments, "--redis", redis_url)
    assert ended.returncode == 2
    assert words in ended.stderr
