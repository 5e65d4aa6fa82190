"""`model-pool dead`: what a person sees of dead letters, and does about them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from command_line import CommandLine

from pool_client import JobHandle, Pool
from pool_client import redis_keys as shared_keys
from pool_client.errors import CompletionError
from pool_client.job import JobState
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.broker.burying import bury
from pool_worker.broker.dead_letters import DeadLetters
from pool_worker.broker.reading import UndeliverableError

LIST = list_name("free", 6)
POISON = UndeliverableError("3 workers died", told_as=CompletionError)
PROMPT = "What is it that nobody should read?"
CLEARS_THE_SCREEN = b'\xff{"\x1b[2J'


@dataclass
class Person:
    """Somebody at a terminal, and the Redis that is looked at."""

    cli: CommandLine
    redis: redis.Redis
    pool: Pool
    url: str
    now_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """stdout and stderr; never a traceback, a prompt or a control character."""
        ended = self.cli.run("dead", *arguments, "--redis", self.url)
        both = ended.stdout + ended.stderr
        assert ended.returncode == code, both
        assert not any(bad in both for bad in ("Traceback", "\x1b", PROMPT))
        return ended.stdout, ended.stderr

    def bury(self, message: bytes | str, why: UndeliverableError = POISON, *, name: str = LIST) -> str:
        """A message of which a worker has had enough."""
        tag = f"tag{self.redis.zcard(redis_keys.DEAD_LETTERS)}"
        text = message if isinstance(message, bytes) else message.encode()
        self.redis.hset(redis_keys.UNACKED, tag, name.encode() + b"\n" + text)
        self.now_ms += 1
        letter_id = bury(self.redis, tag=tag, why=why, now_ms=self.now_ms)
        assert letter_id is not None
        return letter_id

    def bury_job(self) -> JobHandle:
        job = self.pool.submit(PROMPT)
        assert self.bury(self.redis.rpop(LIST)) == job.id
        return job

    def left(self) -> list[str]:
        return DeadLetters(self.redis).ids()


@pytest.fixture
def person(cli: CommandLine, redis_url: str) -> Iterator[Person]:
    with redis.Redis.from_url(redis_url) as client, Pool(agent="log_analyzer", redis_url=redis_url) as pool:
        yield Person(cli, client, pool, redis_url)


def task(task_id: str) -> str:
    return json.dumps({"body": "W10=", "headers": {"id": task_id, "task": "report"}, "properties": {"body_encoding": "base64"}})


def test_dead_letters_are_listed_without_what_is_in_them(person: Person) -> None:
    job = person.bury_job()
    unreadable = person.bury(CLEARS_THE_SCREEN, UndeliverableError("it is no UTF-8 text (see byte 0)"))
    person.bury(task("t1"), UndeliverableError("no task is called 'report' in the workers' release: update the workers"))
    listing, _ = person.run("list")
    head, *lines = listing.splitlines()
    assert head.split() == ["id", "age", "what", "queue", "deliveries", "reason"]
    assert [line.split()[0] for line in lines] == ["t1", unreadable, job.id], "the latest first"
    assert lines[0].endswith("1  no task is called 'report' in the workers' release: update the workers")
    assert "unreadable" in lines[1]
    shown: list[dict[str, Any]] = json.loads(person.run("list", "--json", "--limit", "2")[0])
    assert [letter["id"] for letter in shown] == ["t1", unreadable]
    assert list(shown[0]) == ["id", "reason", "buried_at", "age_s", "queue", "task", "task_id", "job_id", "deliveries"]
    assert "and 1 older" in person.run("list", "--limit", "2")[1]


def test_one_is_shown_with_its_job(person: Person) -> None:
    job = person.bury_job()
    shown, _ = person.run("show", job.id)
    assert "3 workers died" in shown
    assert f"dead retry {job.id}" in shown
    assert f"job {job.id}  failed" in shown
    assert "log_analyzer" in shown
    facts = json.loads(person.run("show", job.id, "--json")[0])
    assert facts["letter"]["id"] == facts["job"]["job_id"] == job.id
    assert set(facts) == {"letter", "job"}


def test_the_message_is_shown_on_demand_and_steers_no_terminal(person: Person) -> None:
    unreadable = person.bury(CLEARS_THE_SCREEN)
    person.bury(task("t1"))
    shown, _ = person.run("show", unreadable, "--body")
    assert shown.splitlines()[-2:] == ["message", r"\xff{" + '"' + r"\x1b[2J"]
    facts = json.loads(person.run("show", "t1", "--body", "--json")[0])
    assert (facts["message"], facts["body"], facts["job"]) == (task("t1"), "[]", None)


def test_a_job_of_another_release_is_shown_as_far_as_it_goes(person: Person) -> None:
    job = person.bury_job()
    person.redis.hset(shared_keys.job(job.id), "trail", '[{"mood": "good"}]')
    assert f"of its job {job.id} this release can show nothing" in person.run("show", job.id)[0]


def test_named_ones_are_retried(person: Person) -> None:
    job, kept = person.bury_job(), person.bury(task("t1"))
    said, _ = person.run("retry", job.id)
    assert said == f"{job.id} is back in the queue free\n"
    assert person.left() == [kept]
    assert job.status().state is JobState.QUEUED
    assert person.redis.llen(LIST) == 1


def test_all_are_retried_the_oldest_first(person: Person) -> None:
    ids = [person.bury(task(f"t{number}")) for number in range(3)]
    said, about = person.run("retry", "--all")
    assert [line.split()[0] for line in said.splitlines()] == ids
    assert about == "3 dead letters\n"
    assert [json.loads(text)["headers"]["id"] for text in reversed(person.redis.lrange(LIST, 0, -1))] == ids


def test_dropped_ones_are_forgotten(person: Person) -> None:
    job, kept = person.bury_job(), person.bury(task("t1"))
    assert person.run("drop", job.id)[0] == f"{job.id} is dropped\n"
    assert person.left() == [kept]
    assert job.status().state is JobState.FAILED
    person.run("drop", "--all")
    assert person.left() == []
    assert not person.redis.exists(LIST)


def test_a_job_that_went_on_otherwise_stays_and_the_others_are_retried(person: Person) -> None:
    job, other = person.bury_job(), person.bury(task("t1"))
    person.redis.hset(shared_keys.job(job.id), "state", "succeeded")
    said, about = person.run("retry", "--all", code=1)
    assert said == f"{other} is back in the queue free\n"
    assert f"{job.id} stays: its job is succeeded by now" in about
    assert f"dead drop {job.id}" in about


@pytest.mark.parametrize("command", ["retry", "drop", "show"])
def test_an_unknown_id_is_refused_and_nothing_is_done(person: Person, command: str) -> None:
    kept = person.bury(task("t1"))
    about = person.run(command, *([kept] if command != "show" else []), "t\x1b2", code=2)[1]
    assert r"there is no dead letter 't\x1b2'" in about
    assert "dead list" in about
    assert person.left() == [kept]


@pytest.mark.parametrize("arguments", [("retry",), ("drop", "--all", "t1")])
def test_it_is_said_which(person: Person, arguments: tuple[str, ...]) -> None:
    assert "or all of them by --all" in person.run(*arguments, code=2)[1]


@pytest.mark.parametrize("arguments", [("list",), ("retry", "--all")])
def test_none_is_no_mistake(person: Person, arguments: tuple[str, ...]) -> None:
    said, about = person.run(*arguments)
    assert said == ""
    assert "no dead letters" in about


def test_none_are_an_empty_listing(person: Person) -> None:
    assert json.loads(person.run("list", "--json")[0]) == []
